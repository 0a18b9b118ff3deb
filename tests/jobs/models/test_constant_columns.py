"""A declared column that is the same in all rows: whatever the optimiser, training goes on, and the model predicts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fedtrain.spec.model_spec import ModelSpec
from fedtrain.tabular import check_table
from tests.harness.one_process import Floats, rows_of, run_job, split, training, write_table

#: Within its range at a place where it is a multiple of the intercept's column, and at one where it is all zeros.
CONSTANTS = {"beside the intercept": 3.0, "at the centre": 5.0}
SIZES = (60, 50, 40)


def columns_of(constant: float) -> tuple[Floats, Floats]:
    draw = np.random.default_rng(17)
    X = draw.uniform(0, 10, (sum(SIZES), 2))
    y = 3 * X[:, 0] - X[:, 1] + draw.normal(0, 1, len(X))
    return np.column_stack([X, np.full(len(X), constant)]), y


def spec_of(**more: Any) -> dict[str, Any]:
    return {
        "model_type": "LINEAR_REGRESSION",
        "data_props": {
            "features": [{"col_idx": j, "type": "continuous", "range": [0, 10]} for j in range(3)],
            "target": {"col_idx": 3, "range": [-50, 50]},
        },
        "training": training(3, **more),
    }


@pytest.mark.slow
@pytest.mark.parametrize("constant", CONSTANTS.values(), ids=list(CONSTANTS))
@pytest.mark.parametrize(
    "more",
    [
        {"optimizer": "conjugate_gradient", "tolerance": 1e-9},
        {"optimizer": "gradient_descent", "rounds": 12},
        {"optimizer": "momentum", "rounds": 12, "reencrypt_every": 4, "key_bits": 1024},
    ],
    ids=["conjugate gradient", "gradient descent", "windows"],
)
def test_a_constant_column_breaks_no_optimiser(tmp_path: Path, more: dict[str, Any], constant: float) -> None:
    X, y = columns_of(constant)
    rows = rows_of(X, y.tolist())
    outcome = run_job(tmp_path, spec_of(**more), split(rows, SIZES), rows)
    model = outcome["model"]
    assert model["status"] == "FINISHED", model
    values = np.array(outcome["prediction"]["values"])
    assert outcome["prediction"]["metrics"]["mse"] == pytest.approx(np.mean((values - y) ** 2))
    # Half of the error at w = 0 is gone. The history has no losses to tell it by where there are windows.
    assert np.mean((values - y) ** 2) < np.mean(y**2) / 2
    weights = list(model["coefficients"].values())
    assert np.isfinite(weights).all()
    if constant == CONSTANTS["at the centre"]:
        # A column of zeros has no gradient: nothing moves its weight.
        assert weights[2] == pytest.approx(0.0, abs=1e-9)
    if more["optimizer"] == "conjugate_gradient":
        D = np.column_stack([X[:, :2], np.ones(len(X))])
        expected = D @ np.linalg.lstsq(D, y, rcond=None)[0]
        np.testing.assert_allclose(values, expected, rtol=1e-6)


def test_a_constant_column_is_reported_to_its_owner_beforehand(tmp_path: Path) -> None:
    X, y = columns_of(3.0)
    path = write_table(tmp_path / "table.csv", rows_of(X, y.tolist()))
    spec = ModelSpec.model_validate(spec_of())
    found = check_table(path, spec.data_props, spec.model_type)
    assert [column.constant for column in found.columns] == [False, False, True, False]


def test_a_range_of_one_value_is_refused_with_the_spec() -> None:
    document = spec_of()
    document["data_props"]["features"][2]["range"] = [3, 3]
    with pytest.raises(ValueError, match="range"):
        ModelSpec.model_validate(document)
