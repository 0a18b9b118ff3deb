"""A job as the Facilitator knows it: its state, what can happen to it, and what follows from that.

Plain values without I/O. `fedtrain.facilitator.round` turns (context, state, message, now) into (state, effects).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias

from pydantic import Field

from fedtrain.methods.plan import Plan
from fedtrain.protocol import outcome
from fedtrain.protocol.documents.identity import Identity
from fedtrain.protocol.documents.signed import (
    Acceptance,
    Decline,
    Hash,
    Hex,
    JobId,
    Manifest,
    Name,
    PartyId,
    SignedDocument,
    Withdrawal,
)
from fedtrain.protocol.evidence.sum_set import SetSignature, Unmasking
from fedtrain.protocol.messages.pieces import Filed, Pieces
from fedtrain.protocol.messages.rounds import (
    NO_ENTRY,
    Kind,
    RoundAnswer,
    RoundRequest,
    SignedBytes,
    StepResult,
    VectorMessage,
)
from fedtrain.protocol.messages.tasks import CBOR_TYPE, TaskKind
from fedtrain.protocol.states import ENDED, Phase
from fedtrain.spec.model_spec import Strict
from fedtrain.spec.problems import Code


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


# Messages


@dataclass(frozen=True)
class OwnerOffers:
    """A Data Owner offers the job's dataset: it was registered when the manifest came, or registers now."""

    party: str
    name: str


@dataclass(frozen=True)
class JoinAnswered:
    """An owner's verified answer to its JOIN task. `answer_hash` is of the exact bytes that came."""

    answer_hash: str
    signed: SignedDocument
    statement: Acceptance | Decline


@dataclass(frozen=True)
class StepAnswered:
    """The Model Owner's verified answer to a STEP task.

    `request` is what `result.request` holds; `previous_entry` are the bytes of the log's last entry.
    """

    answer_hash: str
    result: StepResult
    request: RoundRequest | None
    previous_entry: bytes


@dataclass(frozen=True)
class RoundAnswered:
    """An owner's answer with its signature and ciphertexts verified. `answer_hash` is of the exact bytes."""

    answer_hash: str
    answer: RoundAnswer


@dataclass(frozen=True)
class SetSigned:
    """A member's verified signature on the set whose answers are summed."""

    answer_hash: str
    signed: SetSignature


@dataclass(frozen=True)
class Unmasked:
    """A member's keys for the Model Owner, its signature verified. `answer_hash` is of the exact bytes."""

    answer_hash: str
    unmasking: Unmasking


@dataclass(frozen=True)
class OwnerLeft:
    """An owner's verified word, in place of an answer, that it answers no more."""

    statement: Withdrawal


@dataclass(frozen=True)
class SumReady:
    """The product of the current round's answers. `answers` are their exact bytes by ascending party id, or files.

    In a window that goes on or ends, `weights` are the next encrypted weights (`previous_weights` with momentum).
    `unmaskings`: where rounds go on without an owner, the exact bytes of each, in the order of the answers.
    """

    request: SignedBytes
    answers: tuple[bytes | Filed, ...]
    total: VectorMessage
    weights: VectorMessage | None = None
    previous_weights: VectorMessage | None = None
    unmaskings: tuple[bytes, ...] | None = None


@dataclass(frozen=True)
class TimePassed:
    """Look at the clock: a timeout may be due."""


@dataclass(frozen=True)
class ClockJumped:
    """The time of day was set by so many seconds, forward or back: no party was slower or faster for that."""

    by_s: float


@dataclass(frozen=True)
class CancelRequested:
    """The Model Owner cancels."""

    reason: str


@dataclass(frozen=True)
class AddingFailed:
    """The sum cannot be computed."""

    code: Code
    reason: str


Message: TypeAlias = (
    OwnerOffers
    | JoinAnswered
    | StepAnswered
    | RoundAnswered
    | SetSigned
    | Unmasked
    | OwnerLeft
    | SumReady
    | TimePassed
    | ClockJumped
    | CancelRequested
    | AddingFailed
)


# Effects


@dataclass(frozen=True)
class CreateTask:
    """Hand `request`, whole or in pieces, to `recipient`. `key` makes it one task for ever."""

    key: str
    kind: TaskKind
    recipient: str
    request: bytes | Pieces
    content_type: str = CBOR_TYPE


@dataclass(frozen=True)
class CloseTasks:
    """The job's tasks of these kinds take no more answers."""

    kinds: frozenset[TaskKind]


@dataclass(frozen=True)
class KeepRoster:
    """The signed roster, for whoever asks."""

    signed: SignedDocument


@dataclass(frozen=True)
class KeepBlob:
    """Evidence under its SHA-256, for the job's parties and auditors."""

    content: bytes
    content_type: str = CBOR_TYPE


@dataclass(frozen=True)
class DropEvidence:
    """The ciphertexts of rounds up to this one go, where a job keeps those of its last ones alone; hashes stay.

    `since`: the log has none of them before this entry.
    """

    since: int
    up_to_round: int


@dataclass(frozen=True)
class DropVoidRound:
    """The request and the answers of a round without a sum go, where a job keeps its last rounds alone.

    No log entry names any of it. `signed_request_hash`: of the request's SignedBytes.
    """

    round: int
    signed_request_hash: str


@dataclass(frozen=True)
class AppendLog:
    """One more link of the hash chain: the entry's exact bytes, and where the signed request of its sum is."""

    index: int
    entry: bytes
    signed_request_hash: str | None = None


@dataclass(frozen=True)
class Add:
    """All answers are in: multiply them, then come back with SumReady."""


Effect: TypeAlias = CreateTask | CloseTasks | KeepRoster | KeepBlob | AppendLog | DropEvidence | DropVoidRound | Add


Outcome: TypeAlias = outcome.Outcome[JobState, Effect]
