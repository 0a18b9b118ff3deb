"""A job as the Model Owner keeps it: its state, and what is constant about it. Plain values without I/O."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from fedtrain.methods import schedule_of
from fedtrain.methods.plan import Plan
from fedtrain.model_owner.methods.method import JobFacts
from fedtrain.planning.window_position import WindowPosition, window_position
from fedtrain.protocol.documents.identity import Identity
from fedtrain.protocol.documents.opened import OpenedDocuments
from fedtrain.protocol.documents.roster import OpenRoster
from fedtrain.protocol.documents.signed import Hash, JobId, Manifest, Name, PartyId, SignedDocument
from fedtrain.protocol.documents.trust import Trust
from fedtrain.protocol.messages.rounds import NO_ENTRY, Kind
from fedtrain.protocol.states import ENDED, Phase, Status, status_of
from fedtrain.spec.model_spec import ModelSpec, Strict
from fedtrain.spec.problems import Code, Problem


@dataclass(frozen=True)
class JobContext:
    """Constants of a job: who this Model Owner is, the plan that follows from the spec, the documents.

    `trust`: whom it has pinned by now.
    """

    identity: Identity
    name: str
    plan: Plan
    rounds: int
    membership: SignedDocument | None = None
    documents: OpenedDocuments = field(default_factory=OpenedDocuments)
    trust: Trust = field(default_factory=Trust)

    def manifest(self, state: JobState) -> Manifest:
        """Return the job's manifest. Raises Problem(WRONG_STATE) before it is signed."""
        return self.documents.manifest(_signed_manifest(state))

    def manifest_hash(self, state: JobState) -> str:
        """Return the hash of the job's manifest. Raises Problem(WRONG_STATE) before it is signed."""
        return _signed_manifest(state).hash

    def roster(self, state: JobState) -> OpenRoster:
        """Return the job's roster. Raises Problem(WRONG_STATE) before it is closed."""
        if state.roster is None or state.facilitator is None:
            raise Problem(Code.WRONG_STATE, f"Job {state.job_id} has asked nothing yet.")
        return self.documents.roster(state.roster, _signed_manifest(state), state.facilitator)


def _signed_manifest(state: JobState) -> SignedDocument:
    if state.manifest is None:
        raise Problem(Code.WRONG_STATE, f"Job {state.job_id} is {state.phase}: its manifest is not signed yet.")
    return state.manifest


class Asked(Strict):
    """The request that was sent last. `log_head`: the head of the Facilitator's log that it signed."""

    round: int
    kind: Kind
    request_hash: Hash
    log_head: Hash


class Member(Strict):
    """An owner on the roster."""

    party: PartyId
    name: Name


class Ending(Strict):
    """The job's end. `code` and `reason` are for this party's own people; others are told `told`, without numbers,
    under the code that `fedtrain.model_owner.ending.code_told` gives."""

    at: datetime
    code: str | None = None
    reason: str | None = None
    told: str | None = None
    converged: bool | None = None


class OwnersWord(Strict):
    """An owner's decision about the finished model, as its statement says it. `refused_because`: None where others may
    get it."""

    party: PartyId
    refused_because: str | None = None
    people: tuple[str, ...]
    signed: SignedDocument


class PhaseBegun(Strict):
    """A phase that the job came to, and when."""

    phase: Phase
    at: datetime


class JobState(Strict):
    """All that decides what happens next, and what a person is shown.

    `next_step`: the number of the STEP task that is due. `loss`: the latest training loss in raw units.
    `numbers_decrypted`: numbers of the federation's sums that were decrypted. `bytes_sent`, `bytes_received`: bodies
    of this job's messages. `seconds_spent`: on its arithmetic. `cancel_told`: the Facilitator knows of the cancelling.
    `owners_words`: of owners that have decided whether others get the finished model, as they came. `request`: the
    hash of the request that it comes of. `phases`: those after the first, in order; an earlier version kept none.
    """

    job_id: JobId
    phase: Phase = Phase.PREPARING
    spec: ModelSpec
    plan: dict[str, Any]
    rounds: int
    created_at: datetime
    changed_at: datetime
    started_at: datetime | None = None
    manifest: SignedDocument | None = None
    facilitator: PartyId | None = None
    roster: SignedDocument | None = None
    owners: tuple[Member, ...] = ()
    next_step: int = 0
    log_head: Hash = NO_ENTRY
    log_length: int = 0
    asked: Asked | None = None
    rows_total: int | None = None
    loss: float | None = None
    gradient: float | None = None
    numbers_decrypted: int = 0
    bytes_sent: int = 0
    bytes_received: int = 0
    seconds_spent: float = 0.0
    cancel_told: bool = True
    ending: Ending | None = None
    owners_words: tuple[OwnersWord, ...] = ()
    request: Hash | None = None
    phases: tuple[PhaseBegun, ...] = ()

    def changed_from(self, before: JobState, now: datetime) -> JobState:
        """Return the state as it is kept when it has become of `before` at that moment."""
        begun = () if self.phase is before.phase else (PhaseBegun(phase=self.phase, at=now),)
        return self.model_copy(update={"changed_at": now, "phases": (*before.phases, *begun)})

    @property
    def ended(self) -> bool:
        return self.phase in ENDED

    @property
    def status(self) -> Status:
        return status_of(self.phase)

    @property
    def round(self) -> int:
        """The round that is being asked; after the end, the last one that was answered."""
        return self.asked.round if self.asked is not None else 0

    @property
    def window(self) -> WindowPosition | None:
        """Scale and bits of the request that was sent last: inside a window only the Facilitator knows more."""
        schedule = schedule_of(self.spec)
        if self.ended or self.asked is None or not schedule.stepped or self.asked.kind != schedule.kind:
            return None
        return window_position(self.plan, 0)


def facts_of(context: JobContext, state: JobState) -> JobFacts:
    """Return what the job's method knows of it."""
    return JobFacts(state.spec, context.plan, context.rounds, len(state.owners), state.rows_total)
