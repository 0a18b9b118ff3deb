"""A job as the Model Owner knows it: its state, what can happen to it, and what follows from that.

Plain values without I/O. `fedtrain.model_owner.round` turns (context, state, message, now) into (state, effects).
What grows with the rounds (the optimiser's state, the history) is kept beside the state, by the effects that say so.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeAlias

from fedtrain.methods import schedule_of
from fedtrain.methods.plan import Answer, Plan
from fedtrain.methods.regression.budget import Budget, budget_of
from fedtrain.model_owner.arithmetic.arrays import Integers
from fedtrain.model_owner.methods.learning import HistoryRow as HistoryRow
from fedtrain.model_owner.methods.learning import Learning as Learning
from fedtrain.model_owner.methods.method import JobFacts, Taken
from fedtrain.model_owner.methods.moves import Ask
from fedtrain.model_owner.results.fitted import TrainedModel as TrainedModel
from fedtrain.neural import EvaluationResult
from fedtrain.planning.window_position import WindowPosition, window_position
from fedtrain.protocol import outcome
from fedtrain.protocol.documents.identity import Identity
from fedtrain.protocol.documents.opened import OpenedDocuments
from fedtrain.protocol.documents.roster import OpenRoster
from fedtrain.protocol.documents.signed import Hash, JobEnd, JobId, Manifest, Name, PartyId, SignedDocument
from fedtrain.protocol.evidence.addition import SumContext
from fedtrain.protocol.evidence.verification import Job, LogPoint
from fedtrain.protocol.messages.rounds import NO_ENTRY, Kind, SignedBytes, Step, VectorMessage
from fedtrain.protocol.messages.shared_weights import Sealed, SealingContext
from fedtrain.protocol.states import ENDED, Phase, Status, status_of
from fedtrain.spec.model_spec import ModelSpec, Strict
from fedtrain.spec.problems import Code, Problem


@dataclass(frozen=True)
class JobContext:
    """Constants of a job: who this Model Owner is, the plan that follows from the spec, the documents."""

    identity: Identity
    name: str
    plan: Plan
    rounds: int
    membership: SignedDocument | None = None
    documents: OpenedDocuments = field(default_factory=OpenedDocuments)

    @property
    def budget(self) -> Budget:
        """The plan of a regression. Raises TypeError for another method's."""
        return budget_of(self.plan)

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
    under the code that `code_told` gives."""

    at: datetime
    code: str | None = None
    reason: str | None = None
    told: str | None = None
    converged: bool | None = None


#: Ends that follow from decrypted numbers. An owner can multiply its answer by a power of an encrypted weight, so that
#: whether, and how, the job ends is a comparison with that weight: all of them are one to others.
ABOUT_VALUES = frozenset({Code.DIVERGED.slug, Code.SUM_OUT_OF_BOUND.slug})
TOLD = "The Model Owner could not use a sum of this job."


def code_told(code: str | None) -> str | None:
    """Return the code under which others are told of an end."""
    return Code.SUMS_UNUSABLE.slug if code in ABOUT_VALUES else code


class OwnersWord(Strict):
    """An owner's decision about the finished model, as its statement says it. `refused_because`: None where others may
    get it."""

    party: PartyId
    refused_because: str | None = None
    people: tuple[str, ...]
    signed: SignedDocument


class JobState(Strict):
    """All that decides what happens next, and what a person is shown.

    `next_step`: the number of the STEP task that is due. `loss`: the latest training loss in raw units.
    `numbers_decrypted`: numbers of the federation's sums that were decrypted. `bytes_sent`, `bytes_received`: bodies
    of this job's messages. `seconds_spent`: on its arithmetic. `cancel_told`: the Facilitator knows of the cancelling.
    `owners_words`: of owners that have decided whether others get the finished model, as they came. `request`: the
    hash of the request that it comes of.
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
