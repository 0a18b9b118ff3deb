"""A job as one Data Owner knows it: its state, what can happen to it, and what follows from that.

Plain values without I/O. `fedtrain.data_owner.round` turns (context, state, message, now) into (state, effects).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, Literal, TypeAlias

from pydantic import Field

from fedtrain.data_owner.data.encoding import DatasetFacts
from fedtrain.data_owner.policy.inspected import Inspection
from fedtrain.data_owner.policy.row_groups import Comparison
from fedtrain.data_owner.policy.rules import OwnerPolicy
from fedtrain.data_owner.policy.summed_table import SummedTable
from fedtrain.data_owner.policy.told import Told
from fedtrain.data_owner.store.records import Decision, Release
from fedtrain.methods.plan import Plan
from fedtrain.protocol import outcome
from fedtrain.protocol.documents.consent import Consent, RosterConsent
from fedtrain.protocol.documents.opened import OpenedDocuments
from fedtrain.protocol.documents.roster import OpenRoster
from fedtrain.protocol.documents.signed import (
    Acceptance,
    Decline,
    Hash,
    Hex,
    JobEnd,
    JobId,
    JoinAnswer,
    Manifest,
    Name,
    PartyId,
    SignedDocument,
    Withdrawal,
)
from fedtrain.protocol.evidence.sum_set import SetRequest, SumSet, UnmaskRequest
from fedtrain.protocol.messages.rounds import Compute, Kind, RoundRequest
from fedtrain.protocol.states import ENDED, Phase, Status, status_of
from fedtrain.spec.model_spec import DataProps, ModelSpec, Strict
from fedtrain.spec.problems import Code


@dataclass(frozen=True)
class JobContext:
    """Constants of a job: this owner, what its people allow, the documents. `facilitator`: whom it works through.

    `membership`: the consortium's signed word that this owner is a member, where there is one.
    """

    party_id: str
    name: str
    facilitator: str
    policy: OwnerPolicy
    allow_small_keys: bool = False
    membership: SignedDocument | None = None
    documents: OpenedDocuments = field(default_factory=OpenedDocuments)

    def manifest(self, state: JobState) -> Manifest:
        """Return the job's manifest. Raises Problem: BAD_SIGNATURE, PROTOCOL_VERSION, MALFORMED_MESSAGE."""
        return self.documents.manifest(state.offer)

    def planned(self, state: JobState) -> tuple[ModelSpec, Plan]:
        """Return the job's spec and plan. Raises Problem as `manifest`; PLAN_DIFFERS where another version joined."""
        return self.manifest(state).spec, self.documents.plan(state.offer)

    def roster(self, state: JobState, signed: SignedDocument) -> OpenRoster:
        """Return a roster of the job: every signature and rule, but not this owner's policy. Raises Problem."""
        return self.documents.roster(signed, state.offer, self.facilitator)


class AnswerFacts(Strict):
    """Facts kept in view of an answer; its bytes are in the store. `log_head`: the log's head before its round."""

    round: int
    kind: Kind
    request_hash: Hash
    log_head: Hash
    answer_hash: Hash
    ciphertexts_hash: Hash
    signature: Hex
    weights_hash: Hash | None = None


class SignedSet(Strict):
    """The set of owners whose answers are summed in a round, as this owner signed it: one a round, ever."""

    round: int
    set_hash: Hash


class Signatory(Strict):
    """A person who has signed a result off. `by`: the name as given. `token_id`: of the token that was shown, where the
    service has a list of them."""

    by: str | None = None
    token_id: str | None = None
    why: str | None = None
    at: datetime


class AwaitedSignOff(Strict):
    """A result that people of this owner sign off before it opens, or before others get it. `result`: the hash of the
    set of all owners' answers that all of them have signed, or of the last entry of a finished job's log, over `owners`
    of them. `signed`: who has signed here so far. `refused`: who refused to let others get it."""

    result: Hash
    owners: Annotated[int, Field(ge=1)]
    signed: tuple[Signatory, ...] = ()
    refused: Signatory | None = None


class Refusal(Strict):
    """A reason to decline or refuse: `code` is what others are told, `detail` is for this owner's people."""

    code: str
    detail: str


class JobState(Strict):
    """All that decides what happens next. `join_answer` is there once given; `last` is this owner's latest answer.

    `dataset`, `dataset_version` and `rounds` (the most the plan allows) are known once the manifest was verified.
    `adopts`: the dataset takes its encoding from this job. `answers` counts them. `signed_set`: the latest, where
    owners sign whose answers are summed; `sign_off`: the result that then waits for this owner's people, or had their
    signature. `rows_total`: the federation's rows, as the first request after the counts said, and
    later ones must say too. `refusal` is why the job was declined, `problem` the latest request that was refused,
    `ending` how the job ended. `summed`: what its sums are taken over, once frozen; `rows` and `encoding` of jobs that
    were frozen before it was kept. `risks`: of differencing, for which the job waits; `risks_taken`: those a person
    approved. `consent`: the statement that owners have yet to sign, for which it waits.
    """

    job_id: JobId
    phase: Phase = Phase.OFFERED
    offer: SignedDocument
    created_at: datetime
    changed_at: datetime
    model_owner: PartyId | None = None
    model_owner_name: Name | None = None
    dataset: Name | None = None
    dataset_version: Hash | None = None
    rounds: int | None = None
    approved: bool = False
    adopts: bool = False
    waits_because: str | None = None
    risks: tuple[str, ...] = ()
    risks_taken: tuple[str, ...] = ()
    consent: RosterConsent | None = None
    summed: SummedTable | None = None
    rows: int | None = None
    encoding: Hash | None = None
    moments_hash: Hash | None = None
    join_answer: JoinAnswer | None = None
    roster: SignedDocument | None = None
    last: AnswerFacts | None = None
    answers: int = 0
    signed_set: SignedSet | None = None
    sign_off: AwaitedSignOff | None = None
    rows_total: int | None = None
    refusal: Refusal | None = None
    problem: Refusal | None = None
    ending: JobEnd | None = None

    @property
    def manifest_hash(self) -> str:
        return self.offer.hash

    @property
    def table(self) -> SummedTable | None:
        """Return what the job's sums are taken over, once it is frozen."""
        if self.summed is not None or self.dataset_version is None or self.rows is None or self.encoding is None:
            return self.summed
        return SummedTable(
            dataset=self.dataset or "", version=self.dataset_version, rows=self.rows, encoding=self.encoding
        )

    @property
    def ended(self) -> bool:
        return self.phase in ENDED or self.phase is Phase.DECLINED

    @property
    def left(self) -> bool:
        """Say whether this owner left the job after it had joined."""
        over = self.phase is Phase.CANCELLED or self.phase is Phase.FAILED
        return over and self.refusal is not None and self.ending is None

    @property
    def status(self) -> Status:
        return status_of(self.phase)


# Messages


@dataclass(frozen=True)
class Offered:
    """A JOIN task. `datasets`: all that are registered here, by name."""

    datasets: Mapping[str, DatasetFacts]


@dataclass(frozen=True)
class Approved:
    """A person of this owner allows the job; it joins when the JOIN task is looked at again.

    `token_id`: of the token that this person showed, where the service has a list of them.
    """

    token_id: str | None = None


@dataclass(frozen=True)
class Denied:
    """A person of this owner refuses the job. `token_id`: as in `Approved`."""

    reason: str
    token_id: str | None = None


@dataclass(frozen=True)
class SignOffDecided:
    """A person of this owner signs a result off, or refuses it, with the reason that all parties are told.

    `result`: what this person saw; None for the one that waits. `by`, `token_id`: as in `Signatory`.
    """

    decision: Literal["sign_off", "refuse"]
    by: str | None = None
    why: str | None = None
    result: str | None = None
    token_id: str | None = None


@dataclass(frozen=True)
class Frozen:
    """The table was read and its moments are on disk.

    `compared`: the table against all that was told before. `inspection`: None for a job that claims privacy, of which
    nothing is to depend on what rows there are. `sealing_key`: to have weights sealed to, where the job
    shares them. `taken_before`: the risks of this dataset version that a person took for another job. `noise_share`:
    what its noise is known by, where the job claims privacy.
    """

    compared: Comparison
    inspection: Inspection | None
    moments_hash: str
    mask_key: str
    sealing_key: str | None = None
    taken_before: frozenset[str] = frozenset()
    noise_share: str | None = None


@dataclass(frozen=True)
class DataRefused:
    """The table does not fit the encoding."""

    code: Code
    detail: str


@dataclass(frozen=True)
class BudgetShort:
    """The records' privacy budget does not cover the job. `detail`: what is left, for this owner's people."""

    detail: str


@dataclass(frozen=True)
class Signed:
    """The acceptance or decline was signed: from now on this is the job's answer."""

    answer: JoinAnswer


@dataclass(frozen=True)
class Past:
    """All that an owner has told and been given, when the first request of a job is looked at.

    `compared`: the job's table against the tables of `told`, the other jobs that were answered before.
    """

    compared: Comparison
    told: tuple[Told, ...] = ()
    consents: tuple[Consent, ...] = ()


@dataclass(frozen=True)
class Asked:
    """A COMPUTE task. `answered`: what this owner answered to that very round and kind before, if it did.

    `past`: for a job that was never answered.
    """

    compute: Compute
    answered: AnswerFacts | None
    past: Past | None = None


@dataclass(frozen=True)
class SetAsked:
    """A SIGN_SET task."""

    request: SetRequest


@dataclass(frozen=True)
class KeysAsked:
    """An UNMASK task."""

    request: UnmaskRequest


@dataclass(frozen=True)
class ConsentTaken:
    """A consent was signed or handed in: whether it is enough is seen when the job is asked again."""


@dataclass(frozen=True)
class RosterFetched:
    """The roster as the Facilitator gave it."""

    signed: SignedDocument


@dataclass(frozen=True)
class Answered:
    """An answer was computed: its exact bytes, and how many numbers are in it. It is kept before anybody sees it."""

    facts: AnswerFacts
    body: bytes = field(repr=False)
    numbers: int


@dataclass(frozen=True)
class KeyLost:
    """The mask key or the frozen moments, from which the job is answered, are gone; or `code` says what else is."""

    detail: str
    code: Code = Code.OWNER_LOST_ITS_KEY


@dataclass(frozen=True)
class RequestRefused:
    """A request was refused: this owner's people are shown why."""

    refusal: Refusal


@dataclass(frozen=True)
class Ended:
    """An END task."""

    end: JobEnd


Message: TypeAlias = (
    Offered
    | Approved
    | Denied
    | SignOffDecided
    | Frozen
    | DataRefused
    | BudgetShort
    | Signed
    | Asked
    | SetAsked
    | KeysAsked
    | ConsentTaken
    | RosterFetched
    | Answered
    | KeyLost
    | RequestRefused
    | Ended
)


# Effects


@dataclass(frozen=True)
class Freeze:
    """Read the dataset, freeze its moments, make the mask key. Comes back as `Frozen` or `DataRefused`."""

    dataset: str
    version: str


@dataclass(frozen=True)
class Reserve:
    """Set apart what the job's privacy costs. Comes back as `BudgetShort`, before signing, where it cannot be.

    `share`: what this owner's noise is known by.
    """

    share: str


@dataclass(frozen=True)
class Adopt:
    """The dataset takes this encoding for good; another one by now comes back as `DataRefused`, before signing."""

    dataset: str
    version: str
    schema: DataProps


@dataclass(frozen=True)
class Sign:
    """Sign the answer to the JOIN task. Comes back as `Signed`."""

    document: Acceptance | Decline


@dataclass(frozen=True)
class GiveJoinAnswer:
    """Give the Facilitator the join answer that the state holds."""


@dataclass(frozen=True)
class AwaitApproval:
    """A person has to decide before this is answered; it is asked again then."""


@dataclass(frozen=True)
class Withdraw:
    """Sign, in place of an answer, that this owner answers no more."""

    document: Withdrawal


@dataclass(frozen=True)
class FetchRoster:
    """Get the roster from the Facilitator, and take it as `RosterFetched`; then comes back as what was asked."""

    asked: Asked


@dataclass(frozen=True)
class Answer:
    """Compute the answer. Comes back as `Answered`."""

    request: RoundRequest
    request_hash: str


@dataclass(frozen=True)
class SendStored:
    """Send the answer that is in the store, byte for byte."""

    round: int
    kind: Kind


@dataclass(frozen=True)
class SignSet:
    """Sign the set, once that is marked beside the keys, and give the signature."""

    sum_set: SumSet


@dataclass(frozen=True)
class TellKeys:
    """Tell the Model Owner, sealed, this owner's keys under a set that all of it have signed."""

    sum_set: SumSet


@dataclass(frozen=True)
class KeepAnswer:
    """Keep an answer and the record of its release with the state; then it may be sent."""

    facts: AnswerFacts
    body: bytes = field(repr=False)
    release: Release


@dataclass(frozen=True)
class DropAnswers:
    """The bytes of answers to rounds up to this one go; their hashes and signatures stay."""

    up_to_round: int


@dataclass(frozen=True)
class KeepDecision:
    """Keep a person's decision with the state that it led to."""

    decision: Decision


@dataclass(frozen=True)
class DestroyMaskKey:
    """The job is over for this owner: its mask key is of no more use."""


Effect: TypeAlias = (
    Freeze
    | Reserve
    | Adopt
    | Sign
    | GiveJoinAnswer
    | AwaitApproval
    | Withdraw
    | FetchRoster
    | Answer
    | SendStored
    | SignSet
    | TellKeys
    | KeepAnswer
    | DropAnswers
    | KeepDecision
    | DestroyMaskKey
)

Outcome: TypeAlias = outcome.Outcome[JobState, Effect]
