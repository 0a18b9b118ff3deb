"""The last stages of an answer: the ledger beside the keys, the store with its audit, and the way to the task client.

    booked → told → marked → computed → stored, with its release in the audit → sent

What an answer under a mask of this owner's own spends is booked later, before the key of that mask is told.
An answer is on the disk before anybody sees it, and what is sent is what is on the disk: a crash between any two stages
leaves the same answer to be sent again, or the same request to be answered for the same plaintexts.
"""

from __future__ import annotations

from dataclasses import dataclass

import structlog

from fedtrain.client.agent.tasks import TaskAnswer
from fedtrain.crypto import SlotLayout
from fedtrain.data_owner import job as j
from fedtrain.data_owner.agent.past import Memory
from fedtrain.data_owner.agent.spending import Spendings
from fedtrain.data_owner.checks import own_answer
from fedtrain.data_owner.job_state import JobContext, JobState
from fedtrain.data_owner.policy.budget import PrivacyPolicy
from fedtrain.data_owner.release.answer import AnsweringJob, AskedFacts, compute_answer, round_keys
from fedtrain.data_owner.release.marks import AnswerMarks
from fedtrain.data_owner.release.noised_release import NoisedRelease
from fedtrain.data_owner.release.pools import Pools
from fedtrain.data_owner.store.sql import OwnerStore
from fedtrain.protocol.evidence.sum_set import SetSignature, SumSet
from fedtrain.protocol.messages.rounds import Compute, Kind, LogEntry, to_cbor
from fedtrain.protocol.messages.tasks import CBOR_TYPE
from fedtrain.service.store.body_files import whole
from fedtrain.spec.problems import Code, Problem

log = structlog.get_logger("data_owner.jobs")


@dataclass(frozen=True)
class LostAnswer:
    """An answer as the Facilitator's log has it: the request as it was sent, the log's entry, this owner's bytes."""

    compute: Compute
    entry: LogEntry
    body: bytes


@dataclass(frozen=True)
class Ledger:
    """Record of all that an owner told and answered. Blocks: it runs in the executor. Calls about one job must not
    overlap.
    """

    store: OwnerStore
    memory: Memory
    marks: AnswerMarks
    pools: Pools
    spendings: Spendings

    def answer(self, context: JobContext, state: JobState, job: AnsweringJob, asked: j.Answer) -> j.Answered:
        """Compute an answer, which is kept next; `stored` sends it. Raises Problem as `compute_answer`.

        REQUEST_DIFFERS where the marks say that this round was answered for another request, BUDGET_SPENT where the
        budget does not cover the job's noised release any more.
        """
        if not job.self_masked:
            self._book(context, state, job)
        self._tell(context, state)
        request = asked.request
        if self.marks.set(state.job_id, request.round, request.kind, asked.request_hash):
            # Same request, same frozen moments, same masks: the same plaintexts under a fresh nonce.
            log.warning("the store has no answer to a round that is marked", job=state.job_id, round=request.round)
        return compute_answer(job, request, asked.request_hash, self.pools.resting)

    def take_back(
        self, context: JobContext, state: JobState, lost: LostAnswer, release: NoisedRelease | None = None
    ) -> j.Answered:
        """Return an answer that this owner gave and its restored state has forgotten, which is kept next.

        `release`: that it told of, which is spent whatever the budget says by now.

        Raises Problem: LOG_INCONSISTENT and BAD_SIGNATURE as `own_answer`, REQUEST_DIFFERS as `answer`.
        """
        answer, facts = own_answer(context, lost.compute, lost.entry, lost.body)
        if release is not None and state.table is not None:
            self.spendings.book(state.job_id, state.table, release, PrivacyPolicy(), ())
        self._tell(context, state)
        self.marks.set(state.job_id, facts.round, facts.kind, facts.request_hash)
        layout = SlotLayout.from_dict(answer.vector.layout)
        log.warning("an answer that this state had forgotten is taken back", job=state.job_id, round=facts.round)
        return j.Answered(facts, lost.body, layout.rows * layout.columns)

    def sign_set(self, state: JobState, job: AnsweringJob, summed: SumSet) -> TaskAnswer:
        """Sign a set, marked before it leaves. Raises Problem(SET_REFUSED) where the marks know another one."""
        self.marks.set_signed(state.job_id, summed.round, summed.hash)
        party = job.identity.party_id
        signed = SetSignature(party=party, set_hash=summed.hash, signature=summed.signed_by(job.identity))
        return TaskAnswer(to_cbor(signed), CBOR_TYPE)

    def tell_keys(self, context: JobContext, state: JobState, job: AnsweringJob, summed: SumSet) -> TaskAnswer:
        """Return this owner's keys under a set, sealed to the manifest's unmasking_key, once what they open is booked.

        Raises Problem: SET_REFUSED where the marks do not know the set, BUDGET_SPENT.
        """
        last, recipient = state.last, context.manifest(state).unmasking_key
        if recipient is None or last is None or not self.marks.has_signed(state.job_id, summed.round, summed.hash):
            raise Problem(Code.SET_REFUSED, f"The set of round {summed.round} is not marked as signed here.")
        self._book(context, state, job)
        asked = AskedFacts(last.round, last.kind, last.request_hash, last.log_head, last.weights_hash)
        told = round_keys(job, asked).told(summed, recipient, job.identity)
        return TaskAnswer(to_cbor(told), CBOR_TYPE)

    def stored(self, job_id: str, round_: int, kind: Kind) -> TaskAnswer:
        """Return what is sent: the bytes in the store.

        Raises Problem: INTERNAL where it lost them, BODY_DAMAGED where it lost their file, EVIDENCE_PRUNED.
        """
        body = self.store.answer_body(job_id, round_, kind)
        if body is None:
            raise Problem(Code.INTERNAL, f"The answer to round {round_} of job {job_id} is not in the store.")
        if not body:
            raise Problem(
                Code.EVIDENCE_PRUNED,
                f"The answer to round {round_} of job {job_id} is kept no more.",
            )
        return TaskAnswer(whole(body), CBOR_TYPE)

    def _book(self, context: JobContext, state: JobState, job: AnsweringJob) -> None:
        """Spend a noised release for good: before an answer leaves, or where it has a mask of this owner's own, before
        that one's key does."""
        if job.release is not None and state.table is not None:
            policy, taken = context.policy.privacy, state.risks_taken
            self.spendings.book(state.job_id, state.table, job.release, policy, taken)

    def _tell(self, context: JobContext, state: JobState) -> None:
        """Remember, before the first answer, what is about to be told and to whom."""
        if state.last is None and state.roster is not None and state.table is not None:
            acceptances = context.roster(state, state.roster).acceptances
            noised = context.manifest(state).spec.privacy is not None
            self.memory.tell(state.job_id, state.table, acceptances, noised=noised)
