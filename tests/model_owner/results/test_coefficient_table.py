"""The coefficient table against statsmodels on the pooled rows, and where there can be none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import statsmodels.api as sm
from scipy import stats
from sklearn.datasets import load_breast_cancer, load_diabetes

from fedtrain.model_owner.results.table.student_t import quantile, two_sided_p
from tests.harness.one_process import Floats, rows_of, run_job, split, training


def ends(column: Floats) -> list[float]:
    low, high = float(column.min()), float(column.max())
    return [low - 1, high + 1] if low == high else [low, high]


def train(folder: Path, X: Floats, Y: Floats, **more: Any) -> dict[str, Any]:
    d, k = X.shape[1], Y.shape[1]
    targets = [{"col_idx": d + j, "range": ends(Y[:, j])} for j in range(k)]
    spec = {
        "model_type": "LINEAR_REGRESSION",
        "data_props": {
            "features": [{"col_idx": j, "type": "continuous", "range": ends(X[:, j])} for j in range(d)],
            "targets": targets,
        },
        "training": training(3, **more),
    }
    rows = rows_of(X, *(Y[:, j].tolist() for j in range(k)))
    third = len(rows) // 3
    model: dict[str, Any] = run_job(folder, spec, split(rows, (third, third, len(rows) - 2 * third)), rows)["model"]
    assert model["status"] == "FINISHED", model
    return model


def assert_is_that_of_statsmodels(table: dict[str, Any], X: Floats, Y: Floats) -> None:
    for column, output in enumerate(table["outputs"]):
        fitted = sm.OLS(Y[:, column], np.column_stack([X, np.ones(len(X))])).fit()
        rows = output["coefficients"]
        for name, expected in {
            "coefficient": fitted.params,
            "standard_error": fitted.bse,
            "t": fitted.tvalues,
            "low": fitted.conf_int()[:, 0],
            "high": fitted.conf_int()[:, 1],
        }.items():
            np.testing.assert_allclose([row[name] for row in rows], expected, rtol=1e-6, err_msg=name)
        # A p-value changes by t² times as much as t does.
        np.testing.assert_allclose([row["p"] for row in rows], fitted.pvalues, rtol=1e-6, atol=1e-12)
        assert output["r2"] == pytest.approx(fitted.rsquared, rel=1e-6)
        assert output["adjusted_r2"] == pytest.approx(fitted.rsquared_adj, rel=1e-6)
        assert output["residual_standard_error"] == pytest.approx(np.sqrt(fitted.scale), rel=1e-6)
        assert table["condition_number"] == pytest.approx(fitted.condition_number, rel=1e-6)
        assert table["degrees_of_freedom"] == fitted.df_resid
    assert table["rows"] == len(X)


@pytest.mark.slow
@pytest.mark.parametrize("load", [load_diabetes, load_breast_cancer])
def test_the_table_of_newton_is_that_of_statsmodels(tmp_path: Path, load: Any) -> None:
    data = load()
    X, Y = data.data, data.target.reshape(-1, 1).astype(float)
    assert_is_that_of_statsmodels(train(tmp_path, X, Y, optimizer="newton")["coefficient_table"], X, Y)


@pytest.mark.slow
def test_independent_rounds_tell_the_same_table_for_every_target(tmp_path: Path) -> None:
    data = load_diabetes()
    # An intercept of exactly 0 would be compared with rounding.
    X, Y = data.data[:, :6], np.c_[data.target, data.data[:, 8] * 100 + 3]
    model = train(tmp_path, X, Y, tolerance=0.0)
    assert_is_that_of_statsmodels(model["coefficient_table"], X, Y)
    assert [output["target"] for output in model["coefficient_table"]["outputs"]] == ["column 6", "column 7"]


@pytest.mark.slow
def test_too_few_rounds_tell_no_table(tmp_path: Path) -> None:
    data = load_diabetes()
    model = train(tmp_path, data.data, data.target.reshape(-1, 1), rounds=4)
    assert model["coefficient_table"] is None
    assert "d + 1 rounds" in model["no_coefficient_table"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("extra", "words"), [("constant", "column 3 is the same in all rows"), ("sum", "column 3 is a combination")]
)
def test_columns_that_carry_nothing_are_named(tmp_path: Path, extra: str, words: str) -> None:
    data = load_diabetes()
    X = data.data[:, :3]
    more = np.full(len(X), 7.0) if extra == "constant" else X[:, 0]
    model = train(tmp_path, np.c_[X, more], data.target.reshape(-1, 1), optimizer="newton")
    assert model["coefficient_table"] is None
    assert words in model["no_coefficient_table"]


def test_ridge_has_no_standard_errors(tmp_path: Path) -> None:
    data = load_diabetes()
    model = train(tmp_path, data.data[:, :3], data.target.reshape(-1, 1), optimizer="newton", l2=1.0)
    assert model["coefficient_table"] is None
    assert "without l2" in model["no_coefficient_table"]


@pytest.mark.parametrize("degrees_of_freedom", [1, 2, 7, 431, 100_000])
def test_the_t_distribution_is_that_of_scipy(degrees_of_freedom: int) -> None:
    for t in (0.0, 0.3, 1.0, 1.96, 4.0, 30.0):
        expected = 2 * stats.t.sf(t, degrees_of_freedom)
        assert two_sided_p(t, degrees_of_freedom) == pytest.approx(expected, rel=1e-9)
        assert two_sided_p(-t, degrees_of_freedom) == two_sided_p(t, degrees_of_freedom)
    assert quantile(0.95, degrees_of_freedom) == pytest.approx(stats.t.ppf(0.975, degrees_of_freedom), rel=1e-9)


def test_a_quantile_of_everything_is_refused() -> None:
    with pytest.raises(ValueError, match="below 1"):
        quantile(1.0, 5)


@pytest.mark.parametrize(("degrees_of_freedom", "digits"), [(1000, 1e-12), (10**6, 1e-10), (10**9, 1e-7)])
def test_many_rows_cost_p_values_few_digits(degrees_of_freedom: int, digits: float) -> None:
    for t in (1e-3, 0.1, 1.0, 1.7, 2.0, 3.0, 10.0, 30.0):
        assert two_sided_p(t, degrees_of_freedom) == pytest.approx(2 * stats.t.sf(t, degrees_of_freedom), rel=digits)
    assert quantile(0.95, degrees_of_freedom) == pytest.approx(stats.t.ppf(0.975, degrees_of_freedom), rel=digits)
