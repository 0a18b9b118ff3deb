"""GET /changes at all three parties: news of requests, jobs and the federation, for whoever may look."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from fedtrain.data_owner.policy.rules import OwnerPolicy
from fedtrain.service.people.permissions import PersonRole
from fedtrain.simulation.federation import Federation, Party, federation
from tests.harness.cheap_passwords import make_cheap
from tests.harness.data_owner.owner_bench import spec_of
from tests.harness.stream_reader import Reader

OWNERS = ("clinic-a", "clinic-b")
BY_HAND = OwnerPolicy.for_loopback(2).model_copy(update={"approval": "by_hand"})


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Looks that follow each other closely, so that the tests take no longer than what they are of."""
    monkeypatch.setattr("fedtrain.service.web.event_streams.LOOK_S", 0.05)
    monkeypatch.setattr("fedtrain.client.agent.followed_requests.APART_S", 0.05)


def play(folder: Path, scene: Callable[[Federation], Awaitable[None]]) -> None:
    async def run() -> None:
        tables = {name: folder / f"{name}.csv" for name in OWNERS}
        for path in tables.values():
            rows = [f"{20 + at},{at % 5 - 2},{at % 50}" for at in range(30)]
            path.write_text("\n".join(["age,dose,days", *rows]) + "\n")
        async with federation(folder, tables, allow_small_keys=True, owner_policy=BY_HAND) as parties:
            for owner in parties.data_owners:
                card = {"title": "Stays", "tags": [owner.name], "columns": "none"}
                assert (await owner.http.put("/datasets/default/card", json=card)).status_code == 200
            await scene(parties)

    asyncio.run(run())


async def asked(parties: Federation, owner: str) -> str:
    """Return the id of a request of that owner's dataset alone."""
    (card,) = (await parties.model_owner.get("/catalogue", tag=owner))["cards"]
    spec = spec_of(optimizer="newton", rounds="auto", min_data_owners=1).model_dump(mode="json", exclude_none=True)
    body = {"title": f"stay at {owner}", "purpose": "plan beds", "spec": spec, "datasets": [card["id"]]}
    made: str = (await parties.model_owner.post("/requests", body))["id"]
    return made


@asynccontextmanager
async def hearing(party: Party, *about: str, cookie: str = "") -> AsyncIterator[Reader]:
    query = "&".join(f"about={topic}" for topic in about).encode()
    reader = Reader(party.app, "127.0.0.1", query, cookie, path="/changes")
    await reader.began.wait()
    try:
        yield reader
    finally:
        await reader.close()


def editions(reader: Reader, topic: str) -> list[Any]:
    """Editions of a topic as they were told, one after the other."""
    told = [one[topic] for one in reader.told if one[topic] is not None]
    return [edition for at, edition in enumerate(told) if at == 0 or edition != told[at - 1]]


@pytest.mark.slow
def test_who_is_party_to_a_request_hears_of_it_and_another_owner_does_not(tmp_path: Path) -> None:
    async def scene(parties: Federation) -> None:
        acme, (ana, bea) = parties.model_owner, parties.data_owners
        polls = parties.facilitator.app.state.long_polls
        async with (
            hearing(acme, "requests") as hers,
            hearing(ana, "requests") as anas,
            hearing(bea, "requests") as beas,
        ):
            for reader in (hers, anas, beas):
                await reader.until({"requests": "0.0"})
            request = await asked(parties, "clinic-a")
            await anas.until({"requests": "1.0"})
            await hers.until({"requests": "1.0"})
            await ana.post(f"/requests/{request}/messages", {"text": "Which wards?"})
            await hers.until({"requests": "1.1"})
            await acme.post(f"/requests/{request}/messages", {"text": "All."})
            await anas.until({"requests": "1.2"})
            await ana.post(f"/requests/{request}/decline", {})
            await hers.until({"requests": "1.3"})
            # Bea's stream has told nothing of all this, and goes on.
            assert editions(beas, "requests") == ["0.0"]
            await asked(parties, "clinic-b")
            await beas.until({"requests": "1.0"})
            assert editions(beas, "requests") == ["0.0", "1.0"]
            assert request not in beas.body.decode()
        while polls.total > len(OWNERS) + 1:  # one of each party for its tasks: nobody looks, and nothing is waited for
            await asyncio.sleep(0.01)

    play(tmp_path, scene)


def test_jobs_are_told_of_at_every_party_and_new_parties_at_the_facilitator(tmp_path: Path) -> None:
    async def scene(parties: Federation) -> None:
        facilitator, acme, (ana, _) = parties.facilitator, parties.model_owner, parties.data_owners
        async with (
            hearing(facilitator, "jobs", "federation") as watched,
            hearing(acme, "jobs") as hers,
            hearing(ana, "jobs") as anas,
        ):
            before = [(reader, len(editions(reader, "jobs"))) for reader in (watched, hers, anas)]
            parties_before = editions(watched, "federation")
            job = await parties.deploy(spec_of(min_data_owners=2).model_dump(mode="json", exclude_none=True))
            while not any(one["id"] == job and one["waits_because"] for one in await ana.get("/models")):
                await asyncio.sleep(0.05)
            for reader, count in before:
                while len(editions(reader, "jobs")) <= count:
                    await asyncio.sleep(0.05)
            while editions(watched, "federation") == parties_before:  # its Model Owner is one whose job is here
                await asyncio.sleep(0.05)
            known = editions(watched, "federation")
            answer = await facilitator.http.get("/tasks", headers={"Fedtrain-Party": "ab" * 32})
            assert answer.status_code == 200
            while editions(watched, "federation") == known:
                await asyncio.sleep(0.05)

    play(tmp_path, scene)


def test_who_may_not_look_hears_nothing_and_has_nothing_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_cheap(monkeypatch)

    async def scene(parties: Federation) -> None:
        ana = parties.data_owners[0]
        sessions = ana.app.state.sessions
        sessions.people.accounts.add("olga", PersonRole.OWNER, "correct horse battery", sessions.people.now())
        account = sessions.people.accounts.add("eve", PersonRole.AUDITOR, "correct horse too", sessions.people.now())
        async with hearing(ana, "requests") as stranger:
            await stranger.running
            assert stranger.status == 401 and b"event:" not in stranger.body
        requests = ana.app.state.parts.requests.requests
        assert await requests.news.edition() is None

        cookie = f"{sessions.cookie}={sessions.open_for(account)}"
        async with hearing(ana, "requests", cookie=cookie) as looking:
            await looking.until({"requests": "0.0"})
            sessions.end({"Cookie": cookie})
            await asked(parties, "clinic-a")
            await looking.running  # it ends with the session, and does not tell what came after it
            assert editions(looking, "requests") == ["0.0"]

        for query in (b"", b"about=releases", b"about=federation", b"about=jobs&about=jobs&about=requests"):
            wrong = Reader(parties.model_owner.app, "127.0.0.1", query, path="/changes")
            await wrong.running
            assert wrong.status == 422 and b"invalid-request" in wrong.body, (query, wrong.body)

    play(tmp_path, scene)
