"""Messages that a job takes at the Model Owner, and the effects that follow from them.

Plain values without I/O. `fedtrain.model_owner.round` turns (context, state, message, now) into (state, effects).
What grows with the rounds (the optimiser's state, the history) is kept beside the state, by the effects that say so.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from fedtrain.methods.plan import Answer
from fedtrain.model_owner.arithmetic.arrays import Integers
from fedtrain.model_owner.job_state import JobState
from fedtrain.model_owner.methods.learning import HistoryRow, Learning
from fedtrain.model_owner.methods.method import Taken
from fedtrain.model_owner.methods.moves import Ask
from fedtrain.model_owner.results.fitted import TrainedModel
from fedtrain.neural import EvaluationResult
from fedtrain.protocol import outcome
from fedtrain.protocol.documents.signed import JobEnd, SignedDocument
from fedtrain.protocol.evidence.addition import SumContext
from fedtrain.protocol.evidence.verification import Job, LogPoint
from fedtrain.protocol.messages.rounds import SignedBytes, Step, VectorMessage
from fedtrain.protocol.messages.shared_weights import Sealed, SealingContext
from fedtrain.spec.problems import Problem

# Messages


@dataclass(frozen=True)
class KeyMade:
    """The key pair exists and is stored. `nonce`: 64 hex digits, fresh, which the proof is bound to.

    `unmasking_key`: what owners seal keys of masks to, X25519 in hex; for jobs in which they tell any.
    """

    modulus: int
    key_proof: tuple[int, ...]
    nonce: str
    unmasking_key: str | None = None


@dataclass(frozen=True)
class ManifestPosted:
    """The Facilitator has the manifest. `facilitator`: its party id, from then on the only one for this job."""

    facilitator: str


@dataclass(frozen=True)
class Replayed:
    """This party's answer to a step before its state was set back, as the log shows it.

    `request`: the one that it signed; None where it ended the job.
    """

    request: SignedBytes | None


@dataclass(frozen=True)
class StepArrived:
    """A STEP task. `size_bytes`: of its request. `learning`: as kept, None before the counts are in.

    `replayed`: the step was answered before, by a state that a backup has set back.
    """

    step: Step
    size_bytes: int
    learning: Learning | None
    replayed: Replayed | None = None


@dataclass(frozen=True)
class SumOpened:
    """The numbers that a step brought, proven and decrypted: a sum, (rows, columns) integers, or a window's weights (d,
    k), each within its bound.

    `previous`: the weights before a window's last update, with momentum alone.
    """

    arrived: StepArrived
    values: Integers = field(repr=False)
    previous: Integers | None = field(default=None, repr=False)


@dataclass(frozen=True)
class SumRefused:
    """The sum of a step was not proven, or does not decrypt to what was planned."""

    arrived: StepArrived
    problem: Problem


@dataclass(frozen=True, eq=False)
class RoundEvaluated:
    """The weights of a round are evaluated on the test set. `result`: None where there is none that they could be."""

    effect: EvaluateRound
    result: EvaluationResult | None


@dataclass(frozen=True)
class PointEncrypted:
    """The next point is encrypted, `previous` too where the turn has one; or sealed, an owner a box."""

    turn: Turn
    weights: VectorMessage | None
    previous: VectorMessage | None = None
    sealed: Sealed | None = None


@dataclass(frozen=True)
class Ended:
    """An END task: the Facilitator says that the job is over."""

    end: JobEnd


@dataclass(frozen=True)
class CancelAsked:
    """A person cancels the job."""

    reason: str


@dataclass(frozen=True)
class PreparationFailed:
    """The job could not be handed to the Facilitator."""

    problem: Problem


@dataclass(frozen=True)
class CancelTold:
    """The Facilitator knows of the cancelling, or the job is over there anyway."""


@dataclass(frozen=True)
class StatementHandedIn:
    """An owner's signed decision whether others get the finished model."""

    signed: SignedDocument


Message: TypeAlias = (
    KeyMade
    | ManifestPosted
    | StepArrived
    | SumOpened
    | SumRefused
    | RoundEvaluated
    | PointEncrypted
    | Ended
    | CancelAsked
    | PreparationFailed
    | CancelTold
    | StatementHandedIn
)


# Effects


@dataclass(frozen=True)
class PostManifest:
    """Send the manifest to the Facilitator, again and again until it is there."""

    signed: SignedDocument


@dataclass(frozen=True)
class OpenSum:
    """Prove and decrypt the sum of a step; then SumOpened or SumRefused."""

    arrived: StepArrived
    context: SumContext
    expected: Answer


@dataclass(frozen=True)
class OpenWindow:
    """Fetch the log since `start`, `rounds` entries, prove every one, decrypt; then SumOpened or SumRefused.

    `request_hash`: of the request that opened the window.
    """

    arrived: StepArrived
    job: Job
    start: LogPoint
    request_hash: str
    rounds: int


@dataclass(frozen=True, eq=False)
class Turn:
    """The method's next question, before it is encrypted. Nothing of it is kept before the request is signed.

    `entries`: of the log, that the answer before it took.
    """

    arrived: StepArrived
    taken: Taken = field(repr=False)
    ask: Ask = field(repr=False)
    entries: int


@dataclass(frozen=True, eq=False)
class EvaluateRound:
    """Evaluate `taken.tested` on the test set; then RoundEvaluated. Nothing of the turn is kept before."""

    arrived: StepArrived
    taken: Taken = field(repr=False)
    entries: int


@dataclass(frozen=True)
class Sealing:
    """Recipients of shared weights: their X25519 public keys in hex, by party, and what the boxes are bound to."""

    recipients: Mapping[str, str]
    context: SealingContext


@dataclass(frozen=True)
class EncryptPoint:
    """Encrypt the turn's point at the base scale, or seal it where `sealing` says to whom; then PointEncrypted."""

    turn: Turn
    sealing: Sealing | None = None


@dataclass(frozen=True)
class GiveResult:
    """Keep these bytes as the answer to a step, and send them; the same ones whenever they are asked for again."""

    step: int
    body: bytes = field(repr=False)


@dataclass(frozen=True)
class DropResults:
    """The answers to steps up to this one go: they are of rounds that the job keeps no ciphertexts of."""

    up_to_step: int


@dataclass(frozen=True)
class SendStored:
    """Send the answer to a step that is kept."""

    step: int


@dataclass(frozen=True)
class KeepLearning:
    learning: Learning


@dataclass(frozen=True)
class KeepHistory:
    row: HistoryRow


@dataclass(frozen=True)
class KeepModel:
    model: TrainedModel


@dataclass(frozen=True)
class DestroyKey:
    """The job is over: its private key has no further use."""


@dataclass(frozen=True)
class TellCancelled:
    """Tell the Facilitator, with the ending's reason, again and again until it knows."""


Effect: TypeAlias = (
    PostManifest
    | OpenSum
    | OpenWindow
    | EvaluateRound
    | EncryptPoint
    | GiveResult
    | DropResults
    | SendStored
    | KeepLearning
    | KeepHistory
    | KeepModel
    | DestroyKey
    | TellCancelled
)


Outcome: TypeAlias = outcome.Outcome[JobState, Effect]
