"""Whole jobs over tables that a test makes: all parties in one process, keys that protect nothing, for speed."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fedtrain.service.vault.secret_files import ROW_KEY_FILE, write_secret
from fedtrain.simulation.federation import federation

Floats = NDArray[np.float64]
Table = Sequence[Sequence[object]]


def write_table(path: Path, rows: Table, header: Sequence[str] | None = None) -> Path:
    """A CSV whose columns are c0, c1, … or as `header` names them."""
    lines = [",".join(header or [f"c{j}" for j in range(len(rows[0]))])]
    lines += [",".join(repr(v) if isinstance(v, float) else str(v) for v in row) for row in rows]
    path.write_text("\n".join(lines) + "\n")
    return path


def rows_of(X: Floats, *columns: Sequence[object]) -> list[list[object]]:
    """Rows of X followed by further columns."""
    return [[*(float(v) for v in row), *more] for row, more in zip(X, zip(*columns, strict=True), strict=True)]


def split(rows: Table, sizes: Sequence[int]) -> list[Table]:
    """Consecutive parts of these sizes."""
    edges = np.cumsum([0, *sizes])
    return [rows[a:b] for a, b in pairwise(edges)]


def give_salts(folder: Path, owners: int) -> None:
    """As give_salts_to, to owner-0, owner-1, …"""
    give_salts_to(folder, [f"owner-{number}" for number in range(owners)])


def give_salts_to(folder: Path, names: Iterable[str]) -> None:
    """The same validation parts in every run: an owner that finds no salt, or no key that records are hashed under,
    draws one, and now and then none of a few rows is for validation."""
    for number, name in enumerate(names):
        moments = folder / name / "moments"
        for made in (moments.parent, moments):
            made.mkdir(mode=0o700, exist_ok=True)
        write_secret(moments / "validation.salt", bytes([number + 1] * 32))
        write_secret(moments.parent / ROW_KEY_FILE, bytes([number + 101] * 32))


def run_job(
    folder: Path,
    spec: Mapping[str, Any],
    parts: Sequence[Table],
    test: Table,
    *,
    rows: Sequence[object] | None = None,
    exports: Sequence[str] = (),
    header: Sequence[str] | None = None,
    database_urls: Mapping[str, str] | None = None,
    **owner_settings: Any,
) -> dict[str, Any]:
    """Train; {"model", "prediction", "scores"} as the Model Owner's routes give them. `rows` are scored.

    Under "exports" the model's files, in the formats named. `header`: the tables' columns. `database_urls`: by
    party, "owner-0" and so on.
    """

    async def job() -> dict[str, Any]:
        tables = {f"owner-{n}": write_table(folder / f"owner-{n}.csv", part, header) for n, part in enumerate(parts)}
        test_data = write_table(folder / "test.csv", test, header)
        settings = {"least_roster": 1, **owner_settings}
        give_salts_to(folder, tables)
        async with federation(
            folder,
            tables,
            test_data=test_data,
            allow_small_keys=True,
            owner_settings=settings,
            database_urls=database_urls,
        ) as parties:
            model_id = await parties.deploy(spec)
            outcome: dict[str, Any] = {"model": await parties.wait(model_id)}
            if outcome["model"]["status"] != "FINISHED":
                return outcome
            outcome["prediction"] = await parties.model_owner.get("/prediction", model_id=model_id)
            if rows is not None:
                outcome["scores"] = await parties.model_owner.post("/prediction", {"rows": list(rows)})
            for name in exports:
                answer = await parties.model_owner.http.get(f"/models/{model_id}/export", params={"format": name})
                outcome.setdefault("exports", {})[name] = answer.raise_for_status().content
            return outcome

    return asyncio.run(job())


def training(owners: int, **more: Any) -> dict[str, Any]:
    """The training part of a spec for so many owners."""
    return {"key_bits": 512, "max_rows": 2000, "min_data_owners": owners, "max_data_owners": owners, **more}
