"""Federations that are stopped in the middle of a job, and whose state folders are set back to older copies."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from fedtrain.client.evidence import fetch_log
from fedtrain.client.facilitator import FacilitatorClient
from fedtrain.crypto import LocalEngine
from fedtrain.protocol.evidence.verification import Job, verify_log
from fedtrain.simulation.federation import FACILITATOR, Federation, federation
from tests.harness.facilitator.roomy import ROOMY
from tests.harness.one_process import give_salts_to

OWNERS = ("clinic-a", "clinic-b", "clinic-c")
DESCENT = {"optimizer": "gradient_descent", "tolerance": 0.0, "rounds": 14}
CONJUGATE_GRADIENT = {"optimizer": "conjugate_gradient", "tolerance": 1e-9}
WINDOWS = {"key_bits": 1024, "optimizer": "momentum", "rounds": 16, "reencrypt_every": 4, "tolerance": 0.0}
EVALUATED = {"optimizer": "gradient_descent", "tolerance": 0.0, "rounds": 10, "evaluate_every": 2}
SHARED = {"weights": "shared_with_owners", "optimizer": "lbfgs", "tolerance": 1e-9, "l2": 1.0}

Enough = Callable[[dict[str, Any]], bool]


def spec(**training: Any) -> dict[str, Any]:
    """A regression on y; on whether y is high where the weights are shared, which is for gradients not linear in w."""
    shares = "weights" in training
    return {
        "model_type": "LOGISTIC_REGRESSION" if shares else "LINEAR_REGRESSION",
        "data_props": {
            "features": [{"col_idx": j, "type": "continuous", "range": [-1, 1]} for j in range(3)],
            "target": {"col_idx": 4, "categories": [0, 1]} if shares else {"col_idx": 3, "range": [-60, 60]},
        },
        "training": {"key_bits": 512, "max_rows": 1000, "min_data_owners": 3, "max_data_owners": 3, **training},
    }


def tables(folder: Path) -> dict[str, Path]:
    """The same three tables whenever they are asked for."""
    rng = np.random.default_rng(20260112)
    paths = {}
    for name, rows in zip(OWNERS, (60, 40, 50), strict=True):
        X = rng.uniform(-1, 1, (rows, 3))
        y = X @ [12.5, -7.25, 3.0] + 5 + rng.normal(0, 2, rows)
        paths[name] = folder / f"{name}.csv"
        numbers = [",".join(repr(float(value)) for value in (*x, t)) for x, t in zip(X, y, strict=True)]
        lines = ["x0,x1,x2,y,high", *(f"{line},{int(t > 5)}" for line, t in zip(numbers, y, strict=True))]
        paths[name].write_text("\n".join(lines) + "\n")
    return paths


class Site:
    """The state folders of all parties, and what is done with them between two runs."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.tables = tables(folder)
        give_salts_to(folder, OWNERS)

    def back_up(self, party: str, name: str = "backup") -> None:
        copy = self.folder / f"{party}.{name}"
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(self.folder / party, copy)

    def restore(self, party: str, name: str = "backup") -> None:
        shutil.rmtree(self.folder / party)
        shutil.copytree(self.folder / f"{party}.{name}", self.folder / party)

    @contextmanager
    def store_of(self, party: str) -> Iterator[sqlite3.Connection]:
        """The store of a party that is stopped; what is changed in it is kept."""
        with closing(sqlite3.connect(self.folder / party / "state.sqlite3")) as connection:
            yield connection
            connection.commit()

    def running(self) -> Any:
        """All parties, as a context."""
        settings = {"least_roster": 1, "share_weights": True}
        return federation(self.folder, self.tables, allow_small_keys=True, owner_settings=settings)

    def start(self, training: dict[str, Any], until_round: int) -> str:
        """Deploy a job, stop everything once it has reached a round, and return its id."""

        async def run() -> str:
            async with self.running() as parties:
                model_id = await parties.deploy(spec(**training))
                if until_round:
                    await reached(parties, model_id, lambda state: (state["round"] or 0) >= until_round)
                return model_id

        return asyncio.run(run())

    def go_on(self, model_id: str, until_round: int | None = None) -> dict[str, Any]:
        """Start everything again, and stop at a round, or when the job has ended; return what was last seen of it."""

        async def run() -> dict[str, Any]:
            async with self.running() as parties:
                if until_round is None:
                    state = await parties.wait(model_id)
                    await ended_everywhere(parties, model_id)
                    return state
                return await reached(parties, model_id, lambda state: (state["round"] or 0) >= until_round)

        return asyncio.run(run())

    def set_back(self, party: str, training: dict[str, Any], copied: int, put_back: int) -> str:
        """Deploy a job, and at round `put_back` set a party back to what it was at `copied`; return the job's id.

        Everything is stopped then, and the job is not over.
        """
        model_id = self.start(training, until_round=copied)
        self.back_up(party)
        later = self.go_on(model_id, until_round=put_back)
        assert later["status"] == "IN_PROGRESS", later
        self.restore(party)
        return model_id

    def waits_for_its_facilitator(self, model_id: str, why: str) -> None:
        """Start everything: the job waits, and says why. With the Facilitator's copy put back it finishes."""

        async def wait() -> dict[str, Any]:
            async with self.running() as parties:
                return await reached(parties, model_id, lambda state: why in str(state["refusal"]))

        assert asyncio.run(wait())["status"] == "IN_PROGRESS"
        self.restore("facilitator")
        assert self.go_on(model_id)["status"] == "FINISHED"


async def reached(parties: Federation, model_id: str, enough: Enough) -> dict[str, Any]:
    while True:
        state: dict[str, Any] = await parties.model_owner.get(f"/models/{model_id}")
        if enough(state):
            return state
        assert state["status"] in ("INITIATED", "IN_PROGRESS"), state
        await asyncio.sleep(0.01)


async def ended_everywhere(parties: Federation, model_id: str) -> None:
    """The parties learn of the end one after the other."""
    for party in (parties.facilitator, *parties.data_owners):
        while (await party.get(f"/models/{model_id}"))["status"] not in ("FINISHED", "FAILED", "CANCELLED"):
            await asyncio.sleep(0.01)


async def verified_entries(parties: Federation, model_id: str) -> int:
    """Return how many entries the job's log has, once every one is recomputed, as its Model Owner may."""
    import httpx

    identity = (await parties.model_owner.get("/identity"))["party_id"]
    transport = httpx.ASGITransport(parties.facilitator.app)
    client = FacilitatorClient(FACILITATOR, party_id=identity, transport=transport)
    try:
        facilitator = str((await client.identity())["party_id"])
        job = Job.open(await client.manifest(model_id), await client.roster(model_id), facilitator)
        return verify_log(job, await fetch_log(client, model_id, ROOMY), LocalEngine()).length
    finally:
        await client.aclose()
