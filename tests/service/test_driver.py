"""The driver of every party's jobs, on a machine that counts."""

from __future__ import annotations

import asyncio
import gc
import threading
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import pytest

from fedtrain.client.agent.tasks import TaskAnswer
from fedtrain.protocol.outcome import Outcome
from fedtrain.service.driver import Contexts, Driver
from fedtrain.spec.problems import Code, Problem

NOW = datetime(2026, 1, 12, 9, 0, tzinfo=UTC)
JOB = "ab" * 16
ANSWER = TaskAnswer(b"answer", "application/json")


@dataclass(frozen=True)
class State:
    taken: tuple[str, ...] = ()


class Keeps:
    """A store of one job in memory."""

    def __init__(self) -> None:
        self.state = State()
        self.stepping = 0

    def step(self, job_id: str, move: Callable[[State], Outcome[State, str]]) -> Outcome[State, str]:
        assert job_id == JOB
        self.stepping += 1
        assert self.stepping == 1  # one message of a job at a time
        outcome = move(self.state)
        self.state = outcome.state
        self.stepping -= 1
        return outcome


#: What each message asks for.
EFFECTS: dict[str, tuple[Any, ...]] = {"two": (1, 2.0), "answer": (b"",), "unknown": ({},), "last": (2.0, 1)}


def step(context: str, state: State, message: str, now: datetime) -> Outcome[State, Any]:
    assert (context, now) == ("context", NOW)
    if message == "wrong":
        raise Problem(Code.WRONG_STATE, "not now")
    if message == "nothing":
        return Outcome(state)
    return Outcome(replace(state, taken=(*state.taken, message)), EFFECTS.get(message, ()))


@dataclass
class Bench:
    """Ints come back as the message "again", floats are noted, bytes are answered."""

    store: Keeps = field(default_factory=Keeps)
    done: list[object] = field(default_factory=list)
    took: list[tuple[State, State]] = field(default_factory=list)
    waits: Callable[[], Awaitable[None]] | None = None

    def driver(self) -> Driver[str, Any, str, Any]:
        async def comes_back(_state: State, effect: int) -> str:
            if self.waits is not None:
                await self.waits()
            self.done.append(effect)
            return "again"

        async def noted(_state: State, effect: float) -> None:
            self.done.append(effect)

        async def answered(_state: State, _effect: bytes) -> TaskAnswer:
            return ANSWER

        return Driver(
            step=step,
            store=self.store,  # type: ignore[arg-type]
            context=lambda _state: "context",
            now=lambda: NOW,
            run=asyncio.to_thread,
            handlers={int: comes_back, float: noted, bytes: answered},
            took=lambda before, after: self.took.append((before, after)),
        )

    def drive(self, message: str) -> Any:
        async def play() -> Any:
            return await self.driver().drive(JOB, message)

        return asyncio.run(play())


def test_what_an_effect_comes_back_as_is_taken_next_and_what_was_to_follow_is_not_done() -> None:
    bench = Bench()
    driven = bench.drive("two")
    assert driven.state.taken == ("two", "again") and driven.answer is None
    assert bench.done == [1]


def test_effects_are_done_in_their_order_after_the_commit() -> None:
    bench = Bench()
    assert bench.drive("last").state.taken == ("last", "again")
    assert bench.done == [2.0, 1]
    assert bench.store.state.taken == ("last", "again")


def test_the_answer_to_a_task_is_what_an_effect_gives() -> None:
    assert Bench().drive("answer").answer == ANSWER


def test_an_effect_that_nobody_handles_needs_nothing_more() -> None:
    assert Bench().drive("unknown").state.taken == ("unknown",)


def test_only_a_step_that_changed_the_job_is_told_of() -> None:
    bench = Bench()
    bench.drive("nothing")
    assert bench.took == []
    bench.drive("one")
    assert bench.took == [(State(), State(("one",)))]


def test_a_message_that_does_not_belong_changes_nothing() -> None:
    bench = Bench()
    with pytest.raises(Problem, match="not now"):
        bench.drive("wrong")
    assert (bench.store.state, bench.done, bench.took) == (State(), [], [])


def test_what_was_committed_before_an_effect_broke_is_there_to_go_on_from() -> None:
    async def breaks() -> None:
        raise KeyboardInterrupt

    bench = Bench(waits=breaks)
    with pytest.raises(KeyboardInterrupt):
        bench.drive("two")
    assert bench.store.state.taken == ("two",)
    bench.waits = None
    assert bench.drive("two").state.taken == ("two", "two", "again")


@pytest.mark.parametrize(("held", "between"), [(False, ("two", "one", "again")), (True, ("two", "again", "one"))])
def test_a_job_is_let_go_between_messages_unless_the_caller_holds_it(held: bool, between: tuple[str, ...]) -> None:
    async def play() -> State:
        under_way, go_on = asyncio.Event(), asyncio.Event()

        async def wait() -> None:
            under_way.set()
            await go_on.wait()

        bench = Bench(waits=wait)
        driver = bench.driver()

        async def first() -> None:
            if held:
                async with driver.holding(JOB):
                    await driver.drive(JOB, "two", held=True)
            else:
                await driver.drive(JOB, "two")

        running = asyncio.create_task(first())
        await under_way.wait()
        other = asyncio.create_task(driver.drive(JOB, "one"))
        if held:
            await asyncio.sleep(0)  # it waits for the job now
            go_on.set()
        await asyncio.wait({other})
        go_on.set()
        await running
        return bench.store.state

    assert asyncio.run(play()).taken == between


@pytest.mark.slow
def test_jobs_are_held_side_by_side_each_by_one_at_a_time() -> None:
    async def play() -> list[tuple[str, int, str]]:
        driver, seen = Bench().driver(), list[tuple[str, int, str]]()

        async def message(job_id: str, number: int) -> None:
            async with driver.holding(job_id):
                seen.append((job_id, number, "in"))
                await asyncio.sleep(0)
                gc.collect()  # a lock that somebody waits for stays
                await asyncio.sleep(0)
                seen.append((job_id, number, "out"))

        await asyncio.gather(*(message(job_id, number) for number in range(3) for job_id in ("a", "b")))
        return seen

    seen = asyncio.run(play())
    for job_id in ("a", "b"):
        mine = [(number, what) for job, number, what in seen if job == job_id]
        assert mine == [(number, what) for number in range(3) for what in ("in", "out")]
    assert seen[:2] == [("a", 0, "in"), ("b", 0, "in")]


@pytest.mark.slow
def test_nothing_is_left_of_jobs_that_nobody_is_busy_with() -> None:
    async def play() -> None:
        driver = Bench().driver()
        async with driver.holding("a"):
            for number in range(1000):
                async with driver.holding(f"job {number}"):
                    assert len(driver.locks) <= 3
            assert driver.holding("a").locked()
        gc.collect()
        assert len(driver.locks) == 0

    asyncio.run(play())


def test_two_who_want_one_context_make_it_once() -> None:
    contexts: Contexts[object] = Contexts()
    made, begun, go_on = [], threading.Event(), threading.Event()

    def make() -> object:
        begun.set()
        go_on.wait()
        made.append(object())
        return made[-1]

    found: list[object] = []
    threads = [threading.Thread(target=lambda: found.append(contexts.of(JOB, make))) for _ in range(2)]
    for thread in threads:
        thread.start()
    begun.wait()
    go_on.set()
    for thread in threads:
        thread.join()
    assert len(made) == 1 and found == [made[0], made[0]]


def test_a_context_that_cannot_be_made_is_tried_again_and_the_least_used_one_goes_first() -> None:
    contexts: Contexts[str] = Contexts(kept=2)

    def refused() -> str:
        raise Problem(Code.DOES_NOT_FIT, "too large")

    with pytest.raises(Problem):
        contexts.of("a", refused)
    assert contexts.of("a", lambda: "first") == contexts.of("a", refused) == "first"
    contexts.keep("b", "second")
    contexts.of("a", refused)
    contexts.keep("c", "third")
    assert (contexts.at_hand("a"), contexts.at_hand("b"), contexts.at_hand("c")) == ("first", None, "third")
