"""The Model Owner's disk is full for a while: it stays up, loses nothing, and goes on afterwards."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cli.in_process import Federation, federation
from protocol.server import secret_files
from tests.models.one_process import rows_of, split, training, write_table

OWNERS = 2


def table() -> list[list[object]]:
    generator = np.random.default_rng(20260220)
    X = generator.uniform(-1, 1, (46, 2))
    return rows_of(X, (X @ [3.0, -2.0] + 1.0).tolist())


def spec() -> dict[str, Any]:
    return {
        "model_type": "LINEAR_REGRESSION",
        "data_props": {
            "features": [{"col_idx": column, "type": "continuous", "range": [-1, 1]} for column in range(2)],
            "target": {"col_idx": 2, "range": [-10, 10]},
        },
        "training": training(OWNERS, rounds=3),
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
        assert list(keys.iterdir()) == [], "no half written key is left, and the whole one went with the job"

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
