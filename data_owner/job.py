"""Messages that a Data Owner's job takes, and the effects that follow from them.

Plain values without I/O. `fedtrain.data_owner.round` turns (context, state, message, now) into (state, effects).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from fedtrain.data_owner.approval import Decided
from fedtrain.data_owner.data.encoding import DatasetFacts
from fedtrain.data_owner.job_state import AnswerFacts, JobState, Refusal
from fedtrain.data_owner.policy.inspected import Inspection
from fedtrain.data_owner.policy.row_groups import Comparison
from fedtrain.data_owner.policy.told import Told
from fedtrain.data_owner.store.records import Decision, Release
from fedtrain.protocol import outcome
from fedtrain.protocol.documents.consent import Consent
from fedtrain.protocol.documents.signed import (
    Acceptance,
    Decline,
    JobEnd,
    JoinAnswer,
    SignedDocument,
    Withdrawal,
)
from fedtrain.protocol.evidence.sum_set import SetRequest, SumSet, UnmaskRequest
from fedtrain.protocol.messages.rounds import Compute, Kind, RoundRequest
from fedtrain.spec.model_spec import DataProps
from fedtrain.spec.problems import Code


@dataclass(frozen=True)
class Offered:
    """A JOIN task. `datasets`: all that are registered here, by name. `decided`: what people decided about the request
    that the job comes of."""

    datasets: Mapping[str, DatasetFacts]
    decided: Decided | None = None


@dataclass(frozen=True)
class Approved:
    """A person of this owner allows the job; it joins when the JOIN task is looked at again.

    `token_id`: of the token that this person showed, where the service has a list of them. `account`: the name of the
    account that was signed in, where one was.
    """

    token_id: str | None = None
    account: str | None = None


@dataclass(frozen=True)
class Denied:
    """A person of this owner refuses the job. `token_id`, `account`: as in `Approved`."""

    reason: str
    token_id: str | None = None
    account: str | None = None


@dataclass(frozen=True)
class SignOffDecided:
    """A person of this owner signs a result off, or refuses it, with the reason that all parties are told.

    `result`: what this person saw; None for the one that waits. `by`, `token_id`, `signed_in`: as in `Signatory`.
    """

    decision: Literal["sign_off", "refuse"]
    by: str | None = None
    why: str | None = None
    result: str | None = None
    token_id: str | None = None
    signed_in: bool | None = None


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
class RequestDecided:
    """People decided about the request that the job comes of: what follows is seen when the job is offered again."""


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
    | RequestDecided
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
