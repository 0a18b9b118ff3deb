"""Jobs whose stores are away now and then: what was asked is asked again, and the numbers are the same."""

from __future__ import annotations

import asyncio
import itertools
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import numpy as np
import pytest
import sqlalchemy as sa

from fedtrain.service.store import database
from fedtrain.simulation.federation import Federation, federation
from fedtrain.spec.problems import Code, Problem
from tests.harness.one_process import run_job, training, write_table

if TYPE_CHECKING:
    from tests.harness.postgresql import PostgreSql

PARTIES = ("facilitator", "model-owner", "owner-0", "owner-1")
STORES = ("fedtrain.service.store.jobs", "fedtrain.data_owner.store.sql", "fedtrain.model_owner.store.sql")


def job() -> dict[str, Any]:
    """A job of two owners over three features, in gradient rounds, and its tables."""
    generator = np.random.default_rng(20260112)
    X = generator.uniform(-1, 1, (60, 3))
    y = X @ [3.0, -2.0, 0.5] + 4.0 + generator.normal(0, 0.1, 60)
    rows = [[*(float(value) for value in x), float(target)] for x, target in zip(X, y, strict=True)]
    spec = {
        "model_type": "LINEAR_REGRESSION",
        "data_props": {
            "features": [{"col_idx": column, "type": "continuous", "range": [-1, 1]} for column in range(3)],
            "target": {"col_idx": 3, "range": [-10, 15]},
        },
        "training": training(2, rounds=3),
    }
    return {"spec": spec, "parts": [rows[:25], rows[25:50]], "test": rows[50:]}


class Unsteady:
    """Write transactions some of which fail: every fifth before it has begun, every seventh once it is committed."""

    def __init__(self) -> None:
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()
        self.failed = {"before": 0, "after": 0}

    @contextmanager
    def write(self, engine: sa.Engine) -> Iterator[sa.Connection]:
        with self._lock:
            number = next(self._numbers)
        if number % 5 == 0:
            self._fail("before")
        with database.write(engine) as connection:
            yield connection
        if number % 7 == 0:
            self._fail("after")

    def _fail(self, when: str) -> None:
        self.failed[when] += 1
        raise Problem(Code.STORE_UNAVAILABLE, "The store cannot be used now: a test says so.")


@pytest.mark.slow
def test_a_job_whose_stores_fail_now_and_then_ends_with_the_same_coefficients(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steady = run_job(_folder(tmp_path, "steady"), **job())["model"]
    unsteady = Unsteady()
    outcome = asyncio.run(_run_unsteady(_folder(tmp_path, "unsteady"), unsteady, monkeypatch))
    assert outcome["status"] == "FINISHED", outcome
    assert min(unsteady.failed.values()) >= 3
    assert outcome["coefficients"] == steady["coefficients"]


async def _run_unsteady(folder: Path, unsteady: Unsteady, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The job once it is posted; what is registered and posted is refused where its store is away."""
    async with started(folder) as parties:
        model_id = await parties.deploy(job()["spec"])
        for store in STORES:
            monkeypatch.setattr(f"{store}.write", unsteady.write)
        return await parties.wait(model_id)


def started(folder: Path, database_urls: dict[str, str] | None = None) -> Any:
    made = job()
    return federation(
        folder,
        {f"owner-{n}": write_table(folder / f"owner-{n}.csv", part) for n, part in enumerate(made["parts"])},
        test_data=write_table(folder / "test.csv", made["test"]),
        allow_small_keys=True,
        owner_settings={"least_roster": 1},
        database_urls=database_urls,
    )


def _folder(parent: Path, name: str) -> Path:
    (parent / name).mkdir()
    return parent / name


@pytest.mark.slow
def test_on_postgresql_a_job_gets_through_a_restart_of_the_server_with_the_same_coefficients(
    tmp_path: Path, postgresql: PostgreSql
) -> None:
    steady = run_job(_folder(tmp_path, "steady"), **job())["model"]

    async def play() -> tuple[dict[str, Any], list[httpx.Response]]:
        urls = {name: postgresql.new_database() for name in PARTIES}
        async with started(_folder(tmp_path, "restarted"), urls) as parties:
            model_id = await parties.deploy(job()["spec"])
            while (await parties.model_owner.get(f"/models/{model_id}"))["round"] in (None, 0):
                await asyncio.sleep(0.01)
            await asyncio.to_thread(postgresql.stop)
            answers = [await party.http.get("/readyz") for party in everyone(parties)]
            answers += [await parties.model_owner.http.get(f"/models/{model_id}")]
            for party in everyone(parties):
                metrics = await party.http.get("/metrics")
                assert metrics.status_code == 200 and "fedtrain_jobs{" not in metrics.text
            await asyncio.to_thread(postgresql.start)
            state = await parties.wait(model_id)
            for party in everyone(parties):
                assert (await party.http.get("/readyz")).status_code == 200
                assert "fedtrain_jobs{" in (await party.http.get("/metrics")).text
            return state, answers

    outcome, away = asyncio.run(play())
    assert outcome["status"] == "FINISHED", outcome
    assert outcome["coefficients"] == steady["coefficients"]
    for answer in away:
        assert answer.status_code == 503, answer.text
        assert "The store cannot be used now" in answer.json()["detail"]
    assert away[-1].json()["type"].endswith("/store-unavailable")


def everyone(parties: Federation) -> list[Any]:
    return [parties.facilitator, parties.model_owner, *parties.data_owners]
