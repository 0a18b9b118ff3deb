"""Parties as their polls showed them: when, of which version, and how far their clocks are from the Facilitator's."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from fedtrain.facilitator.registry.sightings import MOST_PARTIES, SILENT_AFTER_S, Sightings
from fedtrain.protocol.states import Role
from fedtrain.service.runtime.system_clock import SystemClock
from tests.harness.facilitator.fake_parties import FakeClock, running
from tests.harness.facilitator.machine_bench import small_spec
from tests.harness.three_services import Route, three_services

STRANGER = "ab" * 32


async def poll(http: httpx.AsyncClient, party: str, **headers: str) -> None:
    answer = await http.get("/tasks", headers={"Fedtrain-Party": party, **headers})
    assert answer.status_code == 200, answer.text


async def parties(http: httpx.AsyncClient) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await http.get("/federation")).json()["parties"]
    return found


def test_owners_model_owners_and_others_are_listed_with_what_their_polls_said(tmp_path: Path) -> None:
    async def play() -> None:
        async with running(tmp_path) as facilitator, facilitator.client as http:
            owner, model_owner = facilitator.owner("clinic-a"), facilitator.model_owner()
            assert await parties(http) == []
            await owner.register("default")
            [silent] = await parties(http)
            assert (silent["name"], silent["role"], silent["datasets"]) == ("clinic-a", "data-owner", ["default"])
            assert (silent["seen_at"], silent["version"], silent["clock_ahead_s"]) == (None, None, None)
            assert silent["silent"]

            await model_owner.deploy(model_owner.manifest(small_spec()))
            started = facilitator.clock.now()
            late = format_datetime(started - timedelta(seconds=90), usegmt=True)
            await poll(http, owner.party_id, **{"User-Agent": "fedtrain/1.2.3", "Date": late})
            facilitator.clock.pass_time(30)
            await poll(http, model_owner.party_id)
            await poll(http, STRANGER, **{"User-Agent": "curl/8"})
            first, second, third = await parties(http)
            assert (first["version"], first["clock_ahead_s"]) == ("1.2.3", -90)
            assert first["seen_at"] == started.isoformat().replace("+00:00", "Z")
            assert (second["party"], second["role"]) == (model_owner.party_id, "model-owner")
            assert (second["name"], second["version"]) == ("model-owner", None)
            assert (third["party"], third["name"], third["role"]) == (STRANGER, None, None)
            # The next poll is what counts.
            in_time = format_datetime(facilitator.clock.now(), usegmt=True)
            await poll(http, owner.party_id, **{"User-Agent": "fedtrain/1.3.0", "Date": in_time})
            again, *_ = await parties(http)
            assert (again["version"], again["clock_ahead_s"], again["silent"]) == ("1.3.0", 0, False)

    asyncio.run(play())


@pytest.mark.parametrize(
    ("agent", "date"),
    [
        ("", ""),
        ("fedtrain/", "yesterday"),
        ("fedtrain/<img src=x>", "Mon, 99 Foo 2026 99:99:99 GMT"),
        ("fedtrain/" + "9" * 4000, "Mon, 01 Jan 99999 00:00:00 GMT"),
        ("Mozilla/5.0 fedtrain/1.0", "Mon, 01 Jan 2026 00:00:00 +9999"),
        ("fedtrain/\x00", "-1"),
        ("", "Mon, 01 Jan 99999999999 00:00:00 GMT"),
    ],
)
def test_what_a_party_says_is_a_version_and_a_date_or_nothing(agent: str, date: str) -> None:
    sightings = Sightings(SystemClock())
    sightings.note(STRANGER, Role.DATA_OWNER, {"User-Agent": agent, "Date": date})
    found = sightings.all()[STRANGER]
    assert found.clock_ahead_s is None and (found.version is None or len(found.version) <= 40)
    assert "<" not in (found.version or "")


def test_of_parties_without_end_the_latest_are_kept() -> None:
    sightings = Sightings(SystemClock())
    for number in range(MOST_PARTIES + 5):
        sightings.note(f"{number:064x}", None, {})
    assert len(sightings.all()) == MOST_PARTIES
    sightings.note(f"{5:064x}", None, {})  # seen again, it is the latest
    sightings.note(STRANGER, None, {})
    assert f"{5:064x}" in sightings.all() and f"{6:064x}" not in sightings.all()


def test_the_edition_is_another_one_when_a_state_changes_and_not_at_every_poll() -> None:
    clock = FakeClock()
    sightings = Sightings(clock)
    editions = [sightings.edition()]

    def polled(version: str = "1.0", ahead_s: float = 0, party: str = STRANGER) -> bool:
        """Say whether a poll makes another edition."""
        date = format_datetime(clock.now() + timedelta(seconds=ahead_s), usegmt=True)
        sightings.note(party, Role.DATA_OWNER, {"User-Agent": f"fedtrain/{version}", "Date": date})
        editions.append(sightings.edition())
        return editions[-1] != editions[-2]

    assert polled()
    for ahead_s in (1, -2, 0):
        clock.pass_time(20)
        assert not polled(ahead_s=ahead_s)
    assert polled(version="1.1") and not polled(version="1.1")
    assert polled("1.1", 60) and not polled("1.1", 61) and polled("1.1", -60) and polled("1.1")
    assert polled(party="cd" * 32) and not polled("1.1")
    clock.pass_time(SILENT_AFTER_S)
    assert sightings.edition() == editions[-1]
    clock.pass_time(1)
    silent = sightings.edition()
    assert silent != editions[-1] and sightings.is_silent(sightings.all()[STRANGER])
    polled("1.1")
    assert editions[-1] != silent and not sightings.is_silent(sightings.all()[STRANGER])


@pytest.mark.anyio
async def test_services_say_their_version_and_clock_and_a_token_says_its_role(tmp_path: Path) -> None:
    async with three_services(tmp_path) as running_now, asyncio.timeout(60):
        facilitator = running_now["facilitator"]
        while True:
            found = (await facilitator.ask(Route("GET", "/federation"), "read")).json()["parties"]
            if len(found) == 2 and all(one["version"] for one in found):
                break
            await asyncio.sleep(0.05)
        assert [one["role"] for one in found] == ["data-owner", "model-owner"]
        assert {one["version"] for one in found} == {facilitator.app.version}
        # One clock, read twice: the party's first.
        assert all(one["clock_ahead_s"] <= 1 for one in found)
