"""A job as the Facilitator keeps it: its state, and what is constant about it. Plain values without I/O."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from pydantic import Field

from fedtrain.methods.plan import Plan
from fedtrain.protocol.documents.identity import Identity
from fedtrain.protocol.documents.signed import Hash, Hex, JobId, Manifest, Name, PartyId, SignedDocument
from fedtrain.protocol.messages.rounds import (
    NO_ENTRY,
    Kind,
)
from fedtrain.protocol.states import ENDED, Phase
from fedtrain.spec.model_spec import Strict


class Invited(Strict):
    """A Data Owner that was asked to join."""

    party: PartyId
    name: Name
    since: datetime


class Accepted(Strict):
    """An owner's acceptance, as signed, until it is on the roster."""

    party: PartyId
    name: Name
    mask_key: Hash
    signed: SignedDocument


class Declined(Strict):
    """An owner that does not join, and the catalogue code that it gave."""

    party: PartyId
    name: Name
    code: str


class Member(Strict):
    """An owner on the roster."""

    party: PartyId
    name: Name


class Answer(Strict):
    """A round's answer as the state keeps it; the bytes are in the store under `answer_hash`.

    `after_s`: seconds since the request; None for an answer that an earlier version kept.
    """

    answer_hash: Hash
    ciphertexts_hash: Hash
    signature: Hex
    after_s: float | None = None


class CurrentRound(Strict):
    """The request that was posted last. `signed_request_hash` is of its SignedBytes. `answers` are by party.

    Where rounds go on without an owner: `commitments` (hashes of the answers') are by party, `members` are those whose
    answers are summed, once they are named, `set_signatures` and `unmaskings` (hashes of their bytes) what has come of
    them.
    """

    round: int
    kind: Kind
    request_hash: Hash
    signed_request_hash: Hash
    log_head: Hash
    window_step: int
    started_at: datetime
    answers: dict[PartyId, Answer] = Field(default_factory=dict)
    commitments: dict[PartyId, Hash] = Field(default_factory=dict)
    members: tuple[PartyId, ...] = ()
    set_signatures: dict[PartyId, Hex] = Field(default_factory=dict)
    unmaskings: dict[PartyId, Hash] = Field(default_factory=dict)


class Ending(Strict):
    """A job's end: when, and why where it was not FINISHED."""

    at: datetime
    code: str | None = None
    reason: str | None = None


class JobState(Strict):
    """All that decides what happens next, and nothing that it does not.

    `step`: STEP tasks created so far. `step_result_hash`: of the result of STEP task number step − 1, once it is in.
    `deadline`: when the join or round timeout is due. `round_seconds` over `rounds_done` is the mean round time.
    `last_answer_s`: how many seconds after its request each owner's last answer to an earlier request came.
    Where rounds go on without an owner: `voids` of them in a row came to nothing, `left` are owners that have gone for
    good, and `absences` counts the rounds that each owner's answer was not in time for.
    """

    job_id: JobId
    manifest_hash: Hash
    phase: Phase
    phase_since: datetime
    created_at: datetime
    deadline: datetime | None = None
    invited: tuple[Invited, ...] = ()
    join_answers: dict[PartyId, Hash] = Field(default_factory=dict)
    accepted: tuple[Accepted, ...] = ()
    declined: tuple[Declined, ...] = ()
    roster: tuple[Member, ...] = ()
    roster_hash: Hash | None = None
    started_at: datetime | None = None
    log_head: Hash = NO_ENTRY
    log_length: int = 0
    step: int = 0
    step_result_hash: Hash | None = None
    rows_total: int | None = None
    current: CurrentRound | None = None
    rounds_done: int = 0
    round_seconds: float = 0.0
    last_answer_s: dict[PartyId, float] = Field(default_factory=dict)
    voids: int = 0
    left: tuple[PartyId, ...] = ()
    absences: dict[PartyId, int] = Field(default_factory=dict)
    ending: Ending | None = None
    pruned_at: datetime | None = None

    @property
    def ended(self) -> bool:
        return self.phase in ENDED

    @property
    def last_answers_s(self) -> dict[PartyId, float]:
        """Seconds after its request at which each owner's last answer came, whatever the round."""
        given = {} if self.current is None else self.current.answers
        return self.last_answer_s | {party: one.after_s for party, one in given.items() if one.after_s is not None}

    @property
    def awaited_owners(self) -> tuple[Member, ...]:
        """Owners whose answer is missing: to the JOIN task or to the current round, whichever is open."""
        if self.phase is Phase.JOINING:
            return tuple(
                Member(party=owner.party, name=owner.name)
                for owner in self.invited
                if owner.party not in self.join_answers
            )
        current = self.current
        if current is None:
            return ()
        if self.phase is Phase.WAITING_FOR_DATA_OWNERS:
            done = {*current.answers, *self.left}
            return tuple(owner for owner in self.roster if owner.party not in done)
        if self.phase in (Phase.AGREEING, Phase.UNMASKING):
            told = current.set_signatures if self.phase is Phase.AGREEING else current.unmaskings
            return tuple(owner for owner in self.summed if owner.party not in told)
        return ()

    @property
    def summed(self) -> tuple[Member, ...]:
        """Return the owners whose answers are summed in the current round: all of the roster, or those named."""
        if self.current is None or not self.current.members:
            return self.roster
        members = frozenset(self.current.members)
        return tuple(owner for owner in self.roster if owner.party in members)


@dataclass(frozen=True)
class JobContext:
    """Constants of a job: its manifest, verified, the plan, and the Facilitator's identity.

    The identity signs the roster. `modulus` is the manifest's, as an integer.
    """

    manifest: Manifest
    signed_manifest: SignedDocument
    modulus: int
    identity: Identity
    plan: Plan

    @property
    def manifest_hash(self) -> str:
        return self.signed_manifest.hash
