"""The agent: polls the Facilitator for a party's tasks, has them worked off, and hands the results in.

    on the wire          here                                          the party
    GET /tasks      →    one queue a job, jobs side by side      →     handler(header, request bytes)
    PUT …/result    ←    retried until it is taken or refused    ←     TaskAnswer, or None for "not yet"

Everything here may be lost at any moment: the tasks are the Facilitator's, and it lists what is open again.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol, TypeVar

import structlog
from structlog.contextvars import bound_contextvars

from fedtrain.client.agent.job_queue import JobQueue, Outcome
from fedtrain.client.http import FileBody, Receive, joined
from fedtrain.client.retry import FIRST_BACKOFF_S, Passes, may_pass, until_done
from fedtrain.methods.plan import Plan
from fedtrain.protocol.messages.cbor import Encoded
from fedtrain.protocol.messages.task_sizes import most_request_bytes, most_unplanned_bytes
from fedtrain.protocol.messages.tasks import TaskHeader, TaskKind, TaskList
from fedtrain.spec.model_spec import ModelSpec
from fedtrain.spec.problems import Code, Problem

log = structlog.get_logger("protocol.agent")

RESYNC_EVERY_S = 60.0

#: What comes before the plan is known, and after.
_UNPLANNED = frozenset({TaskKind.JOIN, TaskKind.END})

#: What the Facilitator says of a task that no longer needs an answer.
_OVER = frozenset({Code.TASK_CLOSED, Code.ANSWER_CONFLICT, Code.TASK_NOT_FOUND})

T = TypeVar("T")


@dataclass(frozen=True)
class TaskAnswer:
    """A task's result: exact bytes, or the file of them, and their content type."""

    body: bytes | FileBody
    content_type: str


class AgentEvent(StrEnum):
    """Event that `on_event` is told of; the header is None for the first two."""

    CONNECTED = "connected"
    DISCONNECTED = "disconnected"
    STARTED = "started"
    ANSWERED = "answered"
    KEPT = "kept"
    DROPPED = "dropped"
    FAILED = "failed"


Handler = Callable[[TaskHeader, Encoded], Awaitable[TaskAnswer | None]]
#: From a job's id to its spec and the plan that the party agreed to; None where it knows none.
PlanOf = Callable[[str], Awaitable[tuple[ModelSpec, Plan] | None]]
OnEvent = Callable[[AgentEvent, TaskHeader | None], None]
OnProblem = Callable[[TaskHeader, Problem], Awaitable[None] | None]
OnDropped = Callable[[TaskHeader], Awaitable[None]]
OnListed = Callable[[TaskHeader], None]


class TaskSource(Protocol):
    """The part of `FacilitatorClient` that an agent uses."""

    async def tasks(self, *, wait_s: float, after: int) -> TaskList: ...

    async def task_request(self, task_id: str, most_bytes: int, receive: Receive[Encoded]) -> Encoded: ...

    async def put_result(self, task_id: str, body: bytes | FileBody, content_type: str) -> None: ...


def _own_store_is_away(error: Exception) -> bool:
    """Return whether a handler could not get at this party's own store: it is run again, as after a restart."""
    return isinstance(error, Problem) and error.code is Code.STORE_UNAVAILABLE


def _may_be_taken(error: Exception) -> bool:
    """Return whether the same result can be handed in again: a damaged file stays so, until its handler says why."""
    return may_pass(error) and not (isinstance(error, Problem) and error.code is Code.BODY_DAMAGED)


def _tell_unreached(error: Exception) -> None:
    if isinstance(error, Problem):
        log.warning("facilitator not reached", code=error.code.slug, why=error.detail)
    else:
        log.error("polling broke", exc_info=error)


async def _nothing() -> None:
    return None


def _ignore(_event: AgentEvent, _header: TaskHeader | None) -> None:
    return None


def _only_logged(_header: TaskHeader, _problem: Problem) -> None:
    return None


def _only_taken(_header: TaskHeader) -> None:
    return None


async def _let_go(_header: TaskHeader) -> None:
    return None


class TaskAgent:
    """Works a party's tasks off: jobs side by side, the tasks of one job in order, no task twice at once.

    A handler returns the answer; or None for "not yet": the task is kept, lets the job's later tasks pass, and comes
    back by `retry(job_id)`. A handler that raises Problem has failed: `on_problem` is told, and the task comes back by
    `retry` and at every resynchronisation, for as long as the Facilitator lists it. Only where this party's own store
    is away it is run again, with pauses, until it is back. Handlers are cancelled on a stop, so they must bear being
    run again. `on_dropped` is told of a task that was over before its answer came, `on_listed` of each task as soon as
    it is listed, whatever its job is at work on; more than once, and it must raise nothing.

    No more of a request is read than a job's plan, which `plan_of` returns, says that it can have; `receive` keeps it.

    `on_connect` runs before the first poll and after every interruption (it is the place to register); while it raises
    Problem the agent counts as not connected. `sleep`, `monotonic` and `jitter` (in [0, 1)) are for tests.
    """

    def __init__(
        self,
        client: TaskSource,
        handlers: Mapping[TaskKind, Handler],
        *,
        plan_of: PlanOf,
        receive: Receive[Encoded] = joined,
        wait_s: float = 20,
        on_event: OnEvent = _ignore,
        on_problem: OnProblem = _only_logged,
        on_dropped: OnDropped = _let_go,
        on_listed: OnListed = _only_taken,
        on_connect: Callable[[], Awaitable[None]] = _nothing,
        resync_every_s: float = RESYNC_EVERY_S,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        monotonic: Callable[[], float] = time.monotonic,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._client = client
        self._handlers = handlers
        self._plan_of = plan_of
        self._receive = receive
        self._wait_s = wait_s
        self._on_event = on_event
        self._on_problem = on_problem
        self._on_dropped = on_dropped
        self._on_listed = on_listed
        self._on_connect = on_connect
        self._resync_every_s = resync_every_s
        self._sleep = sleep
        self._monotonic = monotonic
        self._jitter = jitter
        self._queues: dict[str, JobQueue] = {}
        self._polls = 0
        self._after = 0
        self._synced_at = self._turned_at = monotonic()
        self.connected = False

    async def run(self, stop: asyncio.Event) -> None:
        """Poll and work until `stop` is set; then end at once. Raises nothing that a task or the network causes."""
        polling = asyncio.create_task(self._poll_for_ever())
        stopping = asyncio.create_task(stop.wait())
        try:
            await asyncio.wait({polling, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if polling.done() and not polling.cancelled():
                polling.result()
        finally:
            running = [polling, stopping, *(queue.close() for queue in self._queues.values())]
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)
            self._queues.clear()
            self.connected = False

    @property
    def unchanged_s(self) -> float:
        """Return for how many seconds the Facilitator has been reached, or not been."""
        return self._monotonic() - self._turned_at

    def retry(self, job_id: str) -> None:
        """Take up again the job's tasks that were kept or had failed. From the event loop's thread."""
        if queue := self._queues.get(job_id):
            queue.retry()

    # Polling

    async def _poll_for_ever(self) -> None:
        while True:
            await until_done(
                self._poll, lambda _error: True, tell=_tell_unreached, sleep=self._sleep, jitter=self._jitter
            )

    async def _poll(self) -> None:
        try:
            await self._poll_once()
        except Exception:
            if self.connected:
                self.connected, self._turned_at = False, self._monotonic()
                self._tell(AgentEvent.DISCONNECTED, None)
            raise

    async def _poll_once(self) -> None:
        began = self._monotonic()
        if not self.connected:
            await self._on_connect()
        # The whole list shows what is over, and what was missed while nobody listened.
        whole = not self.connected or began - self._synced_at >= self._resync_every_s
        self._polls += 1
        wait_s, after = (0, 0) if whole else (self._wait_s, self._after)
        listed = (await self._client.tasks(wait_s=wait_s, after=after)).tasks
        if not self.connected:
            self.connected, self._turned_at = True, self._monotonic()
            log.info("facilitator reached")
            self._tell(AgentEvent.CONNECTED, None)
        if whole:
            self._synced_at = began
        self._after = max([after, *(header.sequence for header in listed)])
        self._take(listed, whole)
        if not whole and self._after == after and self._monotonic() - began < FIRST_BACKOFF_S:
            await self._sleep(FIRST_BACKOFF_S)  # the Facilitator did not wait, so this side does

    def _take(self, listed: tuple[TaskHeader, ...], whole: bool) -> None:
        by_job: dict[str, list[TaskHeader]] = {}
        for header in sorted(listed, key=lambda one: one.sequence):
            by_job.setdefault(header.job_id or header.id, []).append(header)
            self._on_listed(header)
        for job in by_job.keys() - self._queues.keys():
            self._queues[job] = JobQueue(self._work, lambda: self._polls)
        for job, queue in list(self._queues.items()):
            queue.offer(by_job.get(job, []), self._polls, whole)
            if queue.idle:
                queue.close()
                del self._queues[job]

    def _tell(self, event: AgentEvent, header: TaskHeader | None) -> None:
        try:
            self._on_event(event, header)
        except Exception:
            log.exception("on_event broke", agent_event=event.value)

    # One task

    async def _work(self, header: TaskHeader) -> Outcome:
        with bound_contextvars(job=header.job_id):  # on every line from here on, whoever writes it
            return await self._work_off(header)

    async def _work_off(self, header: TaskHeader) -> Outcome:
        self._tell(AgentEvent.STARTED, header)
        try:
            return await self._handle(header)
        except Problem as problem:
            await self._failed(header, problem)
        except Exception as error:
            log.exception("a task's handler broke", task=header.id, kind=header.kind.value)
            await self._failed(header, Problem(Code.INTERNAL, f"The {header.kind} task broke: {type(error).__name__}."))
        return Outcome.FAILED

    async def _handle(self, header: TaskHeader) -> Outcome:
        handler = self._handlers.get(header.kind)
        if handler is None:
            raise Problem(Code.MALFORMED_MESSAGE, f"This party does no {header.kind} tasks.")
        try:
            most_bytes = await self._persist(lambda: self._most_bytes(header), _own_store_is_away)
            request = await self._persist(lambda: self._client.task_request(header.id, most_bytes, self._receive))
        except Problem as problem:
            return await self._dropped(header, problem)
        answer = await self._persist(lambda: handler(header, request), _own_store_is_away)
        if answer is None:
            self._tell(AgentEvent.KEPT, header)
            return Outcome.KEPT
        try:
            await self._persist(
                lambda: self._client.put_result(header.id, answer.body, answer.content_type), _may_be_taken
            )
        except Problem as problem:
            return await self._dropped(header, problem)
        log.info("task answered", task=header.key, kind=header.kind.value)
        self._tell(AgentEvent.ANSWERED, header)
        return Outcome.DONE

    async def _most_bytes(self, header: TaskHeader) -> int:
        job = None if header.job_id is None or header.kind in _UNPLANNED else await self._plan_of(header.job_id)
        # Of a job that is not known here, or planned otherwise, the handler says what is wrong.
        return most_unplanned_bytes(header.kind) if job is None else most_request_bytes(header.kind, *job)

    async def _persist(self, call: Callable[[], Awaitable[T]], passes: Passes = may_pass) -> T:
        return await until_done(call, passes, sleep=self._sleep, jitter=self._jitter)

    async def _dropped(self, header: TaskHeader, problem: Problem) -> Outcome:
        """Raises the Problem when it says anything else than that the task is over."""
        if problem.code not in _OVER:
            raise problem
        log.info("task dropped", task=header.key, kind=header.kind.value, code=problem.code.slug)
        self._tell(AgentEvent.DROPPED, header)
        await self._persist(lambda: self._on_dropped(header))
        return Outcome.DONE

    async def _failed(self, header: TaskHeader, problem: Problem) -> None:
        log.warning("task failed", task=header.key, kind=header.kind.value, code=problem.code.slug, why=problem.detail)
        self._tell(AgentEvent.FAILED, header)
        try:
            told = self._on_problem(header, problem)
            if told is not None:
                await told
        except Exception:
            log.exception("on_problem broke", task=header.key)
