"""newton end to end: one round, and what scikit-learn gets from the pooled rows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer, load_diabetes
from sklearn.linear_model import LinearRegression, Ridge

from tests.harness.one_process import Floats, rows_of, run_job, split, training

SIZES = {442: (200, 150, 92), 569: (300, 169, 100)}


def widened(column: Floats) -> list[float]:
    """A declared range somewhat wider than the data, so that nothing is clipped."""
    low, high = float(column.min()), float(column.max())
    margin = 0.05 * (high - low) or 1.0
    return [low - margin, high + margin]


def newton_spec(X: Floats, Y: Floats, **more: Any) -> dict[str, Any]:
    d, k = X.shape[1], Y.shape[1]
    targets = [{"col_idx": d + j, "range": widened(Y[:, j])} for j in range(k)]
    return {
        "model_type": "LINEAR_REGRESSION",
        "data_props": {
            "features": [{"col_idx": j, "type": "continuous", "range": widened(X[:, j])} for j in range(d)],
            **({"target": targets[0]} if k == 1 else {"targets": targets}),
        },
        "training": training(3, optimizer="newton", **more),
    }


def train(folder: Path, X: Floats, Y: Floats, **more: Any) -> dict[str, Any]:
    rows = rows_of(X, *(Y[:, j].tolist() for j in range(Y.shape[1])))
    return run_job(folder, newton_spec(X, Y, **more), split(rows, SIZES[len(X)]), rows)


def coefficients(model: dict[str, Any]) -> Floats:
    """(d, k) in raw units, the intercept last."""
    values = [list(v.values()) if isinstance(v, dict) else [v] for v in model["coefficients"].values()]
    return np.array(values)


def difference(found: Floats, expected: Floats) -> float:
    return float(np.linalg.norm(found - expected) / np.linalg.norm(expected))


DATASETS = {"diabetes": load_diabetes, "breast cancer": load_breast_cancer}
#: cond(DᵀD), to within a factor of 1.2, of the scaled features and the column of ones.
CONDITION = {"diabetes": 2e3, "breast cancer": 7e5}


def scaling(X: Floats) -> tuple[Floats, Floats]:
    """Centre and half width of the declared ranges."""
    low, high = np.array([widened(column) for column in X.T]).T
    return (low + high) / 2, (high - low) / 2


def scaled_coefficients(model: dict[str, Any], X: Floats) -> Floats:
    """(d,) on the scale that a model is trained on, where its ridge is; the intercept last."""
    centre, half = scaling(X)
    raw = coefficients(model)[:, 0]
    return np.array([*(raw[:-1] * half), raw[-1] + raw[:-1] @ centre])


@pytest.mark.slow
@pytest.mark.parametrize("l2", [0.0, 3.5])
@pytest.mark.parametrize("name", DATASETS)
def test_newton_equals_scikit_learn_on_the_pooled_rows(tmp_path: Path, name: str, l2: float) -> None:
    """LinearRegression without l2; with it, Ridge on the scaled features, its alpha the l2."""
    data = DATASETS[name]()
    X, Y = data.data, data.target.reshape(-1, 1).astype(float)
    centre, half = scaling(X)
    D = (X - centre) / half
    assert 1 / 1.2 < np.linalg.cond(np.c_[D, np.ones(len(D))]) ** 2 / CONDITION[name] < 1.2
    outcome = train(tmp_path, X, Y, **({"l2": l2} if l2 else {}))
    model = outcome["model"]
    assert model["status"] == "FINISHED", model
    assert (model["round"], model["rounds"]) == (1, 1)
    pooled = (Ridge(alpha=l2, solver="svd") if l2 else LinearRegression()).fit(D, Y[:, 0])
    expected = np.array([*pooled.coef_, pooled.intercept_])
    assert difference(scaled_coefficients(model, X), expected) < 1e-8
    fitted = pooled.predict(D)
    assert difference(np.array(outcome["prediction"]["values"]), fitted) < 1e-8
    assert model["history"][0]["loss"] == pytest.approx(np.mean((fitted - Y[:, 0]) ** 2), rel=1e-8)
    if l2:
        # And no other model is within that distance of it.
        without = LinearRegression().fit(D, Y[:, 0])
        assert difference(scaled_coefficients(model, X)[:-1], without.coef_) > 1e-4
    else:
        unscaled = LinearRegression().fit(X, Y[:, 0])
        assert difference(scaled_coefficients(model, X)[:-1], unscaled.coef_ * half) < 1e-8


@pytest.mark.slow
def test_newton_tells_that_it_decrypted_everything(tmp_path: Path) -> None:
    data = load_diabetes()
    outcome = train(tmp_path, data.data, data.target.reshape(-1, 1))
    d = 11
    everything = d * (d + 1) // 2 + d
    assert outcome["model"]["leak"] == {
        "numbers_decrypted": everything,
        "of": everything,
        "holds": "if the Model Owner follows the protocol",
    }


@pytest.mark.slow
def test_several_targets_in_one_round(tmp_path: Path) -> None:
    data = load_diabetes()
    X, Y = data.data[:, :8], np.c_[data.target, data.data[:, 8:] * 100]
    outcome = train(tmp_path, X, Y)
    pooled = LinearRegression().fit(X, Y)
    assert difference(coefficients(outcome["model"]), np.vstack([pooled.coef_.T, pooled.intercept_])) < 1e-8
    np.testing.assert_allclose(outcome["prediction"]["values"], pooled.predict(X), rtol=1e-8)


@pytest.mark.slow
def test_a_constant_and_a_repeated_column_break_nothing(tmp_path: Path) -> None:
    """Rank-deficient moments: predictions are those of the solution of least length, on scaled features."""
    data = load_diabetes()
    X = np.c_[data.data[:, :4], np.full(442, 3.0), data.data[:, 0]]
    Y = data.target.reshape(-1, 1)
    outcome = train(tmp_path, X, Y)
    assert outcome["model"]["status"] == "FINISHED", outcome["model"]
    pooled = LinearRegression().fit(data.data[:, :4], Y)
    assert difference(np.array(outcome["prediction"]["values"]), pooled.predict(data.data[:, :4]).ravel()) < 1e-8
