"""Probes, identity, metrics, OpenAPI, and how a service starts and stops."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest
from fastapi import APIRouter, FastAPI, Request

from fedtrain.protocol.documents.identity import Identity
from fedtrain.protocol.version import PROTOCOL_VERSION
from fedtrain.service.runtime.doorbell import Doorbell
from fedtrain.spec.problems import PROBLEM_JSON

pytestmark = pytest.mark.anyio


@asynccontextmanager
async def calling(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
        yield client


async def test_a_service_says_who_it_is_and_that_it_lives(make_service) -> None:
    identity = Identity.generate()
    async with calling(make_service(APIRouter(), identity=identity)) as http:
        who = (await http.get("/identity")).json()
        assert who["party_id"] == identity.party_id
        assert (who["role"], who["name"], who["protocol"]) == ("facilitator", "tested", PROTOCOL_VERSION)
        assert (await http.get("/healthz")).json() == {"status": "ok"}


async def test_readiness_names_what_is_missing(make_service) -> None:
    checks = {"store": "ok", "facilitator": "ok"}
    async with calling(make_service(APIRouter(), readiness=lambda: checks)) as http:
        assert (await http.get("/readyz")).json() == {"status": "ok", "checks": checks, "access": "open"}
        checks["facilitator"] = "cannot be reached"
        response = await http.get("/readyz")
        assert response.status_code == 503
        assert response.json()["detail"] == "facilitator: cannot be reached."
        assert response.json()["checks"] == checks


async def test_remarks_are_told_whether_it_is_ready_or_not_and_do_not_make_it_unready(make_service) -> None:
    checks, remarks = {"store": "ok"}, ["dataset default does not fit"]
    async with calling(make_service(APIRouter(), readiness=lambda: checks, remarks=lambda: remarks)) as http:
        ready = await http.get("/readyz")
        assert (ready.status_code, ready.json()["remarks"]) == (200, remarks)
        checks["store"] = "away"
        unready = await http.get("/readyz")
        assert (unready.status_code, unready.json()["remarks"]) == (503, remarks)


async def test_metrics_count_by_route_and_not_by_address(make_service) -> None:
    router = APIRouter()

    @router.get("/models/{model_id}")
    async def model(model_id: str) -> dict[str, str]:
        return {}

    async with calling(make_service(router)) as http:
        for address in ("/models/1", "/models/2", "/nowhere/1", "/nowhere/2"):
            await http.get(address)
        await http.request("MADEUP", "/models/1")
        lines = (await http.get("/metrics")).text.splitlines()
    assert 'fedtrain_http_requests_total{method="GET",route="/models/{model_id}",status="200"} 2.0' in lines
    assert 'fedtrain_http_requests_total{method="GET",route="(none)",status="404"} 2.0' in lines
    assert not any("MADEUP" in line or "nowhere" in line for line in lines)


async def test_openapi_says_that_every_route_may_answer_a_problem(make_service) -> None:
    router = APIRouter()

    @router.get("/tasks")
    async def tasks(wait: int) -> dict[str, str]:
        return {}

    async with calling(make_service(router)) as http:
        paths = (await http.get("/openapi.json")).json()["paths"]
    for address in ("/tasks", "/identity", "/readyz"):
        answers = paths[address]["get"]["responses"]
        assert set(answers) == {"200", "4XX", "5XX"}
        assert set(answers["4XX"]["content"]) == {PROBLEM_JSON}


async def test_stop_is_set_before_the_lifespan_ends_and_is_new_when_it_runs_again(make_service) -> None:
    seen: list[bool] = []

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        seen.append(app.state.stop.is_set())
        yield
        seen.append(app.state.stop.is_set())

    app = make_service(APIRouter(), lifespan=lifespan)
    for _ in range(2):
        async with app.router.lifespan_context(app):
            assert not app.state.stop.is_set()
        assert app.state.stop.is_set()
    assert seen == [False, True, False, True]


async def test_a_lifespan_that_cannot_start_says_so(make_service) -> None:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        raise RuntimeError("no store")
        yield

    app = make_service(APIRouter(), lifespan=lifespan)
    with pytest.raises(RuntimeError, match="no store"):
        async with app.router.lifespan_context(app):
            pass


def test_a_long_poll_over_a_socket_ends_by_a_ring_or_by_the_stop(make_service, served) -> None:
    router, doorbell, waiting = APIRouter(), Doorbell(), threading.Semaphore(0)

    @router.get("/wait")
    async def wait(request: Request) -> dict[str, bool]:
        loops.append(asyncio.get_running_loop())
        with doorbell.listen("key") as bell:
            waiting.release()
            return {"rung": await bell.wait(3600, request.app.state.stop)}

    app = make_service(router)
    answers: list[dict[str, bool]] = []
    loops: list[asyncio.AbstractEventLoop] = []

    def poll(port: int) -> None:
        answers.append(httpx.get(f"http://127.0.0.1:{port}/wait", timeout=3600, trust_env=False).json())

    with served(app) as port:
        first = threading.Thread(target=poll, args=(port,))
        first.start()
        waiting.acquire()
        doorbell.ring("key")
        first.join()
        assert answers == [{"rung": True}]
        second = threading.Thread(target=poll, args=(port,))
        second.start()
        waiting.acquire()
        loops[0].call_soon_threadsafe(app.state.stop.set)  # what `run_service` does on a signal
        second.join()
    assert answers == [{"rung": True}, {"rung": False}]
