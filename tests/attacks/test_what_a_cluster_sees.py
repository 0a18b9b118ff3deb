"""A job whose owners compute on a Dask cluster: the same model, and no key among all that the cluster was sent."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.fixtures.dask_processes import DaskProcesses, dask_processes
from fedtrain.crypto.engine import dask as dask_engine
from fedtrain.crypto.paillier import rerandomise
from fedtrain.data_owner.data import cluster as cluster_module
from fedtrain.data_owner.data.cluster import Cluster
from fedtrain.service.vault.key_files import KeyFiles
from fedtrain.service.vault.secret_files import IDENTITY_FILE, ROW_KEY_FILE, read_secret
from fedtrain.simulation.federation import federation
from tests.harness.free_ports import free_port
from tests.harness.one_process import give_salts_to
from tests.jobs.test_whole_job import make_spec, write_table

OWNERS = ("clinic-a", "clinic-b", "clinic-c")


@pytest.fixture(autouse=True)
def a_machine_however_busy(monkeypatch: pytest.MonkeyPatch) -> None:
    """No owner gives the cluster up because it is slow to answer."""
    for patience in ("CONNECT_S", "WORKERS_S"):
        monkeypatch.setattr(cluster_module, patience, 3600.0)


@pytest.fixture
def cluster(tmp_path_factory: pytest.TempPathFactory, a_machine_however_busy: None) -> Iterator[DaskProcesses]:
    with dask_processes(tmp_path_factory.mktemp("dask"), free_port()) as processes:
        reached = Cluster(processes.address, 2, time.monotonic)
        while reached.slots() < 2:
            time.sleep(0.1)
        reached.close()
        yield processes


def train(folder: Path, **owner_settings: object) -> dict[str, Any]:
    folder.mkdir()
    draw = np.random.default_rng(3)
    tables = {}
    for name in OWNERS:
        X = draw.uniform(-0.2, 0.2, (40, 10))
        tables[name] = write_table(folder / f"{name}.csv", X, 180 + 300 * X[:, 0])
    give_salts_to(folder, OWNERS)
    spec = make_spec(3)
    spec["training"] |= {"optimizer": "gradient_descent", "rounds": 3, "tolerance": 0.0}

    async def run() -> dict[str, Any]:
        async with federation(folder, tables, allow_small_keys=True, owner_settings=owner_settings) as parties:
            model = await parties.wait(await parties.deploy(spec))
            assert model["status"] == "FINISHED", model
            return model

    return asyncio.run(run())


class Sent:
    """Every byte that this process has sent to scheduler and workers."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        from distributed.comm import tcp

        self.frames: list[bytes] = []
        to_frames = tcp.to_frames

        async def recorded(*message: Any, **how: Any) -> Any:
            frames = await to_frames(*message, **how)
            self.frames += [bytes(frame) for frame in frames]
            return frames

        monkeypatch.setattr(tcp, "to_frames", recorded)

    def has(self, secret: bytes) -> bool:
        """Say whether the secret went out: its bytes in either order, or its digits."""
        number = int.from_bytes(secret)
        forms = (secret, secret[::-1], secret.hex().encode(), str(number).encode())
        return any(form in frame for form in forms for frame in self.frames)


def bytes_of(number: int) -> bytes:
    return number.to_bytes(-(-number.bit_length() // 8))


@pytest.mark.slow
def test_the_model_is_the_same_to_the_last_bit_and_no_key_was_sent(tmp_path: Path, cluster, monkeypatch) -> None:
    import dask.config

    alone = train(tmp_path / "alone")
    monkeypatch.setattr(dask_engine, "LEAST_MULTIPLICATIONS", 0)
    folder = tmp_path / "on a cluster"
    keys: dict[str, bytes] = {}
    nonces: list[int] = []
    write, draw_unit = KeyFiles.write, rerandomise.draw_unit

    def noted(self: KeyFiles, path: Path, key: bytes, **how: Any) -> None:
        keys[path.relative_to(folder).as_posix()] = key
        write(self, path, key, **how)

    def drawn(n: int) -> Any:
        unit = draw_unit(n)
        nonces.append(int(unit))
        return unit

    monkeypatch.setattr(KeyFiles, "write", noted)
    monkeypatch.setattr(rerandomise, "draw_unit", drawn)
    with dask.config.set({"distributed.comm.compression": None}):
        sent = Sent(monkeypatch)
        model = train(folder, engine=cluster.address)
    assert model["coefficients"] == alone["coefficients"]
    # The owners' moments and products were computed there.
    everything = b"".join(sent.frames)
    assert b"fedtrain.data_owner.data.reduction" in everything and b"fedtrain.crypto.engine.dask" in everything
    secrets = {f"{name}'s identity": read_secret(folder / name / IDENTITY_FILE) for name in (*OWNERS, "model-owner")}
    for path, key in keys.items():
        if path.endswith(".x25519"):
            secrets[path] = key
        elif path.startswith("model-owner/keys/"):
            secrets |= {f"{path}: {prime}": bytes_of(int(digits, 16)) for prime, digits in json.loads(key).items()}
    assert len(secrets) == 4 + len(OWNERS) + 2, sorted(secrets)
    secrets |= {f"nonce {number}": bytes_of(nonce) for number, nonce in enumerate(nonces)}
    assert nonces
    assert [name for name, secret in secrets.items() if sent.has(secret.lstrip(bytes(1)))] == []
    # What the page on threats says does go out, and this test would see.
    for name in OWNERS:
        assert sent.has(read_secret(folder / name / ROW_KEY_FILE))
        assert sent.has(read_secret(folder / name / "moments" / "validation.salt")) is False  # this job has no split
