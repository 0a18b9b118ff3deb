"""`"l2": "auto"`: chosen by the owners' validation parts, whose sums equal those of the pooled rows."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer, load_diabetes
from sklearn.linear_model import Ridge

from fedtrain.data_owner.data.rows.counted import CountedRows
from fedtrain.data_owner.data.rows.split import ValidationSplit
from fedtrain.data_owner.store.sql import OwnerStore
from fedtrain.service.store.database import sqlite_url
from fedtrain.spec.problems import Problem
from fedtrain.tabular.reading.read import open_table
from tests.harness.one_process import Floats, federation, rows_of, run_job, split, training, write_table

OWNER_SIZES = (200, 150, 92)


def spec_of(X: Floats, target: dict[str, Any], model_type: str, **more: Any) -> dict[str, Any]:
    d = X.shape[1]
    return {
        "model_type": model_type,
        "data_props": {
            "features": [
                {"col_idx": j, "type": "continuous", "range": [float(X[:, j].min()), float(X[:, j].max())]}
                for j in range(d)
            ],
            "target": {"col_idx": d, **target},
        },
        "training": training(3, optimizer="newton", l2="auto", **more),
    }


def scaled(X: Floats) -> Floats:
    low, high = X.min(axis=0), X.max(axis=0)
    return (X - (low + high) / 2) / ((high - low) / 2)


def held_out(folder: Path, sizes: tuple[int, ...]) -> Floats:
    """The rows that each owner's own salt keeps for validation, as the owner itself would find them."""
    masks = []
    for number in range(len(sizes)):
        state = folder / f"owner-{number}"
        store = OwnerStore(sqlite_url(state / "state.sqlite3"))
        dataset = store.dataset("default")
        store.close()
        assert dataset is not None and dataset.schema_ is not None
        counted = CountedRows(dataset.columns, dataset.schema_, (state / "rows.key").read_bytes())
        batches = counted.batches(open_table(dataset.path), dataset.schema_.columns)
        ids = np.concatenate([counted.ids for _ in batches])
        masks.append(ValidationSplit(0.2, (state / "moments" / "validation.salt").read_bytes()).holds_out(ids))
    return np.concatenate(masks)


@pytest.mark.slow
def test_every_candidate_is_judged_as_on_the_pooled_rows(tmp_path: Path) -> None:
    data = load_diabetes()
    X, y = data.data, data.target
    spec = spec_of(X, {"range": [20.0, 350.0]}, "LINEAR_REGRESSION")
    rows = rows_of(X, y.tolist())
    outcome = run_job(tmp_path, spec, split(rows, OWNER_SIZES), rows)
    choice = outcome["model"]["l2_choice"]
    held = held_out(tmp_path, OWNER_SIZES)
    assert (choice["training_rows"], choice["validation_rows"]) == (int((~held).sum()), int(held.sum()))
    assert 40 < choice["validation_rows"] < 140
    D = scaled(X)
    for candidate in choice["candidates"]:
        pooled = Ridge(alpha=candidate["l2"], solver="svd").fit(D[~held], y[~held])
        for name, part in (("training_loss", ~held), ("validation_loss", held)):
            assert candidate[name] == pytest.approx(np.mean((pooled.predict(D[part]) - y[part]) ** 2), rel=1e-6)
    best = min(choice["candidates"], key=lambda candidate: candidate["validation_loss"])
    assert choice["l2"] == best["l2"]
    # The model is fitted on all rows with it.
    final = Ridge(alpha=choice["l2"], solver="svd").fit(D, y)
    np.testing.assert_allclose(outcome["prediction"]["values"], final.predict(D), rtol=1e-8)
    assert outcome["model"]["rows_total"] == 442
    everything = 2 * (11 * 12 // 2 + 11)
    assert (outcome["model"]["leak"]["numbers_decrypted"], outcome["model"]["leak"]["of"]) == (everything, everything)


@pytest.mark.slow
def test_the_surrogate_of_logistic_regression_chooses_too(tmp_path: Path) -> None:
    data = load_breast_cancer()
    order = np.random.default_rng(1).permutation(len(data.data))[:442]
    X, y = data.data[order], data.target[order]
    spec = spec_of(X, {"categories": ["no", "yes"]}, "LOGISTIC_REGRESSION")
    rows = rows_of(X, [("no", "yes")[label] for label in y])
    outcome = run_job(tmp_path, spec, split(rows, OWNER_SIZES), rows)
    choice = outcome["model"]["l2_choice"]
    held = held_out(tmp_path, OWNER_SIZES)
    D = np.column_stack([scaled(X), np.ones(len(X))])
    ridge = np.eye(31)
    ridge[-1, -1] = 0
    for candidate in choice["candidates"][1:]:
        A, b = 0.153 * D[~held].T @ D[~held], D[~held].T @ (y[~held] - 0.5)
        z = D @ np.linalg.solve(A + candidate["l2"] * ridge, b)
        losses = np.log(2) - (y - 0.5) * z + 0.153 * z**2 / 2
        assert candidate["training_loss"] == pytest.approx(losses[~held].mean(), rel=1e-6)
        assert candidate["validation_loss"] == pytest.approx(losses[held].mean(), rel=1e-6)


@pytest.mark.slow
def test_a_part_below_min_rows_declines_the_job(tmp_path: Path) -> None:
    data = load_diabetes()
    spec = spec_of(data.data, {"range": [20.0, 350.0]}, "LINEAR_REGRESSION")
    rows = rows_of(data.data, data.target.tolist())
    # An owner of one row has nothing to validate with, or nothing to train with.
    outcome = run_job(tmp_path, spec, [rows[:200], rows[200:441], rows[441:]], rows)
    assert outcome["model"]["status"] == "FAILED"
    assert outcome["model"]["code"] == "too-few-owners"
    assert "owner-2 declined (data-refused)" in outcome["model"]["reason"]


def test_only_newton_chooses_l2(tmp_path: Path) -> None:
    async def scenario() -> None:
        tables = {"owner-0": write_table(tmp_path / "t.csv", [[0.5, 1.0], [0.25, 2.0]])}
        async with federation(tmp_path, tables, allow_small_keys=True) as parties:
            spec = spec_of(np.array([[0.0], [1.0]]), {"range": [0.0, 3.0]}, "LINEAR_REGRESSION")
            spec["training"]["optimizer"] = "conjugate_gradient"
            with pytest.raises(Problem) as caught:
                await parties.deploy(spec)
            assert [error["field"] for error in caught.value.extra["errors"]] == ["training.l2"]

    asyncio.run(scenario())


def test_a_split_is_the_records_own_and_the_salts() -> None:
    ids = np.random.default_rng(3).integers(0, 2**64, 20_000, dtype=np.uint64)
    one = ValidationSplit(0.2, b"\1" * 32)
    held = one.holds_out(ids)
    assert held.mean() == pytest.approx(0.2, abs=0.02)
    # The same record is in the same part, wherever it stands and whatever stands beside it.
    places = np.random.default_rng(4).permutation(len(ids))[:777]
    assert np.array_equal(one.holds_out(ids[places]), held[places])
    assert 0.25 < np.mean(ValidationSplit(0.2, b"\2" * 32).holds_out(ids) != held) < 0.4
    assert "\\x01" not in repr(one)
