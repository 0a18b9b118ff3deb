"""POST /requests with an Idempotency-Key: the same call again, as after a lost answer, asks the owners once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from fedtrain.client.facilitator import FacilitatorClient
from fedtrain.protocol.documents.signed import SignedDocument
from fedtrain.simulation.federation import Federation, federation
from fedtrain.spec.problems import Code, Problem
from tests.harness.data_owner.owner_bench import spec_of

pytestmark = pytest.mark.slow

CARD = {"title": "Stays", "tags": ["stays"], "columns": "none"}
SPEC = spec_of(optimizer="newton", rounds="auto", min_data_owners=2).model_dump(mode="json", exclude_none=True)


def play(folder: Path, *scenes: Callable[[Federation], Awaitable[None]]) -> None:
    """Play scenes among two owners and a Model Owner, all of whom are started anew for each."""
    tables = {name: folder / f"{name}.csv" for name in ("clinic-a", "clinic-b")}
    for at, path in enumerate(tables.values()):
        path.write_text("\n".join(["age,dose,days", *(f"{20 + row},{row % 5},{row}" for row in range(at, 30))]) + "\n")

    async def run(scene: Callable[[Federation], Awaitable[None]]) -> None:
        async with federation(folder, tables, allow_small_keys=True) as parties:
            for owner in parties.data_owners:
                put = await owner.http.put("/datasets/default/card", json=CARD)
                assert put.status_code == 200, put.text
            await scene(parties)

    for scene in scenes:
        asyncio.run(run(scene))


async def body_of(parties: Federation) -> dict[str, Any]:
    cards = (await parties.model_owner.get("/catalogue", tag="stays"))["cards"]
    return {"title": "stay", "purpose": "plan beds", "spec": SPEC, "datasets": [card["id"] for card in cards]}


async def made(parties: Federation, body: dict[str, Any], key: str | None) -> tuple[int, dict[str, Any]]:
    headers = {} if key is None else {"Idempotency-Key": key}
    answer = await parties.model_owner.http.post("/requests", json=body, headers=headers)
    return answer.status_code, answer.json()


async def listed(parties: Federation) -> list[str]:
    """Return the requests at the Model Owner, and each owner has to have the same."""
    own, *asked = [
        [one["id"] for one in (await party.get("/requests"))["requests"]]
        for party in (parties.model_owner, *parties.data_owners)
    ]
    assert asked == [own, own]
    return own


def test_the_same_key_and_body_are_one_request_with_what_was_decided_since(tmp_path: Path) -> None:
    seen: list[tuple[dict[str, Any], str]] = []

    async def first(parties: Federation) -> None:
        body = await body_of(parties)
        answers = await asyncio.gather(*(made(parties, body, "once") for _ in range(3)))
        assert [code for code, _ in answers] == [201] * 3
        (request,) = {answer["id"] for _, answer in answers}
        await parties.data_owners[0].post(f"/requests/{request}/approve", {})
        _, again = await made(parties, body, "once")
        decided = {one["name"]: one["decision"] for one in again["owners"]}
        assert decided == {"clinic-a": "approved", "clinic-b": None}
        assert await listed(parties) == [request]
        seen.append((body, request))

    async def started_again(parties: Federation) -> None:
        body, request = seen[0]
        code, again = await made(parties, body, "once")
        assert (code, again["id"], await listed(parties)) == (201, request, [request])
        # Another key, and none, ask again; by today's cards, which the first request is not about.
        fresh = await body_of(parties)
        others = [(await made(parties, fresh, key))[1]["id"] for key in ("twice", None, None)]
        assert len({request, *others}) == 4 and len(await listed(parties)) == 4

    play(tmp_path, first, started_again)


def test_a_key_that_came_with_another_body_is_refused_and_asks_nobody(tmp_path: Path) -> None:
    async def scene(parties: Federation) -> None:
        body = await body_of(parties)
        _, request = await made(parties, body, "once")
        others = (
            {"title": "another stay"},
            {"purpose": "plan staff"},
            {"spec": {**SPEC, "training": {**SPEC["training"], "l2": 0.5}}},
            {"datasets": body["datasets"][::-1]},
        )
        for other in others:
            code, problem = await made(parties, body | other, "once")
            assert (code, problem["type"]) == (409, "/problems/idempotency-conflict"), problem
            assert request["id"][:16] in problem["detail"]
        assert await listed(parties) == [request["id"]]
        for key in ("", "a b", "k" * 256):
            assert (await made(parties, body, key))[0] == 422

    play(tmp_path, scene)


@pytest.mark.parametrize("arrived", [True, False])
def test_a_request_whose_way_to_the_facilitator_broke_is_sent_by_the_next_call(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arrived: bool
) -> None:
    sent: list[str] = []
    post = FacilitatorClient.post_request

    async def broken(client: FacilitatorClient, signed: SignedDocument) -> None:
        sent.append(signed.hash)
        if arrived or len(sent) > 1:
            await post(client, signed)
        if len(sent) == 1:
            raise Problem(Code.FACILITATOR_UNREACHABLE, "The connection broke.")

    monkeypatch.setattr(FacilitatorClient, "post_request", broken)

    async def scene(parties: Federation) -> None:
        body = await body_of(parties)
        assert (await made(parties, body, "once"))[0] >= 500
        code, request = await made(parties, body, "once")
        assert (code, sent) == (201, [request["id"]] * 2)
        assert await listed(parties) == [request["id"]]

    play(tmp_path, scene)
