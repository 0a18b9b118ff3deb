"""A worker process that is killed during a job, as for want of memory: its work is done again, with the same digits."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fedtrain.crypto import LocalEngine, ProcessEngine, SizedEngine
from fedtrain.service.runtime.workers import Workers
from fedtrain.simulation.federation import federation
from tests.jobs.test_whole_job import make_spec, write_table

pytestmark = pytest.mark.slow


def train(folder: Path, engine: Any, between: Any) -> dict[str, Any]:
    async def run() -> dict[str, Any]:
        draw = np.random.default_rng(3)
        tables = {}
        for name in ("clinic-a", "clinic-b", "clinic-c"):
            X = draw.uniform(-0.2, 0.2, (40, 10))
            tables[name] = write_table(folder / f"{name}.csv", X, 180 + 300 * X[:, 0])
        spec = make_spec(3)
        spec["training"] |= {"optimizer": "gradient_descent", "rounds": 5, "tolerance": 0.0}
        async with federation(folder, tables, allow_small_keys=True, engine=engine) as parties:
            return await parties.wait(await parties.deploy(spec), between)

    folder.mkdir()
    return asyncio.run(run())


def test_killed_workers_change_no_digit(tmp_path: Path) -> None:
    undisturbed = train(tmp_path / "undisturbed", LocalEngine(), None)
    assert undisturbed["status"] == "FINISHED", undisturbed
    workers, killed = Workers(2), set[int]()

    def kill_one(model: dict[str, Any]) -> None:
        """In the first two rounds that are seen, whatever the worker is at."""
        number = model.get("round") or 0
        if model["status"] == "IN_PROGRESS" and number not in killed and len(killed) < 2:
            killed.add(number)
            os.kill(workers.submit(os.getpid).result(), signal.SIGKILL)

    engine = SizedEngine(LocalEngine(), ProcessEngine(workers, 2), least_multiplications=0)
    try:
        disturbed = train(tmp_path / "disturbed", engine, kill_one)
    finally:
        workers.shutdown()
    assert disturbed["status"] == "FINISHED", disturbed
    assert killed and workers.restarts >= 1
    assert disturbed["coefficients"] == undisturbed["coefficients"]
