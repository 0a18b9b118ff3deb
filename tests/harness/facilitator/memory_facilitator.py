"""A Facilitator in memory, time that passes only in sleeps, and an agent between them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from fedtrain.client.agent.tasks import AgentEvent, TaskAgent, TaskAnswer
from fedtrain.client.http import Receive
from fedtrain.methods.plan import Plan
from fedtrain.protocol.messages.cbor import Encoded
from fedtrain.protocol.messages.tasks import JSON_TYPE, TaskHeader, TaskKind, TaskList
from fedtrain.spec.model_spec import ModelSpec
from fedtrain.spec.problems import Code, Problem

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

    async def task_request(self, task_id: str, most_bytes: int, receive: Receive[Encoded]) -> Encoded:
        self.most_bytes = most_bytes
        if self.request_problems:
            raise self.request_problems.pop(0)
        return await receive(_in_chunks(f"request {task_id}".encode()))

    async def put_result(self, task_id: str, body: bytes, content_type: str) -> None:
        assert content_type == JSON_TYPE
        if self.result_problems:
            raise self.result_problems.pop(0)
        self.results.append((task_id, body))
        self.open.pop(task_id, None)


async def _in_chunks(content: bytes) -> AsyncIterator[bytes]:
    for at in range(0, len(content), 10):
        yield content[at : at + 10]


class Setting:
    """An agent with all it talks to, and what it told."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.facilitator = MemoryFacilitator(self.clock)
        self.stop = asyncio.Event()
        self.events: list[tuple[AgentEvent, str | None]] = []
        self.problems: list[tuple[str, Code]] = []
        self.dropped: list[str] = []
        self.listed: list[tuple[str, TaskKind]] = []
        self.drop_problems: list[Problem] = []
        self.connects = 0
        self.plans: dict[str, tuple[ModelSpec, Plan]] = {}
        self.agent: TaskAgent

    async def plan_of(self, job_id: str) -> tuple[ModelSpec, Plan] | None:
        return self.plans.get(job_id)

    async def on_connect(self) -> None:
        self.connects += 1

    async def on_dropped(self, header: TaskHeader) -> None:
        if self.drop_problems:
            raise self.drop_problems.pop(0)
        self.dropped.append(header.id)

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
        plan_of=it.plan_of,
        on_event=lambda event, header: it.events.append((event, header.id if header else None)),
        on_problem=lambda header, problem: it.problems.append((header.id, problem.code)),
        on_dropped=it.on_dropped,
        on_listed=lambda header: it.listed.append((header.id, header.kind)),
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
