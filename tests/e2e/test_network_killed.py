"""A network over real services that are killed in mid-round: the weights are the same to the last bit."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from safetensors.numpy import load

from fedtrain.simulation.federation import federation
from tests.e2e.test_services_and_curl import deploy, wait_ended, wait_round
from tests.e2e.test_twenty_kills import start_all
from tests.harness.networks.exact_job import in_the_open, spec, tables, write_begin, write_tables

pytestmark = [pytest.mark.torch, pytest.mark.slow]


def check(found: dict[str, NDArray[np.float32]]) -> None:
    expected = in_the_open()
    assert found.keys() == expected.keys()
    for name, values in found.items():
        assert values.dtype == np.float32
        assert values.tobytes() == expected[name].tobytes(), (name, values, expected[name])


def test_all_parties_in_one_process_come_to_the_bits_of_one_party_with_all_rows(tmp_path: Path) -> None:
    write_begin(tmp_path / "model-owner" / "data")

    async def run() -> bytes:
        settings = {"least_roster": 1, "share_weights": True}
        async with federation(
            tmp_path, write_tables(tmp_path), allow_small_keys=True, owner_settings=settings
        ) as parties:
            model_id = await parties.deploy(spec())
            model = await asyncio.wait_for(parties.wait(model_id), 300)
            assert model["status"] == "FINISHED", model["reason"]
            return await parties.model_owner.get_bytes(f"/models/{model_id}/export", format="safetensors")

    check(load(asyncio.run(run())))


def test_services_that_are_killed_in_mid_round_come_to_the_same_bits(
    services: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FEDTRAIN_SHARE_WEIGHTS", "true")
    write_begin(services.folder / "model-owner" / "data")
    owners = write_tables(tmp_path)
    start_all(services, owners, owners["clinic-a"])
    model_id = deploy(services, spec())
    # The first round waits for every owner's worker to load PyTorch, and for the one that is started anew.
    wait_round(services, model_id, 1)
    for name in ("clinic-b", "model-owner", "facilitator"):
        assert services.stop(name, signal.SIGKILL) == -signal.SIGKILL
        services.start_again(name)
    ended = wait_ended(services, model_id)
    assert ended["status"] == "FINISHED", ended
    file = services.folder / "model.safetensors"
    address = services.url("model-owner", f"/models/{model_id}/export?format=safetensors")
    assert services.curl("--output", str(file), address)[0] == 200
    check(load(file.read_bytes()))


def test_the_job_is_exact_and_moves() -> None:
    """Weights move, and no number needs more bits than a float32 has, so that equal bits say something."""
    weights = in_the_open()
    assert all(float(one) != 0 for values in weights.values() for one in values.ravel())
    assert len(tables()) == 3
    scaled = np.concatenate([values.ravel() for values in weights.values()]).astype(np.float64) * 2.0**20
    assert (scaled == np.rint(scaled)).all()
