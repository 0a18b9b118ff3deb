"""A job as one Data Owner keeps it: its state, and what is constant about it. Plain values without I/O."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated

from pydantic import Field

from fedtrain.data_owner.policy.rules import OwnerPolicy
from fedtrain.data_owner.policy.summed_table import SummedTable
from fedtrain.methods.plan import Plan
from fedtrain.protocol.documents.consent import RosterConsent
from fedtrain.protocol.documents.opened import OpenedDocuments
from fedtrain.protocol.documents.roster import OpenRoster
from fedtrain.protocol.documents.signed import (
    Hash,
    Hex,
    JobEnd,
    JobId,
    JoinAnswer,
    Manifest,
    Name,
    PartyId,
    SignedDocument,
)
from fedtrain.protocol.messages.rounds import Kind
from fedtrain.protocol.states import ENDED, Phase, Status, status_of
from fedtrain.spec.model_spec import ModelSpec, Strict


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
    """A person who has signed a result off. `by`: the name as given, or where `signed_in` the account's. `token_id`: of
    the token that was shown, where the service has a list of them."""

    by: str | None = None
    signed_in: bool | None = None
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
    approved. `consent`: the statement that owners have yet to sign, for which it waits. `request`: the hash of the
    request that it comes of; `asked_owners`: whom that asks, where its approval let the job in.
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
    request: Hash | None = None
    asked_owners: tuple[PartyId, ...] = ()

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
