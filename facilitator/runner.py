"""Drives `fedtrain.facilitator.round` with a store, a clock, an executor and a doorbell.

Whatever happens to a job happens in `apply`: one write transaction that reads its state, takes the step, and writes
the new state, tasks, evidence and log together. What follows outside the store, waking polls and computing sums, is
started after the commit, and found again by `tick` if the process ended in between.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from datetime import datetime
from uuid import uuid4

import structlog
from structlog.contextvars import bind_contextvars

from fedtrain.crypto import CryptoError, Engine
from fedtrain.facilitator import round as rounds
from fedtrain.facilitator.job import (
    Add,
    AddingFailed,
    AppendLog,
    ClockJumped,
    CloseTasks,
    CreateTask,
    Effect,
    JobState,
    KeepBlob,
    KeepRoster,
    Message,
    Outcome,
    SumReady,
    TimePassed,
)
from fedtrain.facilitator.methods.adding import add_answers
from fedtrain.facilitator.metrics import Metrics
from fedtrain.facilitator.registry.claims import Claims
from fedtrain.facilitator.registry.clock_watch import ClockWatch
from fedtrain.facilitator.registry.plans import Plans
from fedtrain.facilitator.rounds.results import Given, judge
from fedtrain.facilitator.status import JobOutline, position_of
from fedtrain.facilitator.store import ReadTransaction, Store, StoredEntry, WriteTransaction
from fedtrain.protocol.clock import Clock, timestamp
from fedtrain.protocol.documents.identity import Identity
from fedtrain.protocol.messages.rounds import RoundRequest, SignedBytes, from_cbor
from fedtrain.protocol.states import Phase
from fedtrain.service.runtime.doorbell import Doorbell
from fedtrain.spec.problems import Code, Problem

log = structlog.get_logger("facilitator")

MakeMessage = Callable[[WriteTransaction, JobState], Message]
_RETRY_SUM_AFTER_S = 5.0
#: Whom a job waits for, by name in its log lines: of many owners, one line an answer, all names would be too much.
_NAMED = 10


@dataclass(frozen=True)
class Resources:
    """What the Facilitator is given to work with."""

    store: Store
    identity: Identity
    name: str
    clock: Clock
    executor: Executor
    engine: Engine
    doorbell: Doorbell
    metrics: Metrics
    claims: Claims
    allow_small_keys: bool


class JobRunner:
    """Applies messages to jobs, and does what follows. Create it within the event loop that runs it."""

    def __init__(self, resources: Resources) -> None:
        self._own = resources
        self._loop = asyncio.get_running_loop()
        self._sums: dict[str, asyncio.Task[None]] = {}
        self._retry_sum_at: dict[str, float] = {}
        self._clock_watch = ClockWatch(resources.clock)
        self.plans = Plans(resources.store, resources.identity)

    async def apply(
        self, job_id: str, make_message: MakeMessage, given: Given | None = None, *, at: datetime | None = None
    ) -> JobState:
        """Take one step of a job and return its state after it.

        `given` is the task's result from which the message is made; it is stored with what it leads to, and counts
        once. `at` is when it happened, by default now. Raises Problem where the message does not belong; nothing is
        changed then.
        """
        return await asyncio.to_thread(self._apply, job_id, make_message, given, at)

    def _apply(self, job_id: str, make_message: MakeMessage, given: Given | None, at: datetime | None) -> JobState:
        plan = self.plans.of(job_id)
        with self._own.store.write() as tx:
            if given is not None and judge(tx.task(given.task_id), given) == "known":
                return _stored(tx, job_id)
            before = _stored(tx, job_id)
            outcome = rounds.step(plan.context, before, make_message(tx, before), at or self._own.clock.now())
            if given is not None:
                tx.answer_task(given.task_id, given.body, given.content_type)
            self.write_outcome(tx, before, outcome)
            # Before others see the step: after the commit, an earlier step's window could be shown over a later one's.
            self._own.metrics.windows.show(job_id, position_of(JobOutline.of(plan.manifest), outcome.state))
        self.follow_up(outcome)
        _log_step(before, outcome.state, self._own.metrics)
        return outcome.state

    def write_outcome(self, tx: WriteTransaction, before: JobState | None, outcome: Outcome) -> None:
        """Write a step's state and effects."""
        state = outcome.state
        if before is not None and state != before:
            tx.put_job(state)
        for effect in outcome.effects:
            self._write_effect(tx, state, effect)

    def _write_effect(self, tx: WriteTransaction, state: JobState, effect: Effect) -> None:
        match effect:
            case CreateTask():
                created_at = timestamp(self._own.clock)
                tx.add_task(uuid4().hex, state.job_id, self._own.identity.party_id, created_at, effect)
            case CloseTasks():
                tx.close_tasks(state.job_id, effect.kinds)
            case KeepRoster():
                tx.put_roster(state.job_id, effect.signed)
            case KeepBlob():
                tx.put_blob(state.job_id, effect.content, effect.content_type)
            case AppendLog():
                tx.append_log(state.job_id, effect.index, StoredEntry(effect.entry, effect.signed_request_hash))
            case Add():
                pass  # its trace in the store is the phase ADDING; see follow_up

    def follow_up(self, outcome: Outcome) -> None:
        """Start, after the commit, what an outcome asks for outside the store. From any thread."""
        for effect in outcome.effects:
            if isinstance(effect, CreateTask):
                self._own.doorbell.ring(effect.recipient)
            elif isinstance(effect, Add) and not self._loop.is_closed():
                self._loop.call_soon_threadsafe(self._start_sum, outcome.state.job_id)

    # Sums

    def _start_sum(self, job_id: str) -> None:
        if job_id not in self._sums:
            task = self._sums[job_id] = asyncio.create_task(self._sum(job_id), name=f"sum of {job_id}")
            task.add_done_callback(lambda _: self._sums.pop(job_id, None))

    async def _sum(self, job_id: str) -> None:
        bind_contextvars(job=job_id)  # of this task alone
        try:
            async with self._own.claims.hold(f"sum/{job_id}") as held:
                if held:
                    await self._add(job_id)
            self._retry_sum_at.pop(job_id, None)
        except Exception as error:
            # The store away, its disk full, a worker broken: the answers are stored, so the next tick but some tries
            # again. Not each tick: a sum that found no room to be kept is computed anew.
            self._retry_sum_at[job_id] = self._own.clock.monotonic() + _RETRY_SUM_AFTER_S
            if isinstance(error, Problem):
                log.warning("adding failed and will be tried again", job=job_id, code=error.code.slug, why=error.detail)
            else:
                log.exception("adding failed and will be tried again", job=job_id)

    async def _add(self, job_id: str) -> None:
        plan = await asyncio.to_thread(self.plans.of, job_id)
        inputs = await asyncio.to_thread(self._read_answers, job_id)
        if inputs is None:
            return
        request, answers = inputs
        asked = from_cbor(request.body, RoundRequest)
        bind_contextvars(round=asked.round)
        began = self._own.clock.monotonic()
        try:
            own, modulus = self._own, plan.context.modulus
            total, weights, previous = await self._loop.run_in_executor(
                own.executor, add_answers, modulus, plan.plan, request.body, answers, own.engine
            )
        except (Problem, CryptoError) as error:
            failed = AddingFailed(Code.INTERNAL, f"The round's answers cannot be added: {error}")
            await self._apply_unless_over(job_id, failed)
            return
        self._own.metrics.adding_seconds.observe(self._own.clock.monotonic() - began)
        state = await self._apply_unless_over(job_id, SumReady(request, answers, total, weights, previous))
        if state is not None:
            self._own.metrics.rounds.labels(asked.kind).inc()

    async def _apply_unless_over(self, job_id: str, message: Message) -> JobState | None:
        """Apply what came of a sum; None where the job was cancelled meanwhile."""
        try:
            return await self.apply(job_id, lambda _tx, _state: message)
        except Problem as problem:
            if problem.code is not Code.WRONG_STATE:
                raise
            log.info("sum no longer needed", job=job_id)
            return None

    def _read_answers(self, job_id: str) -> tuple[SignedBytes, tuple[bytes, ...]] | None:
        """The signed request and the answers by ascending party, None where the job is no longer ADDING."""
        with self._own.store.read() as tx:
            state = _stored(tx, job_id)
            current = state.current
            if state.phase is not Phase.ADDING or current is None:
                return None
            evidence = tx.blob(current.signed_request_hash)
            answers = [tx.blob(current.answers[owner.party].answer_hash) for owner in state.roster]
        if evidence is None or any(answer is None for answer in answers):
            raise LookupError(f"the store has lost answers of round {current.round} of job {job_id}")
        return from_cbor(evidence, SignedBytes), tuple(answer for answer in answers if answer is not None)

    def check_store(self) -> None:
        """Raises an exception when the store cannot be read. Blocks."""
        self._own.store.check()

    # Time

    async def tick(self) -> None:
        """Let timeouts that are due happen, and start sums that wait."""
        # One time for the whole tick, which was held against the monotonic clock: were the clock set forward between
        # that and a later look at it, owners would be late that have hours.
        now = await self._notice_jump()
        due, adding = await asyncio.to_thread(self._look, now)
        for job_id in due:
            try:
                await self.apply(job_id, lambda _tx, _state: TimePassed(), at=now)
            except Exception:
                log.exception("timeout failed and will be tried again", job=job_id)  # and the other jobs go on
        for job_id in adding:
            if self._own.clock.monotonic() >= self._retry_sum_at.get(job_id, float("-inf")):
                self._start_sum(job_id)

    async def _notice_jump(self) -> datetime:
        """Move the deadlines with a clock that was set, and return the time of day that they are right by.

        Done again by the next tick where it does not succeed.
        """
        by_s, now = self._clock_watch.jump_s(), self._clock_watch.now
        if by_s:
            log.warning("the clock was set; deadlines move with it", by_s=round(by_s, 3))
            for job_id in await asyncio.to_thread(self._with_deadline):
                await self.apply(job_id, lambda _tx, _state: ClockJumped(by_s), at=now)
        self._clock_watch.settle()
        return now

    def _with_deadline(self) -> list[str]:
        with self._own.store.read() as tx:
            return [job for phase in (Phase.JOINING, Phase.WAITING_FOR_DATA_OWNERS) for job in tx.jobs_in(phase)]

    def _look(self, now: datetime) -> tuple[list[str], list[str]]:
        with self._own.store.read() as tx:
            return list(tx.jobs_due(now)), list(tx.jobs_in(Phase.ADDING))

    async def run(self, stop: asyncio.Event, tick_interval_s: float) -> None:
        """Tick until `stop` is set. A failing tick is logged, and the next one tries again."""
        while not stop.is_set():
            try:
                await self.tick()
            except Problem as problem:
                log.warning("tick failed", code=problem.code.slug, why=problem.detail)
            except Exception:
                log.exception("tick failed")
            try:
                await asyncio.wait_for(stop.wait(), tick_interval_s)
            except TimeoutError:
                continue

    async def close(self) -> None:
        """Stop waiting for sums; they are computed again after a restart."""
        sums = list(self._sums.values())
        for task in sums:
            task.cancel()
        await asyncio.gather(*sums, return_exceptions=True)


def _stored(tx: ReadTransaction, job_id: str) -> JobState:
    state = tx.job(job_id)
    if state is None:
        raise Problem(Code.MODEL_NOT_FOUND, f"There is no job {job_id[:64]} here.")
    return state


def _log_step(before: JobState, after: JobState, metrics: Metrics) -> None:
    metrics.observe(before, after)
    if after.phase is before.phase and after.current == before.current and after.join_answers == before.join_answers:
        return
    number = None if after.current is None else after.current.round
    if after.ended and not before.ended and after.ending is not None:
        log.info("job ended", job=after.job_id, status=after.phase.value, round=number, code=after.ending.code)
        return
    awaited = after.awaited_owners
    log.info(
        "job step",
        job=after.job_id,
        phase=after.phase.value,
        round=number,
        waiting=len(awaited),
        waiting_for=[owner.name for owner in awaited[:_NAMED]],
    )
