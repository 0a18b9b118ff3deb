"""Drives `fedtrain.model_owner.round` with a store, a clock, an executor and the Facilitator.

What takes long runs in the executor between two messages: see `fedtrain.service.driver`.
"""

from __future__ import annotations

import asyncio
import secrets
from collections import defaultdict
from collections.abc import Awaitable, Callable
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, TypeVar
from uuid import uuid4

import structlog
from structlog.contextvars import bound_contextvars

from fedtrain.client.agent.heads import WAITED_FOR, EndedJob
from fedtrain.client.agent.tasks import TaskAnswer
from fedtrain.client.evidence import fetch_log
from fedtrain.client.facilitator import FacilitatorClient
from fedtrain.client.retry import until_done
from fedtrain.crypto import Engine
from fedtrain.crypto.paillier.key_proof import prove_key
from fedtrain.methods.plan import Plan
from fedtrain.model_owner import job as j
from fedtrain.model_owner import round as rounds
from fedtrain.model_owner.ending import FATAL, broken
from fedtrain.model_owner.job import Outcome
from fedtrain.model_owner.job_state import JobContext, JobState
from fedtrain.model_owner.jobs.ends import end_of
from fedtrain.model_owner.jobs.initial_weights import beginning
from fedtrain.model_owner.jobs.notices import notice_of
from fedtrain.model_owner.jobs.specs import plan_of
from fedtrain.model_owner.metrics import Metrics
from fedtrain.model_owner.results.round_metrics import RoundMetrics
from fedtrain.model_owner.store import ModelStore
from fedtrain.model_owner.sums import replay, windows
from fedtrain.model_owner.sums.keys import KeyRing, encryptor_of, private_key_of
from fedtrain.model_owner.sums.opening import encrypt_points, open_sum, open_window, opened_point, planned_weights
from fedtrain.model_owner.sums.sealing import seal_point
from fedtrain.model_owner.sums.unmasking import public_unmasking_key
from fedtrain.planning.plans import plan_spec, rounds_of
from fedtrain.planning.unit_costs import UnitCosts
from fedtrain.protocol.clock import Clock
from fedtrain.protocol.documents.identity import Identity
from fedtrain.protocol.documents.signed import JobEnd, SignedDocument, parse_json
from fedtrain.protocol.evidence.verification import LogItem
from fedtrain.protocol.messages.cbor import Encoded
from fedtrain.protocol.messages.forecast import forecast
from fedtrain.protocol.messages.rounds import REQUEST_TAG, SignedBytes, Step, from_cbor
from fedtrain.protocol.messages.task_sizes import EvidenceLimits
from fedtrain.protocol.messages.tasks import CBOR_TYPE, JSON_TYPE, TaskHeader
from fedtrain.protocol.states import Phase
from fedtrain.service.driver import Contexts, Driven, Driver
from fedtrain.service.notify.channels import Notice
from fedtrain.service.runtime.doorbell import Doorbell
from fedtrain.service.store.body_files import whole
from fedtrain.service.store.full_disk import call_in
from fedtrain.spec.model_spec import ModelSpec
from fedtrain.spec.problems import Code, Problem

log = structlog.get_logger("model_owner")

T = TypeVar("T")
_FINE = TaskAnswer(b"{}", JSON_TYPE)


@dataclass(frozen=True)
class Resources:
    """Resources that the Model Owner is given. `draw_hex`: fresh random hex digits, two a byte.

    `membership`: the consortium's signed word that this party is a member, where there is one. `unit_costs`: this
    machine's speed for keys of so many bits; it may block to measure it. `data_folder`: where files are that a spec
    names.
    """

    store: ModelStore
    identity: Identity
    name: str
    clock: Clock
    executor: Executor
    engine: Engine
    keys: KeyRing
    client: FacilitatorClient
    doorbell: Doorbell
    metrics: Metrics
    allow_small_keys: bool
    unit_costs: Callable[[int], UnitCosts]
    data_folder: Path
    round_metrics: RoundMetrics
    membership: SignedDocument | None = None
    draw_hex: Callable[[int], str] = secrets.token_hex


class ModelService:
    """The Model Owner's jobs. Create it within the event loop that runs it."""

    def __init__(self, own: Resources) -> None:
        self._own = own
        self._contexts: Contexts[JobContext] = Contexts()
        self._spent_s: defaultdict[str, float] = defaultdict(float)
        #: What was refused last, by job: shown to this party's people, until the job goes on.
        self.refusals: dict[str, str] = {}
        #: Tells this party's people of jobs that are over; set where they want to be told.
        self.notify: Callable[[Notice], None] | None = None
        #: Told of each job that is over; the keeper of heads', set when there is one.
        self.ended: Callable[[str], None] = _nobody
        #: Why rounds have no metrics on the test set, by job.
        self.test_problems: dict[str, str] = {}
        self._driver: Driver[JobContext, JobState, j.Message, j.Effect] = Driver(
            step=self._step,
            store=own.store,
            context=self._context,
            now=own.clock.now,
            run=self._run,
            handlers={
                j.OpenSum: self._open,
                j.OpenWindow: self._open_window,
                j.EvaluateRound: self._evaluate,
                j.EncryptPoint: self._encrypt,
                j.GiveResult: self._give_result,
                j.SendStored: self._send_stored,
                j.DestroyKey: self._destroy_key,
            },
            took=self._took,
        )

    @property
    def party_id(self) -> str:
        return self._own.identity.party_id

    # What people ask

    async def create(self, spec: ModelSpec, job_id: str | None = None, request: str | None = None) -> JobState:
        """Keep a new job and return it; `Preparation` does the rest. `request`: the hash of what it comes of.

        Raises Problem: INVALID_SPEC, DOES_NOT_FIT, JOB_EXISTS where `job_id` is given and taken.
        """
        allow_small = self._own.allow_small_keys
        plan = await self._run(lambda: plan_of(spec, allow_small_keys=allow_small))
        await self._run(lambda: beginning(self._own.data_folder, spec, plan))
        now = self._own.clock.now()
        state = JobState(
            job_id=job_id or uuid4().hex,
            spec=spec,
            plan=plan.to_dict(),
            rounds=rounds_of(spec),
            created_at=now,
            changed_at=now,
            request=request,
        )
        if await asyncio.to_thread(self._own.store.open_job, state) is not state:
            raise Problem(Code.JOB_EXISTS, f"There is a job {state.job_id} already.")
        self._contexts.keep(state.job_id, self._new_context(state, plan))
        log.info("job created", job=state.job_id, optimizer=spec.training.optimizer.value, rounds=state.rounds)
        return state

    async def planned(self, spec: ModelSpec) -> dict[str, Any]:
        """Return the plan of a job that is not started, and what it costs with the fewest owners.

        Raises Problem: INVALID_SPEC, DOES_NOT_FIT.
        """

        def plan() -> dict[str, Any]:
            budget = plan_of(spec, allow_small_keys=self._own.allow_small_keys)
            unit = self._own.unit_costs(spec.training.key_bits)
            return {**budget.to_dict(), "forecast": forecast(spec, unit=unit)}

        return await self._run(plan)

    async def job(self, job_id: str) -> JobState:
        """Return a job's state. Raises Problem(MODEL_NOT_FOUND)."""
        state = await asyncio.to_thread(self._own.store.job, job_id)
        if state is None:
            raise Problem(Code.MODEL_NOT_FOUND, f"There is no model {job_id[:64]} here.")
        return state

    async def forecast(self, state: JobState) -> dict[str, Any]:
        """Return what the job costs: for the owners on its roster, or before there is one for the fewest."""
        owners = len(state.owners) or None
        bits = state.spec.training.key_bits
        return await self._run(lambda: forecast(state.spec, owners, state.rows_total, self._own.unit_costs(bits)))

    async def plan_of(self, job_id: str) -> tuple[ModelSpec, Plan] | None:
        """Return a job's spec and plan, None for one that is not known here."""
        state = await asyncio.to_thread(self._own.store.job, job_id)
        return None if state is None else (state.spec, (await self._run(lambda: self._context(state).plan)))

    # One message

    async def apply(self, job_id: str, message: j.Message) -> Driven[JobState]:
        """Take a message, and all that follows from it. Raises Problem where it does not belong."""
        return await self._driver.drive(job_id, message)

    def _step(self, context: JobContext, state: JobState, message: j.Message, now: datetime) -> Outcome:
        """Take one message. A step that breaks ends its job: the same numbers would break it for ever."""
        began = self._own.clock.monotonic()
        try:
            outcome = rounds.step(context, state, message, now)
        except (ArithmeticError, AssertionError, AttributeError, LookupError, TypeError, ValueError) as error:
            log.exception("a step broke", job=state.job_id, step=state.next_step)
            outcome = broken(state, message, error, now)
        if outcome.state is state:
            return outcome
        self._spent_s[state.job_id] += self._own.clock.monotonic() - began
        spent_s = state.seconds_spent + self._spent_s.pop(state.job_id)
        return Outcome(outcome.state.model_copy(update={"seconds_spent": spent_s}), outcome.effects)

    async def end(self, job_id: str) -> EndedJob | None:
        """Return a job as this party signs its end, None where there is nothing to sign."""
        return end_of(await self.job(job_id))

    async def ends(self) -> list[EndedJob]:
        """Return the jobs of the last weeks whose ends this party signs."""
        states = await self._run(self._own.store.jobs)
        now = self._own.clock.now()
        recent = (end_of(state) for state in states if now - state.changed_at < WAITED_FOR)
        return [end for end in recent if end is not None]

    def _took(self, before: JobState, after: JobState) -> None:
        job_id = after.job_id
        self._own.doorbell.ring(job_id)
        self._own.metrics.observe(before, after)
        self.refusals.pop(job_id, None)
        if after.ended and not before.ended:
            self.ended(job_id)
        notice = notice_of(self._own.name, before, after, self._own.clock.now())
        if self.notify is not None and notice is not None:
            self.notify(notice)
        if after.phase is not before.phase:
            code = None if after.ending is None else after.ending.code
            log.info("job is", job=job_id, phase=after.phase.value, round=after.round, code=code)

    def _context(self, state: JobState) -> JobContext:
        return self._contexts.of(state.job_id, lambda: self._new_context(state, plan_spec(state.spec)))

    def _new_context(self, state: JobState, plan: Plan) -> JobContext:
        return JobContext(self._own.identity, self._own.name, plan, state.rounds, self._own.membership)

    async def _run(self, work: Callable[[], T]) -> T:
        return await call_in(self._own.executor, work)

    async def _timed(self, job_id: str, work: Callable[[], T]) -> T:
        began = self._own.clock.monotonic()
        try:
            with self._own.keys.filler.resting():
                return await self._run(work)
        finally:
            self._spent_s[job_id] += self._own.clock.monotonic() - began

    # Before the first round

    async def make_key(self, state: JobState) -> Driven[JobState]:
        """Make the job's key pair and sign its manifest."""
        own, job_id = self._own, state.job_id
        nonce = own.draw_hex(32)

        def make() -> j.KeyMade:
            private_key = own.keys.make(job_id, state.spec.training.key_bits)
            identity = bytes.fromhex(own.identity.party_id)
            proof = prove_key(private_key, identity, bytes.fromhex(nonce))
            unmasking_key = public_unmasking_key(private_key) if state.spec.self_masked else None
            return j.KeyMade(int(private_key.public_key.n), tuple(int(root) for root in proof), nonce, unmasking_key)

        return await self.apply(job_id, await self._timed(job_id, make))

    # Tasks

    async def on_step(self, header: TaskHeader, body: Encoded) -> TaskAnswer | None:
        """A STEP task. None while the job is not known to be posted yet; then the agent asks again."""
        step = await self._run(lambda: from_cbor(body, Step))
        if header.job_id is None or step.job_id != header.job_id:
            raise Problem(Code.MALFORMED_MESSAGE, f"The step is of job {step.job_id}, its task of {header.job_id}.")
        state = await self.job(step.job_id)
        if state.phase in (Phase.PREPARING, Phase.DEPLOYING):
            return None
        with bound_contextvars(round=state.round):
            try:
                if step.step > state.next_step and not state.ended:
                    await self.catch_up(step.job_id, step.step)
                return await self._stepped(step, len(body))
            except Problem:
                if state.ended or not (await self.job(step.job_id)).ended:
                    raise
                log.info("step no longer needed", job=step.job_id)  # the job ended meanwhile, and its key with it
                return None

    async def _stepped(self, step: Step, size_bytes: int, replayed: j.Replayed | None = None) -> TaskAnswer | None:
        learning = await asyncio.to_thread(self._own.store.learning, step.job_id)
        if learning is None:
            state = await self.job(step.job_id)
            plan = (await self._run(partial(self._context, state))).plan
            learning = await self._run(lambda: beginning(self._own.data_folder, state.spec, plan))
        driven = await self.apply(step.job_id, j.StepArrived(step, size_bytes, learning, replayed))
        if driven.answer is None:
            raise LookupError("a step led to nothing")
        return driven.answer

    async def catch_up(self, job_id: str, until: int | None = None) -> JobState:
        """Make the steps again that this party's state has lost, from the Facilitator's log, and return the state.

        Up to step `until`, or to the end of a job that has finished. A replay that does not come to what was asked
        before ends the job as FAILED (RESTORED_TOO_OLD). Raises Problem where the evidence is not to be had.
        """
        state = await self.job(job_id)
        if state.spec.self_masked:
            raise Problem(
                Code.RESTORED_TOO_OLD,
                f"Job {job_id} has gone on since this state was backed up, and the masks' keys that owners told since "
                "then are in no log: cancel it, and deploy it again.",
            )
        log.warning("state older than the job: catching up from the log", job=job_id, step=state.next_step, until=until)
        roster = await _persist(job_id, lambda: self._own.client.roster(job_id))
        while not state.ended and (until is None or state.next_step < until):
            context = await self._run(partial(self._context, state))
            length = state.log_length if state.next_step else 0
            due = windows.entries_due(context, state)
            # One entry more: its request is what this party answered with.
            items = await self._evidence(job_id, length, length + due + 1)
            if len(items) < due:
                raise Problem(Code.LOG_INCONSISTENT, f"The log ends at entry {length}, before step {state.next_step}.")
            follows = items[due].signed_request if len(items) > due else None
            request = None if follows is None else from_cbor(follows, SignedBytes)
            if request is not None:
                # Before anything in it is decrypted: nobody else may choose what this party's key is tried on.
                request.open(REQUEST_TAG, self.party_id)
            step = await self._run(partial(replay.step_from_log, context, state, roster, items[:due], self._own.engine))
            await self._stepped(step, sum(item.size_bytes for item in items[:due]), j.Replayed(request))
            state = await self.job(job_id)
        return state

    # What a step asks for

    async def _give_result(self, state: JobState, effect: j.GiveResult) -> TaskAnswer:
        # What a job that is over says to a step once more is kept nowhere.
        kept = await asyncio.to_thread(self._own.store.result, state.job_id, effect.step)
        body = effect.body if kept is None else kept
        return TaskAnswer(await asyncio.to_thread(whole, body), CBOR_TYPE)

    async def _send_stored(self, state: JobState, effect: j.SendStored) -> TaskAnswer:
        body = await asyncio.to_thread(self._own.store.result, state.job_id, effect.step)
        if body is None:
            raise Problem(
                Code.EVIDENCE_PRUNED,
                f"The answer to step {effect.step} is kept no more.",
            )
        return TaskAnswer(await asyncio.to_thread(whole, body), CBOR_TYPE)

    async def _destroy_key(self, state: JobState, _effect: j.DestroyKey) -> None:
        await asyncio.to_thread(self._own.keys.destroy, state.job_id)
        await asyncio.to_thread(self._own.round_metrics.forget, state.job_id)

    async def _open(self, state: JobState, effect: j.OpenSum) -> j.Message:
        own, job_id = self._own, state.job_id
        try:
            values = await self._timed(job_id, lambda: open_sum(effect, private_key_of(own.keys, job_id), own.engine))
        except Problem as problem:
            if problem.code not in FATAL:
                raise
            return j.SumRefused(effect.arrived, problem)
        return j.SumOpened(effect.arrived, values)

    async def _open_window(self, state: JobState, effect: j.OpenWindow) -> j.Message:
        """Fetch what the Facilitator did since the window was opened, and open the weights once all of it holds."""
        own, job_id = self._own, state.job_id
        try:
            evidence = await self._evidence(job_id, effect.start.length, effect.start.length + effect.rounds)
            weights, previous = await self._timed(
                job_id, lambda: open_window(effect, evidence, private_key_of(own.keys, job_id), own.engine)
            )
        except Problem as problem:
            if problem.code in (Code.NOT_FOUND, Code.FORBIDDEN):
                # Evidence that is withheld is as good as evidence that does not hold.
                problem = Problem(Code.ADDITION_NOT_PROVEN, f"The Facilitator withholds evidence: {problem.detail}")
            if problem.code not in FATAL:
                raise problem from None
            return j.SumRefused(effect.arrived, problem)
        fetched = sum(item.size_bytes for item in evidence)
        arrived = replace(effect.arrived, size_bytes=effect.arrived.size_bytes + fetched)
        return j.SumOpened(arrived, weights, previous)

    async def _evaluate(self, state: JobState, effect: j.EvaluateRound) -> j.Message:
        """Evaluate a round's weights; a test set that they cannot be evaluated on holds no training up."""
        metrics, tested, job_id = self._own.round_metrics, effect.taken.tested or {}, state.job_id
        try:
            result = await self._run(lambda: metrics.of(job_id, state.spec, tested))
            self.test_problems.pop(job_id, None)
        except Problem as problem:
            log.warning("test set not used", job=job_id, round=effect.taken.round, code=problem.code.slug)
            self.test_problems[job_id] = problem.detail
            result = None
        return j.RoundEvaluated(effect, result)

    async def _evidence(self, job_id: str, start: int, stop: int) -> list[LogItem]:
        state = await self.job(job_id)
        limits = EvidenceLimits.of(state.spec, (await self._run(lambda: self._context(state).plan)))
        return await _persist(job_id, lambda: fetch_log(self._own.client, job_id, limits, start, stop))

    async def _encrypt(self, state: JobState, effect: j.EncryptPoint) -> j.Message:
        own, job_id = self._own, state.job_id
        replayed = effect.turn.arrived.replayed
        context = await self._run(partial(self._context, state))

        def encrypt() -> j.Message:
            if replayed is not None:
                return opened_point(effect.turn, replayed, private_key_of(own.keys, job_id), own.engine)
            if effect.sealing is not None:
                sealed = seal_point(effect.turn.ask, context.plan, effect.sealing)
                return j.PointEncrypted(effect.turn, None, sealed=sealed)
            planned = planned_weights(context.plan, effect.turn.ask.kind)
            a_request = planned.layout.ciphertexts * (2 if planned.with_previous else 1)
            encryptor = encryptor_of(own.keys, job_id, lambda: a_request * context.rounds, ahead=a_request)
            modulus = int(private_key_of(own.keys, job_id).public_key.n)
            return j.PointEncrypted(effect.turn, *encrypt_points(effect.turn.ask, planned, encryptor, modulus))

        try:
            return await self._timed(job_id, encrypt)
        except Problem as problem:
            if problem.code not in FATAL:
                raise
            return j.SumRefused(effect.turn.arrived, problem)

    async def on_end(self, header: TaskHeader, body: Encoded) -> TaskAnswer | None:
        """An END task."""
        end = parse_json(bytes(body), JobEnd)
        if end.job_id != header.job_id:
            raise Problem(Code.MALFORMED_MESSAGE, f"The end is of job {end.job_id}, its task of {header.job_id}.")
        await self.apply(end.job_id, j.Ended(end))
        return _FINE

    async def on_problem(self, header: TaskHeader, problem: Problem) -> None:
        """A task that was refused: its job waits, and its people are told why."""
        if header.job_id is not None:
            self.refuse(header.job_id, problem)

    def refuse(self, job_id: str, problem: Problem) -> None:
        """Show a job's people why it waits."""
        self.refusals[job_id] = problem.detail
        self._own.doorbell.ring(job_id)


def _nobody(_job_id: str) -> None:
    return None


async def _persist(job_id: str, fetch: Callable[[], Awaitable[T]]) -> T:
    def tell(error: Exception) -> None:
        if isinstance(error, Problem):
            log.warning("evidence not reached", job=job_id, code=error.code.slug, why=error.detail)

    return await until_done(fetch, tell=tell)
