"""The agent and its connection: refused answers, pauses, interruptions, polling, and a stop."""

from __future__ import annotations

import asyncio

import pytest

from fedtrain.client.agent.tasks import AgentEvent, TaskAgent, TaskAnswer
from fedtrain.protocol.messages.tasks import TaskHeader, TaskKind, TaskList
from fedtrain.spec.problems import Code, Problem
from tests.harness.facilitator.memory_facilitator import (
    JOB_A,
    JOB_B,
    Clock,
    MemoryFacilitator,
    Setting,
    answer_at_once,
    running,
)
from tests.harness.facilitator.roomy import unplanned

pytestmark = pytest.mark.anyio


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
        assert it.dropped == [task]


async def test_what_follows_from_a_dropped_answer_is_tried_again_while_the_facilitator_is_away() -> None:
    async with running(answer_at_once) as it:
        it.facilitator.result_problems = [Problem(Code.TASK_CLOSED, "over")]
        it.drop_problems = [Problem(Code.FACILITATOR_UNREACHABLE, "away")] * 2
        task = it.facilitator.add(JOB_A)
        await it.until(lambda: bool(it.dropped))
        assert (it.dropped, it.problems, it.clock.slept) == ([task], [], [0.125, 0.25])


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


async def test_an_answer_whose_file_is_damaged_is_a_problem_until_its_handler_gives_another() -> None:
    handled = []

    async def handler(header: TaskHeader, request: bytes) -> TaskAnswer:
        handled.append(header.id)
        return await answer_at_once(header, request)

    async with running(handler) as it:
        it.facilitator.result_problems = [Problem(Code.BODY_DAMAGED, "altered")]
        task = it.facilitator.add(JOB_A)
        await it.until(lambda: bool(it.problems))
        assert (it.problems, it.clock.slept, it.facilitator.results) == ([(task, Code.BODY_DAMAGED)], [], [])
        it.agent.retry(JOB_A)
        await it.until(lambda: bool(it.facilitator.results))
        assert handled == [task, task]


async def test_a_pause_that_the_facilitator_asks_for_is_kept() -> None:
    async with running(answer_at_once) as it:
        it.facilitator.result_problems = [Problem(Code.RATE_LIMITED, "slow down", retry_after_s=s) for s in (7, 0.01)]
        it.facilitator.add(JOB_A)
        await it.until(lambda: bool(it.facilitator.results))
        assert it.clock.slept == [7.0, 0.25]
        it.facilitator.poll_problems = [Problem(Code.NOT_READY, "starting", retry_after_s=30)]
        it.facilitator.wake()
        await it.until(lambda: 30.0 in it.clock.slept)


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
    agent = TaskAgent(
        facilitator,
        {TaskKind.COMPUTE: handler},
        plan_of=unplanned,
        on_event=broken,
        on_problem=broken,
        sleep=clock.sleep,
    )
    run = asyncio.create_task(agent.run(stop))
    facilitator.add(JOB_A)
    facilitator.add(JOB_B)
    while not facilitator.results:
        await asyncio.sleep(0)
    stop.set()
    await run
