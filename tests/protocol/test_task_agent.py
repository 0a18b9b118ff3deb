"""The agent against a Facilitator in memory: order, parallel jobs, duplicates, "not yet", lost connections, a stop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from protocol.client.agent import AgentEvent, TaskAgent, TaskAnswer
from protocol.problems import Code, Problem
from protocol.tasks import JSON_TYPE, TaskHeader, TaskKind, TaskList

pytestmark = pytest.mark.anyio

JOB_A, JOB_B = "a" * 32, "b" * 32
PARTY = "1" * 64


class Clock:
    """Time that passes only when somebody sleeps."""

    def __init__(self) -> None:
        self.now = 0.0
        self.slept: list[float] = []

    def monotonic(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds
        await asyncio.sleep(0)


class MemoryFacilitator:
    """Open tasks, and what was answered. A poll with nothing to tell waits for a change, as a long poll does."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.open: dict[str, TaskHeader] = {}
        self.results: list[tuple[str, bytes]] = []
        self.polls: list[tuple[float, int]] = []
        self.poll_problems: list[Problem] = []
        self.result_problems: list[Problem] = []
        self.request_problems: list[Problem] = []
        self.hold_lists: asyncio.Event | None = None
        self.lists_held = 0
        self._changed = asyncio.Event()
        self._sequence = 0

    def add(self, job_id: str | None, kind: TaskKind = TaskKind.COMPUTE) -> str:
        self._sequence += 1
        task_id = f"{self._sequence:032x}"
        self.open[task_id] = TaskHeader(
            id=task_id,
            kind=kind,
            sender=PARTY,
            recipient=PARTY,
            job_id=job_id,
            key=f"{kind}/{task_id}",
            created_at="2026-01-01T00:00:00.000Z",
            sequence=self._sequence,
        )
        self.wake()
        return task_id

    def wake(self) -> None:
        """End the long polls that wait."""
        self._changed.set()
        self._changed = asyncio.Event()

    async def tasks(self, *, wait_s: float, after: int) -> TaskList:
        self.polls.append((wait_s, after))
        if self.poll_problems:
            raise self.poll_problems.pop(0)
        listed = self._listed(after)
        if wait_s == 0 and self.hold_lists is not None:
            self.lists_held += 1
            await self.hold_lists.wait()
        if not listed and wait_s > 0:
            await self._changed.wait()
            self.clock.now += 1
            if self.poll_problems:
                raise self.poll_problems.pop(0)
            listed = self._listed(after)
        return TaskList(tasks=listed)

    def _listed(self, after: int) -> tuple[TaskHeader, ...]:
        return tuple(header for header in self.open.values() if header.sequence > after)

    async def task_request(self, task_id: str) -> bytes:
        if self.request_problems:
            raise self.request_problems.pop(0)
        return f"request {task_id}".encode()

    async def put_result(self, task_id: str, body: bytes, content_type: str) -> None:
        assert content_type == JSON_TYPE
        if self.result_problems:
            raise self.result_problems.pop(0)
        self.results.append((task_id, body))
        self.open.pop(task_id, None)


class Setting:
    """An agent with all it talks to, and what it told."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.facilitator = MemoryFacilitator(self.clock)
        self.stop = asyncio.Event()
        self.events: list[tuple[AgentEvent, str | None]] = []
        self.problems: list[tuple[str, Code]] = []
        self.connects = 0
        self.agent: TaskAgent

    async def on_connect(self) -> None:
        self.connects += 1

    async def until(self, true: Callable[[], bool]) -> None:
        """Let everybody else go on until it is true."""
        for _ in range(10_000):
            if true():
                return
            await asyncio.sleep(0)
        raise AssertionError("it never became true")

    async def settle(self) -> None:
        """Let everybody else go on until nothing can happen any more."""
        for _ in range(200):
            await asyncio.sleep(0)


async def answer_at_once(header: TaskHeader, request: bytes) -> TaskAnswer:
    return TaskAnswer(b"answer to " + request, JSON_TYPE)


@asynccontextmanager
async def running(
    handler: Callable[[TaskHeader, bytes], Awaitable[TaskAnswer | None]], setting: Setting | None = None
) -> AsyncIterator[Setting]:
    it = setting or Setting()
    it.agent = TaskAgent(
        it.facilitator,
        {TaskKind.COMPUTE: handler, TaskKind.JOIN: handler, TaskKind.END: handler},
        on_event=lambda event, header: it.events.append((event, header.id if header else None)),
        on_problem=lambda header, problem: it.problems.append((header.id, problem.code)),
        on_connect=it.on_connect,
        sleep=it.clock.sleep,
        monotonic=it.clock.monotonic,
        jitter=lambda: 0.0,
    )
    run = asyncio.create_task(it.agent.run(it.stop))
    try:
        yield it
    finally:
        it.stop.set()
        await run


async def test_a_task_is_fetched_handled_and_answered_with_the_exact_bytes() -> None:
    async with running(answer_at_once) as it:
        task = it.facilitator.add(JOB_A)
        await it.until(lambda: bool(it.facilitator.results))
        assert it.facilitator.results == [(task, f"answer to request {task}".encode())]
        assert [event for event, _ in it.events] == [AgentEvent.CONNECTED, AgentEvent.STARTED, AgentEvent.ANSWERED]


async def test_tasks_of_one_job_are_handled_one_after_another_in_the_order_of_their_sequence() -> None:
    began, gate = [], asyncio.Event()

    async def handler(header: TaskHeader, request: bytes) -> TaskAnswer:
        began.append(header.id)
        await gate.wait()
        return await answer_at_once(header, request)

    async with running(handler) as it:
        tasks = [it.facilitator.add(JOB_A) for _ in range(3)]
        it.facilitator.open = dict(reversed(it.facilitator.open.items()))
        await it.until(lambda: bool(began))
        await it.settle()
        assert began == tasks[:1]
        gate.set()
        await it.until(lambda: len(it.facilitator.results) == 3)
        assert began == tasks


async def test_a_job_that_is_held_up_does_not_hold_up_another() -> None:
    gate = asyncio.Event()

    async def handler(header: TaskHeader, request: bytes) -> TaskAnswer:
        if header.job_id == JOB_A:
            await gate.wait()
        return await answer_at_once(header, request)

    async with running(handler) as it:
        slow, quick = it.facilitator.add(JOB_A), it.facilitator.add(JOB_B)
        await it.until(lambda: bool(it.facilitator.results))
        assert [task for task, _ in it.facilitator.results] == [quick]
        gate.set()
        await it.until(lambda: len(it.facilitator.results) == 2)
        assert it.facilitator.results[1][0] == slow


async def test_tasks_without_a_job_do_not_wait_for_one_another() -> None:
    began, gate = [], asyncio.Event()

    async def handler(header: TaskHeader, request: bytes) -> TaskAnswer:
        began.append(header.id)
        await gate.wait()
        return await answer_at_once(header, request)

    async with running(handler) as it:
        tasks = {it.facilitator.add(None), it.facilitator.add(None)}
        await it.until(lambda: len(began) == 2)
        assert set(began) == tasks
        gate.set()


async def test_a_task_that_is_listed_again_while_it_is_handled_is_handled_once() -> None:
    began, gate = [], asyncio.Event()

    async def handler(header: TaskHeader, request: bytes) -> TaskAnswer:
        began.append(header.id)
        await gate.wait()
        return await answer_at_once(header, request)

    async with running(handler) as it:
        task = it.facilitator.add(JOB_A)
        await it.until(lambda: bool(began))
        for _ in range(3):
            it.clock.now += 61
            polls = len(it.facilitator.polls)
            it.facilitator.wake()
            await it.until(lambda polls=polls: len(it.facilitator.polls) > polls + 1)
        gate.set()
        await it.until(lambda: bool(it.facilitator.results))
        await it.settle()
        assert began == [task]
        assert it.facilitator.polls.count((0, 0)) == 4


async def test_a_list_that_was_made_before_the_answer_does_not_start_the_task_again() -> None:
    handled, gate = [], asyncio.Event()

    async def handler(header: TaskHeader, request: bytes) -> TaskAnswer:
        handled.append(header.id)
        await gate.wait()
        return await answer_at_once(header, request)

    async with running(handler) as it:
        task = it.facilitator.add(JOB_A)
        await it.until(lambda: bool(handled))
        it.facilitator.hold_lists = asyncio.Event()
        it.clock.now += 61
        it.facilitator.wake()  # the whole list is made now, and on its way until it is let go
        await it.until(lambda: it.facilitator.lists_held == 1)
        gate.set()
        await it.until(lambda: bool(it.facilitator.results))
        it.facilitator.hold_lists.set()
        await it.settle()
        assert it.facilitator.polls[-2] == (0, 0)
        assert handled == [task]


async def test_a_task_that_a_later_list_shows_open_again_is_handled_again() -> None:
    async with running(answer_at_once) as it:
        task = it.facilitator.add(JOB_A)
        header = it.facilitator.open[task]
        await it.until(lambda: len(it.facilitator.results) == 1)
        await it.settle()
        it.facilitator.open[task] = header  # the Facilitator was restored from a backup
        it.clock.now += 61
        it.facilitator.wake()
        await it.until(lambda: len(it.facilitator.results) == 2)
        assert it.facilitator.results[0] == it.facilitator.results[1]


async def test_a_task_that_is_not_yet_answered_lets_later_ones_pass_and_comes_back_by_retry() -> None:
    approved = False

    async def handler(header: TaskHeader, request: bytes) -> TaskAnswer | None:
        if header.kind is TaskKind.JOIN and not approved:
            return None
        return await answer_at_once(header, request)

    async with running(handler) as it:
        join, end = it.facilitator.add(JOB_A, TaskKind.JOIN), it.facilitator.add(JOB_A, TaskKind.END)
        await it.until(lambda: bool(it.facilitator.results))
        assert [task for task, _ in it.facilitator.results] == [end]
        approved = True
        await it.settle()
        assert (AgentEvent.KEPT, join) in it.events
        assert len(it.facilitator.results) == 1
        it.agent.retry(JOB_B)
        await it.settle()
        assert len(it.facilitator.results) == 1
        it.agent.retry(JOB_A)
        await it.until(lambda: len(it.facilitator.results) == 2)
        assert it.facilitator.results[1][0] == join


async def test_a_retry_while_the_handler_is_still_deciding_is_not_lost() -> None:
    approved, deciding, decide = False, asyncio.Event(), asyncio.Event()

    async def handler(header: TaskHeader, request: bytes) -> TaskAnswer | None:
        seen = approved
        deciding.set()
        await decide.wait()
        return await answer_at_once(header, request) if seen else None

    async with running(handler) as it:
        it.facilitator.add(JOB_A)
        await deciding.wait()
        approved = True
        it.agent.retry(JOB_A)
        decide.set()
        await it.until(lambda: bool(it.facilitator.results))


async def test_a_kept_task_that_is_over_is_forgotten() -> None:
    calls = []

    async def handler(header: TaskHeader, request: bytes) -> TaskAnswer | None:
        calls.append(header.id)

    async with running(handler) as it:
        task = it.facilitator.add(JOB_A)
        await it.until(lambda: bool(calls))
        del it.facilitator.open[task]
        it.clock.now += 61
        it.facilitator.wake()
        await it.settle()
        it.agent.retry(JOB_A)
        await it.settle()
        assert calls == [task]


async def test_a_handler_that_raises_a_problem_is_told_and_tried_again_at_the_next_whole_list() -> None:
    broken = True

    async def handler(header: TaskHeader, request: bytes) -> TaskAnswer:
        if broken:
            raise Problem(Code.BAD_SIGNATURE, "no")
        return await answer_at_once(header, request)

    async with running(handler) as it:
        task = it.facilitator.add(JOB_A)
        await it.until(lambda: bool(it.problems))
        await it.settle()
        assert it.problems == [(task, Code.BAD_SIGNATURE)]
        broken = False
        it.clock.now += 61
        it.facilitator.wake()
        await it.until(lambda: bool(it.facilitator.results))


async def test_a_handler_that_breaks_is_an_internal_problem_and_stops_nobody_else() -> None:
    async def handler(header: TaskHeader, request: bytes) -> TaskAnswer:
        if header.job_id == JOB_A:
            raise ZeroDivisionError("secret 42")
        return await answer_at_once(header, request)

    async with running(handler) as it:
        bad = it.facilitator.add(JOB_A)
        await it.until(lambda: bool(it.problems))
        assert it.problems == [(bad, Code.INTERNAL)]
        good = it.facilitator.add(JOB_B)
        await it.until(lambda: bool(it.facilitator.results))
        assert it.facilitator.results[0][0] == good


async def test_a_kind_without_a_handler_is_a_problem() -> None:
    async with running(answer_at_once) as it:
        task = it.facilitator.add(JOB_A, TaskKind.STEP)
        await it.until(lambda: bool(it.problems))
        assert it.problems == [(task, Code.MALFORMED_MESSAGE)]


@pytest.mark.parametrize("code", [Code.TASK_CLOSED, Code.ANSWER_CONFLICT, Code.TASK_NOT_FOUND])
async def test_an_answer_that_nobody_needs_any_more_is_dropped(code: Code) -> None:
    async with running(answer_at_once) as it:
        it.facilitator.result_problems = [Problem(code, "over")]
        task = it.facilitator.add(JOB_A)
        await it.until(lambda: (AgentEvent.DROPPED, task) in it.events)
        await it.settle()
        assert it.facilitator.results == []
        assert it.problems == []
        assert it.clock.slept == []


async def test_an_answer_that_is_refused_for_another_reason_is_a_problem_and_not_repeated() -> None:
    async with running(answer_at_once) as it:
        it.facilitator.result_problems = [Problem(Code.MALFORMED_CIPHERTEXT, "no")]
        task = it.facilitator.add(JOB_A)
        await it.until(lambda: bool(it.problems))
        await it.settle()
        assert it.problems == [(task, Code.MALFORMED_CIPHERTEXT)]
        assert it.facilitator.results == []


@pytest.mark.parametrize(
    "code", [Code.FACILITATOR_UNREACHABLE, Code.INTERNAL, Code.NOT_READY, Code.RATE_LIMITED], ids=lambda code: code.slug
)
async def test_an_answer_that_does_not_get_through_is_sent_again_with_growing_pauses(code: Code) -> None:
    handled = []

    async def handler(header: TaskHeader, request: bytes) -> TaskAnswer:
        handled.append(header.id)
        return await answer_at_once(header, request)

    async with running(handler) as it:
        it.facilitator.result_problems = [Problem(code, "away")] * 9
        task = it.facilitator.add(JOB_A)
        await it.until(lambda: bool(it.facilitator.results))
        assert handled == [task]
        assert it.clock.slept == [0.125, 0.25, 0.5, 1.0, 2.0, 4.0, 7.5, 7.5, 7.5]


async def test_a_request_that_cannot_be_fetched_is_fetched_again() -> None:
    async with running(answer_at_once) as it:
        it.facilitator.request_problems = [Problem(Code.FACILITATOR_UNREACHABLE, "away")]
        it.facilitator.add(JOB_A)
        await it.until(lambda: bool(it.facilitator.results))
        assert it.clock.slept == [0.125]


async def test_after_an_interruption_it_connects_again_and_asks_for_the_whole_list() -> None:
    async with running(answer_at_once) as it:
        it.facilitator.add(JOB_A)
        await it.until(lambda: bool(it.facilitator.results))
        await it.settle()
        it.facilitator.poll_problems = [Problem(Code.FACILITATOR_UNREACHABLE, "away")] * 3
        it.facilitator.wake()
        await it.until(lambda: len(it.events) >= 2 and it.events[-1][0] is AgentEvent.CONNECTED)
        assert it.clock.slept == [0.125, 0.25, 0.5]
        assert it.connects == 4
        assert it.facilitator.polls[-1] == (0, 0) or it.facilitator.polls[-2] == (0, 0)
        assert [event for event, task in it.events if task is None] == [
            AgentEvent.CONNECTED,
            AgentEvent.DISCONNECTED,
            AgentEvent.CONNECTED,
        ]


async def test_it_is_not_connected_while_it_cannot_register() -> None:
    it = Setting()
    refusals = [Problem(Code.FORBIDDEN, "who are you?")] * 2

    async def on_connect() -> None:
        it.connects += 1
        if refusals:
            raise refusals.pop()

    it.on_connect = on_connect  # type: ignore[method-assign]
    async with running(answer_at_once, it):
        await it.until(lambda: it.agent.connected)
        assert it.connects == 3
        assert it.facilitator.polls[0] == (0, 0)


async def test_it_asks_only_for_what_came_after_what_it_has_and_for_all_once_a_minute() -> None:
    async with running(answer_at_once) as it:
        for _ in range(2):
            it.facilitator.add(JOB_A)
        await it.until(lambda: len(it.facilitator.results) == 2)
        await it.until(lambda: it.facilitator.polls[-1] == (20, 2))
        before = it.facilitator.polls.count((0, 0))
        it.clock.now += 61
        it.facilitator.wake()
        await it.until(lambda: it.facilitator.polls.count((0, 0)) == before + 1)


async def test_a_facilitator_that_answers_polls_at_once_is_not_polled_without_a_pause() -> None:
    async with running(answer_at_once) as it:

        async def empty(*, wait_s: float, after: int) -> TaskList:
            it.facilitator.polls.append((wait_s, after))
            return TaskList(tasks=())

        it.facilitator.tasks = empty  # type: ignore[method-assign]
        it.facilitator.wake()
        await it.until(lambda: len(it.facilitator.polls) >= 6)
        assert it.clock.slept
        assert set(it.clock.slept) == {0.25}


async def test_a_stop_ends_polls_handlers_and_pauses_at_once() -> None:
    began, cancelled, others = asyncio.Event(), [], asyncio.all_tasks()

    async def handler(header: TaskHeader, request: bytes) -> TaskAnswer:
        began.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.append(header.id)
            raise
        raise AssertionError("unreachable")

    async with running(handler) as it:
        task = it.facilitator.add(JOB_A)
        await began.wait()
    assert cancelled == [task]
    assert it.facilitator.results == []
    assert not it.agent.connected
    assert asyncio.all_tasks() == others


async def test_what_on_event_and_on_problem_raise_does_not_stop_the_agent() -> None:
    async def handler(header: TaskHeader, request: bytes) -> TaskAnswer:
        if header.job_id == JOB_A:
            raise Problem(Code.DIVERGED, "no")
        return await answer_at_once(header, request)

    def broken(*_: object) -> None:
        raise RuntimeError

    clock, stop = Clock(), asyncio.Event()
    facilitator = MemoryFacilitator(clock)
    agent = TaskAgent(facilitator, {TaskKind.COMPUTE: handler}, on_event=broken, on_problem=broken, sleep=clock.sleep)
    run = asyncio.create_task(agent.run(stop))
    facilitator.add(JOB_A)
    facilitator.add(JOB_B)
    while not facilitator.results:
        await asyncio.sleep(0)
    stop.set()
    await run
