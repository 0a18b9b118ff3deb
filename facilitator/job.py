"""Messages that a job takes at the Facilitator, and the effects that follow from them.

Plain values without I/O. `fedtrain.facilitator.round` turns (context, state, message, now) into (state, effects).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from fedtrain.facilitator.job_state import JobState
from fedtrain.protocol import outcome
from fedtrain.protocol.documents.signed import Acceptance, Decline, SignedDocument, Withdrawal
from fedtrain.protocol.evidence.sum_set import SetSignature, Unmasking
from fedtrain.protocol.messages.pieces import Filed, Pieces
from fedtrain.protocol.messages.rounds import RoundAnswer, RoundRequest, SignedBytes, StepResult, VectorMessage
from fedtrain.protocol.messages.tasks import CBOR_TYPE, TaskKind
from fedtrain.spec.problems import Code

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
