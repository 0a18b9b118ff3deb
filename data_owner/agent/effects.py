"""Carrying out what `fedtrain.data_owner.round` decides. Everything here blocks: it runs in the executor."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

import structlog

from fedtrain.crypto import RerandomiserPool, SlotLayout
from fedtrain.crypto.engine import Engine
from fedtrain.data_owner import job as j
from fedtrain.data_owner import round as machine
from fedtrain.data_owner.agent.past import Memory
from fedtrain.data_owner.checks import check_roster, open_offer, own_answer, roster_of
from fedtrain.data_owner.data.freezing import Freezer
from fedtrain.data_owner.data.training_rows import TrainingRows
from fedtrain.data_owner.job import JobState, Outcome, Owner
from fedtrain.data_owner.methods import method_of
from fedtrain.data_owner.methods.answers import OwnerMethod, PreparedData
from fedtrain.data_owner.policy.inspector import Inspector
from fedtrain.data_owner.release.answer import AnsweringJob, ComputedAnswer, compute_answer
from fedtrain.data_owner.release.fixed_point import check_fits
from fedtrain.data_owner.release.marks import AnswerMarks
from fedtrain.data_owner.release.mask_keys import MaskKeys, SealingKeys
from fedtrain.data_owner.release.pools import Pools
from fedtrain.data_owner.store.sql import OwnerStore
from fedtrain.planning.budget import Budget
from fedtrain.planning.plans import plan_spec
from fedtrain.protocol.documents.identity import Identity
from fedtrain.protocol.documents.offer import agreed_plan
from fedtrain.protocol.documents.signed import Acceptance, Decline, JoinAnswer, sign_document
from fedtrain.protocol.messages.rounds import Compute, LogEntry, RoundKind
from fedtrain.protocol.states import Phase
from fedtrain.spec.model_spec import ModelSpec
from fedtrain.spec.problems import Code, Problem

log = structlog.get_logger("data_owner.jobs")


@dataclass(frozen=True)
class Workshop:
    """What an owner works with."""

    identity: Identity
    store: OwnerStore
    freezer: Freezer
    inspector: Inspector
    mask_keys: MaskKeys
    sealing_keys: SealingKeys
    marks: AnswerMarks
    memory: Memory
    pools: Pools
    engine: Engine
    now: Callable[[], datetime]


@dataclass(frozen=True)
class LostAnswer:
    """An answer as the Facilitator's log has it: the request as it was sent, the log's entry, this owner's bytes."""

    compute: Compute
    entry: LogEntry
    body: bytes


class JobEffects:
    """Steps jobs, and carries out what follows. Calls about one job must not overlap."""

    def __init__(self, workshop: Workshop) -> None:
        self._shop = workshop
        self._answering: dict[str, AnsweringJob] = {}
        # Two jobs that both find a dataset without an encoding must not both adopt theirs.
        self._freezing = threading.Lock()

    @property
    def memory(self) -> Memory:
        """Return what this owner remembers of the sums it told."""
        return self._shop.memory

    def step(self, owner: Owner, state: JobState, message: j.Message) -> Outcome:
        """Take one message and keep the state. Raises Problem as `fedtrain.data_owner.round.step` does."""
        now = self._shop.now()
        outcome = machine.step(owner, state, message, now)
        after = outcome.state
        if after is not state:
            self._shop.store.commit(state, outcome)
        if after.phase is Phase.JOINED and state.phase is not Phase.JOINED:
            # From here to the first round there is idle time to fill the pool in.
            manifest = open_offer(after.offer)
            self._pool(int(manifest.modulus, 16), plan_spec(manifest.spec))
        return outcome

    def freeze(self, owner: Owner, state: JobState, effect: j.Freeze) -> j.Frozen | j.DataRefused:
        """Freeze the job's moments and make its mask key."""
        manifest = open_offer(state.offer)
        try:
            dataset = self._shop.store.dataset_version(effect.dataset, effect.version)
            if dataset is None:
                raise Problem(Code.DATASET_NOT_FOUND, f"Dataset {effect.dataset!r} is not registered here any more.")
            method = _method(manifest.spec)
            schema = dataset.schema_ or manifest.spec.data_props
            with self._freezing:
                frozen = self._shop.freezer.freeze_job(state.job_id, dataset, manifest.spec, owner.policy.min_rows)
                inspection = self._shop.inspector.inspect(dataset, schema, manifest.spec.training.scaling)
            budget = plan_spec(manifest.spec)
            check_fits(method, PreparedData.of(frozen.moments, budget.inputs), budget)
        except Problem as problem:
            if problem.code is Code.STORE_UNAVAILABLE:
                raise  # nothing is wrong with the data: the task is done again
            # Where it is, and not what: a value of the data is for GET /models, not for a log.
            log.warning("data refused", job=state.job_id, code=problem.code.slug, **problem.extra)
            return j.DataRefused(problem.code, problem.detail)
        return j.Frozen(
            self._shop.memory.past(state.job_id, frozen.table, owner.policy).compared,
            inspection,
            frozen.moments_hash,
            self._shop.mask_keys.create(state.job_id),
            self._shop.sealing_keys.create(state.job_id) if manifest.spec.shares_weights else None,
            self._taken_before(state),
        )

    def _taken_before(self, state: JobState) -> frozenset[str]:
        same = (job for job in self._shop.store.jobs() if job.dataset_version == state.dataset_version)
        return frozenset(risk for job in same for risk in job.risks_taken)

    def past(self, owner: Owner, state: JobState) -> j.Past | None:
        """Return what a job's first sum is held against; None where it was answered before, or waits for people."""
        if state.last is not None or state.waits_because is not None or state.table is None:
            return None
        return self._shop.memory.past(state.job_id, state.table, owner.policy)

    def adopt(self, state: JobState, effect: j.Adopt) -> j.DataRefused | None:
        """Give the dataset its encoding; what is wrong where it has another one by now."""
        try:
            self._shop.store.adopt_schema(effect.dataset, effect.version, effect.schema, state.job_id)
        except Problem as problem:
            if problem.code is Code.STORE_UNAVAILABLE:
                raise
            return j.DataRefused(problem.code, problem.detail)
        return None

    def sign(self, document: Acceptance | Decline) -> JoinAnswer:
        """The signed answer to a JOIN task."""
        answer = "accept" if isinstance(document, Acceptance) else "decline"
        return JoinAnswer.model_validate({"answer": answer, "signed": sign_document(document, self._shop.identity)})

    def answer(self, owner: Owner, state: JobState, effect: j.Answer) -> bytes:
        """Compute an answer and keep it, durably, before anybody sees it; return its bytes."""
        job = self._answering_job(owner, state)
        request = effect.request
        self._tell(owner, state)
        again = self._shop.marks.set(state.job_id, request.round, request.kind, effect.request_hash)
        if again:
            # Same request, same frozen moments, same masks: the same plaintexts under a fresh nonce.
            log.warning("the store has no answer to a round that is marked", job=state.job_id, round=request.round)
        with self._shop.pools.answering():
            computed = compute_answer(job, effect.request, effect.request_hash)
        self._keep(owner, state, computed)
        return computed.body

    def take_back(self, owner: Owner, state: JobState, lost: LostAnswer) -> JobState:
        """Keep an answer that this owner gave and its restored state has forgotten; return the state after it.

        Raises Problem: LOG_INCONSISTENT and BAD_SIGNATURE as `own_answer`, REQUEST_DIFFERS where the marks say that
        this round was answered for another request.
        """
        answer, facts = own_answer(owner, lost.compute, lost.entry, lost.body)
        self._tell(owner, state)
        self._shop.marks.set(state.job_id, facts.round, facts.kind, facts.request_hash)
        layout = SlotLayout.from_dict(answer.vector.layout)
        after = self._keep(owner, state, ComputedAnswer(lost.body, facts, layout.rows * layout.columns))
        log.warning("an answer that this state had forgotten was taken back", job=state.job_id, round=facts.round)
        return after

    def stored(self, state: JobState, round_: int, kind: RoundKind) -> bytes:
        """The bytes that were, or were about to be, sent. Raises Problem(INTERNAL) where the store lost them."""
        body = self._shop.store.answer_bytes(state.job_id, round_, kind)
        if body is None:
            raise Problem(Code.INTERNAL, f"The answer to round {round_} of job {state.job_id} is not in the store.")
        if not body:
            raise Problem(Code.EVIDENCE_PRUNED, f"The answers of job {state.job_id} were deleted by age.")
        return body

    def forget_what_is_left(self, state: JobState) -> None:
        """Carry `forget` out that a crash cut short: the state was kept first, and nothing asks for it again."""
        shop = self._shop
        if state.ended and any(kept.has(state.job_id) for kept in (shop.mask_keys, shop.sealing_keys, shop.marks)):
            log.warning("keys of a job that is over were left", job=state.job_id)
            self.forget(state)

    def forget(self, state: JobState) -> None:
        """The job is over here: its mask key is destroyed, its pool let go."""
        self._shop.mask_keys.destroy(state.job_id)
        self._shop.sealing_keys.destroy(state.job_id)
        self._shop.marks.forget(state.job_id)
        self._answering.pop(state.job_id, None)
        if state.moments_hash is not None:  # it got as far as joining, so its manifest opens
            self._shop.pools.drop(int(open_offer(state.offer).modulus, 16))

    def _tell(self, owner: Owner, state: JobState) -> None:
        """Remember, before the first answer, what is about to be told and to whom."""
        if state.last is None and state.roster is not None and state.table is not None:
            acceptances = roster_of(owner, state, state.roster).acceptances
            self._shop.memory.tell(state.job_id, state.table, acceptances)

    def _pool(self, modulus: int, budget: Budget) -> RerandomiserPool:
        layout = budget.answer_layout if budget.newton is None else budget.newton.layout
        return self._shop.pools.of(modulus, layout.ciphertexts)

    def _keep(self, owner: Owner, state: JobState, computed: ComputedAnswer) -> JobState:
        answered = j.Answered(computed.facts, computed.body, computed.numbers)
        outcome = machine.step(owner, state, answered, self._shop.now())
        self._shop.store.commit(state, outcome)
        return outcome.state

    def _answering_job(self, owner: Owner, state: JobState) -> AnsweringJob:
        known = self._answering.get(state.job_id)
        if known is not None:
            return known
        if state.roster is None or state.moments_hash is None:
            raise Problem(Code.WRONG_STATE, f"Job {state.job_id} has no roster yet.")
        manifest = open_offer(state.offer)
        # It was checked when it came; a membership that ended meanwhile does not end the job.
        roster = check_roster(owner, state, state.roster, state.created_at)
        own_keys = roster.mask_keys
        # A job that an earlier version joined is answered by that version's plan, or not at all.
        method, budget = _method(manifest.spec), agreed_plan(manifest)
        moments = self._shop.freezer.thaw_job(state.job_id, state.moments_hash)
        sealing_key = rows = None
        if manifest.spec.shares_weights:
            sealing_key = self._shop.sealing_keys.load(state.job_id, roster.sealing_keys[owner.party_id])
            rows = self._rows(state, manifest.spec)
        data = PreparedData.of(moments, budget.inputs, rows)
        check_fits(method, data, budget)
        modulus = int(manifest.modulus, 16)
        job = AnsweringJob(
            manifest_hash=state.manifest_hash,
            roster_hash=roster.hash,
            modulus=modulus,
            identity=self._shop.identity,
            mask_key=self._shop.mask_keys.load(state.job_id, own_keys[owner.party_id]),
            peers={
                bytes.fromhex(party): bytes.fromhex(key) for party, key in own_keys.items() if party != owner.party_id
            },
            budget=budget,
            method=method,
            data=data,
            pool=self._pool(modulus, budget),
            engine=self._shop.engine,
            sealing_key=sealing_key,
        )
        self._answering[state.job_id] = job
        return job

    def _rows(self, state: JobState, spec: ModelSpec) -> TrainingRows:
        dataset = self._shop.store.dataset_version(state.dataset or "", state.dataset_version or "")
        if dataset is None:
            raise Problem(Code.DATASET_NOT_FOUND, f"Dataset {state.dataset!r} is not registered here any more.")
        return TrainingRows(dataset, spec, of_version=state.summed is not None)


def _method(spec: ModelSpec) -> OwnerMethod:
    return method_of(spec.model_type, shares_weights=spec.shares_weights)
