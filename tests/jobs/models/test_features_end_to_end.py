"""Mixed columns through a whole job: the design is the one that a person would build by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression

from tests.harness.one_process import run_job, split, training

COLOURS, SIZES = ["red", "green", "blue"], ["small", "medium", "large"]


def spec(**missing: Any) -> dict[str, Any]:
    return {
        "model_type": "LINEAR_REGRESSION",
        "data_props": {
            "features": [
                {"name": "c0", "type": "continuous", "range": [0, 10], "missing": missing.get("c0", "error")},
                {"name": "c1", "type": "discrete", "range": [0, 5]},
                {"name": "c2", "type": "ordinal", "categories": SIZES},
                {"name": "c3", "type": "nominal", "categories": COLOURS},
            ],
            "target": {"name": "c4", "range": [-100, 100]},
        },
        "training": training(3, optimizer="newton"),
    }


@pytest.fixture
def records() -> list[list[Any]]:
    draw = np.random.default_rng(11)
    n = 240
    x, count = draw.uniform(0, 10, n), draw.integers(0, 6, n)
    size, colour = draw.integers(0, 3, n), draw.integers(0, 3, n)
    y = 3 * x - 2 * count + 5 * size + np.array([0, 4, -6])[colour] + draw.normal(0, 1, n)
    return [[float(x[i]), int(count[i]), SIZES[size[i]], COLOURS[colour[i]], float(y[i])] for i in range(n)]


def pooled(records: list[list[Any]]) -> tuple[LinearRegression, np.ndarray]:
    X = np.array([[r[0], r[1], SIZES.index(r[2]), r[3] == "green", r[3] == "blue"] for r in records], dtype=np.float64)
    return LinearRegression().fit(X, [r[4] for r in records]), X


def test_every_feature_type_counts_as_declared(tmp_path: Path, records: list[list[Any]]) -> None:
    rows = [{"c0": 2.5, "c1": 3, "c2": "large", "c3": "red"}, [2.5, 3, "large", "blue"]]
    outcome = run_job(tmp_path, spec(), split(records, (90, 80, 70)), records, rows=rows)
    model, _ = pooled(records)
    assert list(outcome["model"]["coefficients"]) == ["c0", "c1", "c2", "c3=green", "c3=blue", "intercept"]
    found = list(outcome["model"]["coefficients"].values())
    np.testing.assert_allclose(found, [*model.coef_, model.intercept_], rtol=1e-8)
    expected = model.predict([[2.5, 3, 2, 0, 0], [2.5, 3, 2, 0, 1]])
    np.testing.assert_allclose(outcome["scores"]["values"], expected, rtol=1e-8)


@pytest.mark.slow
@pytest.mark.parametrize("rule", ["drop", 4.0])
def test_missing_values_are_dropped_or_replaced_as_declared(
    tmp_path: Path, records: list[list[Any]], rule: object
) -> None:
    for place in (*range(3, 15), *range(95, 107), *range(200, 212)):  # at each owner more than the least cell
        records[place][0] = ""
    outcome = run_job(tmp_path, spec(c0=rule), split(records, (90, 80, 70)), records)
    if rule == "drop":
        complete = [record for record in records if record[0] != ""]
    else:
        complete = [[rule if record[0] == "" else record[0], *record[1:]] for record in records]
    model, _ = pooled(complete)
    found = list(outcome["model"]["coefficients"].values())
    np.testing.assert_allclose(found, [*model.coef_, model.intercept_], rtol=1e-8)
    assert outcome["model"]["rows_total"] == len(complete)


def test_a_missing_value_that_is_an_error_keeps_its_owner_out(tmp_path: Path, records: list[list[Any]]) -> None:
    records[3][0] = ""
    outcome = run_job(tmp_path, spec(), split(records, (90, 80, 70)), records)
    assert outcome["model"]["code"] == "too-few-owners"
    assert "owner-0" in outcome["model"]["reason"]


@pytest.mark.slow
def test_a_category_that_no_owner_has_is_reported_and_breaks_nothing(tmp_path: Path, records: list[list[Any]]) -> None:
    present = [record for record in records if record[3] != "blue"]
    third = len(present) // 3
    outcome = run_job(tmp_path, spec(), split(present, (third, third, len(present) - 2 * third)), present)
    assert outcome["model"]["status"] == "FINISHED", outcome["model"]
    assert "c3=blue is the same in all rows" in outcome["model"]["no_coefficient_table"]
    model, X = pooled(present)
    np.testing.assert_allclose(outcome["prediction"]["values"], model.predict(X), rtol=1e-8)
