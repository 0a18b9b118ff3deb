"""Limits on a caller's calls: each for itself, told when to come again."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from fastapi import APIRouter, FastAPI
from prometheus_client import CollectorRegistry

from fedtrain.protocol.documents.identity import Identity
from fedtrain.protocol.states import Role
from fedtrain.service.limits.body_limits import BodyLimits
from fedtrain.service.limits.rate_limit import RateLimit, TokenBuckets
from fedtrain.service.vault.tokens import Scope, new_token, watched_tokens, write_tokens
from fedtrain.service.web.app import create_service
from fedtrain.service.web.caller import Gate, OpenGate, TokenGate
from fedtrain.service.web.decision_token import DecisionToken
from fedtrain.spec.problems import Code, Problem

pytestmark = pytest.mark.anyio


class Seconds:
    """A monotonic clock that a test moves."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_bucket_gives_its_burst_and_then_its_rate() -> None:
    seconds = Seconds()
    buckets = TokenBuckets(RateLimit(per_s=2, burst=3), seconds)
    assert [buckets.take("a") for _ in range(3)] == [0, 0, 0]
    assert buckets.take("a") == pytest.approx(0.5)
    seconds.now += 0.25
    assert buckets.take("a") == pytest.approx(0.25)
    seconds.now += 0.25
    assert [buckets.take("a"), buckets.take("a")] == [0, pytest.approx(0.5)]
    seconds.now += 3600
    assert [buckets.take("a") for _ in range(4)] == [0, 0, 0, pytest.approx(0.5)]


def test_one_callers_bucket_is_not_anothers() -> None:
    buckets = TokenBuckets(RateLimit(per_s=1, burst=1), Seconds())
    assert buckets.take("a") == 0 and buckets.take("a") > 0
    assert buckets.take("b") == 0


def test_callers_without_end_do_not_fill_the_memory() -> None:
    buckets = TokenBuckets(RateLimit(per_s=1, burst=1), Seconds())
    for number in range(20_000):
        buckets.take(str(number))
    assert len(buckets._buckets) == 10_000
    assert buckets.take("19999") > 0


@asynccontextmanager
async def _no_lifespan(app: FastAPI) -> AsyncIterator[None]:
    yield


def _service(gate: Gate, seconds: Callable[[], float]) -> FastAPI:
    router = APIRouter()

    @router.get("/look")
    async def look() -> None:
        return None

    return create_service(
        title="Test",
        description="A service under test",
        role=Role.FACILITATOR,
        identity=Identity.generate(),
        name="tested",
        routers=[router],
        lifespan=_no_lifespan,
        gate=gate,
        body_limits=BodyLimits(),
        readiness=dict,
        registry=CollectorRegistry(),
        rate_limit=RateLimit(per_s=0.1, burst=2),
        monotonic=seconds,
    )


def _calling(app: FastAPI, headers: dict[str, str], address: str = "10.0.0.1") -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app, client=(address, 5))
    return httpx.AsyncClient(transport=transport, base_url="http://service.invalid", headers=headers)


async def test_a_caller_over_its_limit_gets_429_with_retry_after_and_is_let_in_again_then(tmp_path: Path) -> None:
    seconds = Seconds()
    app = _service(OpenGate(DecisionToken(tmp_path)), seconds)
    async with _calling(app, {}) as http:
        assert [(await http.get("/look")).status_code for _ in range(3)] == [200, 200, 429]
        refused = await http.get("/look")
        assert refused.headers["Retry-After"] == "10"
        assert Problem.from_dict(refused.json(), 429).code is Code.RATE_LIMITED
        seconds.now += 10
        assert [(await http.get("/look")).status_code for _ in range(2)] == [200, 429]


async def test_each_token_has_a_limit_of_its_own_whatever_address_it_comes_from(tmp_path: Path) -> None:
    made = [new_token(name, Scope.READ, datetime(2026, 1, 1, tzinfo=UTC)) for name in ("a", "b")]
    write_tokens(tmp_path, [record for _, record in made])
    app = _service(TokenGate(watched_tokens(tmp_path)), Seconds())
    first, second = ({"Authorization": f"Bearer {token}"} for token, _ in made)
    async with _calling(app, first) as http, _calling(app, first, "10.0.0.2") as elsewhere:
        assert [(await http.get("/look")).status_code for _ in range(2)] == [200, 200]
        assert (await elsewhere.get("/look")).status_code == 429
    async with _calling(app, second) as http:
        assert (await http.get("/look")).status_code == 200


async def test_who_tries_tokens_uses_up_its_addresss_limit_and_nobody_elses(tmp_path: Path) -> None:
    token, record = new_token("a", Scope.READ, datetime(2026, 1, 1, tzinfo=UTC))
    write_tokens(tmp_path, [record])
    app = _service(TokenGate(watched_tokens(tmp_path)), Seconds())
    statuses = []
    for number in range(4):
        async with _calling(app, {"Authorization": f"Bearer guess-{number}"}) as http:
            statuses.append((await http.get("/look")).status_code)
    assert statuses == [401, 401, 429, 429]
    async with _calling(app, {"Authorization": f"Bearer {token}"}) as http:
        assert (await http.get("/look")).status_code == 200
    async with _calling(app, {"Authorization": "Bearer guess"}, "10.0.0.2") as http:
        assert (await http.get("/look")).status_code == 401
