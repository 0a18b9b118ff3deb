"""The Model Owner's disk is full for a while: it stays up, loses nothing, and goes on afterwards."""

from __future__ import annotations

import asyncio
import errno
import itertools
import sqlite3
from collections.abc import Awaitable, Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from structlog.testing import capture_logs

import fedtrain.model_owner.jobs.effects
from fedtrain.service.vault import secret_files
from fedtrain.simulation.federation import Federation, federation
from fedtrain.spec.problems import Code
from tests.harness.model_owner.running import keys_left
from tests.harness.one_process import rows_of, split, training, write_table
from tests.harness.sqlite_disk import SqliteDisk

OWNERS = 2


def table() -> list[list[object]]:
    generator = np.random.default_rng(20260220)
    X = generator.uniform(-1, 1, (46, 2))
    return rows_of(X, (X @ [3.0, -2.0] + 1.0).tolist())


def spec(**more: Any) -> dict[str, Any]:
    return {
        "model_type": "LINEAR_REGRESSION",
        "data_props": {
            "features": [{"col_idx": column, "type": "continuous", "range": [-1, 1]} for column in range(2)],
            "target": {"col_idx": 2, "range": [-10, 10]},
        },
        "training": training(OWNERS, **{"rounds": 3, **more}),
    }


def with_parties(folder: Path, play: Callable[[Federation], Awaitable[None]]) -> None:
    async def played() -> None:
        parts = split(table()[:40], (20, 20))
        async with federation(
            folder,
            {f"owner-{n}": write_table(folder / f"owner-{n}.csv", part) for n, part in enumerate(parts)},
            allow_small_keys=True,
            owner_settings={"least_roster": 1},
        ) as parties:
            await play(parties)

    asyncio.run(played())


async def is_up(parties: Federation) -> bool:
    return (await parties.model_owner.http.get("/healthz")).status_code == 200


@pytest.mark.slow
def test_a_key_that_finds_no_room_is_made_when_there_is_room_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def play(parties: Federation) -> None:
        keys, tried = tmp_path / "model-owner" / "keys", asyncio.Event()
        loop, fsync, full = asyncio.get_running_loop(), secret_files.os.fsync, True

        def fsync_while_there_is_room(descriptor: int) -> None:
            if full:
                loop.call_soon_threadsafe(tried.set)
                raise OSError(errno.ENOSPC, "No space left on device")
            fsync(descriptor)

        monkeypatch.setattr(secret_files.os, "fsync", fsync_while_there_is_room)
        model_id = await parties.deploy(spec())
        await tried.wait()
        assert await is_up(parties)
        assert (await parties.model_owner.get(f"/models/{model_id}"))["phase"] == "PREPARING"
        full = False
        assert (await parties.wait(model_id))["status"] == "FINISHED"
        assert await keys_left(keys) == [], "no half written key is left, and the whole one went with the job"

    with_parties(tmp_path, play)


def test_a_test_set_that_finds_no_room_is_refused_by_name_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def play(parties: Federation) -> None:
        opened = Path.open

        def onto_a_full_disk(path: Path, mode: str = "r", *arguments: Any, **options: Any) -> Any:
            if mode != "xb":
                return opened(path, mode, *arguments, **options)
            path.touch()
            return opened(Path("/dev/full"), "wb")

        content, headers = b"c0,c1,c2\n0.5,0.5,1.5\n", {"content-type": "text/csv"}
        with monkeypatch.context() as disk:
            disk.setattr(Path, "open", onto_a_full_disk)
            answer = await parties.model_owner.http.post("/datasets", content=content, headers=headers)
        assert (answer.status_code, answer.json()["type"]) == (503, "/problems/store-unavailable")
        assert "full" in answer.json()["detail"]
        assert list((tmp_path / "model-owner").rglob("uploads/*")) == []
        answer = await parties.model_owner.http.post("/datasets", content=content, headers=headers)
        assert answer.status_code == 201

    with_parties(tmp_path, play)


# Its store

DESCENT = {"optimizer": "gradient_descent", "rounds": 4, "tolerance": 0.0}
#: One of the counts, and one a round.
SUMS = 5


def disk_of(parties: Federation) -> SqliteDisk:
    return SqliteDisk(parties.model_owner.app.state.desk.store.engine)


def all_rows(parties: Federation) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every table."""
    with closing(sqlite3.connect(parties.model_owner.state_dir / "state.sqlite3")) as connection:
        names = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return {name: connection.execute(f"SELECT * FROM {name}").fetchall() for name in names}  # noqa: S608


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The coefficients that the job comes to when there is always room."""
    found: list[Any] = []

    async def play(parties: Federation) -> None:
        found.append((await parties.wait(await parties.deploy(spec(**DESCENT))))["coefficients"])

    with_parties(tmp_path_factory.mktemp("undisturbed"), play)
    return found[0]


@pytest.mark.slow
@pytest.mark.parametrize("number", [1, 3, SUMS], ids=["the counts", "a gradient", "the last gradient, and the model"])
def test_a_step_that_finds_no_room_is_made_again_to_the_same_coefficients(
    number: int, tmp_path: Path, undisturbed: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened, tries = itertools.count(1), []
    open_sum = fedtrain.model_owner.jobs.effects.open_sum

    async def play(parties: Federation) -> None:
        model_id = await parties.deploy(spec(**DESCENT))
        disk = disk_of(parties)

        def full_before_what_follows_is_kept(*arguments: Any) -> Any:
            values = open_sum(*arguments)
            if next(opened) >= number:
                if not tries:
                    disk.fill()
                tries.append(all_rows(parties))
            return values

        monkeypatch.setattr(fedtrain.model_owner.jobs.effects, "open_sum", full_before_what_follows_is_kept)
        with capture_logs() as lines:
            while len(tries) < 3:
                await asyncio.sleep(0.01)
        assert {line["why"] for line in lines if line.get("code") == Code.STORE_UNAVAILABLE.slug} == {
            "The store cannot be used now: the disk is full."
        }
        state = await parties.model_owner.get(f"/models/{model_id}")
        assert (state["status"], state["round"]) == ("IN_PROGRESS", number - 1)
        assert tries[0] == tries[1] == tries[2], "a step that failed left something"
        assert len(list((tmp_path / "model-owner" / "keys").iterdir())) == 1
        disk.make_room()
        monkeypatch.setattr(fedtrain.model_owner.jobs.effects, "open_sum", open_sum)
        state = await parties.wait(model_id)
        assert (state["status"], state["round"]) == ("FINISHED", SUMS - 1)
        assert state["coefficients"] == undisturbed
        assert [one["round"] for one in state["history"]] == list(range(1, SUMS))
        assert await keys_left(tmp_path / "model-owner" / "keys") == []

    with_parties(tmp_path, play)


@pytest.mark.slow
def test_what_people_ask_of_a_full_store_is_refused_by_name_and_done_when_asked_again(tmp_path: Path) -> None:
    async def play(parties: Federation) -> None:
        http, key = parties.model_owner.http, {"Idempotency-Key": "once"}
        first = await parties.deploy(spec(**{**DESCENT, "rounds": 100_000}))
        while not (await parties.model_owner.get(f"/models/{first}"))["round"]:
            await asyncio.sleep(0.01)
        disk = disk_of(parties)
        await asyncio.to_thread(disk.fill)
        before = all_rows(parties)
        for answer in (
            await http.post("/models", json=spec(**DESCENT), headers=key),
            await http.delete(f"/models/{first}"),
        ):
            assert (answer.status_code, answer.json()["type"]) == (503, "/problems/store-unavailable")
            assert "the disk is full" in answer.json()["detail"]
        assert all_rows(parties) == before
        assert [job["id"] for job in await parties.model_owner.get("/models")] == [first]
        assert (await parties.model_owner.get(f"/models/{first}"))["status"] == "IN_PROGRESS"
        assert await is_up(parties)
        assert len(list((tmp_path / "model-owner" / "keys").iterdir())) == 1, "a job that goes on needs its key"
        disk.make_room()
        assert (await http.delete(f"/models/{first}")).json()["status"] == "CANCELLED"
        second = (await http.post("/models", json=spec(**DESCENT), headers=key)).json()["id"]
        assert (await parties.wait(second))["status"] == "FINISHED"

    with_parties(tmp_path, play)
