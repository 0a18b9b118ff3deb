"""One small job with all parties in one process, its log lines and its metrics kept."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from phe import paillier

from fedtrain.crypto import LocalEngine
from fedtrain.model_owner.sums.keys import KeyRing
from fedtrain.service.runtime.logging import configure_logging
from fedtrain.simulation.federation import federation
from tests.harness.restored_logs import restored_logs

OWNERS = ("alba", "bruma", "celta")


def values_of(owner: int) -> list[list[float]]:
    """The table of one owner: two features and a target, of values that can be searched for."""
    rng = np.random.default_rng(owner)
    features = rng.uniform(-2, 2, (20, 2))
    target = 7.7 * features[:, 0] - 3.3 * features[:, 1] + 0.1 * rng.normal(size=20)
    return np.column_stack([features, target]).tolist()


SPEC = {
    "model_type": "LINEAR_REGRESSION",
    "data_props": {
        "features": [{"col_idx": j, "type": "continuous", "range": [-2, 2]} for j in range(2)],
        "target": {"col_idx": 2, "range": [-30, 30]},
    },
    "training": {
        "key_bits": 1024,
        "max_rows": 1000,
        "max_data_owners": 3,
        "optimizer": "gradient_descent",
        "rounds": 3,
        "tolerance": 0.0,
    },
}


@dataclass
class ObservedJob:
    """Everything told of a job: log lines as they were written, /metrics by party before and after, and its secrets."""

    job_id: str
    log: str
    before: dict[str, str]
    after: dict[str, str]
    model: dict[str, Any]
    private_key: paillier.PaillierPrivateKey
    folder: Path
    ended_at: datetime


async def observe(folder: Path, log: io.StringIO) -> ObservedJob:
    """Run SPEC over the tables of OWNERS, state in `folder`; `log` is where log lines go."""
    tables = {}
    for number, name in enumerate(OWNERS):
        tables[name] = folder / f"{name}.csv"
        lines = [",".join(repr(value) for value in row) for row in values_of(number)]
        tables[name].write_text("\n".join(["a,b,y", *lines]) + "\n")
    async with federation(folder / "state", tables, allow_small_keys=True, engine=LocalEngine()) as parties:
        everyone = (parties.facilitator, parties.model_owner, *parties.data_owners)

        async def scrape() -> dict[str, str]:
            return {party.name: (await party.http.get("/metrics")).text for party in everyone}

        before = await scrape()
        made: list[paillier.PaillierPrivateKey] = []
        with pytest.MonkeyPatch.context() as patch:
            make = KeyRing.make
            patch.setattr(KeyRing, "make", lambda *given: made.append(make(*given)) or made[-1])
            job_id = await parties.deploy(SPEC)
            model = await parties.wait(job_id)
        assert model["status"] == "FINISHED", model
        assert (await parties.facilitator.http.get(f"/models/{'0' * 32}")).status_code == 404
        # The owners' END tasks come after the Model Owner has finished.
        for owner in parties.data_owners:
            while (await owner.get(f"/models/{job_id}"))["status"] != "FINISHED":
                await asyncio.sleep(0.05)
        return ObservedJob(job_id, log.getvalue(), before, await scrape(), model, made[0], folder, datetime.now(UTC))


@contextmanager
def json_logs() -> Iterator[None]:
    """Within the block every line of the log goes to stderr as JSON, whatever its level."""
    with restored_logs():
        configure_logging("json", "debug")
        yield


def lines_of(job: ObservedJob) -> list[dict[str, Any]]:
    """The log's lines, parsed. Raises ValueError for one that is no JSON."""
    return [json.loads(line) for line in job.log.splitlines()]
