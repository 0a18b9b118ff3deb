"""Parts that measure: the executor's queue, the event loop's lag, tasks and their failures, problems, store writes."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
import sqlalchemy as sa
import structlog
from prometheus_client import CollectorRegistry
from starlette.types import Receive, Scope, Send

from fedtrain.client.agent.tasks import AgentEvent, TaskAnswer
from fedtrain.protocol.messages.tasks import TaskHeader, TaskKind
from fedtrain.protocol.states import Phase
from fedtrain.service.metrics.agent_metrics import AgentMetrics
from fedtrain.service.metrics.http_metrics import HttpMetricsMiddleware
from fedtrain.service.metrics.job_metrics import JobsByPhase
from fedtrain.service.metrics.loop_lag import LoopLag
from fedtrain.service.metrics.metered_executor import MeteredExecutor
from fedtrain.service.store.database import observe_writes, write
from fedtrain.service.web.responses import problem_response
from fedtrain.spec.problems import Code, Problem


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


# The executor


@pytest.fixture
def one_thread() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(1) as executor:
        yield executor


def states(registry: CollectorRegistry) -> tuple[float | None, float | None]:
    return tuple(  # type: ignore[return-value]
        registry.get_sample_value("fedtrain_executor_tasks", {"state": state}) for state in ("running", "waiting")
    )


def test_work_is_seen_waiting_running_and_gone(registry: CollectorRegistry, one_thread: ThreadPoolExecutor) -> None:
    executor = MeteredExecutor(one_thread, registry)
    begun, free = threading.Event(), threading.Event()

    def work() -> int:
        begun.set()
        free.wait()
        return 7

    futures = [executor.submit(work), executor.submit(work), executor.submit(work)]
    begun.wait()
    assert states(registry) == (1, 2)
    assert futures[2].cancel()
    assert states(registry) == (1, 1)
    free.set()
    assert [future.result() for future in futures[:2]] == [7, 7]
    executor.submit(int).result()  # after it, the one thread has left the two before
    assert states(registry)[1] == 0
    assert registry.get_sample_value("fedtrain_executor_wait_seconds_count") == 3


def test_work_that_fails_is_no_longer_counted(registry: CollectorRegistry, one_thread: ThreadPoolExecutor) -> None:
    executor = MeteredExecutor(one_thread, registry)
    with pytest.raises(ZeroDivisionError):
        executor.submit(lambda: 1 / 0).result()
    executor.submit(int).result()
    one_thread.shutdown()
    with pytest.raises(RuntimeError):
        executor.submit(int)
    assert states(registry) == (0, 0)


def test_a_line_from_a_thread_says_what_its_caller_bound(
    registry: CollectorRegistry, one_thread: ThreadPoolExecutor
) -> None:
    executor = MeteredExecutor(one_thread, registry)
    with structlog.contextvars.bound_contextvars(job="a", round=3):
        bound = executor.submit(structlog.contextvars.get_contextvars).result()
    assert bound == {"job": "a", "round": 3}
    assert executor.submit(structlog.contextvars.get_contextvars).result() == {}


# The event loop


def test_a_blocked_event_loop_is_seen(registry: CollectorRegistry) -> None:
    async def block() -> None:
        async with LoopLag(registry).watched():
            await asyncio.sleep(0)  # the watch has begun
            time.sleep(0.6)  # to block it is what is tried
            while not registry.get_sample_value("fedtrain_event_loop_lag_seconds_count"):
                await asyncio.sleep(0.01)

    asyncio.run(block())
    late = registry.get_sample_value("fedtrain_event_loop_lag_seconds_sum")
    assert late is not None
    assert late > 0.3


# Tasks


def header(kind: TaskKind) -> TaskHeader:
    return TaskHeader(
        id="ab" * 16,
        kind=kind,
        sender="cd" * 32,
        recipient="ef" * 32,
        job_id=None,
        key="k",
        created_at="2026-01-01T00:00:00.000Z",
        sequence=1,
    )


def test_tasks_are_timed_and_their_failures_counted_by_problem(registry: CollectorRegistry) -> None:
    seconds = iter((10.0, 12.5, 20.0, 30.0))
    metrics = AgentMetrics(registry, perf_counter=lambda: next(seconds))

    async def answers(_header: TaskHeader, _request: bytes) -> TaskAnswer | None:
        return TaskAnswer(b"", "application/json")

    async def refuses(_header: TaskHeader, _request: bytes) -> TaskAnswer | None:
        raise Problem(Code.PLAN_DIFFERS, "another plan")

    async def breaks(_header: TaskHeader, _request: bytes) -> TaskAnswer | None:
        raise KeyError("oh")

    timed = metrics.timed({TaskKind.JOIN: refuses, TaskKind.COMPUTE: answers, TaskKind.STEP: breaks})

    async def run() -> None:
        assert await timed[TaskKind.COMPUTE](header(TaskKind.COMPUTE), b"") == TaskAnswer(b"", "application/json")
        with pytest.raises(Problem, match="another plan"):
            await timed[TaskKind.JOIN](header(TaskKind.JOIN), b"")
        with pytest.raises(KeyError):
            await timed[TaskKind.STEP](header(TaskKind.STEP), b"")

    asyncio.run(run())
    assert registry.get_sample_value("fedtrain_task_seconds_sum", {"kind": "compute"}) == 2.5
    assert registry.get_sample_value("fedtrain_task_seconds_count", {"kind": "join"}) is None
    for kind, code in (("join", "plan-differs"), ("step", "internal")):
        assert registry.get_sample_value("fedtrain_task_failures_total", {"kind": kind, "code": code}) == 1


def test_a_lost_facilitator_is_counted(registry: CollectorRegistry) -> None:
    metrics = AgentMetrics(registry)
    seen = []
    for event in (AgentEvent.CONNECTED, AgentEvent.DISCONNECTED, AgentEvent.CONNECTED, AgentEvent.DISCONNECTED):
        metrics.on_event(event, None)
        seen.append(registry.get_sample_value("fedtrain_facilitator_connected"))
    assert seen == [1, 0, 1, 0]
    assert registry.get_sample_value("fedtrain_facilitator_losses_total") == 2


# Problems


def test_problems_are_counted_by_their_code_and_what_looks_like_one_is_not(registry: CollectorRegistry) -> None:
    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == "/problem":
            await problem_response(Problem(Code.JOB_OVER, "it is over"))(scope, receive, send)
            return
        kind = b"application/problem+json" if scope["path"] == "/made-up" else b"application/json"
        await send({"type": "http.response.start", "status": 409, "headers": [(b"content-type", kind)]})
        await send({"type": "http.response.body", "body": b'{"type": "/problems/my-own-invention"}'})

    async def ask() -> None:
        transport = httpx.ASGITransport(HttpMetricsMiddleware(application, registry))
        async with httpx.AsyncClient(transport=transport, base_url="http://x.invalid") as http:
            for path in ("/problem", "/problem", "/made-up", "/json"):
                assert (await http.get(path)).status_code == 409

    asyncio.run(ask())

    def count(code: str) -> float | None:
        return registry.get_sample_value("fedtrain_problems_total", {"code": code})

    assert (count("job-over"), count("(other)"), count("my-own-invention")) == (2, 1, None)


def test_what_a_request_binds_for_the_log_is_gone_with_it(registry: CollectorRegistry) -> None:
    inside = []

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        inside.append(structlog.contextvars.get_contextvars())
        structlog.contextvars.bind_contextvars(job="of the request")
        await problem_response(Problem(Code.NOT_FOUND, "nothing"))(scope, receive, send)

    async def ask() -> dict[str, object]:
        transport = httpx.ASGITransport(HttpMetricsMiddleware(application, registry))
        with structlog.contextvars.bound_contextvars(job="of the caller"):
            async with httpx.AsyncClient(transport=transport, base_url="http://x.invalid") as http:
                await http.get("/")
            return structlog.contextvars.get_contextvars()

    assert asyncio.run(ask()) == {"job": "of the caller"}
    assert inside == [{}]


# Jobs and the store


def test_jobs_are_counted_only_while_a_store_is_watched(registry: CollectorRegistry) -> None:
    jobs = JobsByPhase(registry)
    of_added = {"status": "IN_PROGRESS", "phase": "ADDING"}
    assert registry.get_sample_value("fedtrain_jobs", of_added) is None
    jobs.watch(lambda: {Phase.ADDING: 2, Phase.FINISHED: 5})
    assert registry.get_sample_value("fedtrain_jobs", of_added) == 2
    jobs.unwatch()
    assert registry.get_sample_value("fedtrain_jobs", of_added) is None


def test_writes_are_timed_those_that_fail_too(tmp_path: Path) -> None:
    engine = sa.create_engine(f"sqlite:///{tmp_path / 'store.sqlite3'}")
    seconds: list[float] = []
    with write(engine):
        pass  # nobody watches yet
    observe_writes(engine, seconds.append)
    with write(engine):
        time.sleep(0.02)
    with pytest.raises(KeyError), write(engine):
        raise KeyError("oh")
    assert len(seconds) == 2
    assert seconds[0] >= 0.02
