"""A job one of whose Data Owners has a full disk for a while: it waits, and comes to the same coefficients."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from structlog.testing import capture_logs

import fedtrain.data_owner.running.workshop
from fedtrain.data_owner.release.audit import verify_records
from fedtrain.data_owner.store.sql import OwnerStore
from fedtrain.service.store.database import sqlite_url
from fedtrain.simulation.federation import Federation, Party, federation
from tests.harness.data_owner.owners_disk import FULL, OwnersDisk, at_once, nth, refused_for_want_of_room
from tests.harness.one_process import rows_of, split, training, write_table

DESCENT = {"optimizer": "gradient_descent", "rounds": 4, "tolerance": 0.0}
#: One of the counts, and one a round.
ANSWERS = 5


def spec() -> dict[str, Any]:
    return {
        "model_type": "LINEAR_REGRESSION",
        "data_props": {
            "features": [{"col_idx": column, "type": "continuous", "range": [-1, 1]} for column in range(2)],
            "target": {"col_idx": 2, "range": [-10, 10]},
        },
        "training": training(2, **DESCENT),
    }


def with_parties(folder: Path, scene: Callable[[Federation], Awaitable[None]]) -> None:
    async def played() -> None:
        generator = np.random.default_rng(20260220)
        X = generator.uniform(-1, 1, (40, 2))
        parts = split(rows_of(X, (X @ [3.0, -2.0] + 1.0).tolist()), (20, 20))
        tables = {f"owner-{n}": write_table(folder / f"owner-{n}.csv", part) for n, part in enumerate(parts)}
        settings = {"least_roster": 1}
        async with federation(folder, tables, allow_small_keys=True, owner_settings=settings) as parties:
            await scene(parties)

    asyncio.run(played())


def disk_of(owner: Party, at: Callable[[str, Any], bool]) -> OwnersDisk:
    return OwnersDisk(owner.state_dir / "state.sqlite3", at, owner.app.state.parts.store)


@pytest.fixture(scope="module")
def coefficients(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Return what the job comes to when there is always room."""
    found: list[Any] = []

    async def scene(parties: Federation) -> None:
        found.append((await parties.wait(await parties.deploy(spec())))["coefficients"])

    with_parties(tmp_path_factory.mktemp("undisturbed"), scene)
    return found[0]


@pytest.mark.parametrize(
    ("at", "answers"),
    [
        ((1, "INTO jobs"), 0),
        pytest.param((1, "INTO answers"), 0, marks=pytest.mark.slow),
        ((3, "INTO releases"), 2),
        pytest.param((ANSWERS, "INTO answers"), ANSWERS - 1, marks=pytest.mark.slow),
        ((1, "UPDATE jobs", "FINISHED"), ANSWERS),
    ],
    ids=["the offer", "the counts", "a gradient", "the last gradient", "the end"],
)
def test_a_job_waits_for_an_owner_without_room_and_comes_to_the_same_coefficients(
    at: tuple[int, str, *tuple[str, ...]], answers: int, tmp_path: Path, coefficients: Any
) -> None:
    async def scene(parties: Federation) -> None:
        owner = parties.data_owners[0]
        disk = disk_of(owner, nth(*at))
        with capture_logs() as lines:
            model_id = await parties.deploy(spec())
            while "trying again" not in {line["event"] for line in lines}:
                await asyncio.sleep(0.01)
        again = [line for line in lines if line["event"] == "trying again"]
        assert {(line["code"], line["why"]) for line in again} == {("store-unavailable", FULL)}
        assert "request refused" not in {line["event"] for line in lines}
        assert disk.rows() == disk.rows_when_full, "a write that failed left something"
        assert len((await owner.get("/audit"))["records"]) == answers
        assert (await owner.http.get("/healthz")).status_code == 200
        assert (await owner.http.get("/readyz")).status_code == 200
        if answers < ANSWERS:
            waiting = await parties.model_owner.get(f"/models/{model_id}")
            assert waiting["status"] in ("INITIATED", "IN_PROGRESS")
            assert waiting["round"] == answers, "what is not kept was sent"
        disk.make_room()
        model = await parties.wait(model_id)
        assert (model["status"], model["coefficients"]) == ("FINISHED", coefficients)
        for one in parties.data_owners:
            while (await one.get(f"/models/{model_id}"))["phase"] != "FINISHED" or list(one.state_dir.glob("keys/*")):
                await asyncio.sleep(0.01)
            records = one.app.state.parts.store.audit()
            verify_records(records)
            assert [record.round for record in records] == list(range(ANSWERS))

    with_parties(tmp_path, scene)


def test_a_dataset_that_finds_no_room_is_refused_by_name_and_taken_later(tmp_path: Path) -> None:
    async def scene(parties: Federation) -> None:
        owner, table = parties.data_owners[0], "c0,c1,c2\n0.5,0.5,1.5\n"
        (owner.state_dir / "data" / "more.csv").write_text(table)
        disk = disk_of(owner, at_once)
        ways: tuple[dict[str, Any], ...] = (
            {"json": {"name": "more", "path": "more.csv"}},
            {"content": table, "headers": {"content-type": "text/csv"}},
        )
        for way in ways:
            refused = await owner.http.post("/datasets", **way)
            assert (refused.status_code, refused.json()["type"]) == (503, "/problems/store-unavailable")
            assert refused.json()["detail"] == FULL
        assert disk.rows() == disk.rows_when_full
        assert [dataset["name"] for dataset in await owner.get("/datasets")] == ["default"]
        disk.make_room()
        for way in ways:
            assert (await owner.http.post("/datasets", **way)).status_code == 201
        assert [dataset["name"] for dataset in await owner.get("/datasets")] == ["default", "more"]

    with_parties(tmp_path, scene)


@pytest.mark.slow
def test_a_start_without_room_says_why_and_the_next_one_goes_on(
    tmp_path: Path, coefficients: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def nothing(_parties: Federation) -> None:
        return None

    async def job(parties: Federation) -> None:
        assert (await parties.wait(await parties.deploy(spec())))["coefficients"] == coefficients

    with_parties(tmp_path, nothing)
    path = tmp_path / "owner-0" / "state.sqlite3"
    disk = OwnersDisk(path, at_once)

    def opened(url: str, state_dir: Path) -> OwnerStore:
        store = OwnerStore(url, state_dir)
        if url == sqlite_url(path):
            disk.under(store)
        return store

    monkeypatch.setattr(fedtrain.data_owner.running.workshop, "OwnerStore", opened)
    refused_for_want_of_room(disk, lambda: with_parties(tmp_path, nothing))
    disk.make_room()
    with_parties(tmp_path, job)
