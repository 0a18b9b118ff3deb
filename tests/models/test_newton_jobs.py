"""newton end to end: one round, and what scikit-learn gets from the pooled rows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer, load_diabetes
from sklearn.linear_model import LinearRegression, Ridge

from tests.models.one_process import Floats, rows_of, run_job, split, training

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


@pytest.mark.parametrize("name", DATASETS)
def test_newton_equals_least_squares_on_the_pooled_rows(tmp_path: Path, name: str) -> None:
    data = DATASETS[name]()
    X, Y = data.data, data.target.reshape(-1, 1).astype(float)
    outcome = train(tmp_path, X, Y)
    assert outcome["model"]["status"] == "FINISHED", outcome["model"]
    pooled = LinearRegression().fit(X, Y)
    predicted = np.array(outcome["prediction"]["values"])
    assert difference(predicted, pooled.predict(X)[:, 0]) < 1e-8
    # On the model's own scale, where the condition number is that of the scaled features.
    half = np.array([(high - low) / 2 for low, high in map(widened, X.T)])
    found, expected = coefficients(outcome["model"])[:-1, 0] * half, pooled.coef_[0] * half
    assert difference(found, expected) < 1e-8
    assert (outcome["model"]["round"], outcome["model"]["rounds"]) == (1, 1)
    assert outcome["model"]["history"][0]["loss"] == pytest.approx(np.mean((pooled.predict(X) - Y) ** 2), rel=1e-8)


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


def test_l2_is_the_alpha_of_ridge_on_scaled_features(tmp_path: Path) -> None:
    data = load_breast_cancer()
    X, Y = data.data, data.target.reshape(-1, 1).astype(float)
    outcome = train(tmp_path, X, Y, l2=3.5)
    ends = np.array([widened(column) for column in X.T])
    scaled = (X - ends.mean(axis=1)) / ((ends[:, 1] - ends[:, 0]) / 2)
    pooled = Ridge(alpha=3.5, solver="cholesky").fit(scaled, Y)
    assert difference(np.array(outcome["prediction"]["values"]), pooled.predict(scaled).ravel()) < 1e-8
    without = LinearRegression().fit(scaled, Y)
    assert difference(np.array(outcome["prediction"]["values"]), without.predict(scaled).ravel()) > 1e-4


def test_several_targets_in_one_round(tmp_path: Path) -> None:
    data = load_diabetes()
    X, Y = data.data[:, :8], np.c_[data.target, data.data[:, 8:] * 100]
    outcome = train(tmp_path, X, Y)
    pooled = LinearRegression().fit(X, Y)
    assert difference(coefficients(outcome["model"]), np.vstack([pooled.coef_.T, pooled.intercept_])) < 1e-8
    np.testing.assert_allclose(outcome["prediction"]["values"], pooled.predict(X), rtol=1e-8)


def test_a_constant_and_a_repeated_column_break_nothing(tmp_path: Path) -> None:
    """Rank-deficient moments: predictions are those of the solution of least length, on scaled features."""
    data = load_diabetes()
    X = np.c_[data.data[:, :4], np.full(442, 3.0), data.data[:, 0]]
    Y = data.target.reshape(-1, 1)
    outcome = train(tmp_path, X, Y)
    assert outcome["model"]["status"] == "FINISHED", outcome["model"]
    pooled = LinearRegression().fit(data.data[:, :4], Y)
    assert difference(np.array(outcome["prediction"]["values"]), pooled.predict(data.data[:, :4]).ravel()) < 1e-8
