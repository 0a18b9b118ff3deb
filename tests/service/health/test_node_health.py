"""A running node's own checks, by the route that its page asks: what is wrong is found, and told to its own people."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from fedtrain.client.agent.tasks import TaskAgent
from fedtrain.client.facilitator import FacilitatorClient
from fedtrain.service.health.facilitator import check_reached, clocks_apart
from fedtrain.service.health.finding import Level
from fedtrain.service.health.node import check_store
from tests.harness.three_services import NAMES, Route, ServedParty, three_services

pytestmark = pytest.mark.anyio
HEALTH = Route("GET", "/health")


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
async def services(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[Path, dict[str, ServedParty]]]:
    folder = tmp_path_factory.mktemp("three")
    async with three_services(folder) as running:
        yield folder, running


async def found(party: ServedParty) -> dict[str, dict[str, Any]]:
    answer = await party.ask(HEALTH, "admin")
    assert answer.status_code == 200, answer.text
    return {one["check"]: one for one in answer.json()}


@pytest.mark.parametrize("name", NAMES)
async def test_what_is_wrong_is_found_at_every_party_and_gone_once_it_is_mended(
    services: tuple[Path, dict[str, ServedParty]], name: str
) -> None:
    folder, running = services
    before = await found(running[name])
    assert {"store", "version", "gmpy2", "kernel", "disk", "identity", "permissions", "callers"} <= set(before)
    assert (before["store"]["level"], before["permissions"]["level"]) == ("ok", "ok")
    key = folder / name / "identity.key"
    key.chmod(0o644)
    try:
        wrong = (await found(running[name]))["permissions"]
    finally:
        key.chmod(0o600)
    assert (wrong["level"], "identity.key (0644)" in wrong["found"]) == ("fail", True)
    assert wrong["remedy"].startswith("chmod")
    assert (await found(running[name]))["permissions"]["level"] == "ok"


@pytest.mark.parametrize("name", NAMES)
async def test_nobody_else_is_told_how_a_node_is(services: tuple[Path, dict[str, ServedParty]], name: str) -> None:
    """Findings name files and who may read them: neither a dashboard, nor a party, nor a stranger learns them."""
    party = services[1][name]
    codes = {who: (await party.ask(HEALTH, who)).status_code for who in (None, "gone", "read", "data-owner")}
    assert codes == {None: 401, "gone": 401, "read": 403, "data-owner": 403}


@pytest.mark.parametrize("name", ["data-owner", "model-owner"])
async def test_the_facilitator_is_reached_since_when_it_is(
    services: tuple[Path, dict[str, ServedParty]], name: str
) -> None:
    async with asyncio.timeout(60):
        while (told := (await found(services[1][name]))["facilitator"])["level"] != "ok":
            await asyncio.sleep(0.05)
    assert "is reached, for 0 minutes now" in told["found"]


def test_one_that_is_away_is_named_with_how_long_it_has_been() -> None:
    now_s = 0.0
    client = FacilitatorClient("http://127.0.0.1:1")
    agent = TaskAgent(client, {}, plan_of=lambda _: None, monotonic=lambda: now_s)  # type: ignore[arg-type,return-value]
    now_s = 720.0
    (away,) = check_reached(agent, client)
    assert (away.level, "not been reached for 12 minutes" in away.found) == (Level.FAIL, True)
    agent.connected, client.clocks_apart_s = True, 30.0
    reached, clock = check_reached(agent, client)
    assert (reached.level, clock.level, clock.found) == (
        Level.OK, Level.WARN, "this clock and the Facilitator's differ by 30 s",
    )  # fmt: skip
    assert [clocks_apart(seconds).level for seconds in (5.0, 5.1, 120.0, 120.1)] == [
        Level.OK, Level.WARN, Level.WARN, Level.FAIL,
    ]  # fmt: skip
    assert [one.level for one in check_reached(None, None)] == [Level.WARN]


def test_a_store_that_is_away_is_to_be_mended() -> None:
    (away,) = check_store({"store": "the disk is full", "facilitator": "ok"})
    assert (away.level, away.found) == (Level.FAIL, "the disk is full")
    assert away.remedy and not list(check_store({}))
