"""Drives `fedtrain.facilitator.round` with a store, a clock, an executor and a doorbell.

One write transaction reads a job's state, takes the step, and writes the new state, tasks, evidence and log together.
What follows outside the store, waking polls and computing sums, is started after the commit, and found again by `tick`
if the process ended in between.
"""

from __future__ import annotations

import asyncio
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
    DropEvidence,
    DropVoidRound,
    Effect,
    KeepBlob,
    KeepRoster,
    Message,
    Outcome,
    SumReady,
    TimePassed,
)
from fedtrain.facilitator.job_state import JobContext, JobState
from fedtrain.facilitator.methods.adding import add_answers
from fedtrain.facilitator.metrics import Metrics
from fedtrain.facilitator.registry.claims import Claims
from fedtrain.facilitator.registry.clock_watch import ClockWatch
from fedtrain.facilitator.status import JobOutline, position_of
from fedtrain.facilitator.store import Store, StoredEntry, WriteTransaction
from fedtrain.facilitator.store.results import Given
from fedtrain.planning.plans import plan_spec
from fedtrain.protocol.clock import Clock, timestamp
from fedtrain.protocol.documents.identity import Identity
from fedtrain.protocol.documents.signed import Manifest, open_document
from fedtrain.protocol.messages.rounds import RoundRequest, SignedBytes, from_cbor
from fedtrain.protocol.states import Phase
from fedtrain.service.driver import Contexts, Driver
from fedtrain.service.runtime.doorbell import Doorbell
from fedtrain.service.store.body_files import Body, OpenedBodies, bytes_of
from fedtrain.spec.problems import Code, Problem

log = structlog.get_logger("facilitator")

_RETRY_SUM_AFTER_S = 5.0
_WITH_DEADLINE = (Phase.JOINING, Phase.WAITING_FOR_DATA_OWNERS, Phase.AGREEING, Phase.UNMASKING)
#: Whom a job waits for, by name in its log lines: of many owners, one line an answer, all names would be too much.
_NAMED = 10


@dataclass(frozen=True)
class Resources:
    """Resources that the Facilitator is given to work with."""

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
        self.contexts: Contexts[JobContext] = Contexts()
        self._driver: Driver[JobContext, JobState, Message, Effect] = Driver(
            step=rounds.step,
            store=resources.store,
            context=lambda state: self.context(state.job_id),
            now=resources.clock.now,
            run=asyncio.to_thread,
            handlers={CreateTask: self._ring, Add: self._add_later},
            took=self._took,
        )

    async def apply(
        self, job_id: str, message: Message, given: Given | None = None, *, at: datetime | None = None
    ) -> JobState:
        """Take one step of a job and return its state after it.

        `given` is the task's result that the message was made from; it is stored with what it leads to, and counts
        once. `at` is when it happened, by default now. Raises Problem where the message does not belong; nothing is
        changed then.
        """
        await asyncio.to_thread(self.context, job_id)  # planned before the store is held
        driven = self._driver.drive(job_id, message, at=at, given=given, keep=self.keep)
        # Whoever gave the result may be gone before it is taken: others are told all the same.
        return (await asyncio.shield(driven)).state

    def context(self, job_id: str) -> JobContext:
        """Return the context of a stored job. Blocks. Raises Problem(MODEL_NOT_FOUND)."""
        return self.contexts.of(job_id, lambda: self._stored_context(job_id))

    def _stored_context(self, job_id: str) -> JobContext:
        with self._own.store.read() as tx:
            signed = tx.manifest(job_id)
        if signed is None:
            raise Problem(Code.MODEL_NOT_FOUND, f"There is no job {job_id[:64]} here.")
        manifest = open_document(signed, Manifest)
        return JobContext(manifest, signed, int(manifest.modulus, 16), self._own.identity, plan_spec(manifest.spec))

    def keep(self, tx: WriteTransaction, state: JobState, effect: Effect) -> None:
        """Write what an effect asks to keep, in the transaction of its state."""
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
            case DropEvidence():
                tx.drop_evidence(state.job_id, effect.since, effect.up_to_round)
            case DropVoidRound():
                tx.drop_void_round(state.job_id, effect.round, effect.signed_request_hash)
            case Add():
                pass  # its trace in the store is the phase ADDING; see `tick`

    async def follow_up(self, outcome: Outcome) -> None:
        """Do, after the commit, what an outcome asks for beyond the store."""
        await self._driver.carry_out(outcome)

    async def _ring(self, _state: JobState, effect: CreateTask) -> None:
        self._own.doorbell.ring(effect.recipient)

    async def _add_later(self, state: JobState, _effect: Add) -> None:
        self._start_sum(state.job_id)

    def _took(self, before: JobState, after: JobState) -> None:
        outline = JobOutline.of(self.context(after.job_id).manifest)
        self._own.metrics.windows.show(after.job_id, position_of(outline, after))
        _log_step(before, after, self._own.metrics)

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
        context = await asyncio.to_thread(self.context, job_id)
        inputs = await asyncio.to_thread(self._read_answers, job_id)
        if inputs is None:
            return
        request, answers, unmaskings = inputs
        asked = from_cbor(request.body, RoundRequest)
        bind_contextvars(round=asked.round)
        began = self._own.clock.monotonic()
        try:
            own, modulus = self._own, context.modulus
            total, weights, previous = await self._loop.run_in_executor(
                own.executor, add_answers, modulus, context.plan, request.body, OpenedBodies(answers), own.engine
            )
        except (Problem, CryptoError) as error:
            if isinstance(error, Problem) and error.code is Code.BODY_DAMAGED:
                raise  # it may be put back, so the job waits for that
            failed = AddingFailed(Code.INTERNAL, f"The round's answers cannot be added: {error}")
            await self._apply_unless_over(job_id, failed)
            return
        self._own.metrics.adding_seconds.observe(self._own.clock.monotonic() - began)
        state = await self._apply_unless_over(job_id, SumReady(request, answers, total, weights, previous, unmaskings))
        if state is not None:
            self._own.metrics.rounds.labels(asked.kind).inc()

    async def _apply_unless_over(self, job_id: str, message: Message) -> JobState | None:
        """Apply what came of a sum; None where the job was cancelled meanwhile."""
        try:
            return await self.apply(job_id, message)
        except Problem as problem:
            if problem.code is not Code.WRONG_STATE:
                raise
            log.info("sum no longer needed", job=job_id)
            return None

    def _read_answers(self, job_id: str) -> tuple[SignedBytes, tuple[Body, ...], tuple[bytes, ...] | None] | None:
        """Return the signed request and the answers by ascending party, None where the job is no longer ADDING.

        Raises Problem(BODY_DAMAGED).
        """
        with self._own.store.read() as tx:
            state = tx.known_job(job_id)
            current = state.current
            if state.phase is not Phase.ADDING or current is None:
                return None
            evidence = tx.blob(current.signed_request_hash)
            answers = [tx.blob(current.answers[owner.party].answer_hash) for owner in state.summed]
            told = [tx.blob(current.unmaskings[party]) for party in current.members]
        if evidence is None or any(found is None for found in (*answers, *told)):
            raise LookupError(f"the store has lost answers of round {current.round} of job {job_id}")
        unmaskings = tuple(bytes_of(found) for found in told if found is not None)
        found = tuple(answer for answer in answers if answer is not None)
        return from_cbor(bytes_of(evidence), SignedBytes), found, unmaskings or None

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
                await self.apply(job_id, TimePassed(), at=now)
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
                await self.apply(job_id, ClockJumped(by_s), at=now)
        self._clock_watch.settle()
        return now

    def _with_deadline(self) -> list[str]:
        with self._own.store.read() as tx:
            return [job for phase in _WITH_DEADLINE for job in tx.jobs_in(phase)]

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
