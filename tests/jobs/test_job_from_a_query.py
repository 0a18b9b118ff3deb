"""A job on what a query gives of each owner's rows is the same, to the last bit, as one on the same rows from CSV."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fedtrain.simulation.federation import federation
from tests.harness.one_process import write_table

OWNERS, HEADER = ("ana", "bea", "cleo"), ("age", "dose", "ward", "days")
SPEC: dict[str, Any] = {
    "model_type": "LINEAR_REGRESSION",
    "data_props": {
        "features": [
            {"name": "age", "type": "discrete", "range": [18, 100]},
            {"name": "dose", "type": "continuous", "range": [0, 5], "missing": 0.5},
            {"name": "ward", "type": "nominal", "categories": ["a", "b"]},
        ],
        "target": {"name": "days", "range": [0, 40]},
    },
    "training": {
        "key_bits": 512,
        "max_rows": 1000,
        "min_data_owners": 3,
        "max_data_owners": 3,
        "optimizer": "newton",
    },
}


def rows_of(seed: int) -> list[list[Any]]:
    draw = np.random.default_rng(seed)
    age, dose, days = draw.integers(18, 91, 120), draw.uniform(0, 5, 120), draw.uniform(0, 9, 120)
    rows = [
        [int(a), float(b), "ab"[n % 2], float(c + a / 10)]
        for n, (a, b, c) in enumerate(zip(age, dose, days, strict=True))
    ]
    for row in rows[3:90:6]:
        row[1] = None
    rows[7][1] = 2  # SQLite keeps it as a whole number in a column of the type NUMERIC
    return rows


@pytest.mark.slow
def test_a_job_on_queried_rows_is_the_one_on_the_same_rows_from_csv(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "ward.sqlite") as connection:
        for seed, name in enumerate(OWNERS):
            connection.execute(f"CREATE TABLE {name} (age INTEGER, dose NUMERIC, ward TEXT, days REAL)")
            connection.executemany(f"INSERT INTO {name} VALUES (?, ?, ?, ?)", rows_of(seed))  # noqa: S608
    connection.close()
    (tmp_path / "ward.url").write_text(f"sqlite:///{tmp_path / 'ward.sqlite'}")
    (tmp_path / "ward.url").chmod(0o600)

    tables = {
        name: write_table(
            tmp_path / f"{name}.csv", [["" if cell is None else cell for cell in row] for row in rows_of(seed)], HEADER
        )
        for seed, name in enumerate(OWNERS)
    }

    async def jobs() -> list[dict[str, Any]]:
        settings = {"databases": {"ward": tmp_path / "ward.url"}}
        async with (
            asyncio.timeout(120),
            federation(tmp_path, tables, allow_small_keys=True, owner_settings=settings) as parties,
        ):
            for owner in parties.data_owners:
                sql = f"SELECT age, dose, ward, days FROM {owner.name} ORDER BY rowid"  # noqa: S608
                await owner.post("/datasets/query", {"name": "queried", "database": "ward", "sql": sql})
                csv, queried = await owner.get("/datasets")
                assert csv["version"] != queried["version"]
            models = []
            for dataset in ("default", "queried"):
                while any(dataset not in one["datasets"] for one in await parties.facilitator.get("/data-owners")):
                    await asyncio.sleep(0.02)
                models.append(await parties.wait(await parties.deploy({**SPEC, "dataset": dataset})))
            return models

    from_csv, from_query = asyncio.run(jobs())
    assert from_query["status"] == "FINISHED", from_query
    assert from_query["rows_total"] == 360
    for told in ("coefficients", "rows_total", "loss", "coefficient_table"):
        assert from_query[told] == from_csv[told]
    assert from_query["coefficients"]
