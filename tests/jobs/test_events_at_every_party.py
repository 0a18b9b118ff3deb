"""GET /models and GET /models/{id}/events at all three parties: the same fields, the same events, one job."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx
import numpy as np
import pytest

from fedtrain.service.views.job_view import JobView
from fedtrain.simulation.federation import Federation, Party, federation
from tests.harness.one_process import rows_of, training, write_table

FEATURES = [{"col_idx": j, "type": "continuous", "range": [-1, 1]} for j in range(3)]
SPEC = {
    "model_type": "LINEAR_REGRESSION",
    "data_props": {"header": True, "features": FEATURES, "target": {"col_idx": 3, "range": [-10, 10]}},
    "training": {**training(3), "tolerance": 1e-12},
}
COMMON = set(JobView.model_fields)


def parse(text: str) -> list[tuple[str, str | None, dict[str, Any]]]:
    """(event, id, data) of each event; comments are left out."""
    found = []
    for block in text.strip().split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.splitlines() if not line.startswith(":"))
        if fields:
            found.append((fields["event"], fields.get("id"), json.loads(fields["data"])))
    return found


async def events(party: Party, model_id: str, **headers: str) -> list[tuple[str, str | None, dict[str, Any]]]:
    answer = await party.http.get(f"/models/{model_id}/events", headers=headers, timeout=None)
    assert answer.headers["content-type"].startswith("text/event-stream")
    return parse(answer.text)


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Return what three kinds of parties say of one job: streams that were open from its start, one that returns,
    views.
    """
    folder = tmp_path_factory.mktemp("events")
    rng = np.random.default_rng(5)
    tables = {}
    for name in ("a", "b", "c"):
        X = rng.uniform(-1, 1, (20, 3))
        tables[name] = write_table(folder / f"{name}.csv", rows_of(X, [float(y) for y in X @ [1.0, 2.0, 3.0]]))

    async def watched(parties: Federation) -> dict[str, Any]:
        model_id = await parties.deploy(SPEC)
        three = {"F": parties.facilitator, "M": parties.model_owner, "D": parties.data_owners[0]}
        for party in three.values():
            while not await party.get("/models"):
                await asyncio.sleep(0.01)
        streams = await asyncio.gather(*(events(party, model_id) for party in three.values()))
        return {
            "id": model_id,
            "streams": dict(zip(three, streams, strict=True)),
            "again": {key: await events(party, model_id, **{"Last-Event-ID": "2"}) for key, party in three.items()},
            "one": {key: await party.get(f"/models/{model_id}") for key, party in three.items()},
            "list": {key: await party.get("/models") for key, party in three.items()},
            "unknown": {key: await party.http.get(f"/models/{'0' * 32}/events") for key, party in three.items()},
        }

    async def job() -> dict[str, Any]:
        async with federation(folder, tables, allow_small_keys=True, owner_settings={"least_roster": 3}) as parties:
            return await asyncio.wait_for(watched(parties), 300)

    return asyncio.run(job())


@pytest.mark.parametrize("party", ["F", "M", "D"])
def test_a_job_has_the_common_fields_in_lists_and_alone(seen: dict[str, Any], party: str) -> None:
    (listed,) = seen["list"][party]
    assert set(listed) >= COMMON and set(seen["one"][party]) >= COMMON
    assert listed["id"] == seen["one"][party]["id"] == seen["id"]
    assert listed["status"] == seen["one"][party]["status"] == "FINISHED"
    assert len({str(seen["one"][key]["rounds"]) for key in "FMD"}) == 1


@pytest.mark.parametrize("party", ["F", "M", "D"])
def test_a_stream_tells_each_round_once_and_ends_with_the_job(seen: dict[str, Any], party: str) -> None:
    told = seen["streams"][party]
    rounds = [data["round"] for event, _, data in told if event == "round"]
    assert rounds == sorted(set(rounds)) == [row["round"] for row in seen["one"]["M"]["history"]]
    assert len(rounds) >= 3
    assert [number for event, number, _ in told if event == "round"] == [str(at) for at in rounds]
    event, _, last = told[-1]
    assert (event, last["status"], last["phase"]) == ("status", "FINISHED", "FINISHED")
    for name, _, data in told:
        if name != "window":
            assert set(data) >= {"id", "status", "phase", "round", "rounds"}


@pytest.mark.parametrize("party", ["F", "M", "D"])
def test_a_reader_that_returns_goes_on_after_the_last_round_it_saw(seen: dict[str, Any], party: str) -> None:
    everything = [data["round"] for event, _, data in seen["streams"][party] if event == "round"]
    again = [data["round"] for event, _, data in seen["again"][party] if event == "round"]
    assert again == [at for at in everything if at > 2]


def test_no_party_tells_in_its_stream_what_the_others_must_not_know(seen: dict[str, Any]) -> None:
    for party in "FD":
        for _, _, data in seen["streams"][party]:
            assert not {"loss", "gradient", "remarks"} & set(data)
    assert not any("numbers" in data for _, _, data in seen["streams"]["F"])


@pytest.mark.parametrize("party", ["F", "M", "D"])
def test_an_unknown_job_has_no_stream(seen: dict[str, Any], party: str) -> None:
    answer: httpx.Response = seen["unknown"][party]
    assert answer.status_code == 404
    assert answer.json()["type"].endswith("/model-not-found")
