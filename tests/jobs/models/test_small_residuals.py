"""Standard errors where residuals are small beside the target's range: those of least squares, or a reason for none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import statsmodels.api as sm

from tests.harness.one_process import Floats, rows_of, run_job, split, training

RANDOM = np.random.default_rng(8)
X = np.column_stack([RANDOM.uniform(20, 80, 90), RANDOM.uniform(0, 9e4, 90), RANDOM.uniform(0, 1, 90)])
NOISE = RANDOM.normal(0, 10, 90)
AMOUNT = 1000 + 20 * X[:, 0] + 0.05 * X[:, 1] + NOISE


def train(folder: Path, y: Floats, target: list[float], features: Floats = X, **more: Any) -> dict[str, Any]:
    ends = [[float(np.floor(column.min())), float(np.ceil(column.max()))] for column in features.T]
    spec = {
        "model_type": "LINEAR_REGRESSION",
        "data_props": {
            "features": [{"col_idx": j, "type": "continuous", "range": each} for j, each in enumerate(ends)],
            "target": {"col_idx": features.shape[1], "range": target},
        },
        "training": training(3, **more),
    }
    parts = split(rows_of(features, y.tolist()), (30, 30, len(y) - 60))
    model: dict[str, Any] = run_job(folder, spec, parts, parts[0])["model"]
    assert model["status"] == "FINISHED", model
    return model


@pytest.mark.slow
@pytest.mark.parametrize("optimizer", ["newton", "conjugate_gradient"])
@pytest.mark.parametrize("width", [1e5, 1e8, 1e10])
def test_a_target_of_a_wide_range_has_the_standard_errors_of_least_squares(
    tmp_path: Path, optimizer: str, width: float
) -> None:
    model = train(tmp_path, AMOUNT, [0.0, width], optimizer=optimizer)
    fitted = sm.OLS(AMOUNT, np.column_stack([X, np.ones(len(X))])).fit()
    output = model["coefficient_table"]["outputs"][0]
    np.testing.assert_allclose([row["standard_error"] for row in output["coefficients"]], fitted.bse, rtol=1e-6)
    np.testing.assert_allclose([row["p"] for row in output["coefficients"]], fitted.pvalues, rtol=1e-4, atol=1e-12)
    assert model["loss"] == pytest.approx(fitted.ssr / len(X), rel=1e-6)


@pytest.mark.slow
def test_a_target_far_from_0_has_them_too(tmp_path: Path) -> None:
    y = 1e9 + NOISE + 0.01 * X[:, 0]
    model = train(tmp_path, y, [1e9 - 60, 1e9 + 60], optimizer="newton")
    centred = sm.OLS(y - 1e9, np.column_stack([X, np.ones(len(X))])).fit()
    rows = model["coefficient_table"]["outputs"][0]["coefficients"]
    np.testing.assert_allclose([row["coefficient"] for row in rows[:-1]], centred.params[:-1], rtol=1e-6)
    np.testing.assert_allclose([row["standard_error"] for row in rows], centred.bse, rtol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("optimizer", ["newton", "conjugate_gradient"])
def test_a_target_that_the_columns_give_has_no_table_and_says_why(tmp_path: Path, optimizer: str) -> None:
    model = train(tmp_path, 3 + 2 * X[:, 0] - X[:, 2], [0.0, 200.0], optimizer=optimizer)
    assert model["coefficient_table"] is None
    assert "column 3 but for the rounding of its numbers" in model["no_coefficient_table"]
    np.testing.assert_allclose(list(model["coefficients"].values()), [2, 0, -1, 3], atol=1e-12)
    assert model["converged"] is True


@pytest.mark.slow
@pytest.mark.parametrize("optimizer", ["newton", "conjugate_gradient"])
def test_a_polynomial_of_degree_10_has_one_set_of_coefficients(tmp_path: Path, optimizer: str) -> None:
    x = RANDOM.uniform(-9, -4, 120)
    powers = np.column_stack([x**power for power in range(1, 11)])
    model = train(tmp_path, np.sin(x) + NOISE.repeat(2)[:120] / 100, [-2.0, 2.0], powers, optimizer=optimizer)
    rows = model["coefficient_table"]["outputs"][0]["coefficients"]
    assert [row["coefficient"] for row in rows] == list(model["coefficients"].values())
    assert model["converged"] is True
    assert "exact" not in model["reason"]


@pytest.mark.slow
def test_a_column_that_others_give_but_for_rounding_takes_the_shortest_weights(tmp_path: Path) -> None:
    features = np.column_stack([X, X[:, 0] + 0.1 * X[:, 2]])
    model = train(tmp_path, AMOUNT, [0.0, 1e5], features, optimizer="newton")
    assert "column 3 is a combination of other columns" in model["no_coefficient_table"]
    assert max(abs(value) for value in model["coefficients"].values()) < 2000
