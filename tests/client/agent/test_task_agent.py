"""The agent's tasks: order, jobs side by side, duplicates, "not yet", and handlers that fail."""

from __future__ import annotations

import asyncio

import pytest

from fedtrain.client.agent.tasks import AgentEvent, TaskAnswer
from fedtrain.protocol.messages.tasks import TaskHeader, TaskKind
from fedtrain.spec.problems import Code, Problem
from tests.harness.facilitator.memory_facilitator import JOB_A, JOB_B, answer_at_once, running

pytestmark = pytest.mark.anyio


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


async def test_what_is_listed_is_told_at_once_whatever_its_job_is_at_work_on() -> None:
    gate = asyncio.Event()

    async def handler(header: TaskHeader, request: bytes) -> TaskAnswer:
        await gate.wait()
        return await answer_at_once(header, request)

    async with running(handler) as it:
        held = it.facilitator.add(JOB_A)
        await it.until(lambda: bool(it.listed))
        end = it.facilitator.add(JOB_A, TaskKind.END)
        await it.until(lambda: len(it.listed) == 2)
        assert it.listed == [(held, TaskKind.COMPUTE), (end, TaskKind.END)]
        assert not it.facilitator.results
        gate.set()
        await it.until(lambda: len(it.facilitator.results) == 2)


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


async def test_a_handler_whose_own_store_is_away_is_run_again_until_it_is_back() -> None:
    away = 3

    async def handler(header: TaskHeader, request: bytes) -> TaskAnswer:
        nonlocal away
        if away:
            away -= 1
            raise Problem(Code.STORE_UNAVAILABLE, "The store cannot be used now.")
        return await answer_at_once(header, request)

    async with running(handler) as it:
        task = it.facilitator.add(JOB_A)
        await it.until(lambda: bool(it.facilitator.results))
        assert it.facilitator.results[0][0] == task and it.problems == []


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
