"""Owners that are too many, or lose what they answer from: each party says what became of the job."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fedtrain.data_owner.data.frozen.moments_freezer import MomentsFreezer
from fedtrain.simulation.federation import Federation, federation
from tests.jobs.test_whole_job import make_spec, write_table

NAMES = ("clinic-a", "clinic-b", "clinic-c", "clinic-d")


def play(folder: Path, scene: Any) -> None:
    async def run() -> None:
        draw = np.random.default_rng(7)
        tables = {}
        for name in NAMES:
            X = draw.uniform(-0.2, 0.2, (40, 10))
            tables[name] = write_table(folder / f"{name}.csv", X, 180 + 300 * X[:, 0])
        settings = {"least_roster": 1}
        async with federation(folder, tables, allow_small_keys=True, owner_settings=settings) as parties:
            await scene(parties)

    asyncio.run(run())


async def until_ended(party: Any, model_id: str) -> dict[str, Any]:
    while (job := await party.get(f"/models/{model_id}"))["phase"] not in ("FINISHED", "FAILED", "CANCELLED"):
        await asyncio.sleep(0.02)
    return dict(job)


@pytest.mark.slow
def test_an_owner_there_is_no_room_for_is_told_and_does_not_stay_joined(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # All have seen the offer before one answers it: whoever is told of the end before that knows of no job.
    together, freeze = threading.Barrier(len(NAMES)), MomentsFreezer.freeze_job

    def freeze_together(*arguments: Any) -> Any:
        together.wait()
        return freeze(*arguments)

    monkeypatch.setattr(MomentsFreezer, "freeze_job", freeze_together)

    async def scene(parties: Federation) -> None:
        model_id = await parties.deploy(make_spec(3))
        assert (await parties.wait(model_id))["status"] == "FINISHED"
        jobs = [await until_ended(owner, model_id) for owner in parties.data_owners]
        assert sorted(job["phase"] for job in jobs) == ["CANCELLED", "FINISHED", "FINISHED", "FINISHED"]
        (left_out,) = [job for job in jobs if job["phase"] == "CANCELLED"]
        assert left_out["code"] == "roster-closed" and left_out["released"]["answers"] == 0
        for owner in parties.data_owners:
            assert list((owner.state_dir / "keys").glob("*.x25519")) == []

    play(tmp_path, scene)


@pytest.mark.slow
def test_an_owner_that_loses_its_mask_key_ends_the_job_by_name(tmp_path: Path) -> None:
    async def scene(parties: Federation) -> None:
        spec = make_spec(4)
        spec["training"] |= {"optimizer": "gradient_descent", "rounds": 10_000, "tolerance": 0.0}
        model_id = await parties.deploy(spec)
        owner = parties.data_owners[1]
        while ((await owner.get(f"/models/{model_id}")) if await known(owner, model_id) else {}).get("round") is None:
            await asyncio.sleep(0.02)
        (owner.state_dir / "keys" / f"{model_id}.x25519").unlink()
        owner.app.state.parts.jobs.effects._answering.clear()  # as after a restart
        model = await parties.wait(model_id)
        assert (model["status"], model["code"]) == ("FAILED", "owner-left")
        assert model["reason"] == "clinic-b left the job (owner-lost-its-key)."
        for other in parties.data_owners:
            job = await until_ended(other, model_id)
            expected = ("CANCELLED", "owner-lost-its-key") if other is owner else ("FAILED", "owner-left")
            assert (job["phase"], job["code"]) == expected

    play(tmp_path, scene)


async def known(owner: Any, model_id: str) -> bool:
    return any(job["id"] == model_id for job in await owner.get("/models"))
