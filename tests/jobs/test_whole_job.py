"""Whole jobs, all parties in one process: the result is what one party with all the rows would have got."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.datasets import load_diabetes
from sklearn.linear_model import LinearRegression

from fedtrain.methods.regression.from_spec import RECORD_FRACTION_BITS, budget_inputs
from fedtrain.simulation.federation import federation
from fedtrain.spec.model_spec import ModelSpec
from tests.harness.truncation import window_error_bound

Floats = NDArray[np.float64]
Train = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module")
def diabetes() -> tuple[Floats, Floats]:
    data = load_diabetes(scaled=True)
    return data.data, data.target


def write_table(path: Path, X: Floats, y: Floats) -> Path:
    lines = [",".join([*(f"x{j}" for j in range(X.shape[1])), "y"])]
    lines += [",".join(repr(float(value)) for value in (*row, target)) for row, target in zip(X, y, strict=True)]
    path.write_text("\n".join(lines) + "\n")
    return path


def make_spec(owners: int, **training: Any) -> dict[str, Any]:
    """The diabetes job, under keys that protect nothing, for speed."""
    return {
        "model_type": "LINEAR_REGRESSION",
        "data_props": {
            "features": [{"col_idx": j, "type": "continuous", "range": [-0.2, 0.2]} for j in range(10)],
            "target": {"col_idx": 10, "range": [25, 346]},
        },
        "training": {
            "key_bits": 512,
            "max_rows": 1000,
            "min_data_owners": owners,
            "max_data_owners": owners,
            **training,
        },
    }


@pytest.fixture
def train(tmp_path: Path) -> Train:
    """Train over tables; returns {"model": …, "prediction": …} as the Model Owner's routes give them."""

    def run(
        spec: dict[str, Any], parts: Sequence[tuple[Floats, Floats]], test: tuple[Floats, Floats]
    ) -> dict[str, Any]:
        async def job() -> dict[str, Any]:
            tables = {
                f"owner-{number}": write_table(tmp_path / f"owner-{number}.csv", *part)
                for number, part in enumerate(parts)
            }
            test_data = write_table(tmp_path / "test.csv", *test)
            settings = {"least_roster": 1}
            async with federation(
                tmp_path, tables, test_data=test_data, allow_small_keys=True, owner_settings=settings
            ) as parties:
                model_id = await parties.deploy(spec)
                model = await parties.wait(model_id)
                if model["status"] != "FINISHED":
                    return {"model": model}
                return {"model": model, "prediction": await parties.model_owner.get("/prediction", model_id=model_id)}

        return asyncio.run(job())

    return run


def split(X: Floats, y: Floats, sizes: Sequence[int]) -> list[tuple[Floats, Floats]]:
    edges = np.cumsum(sizes)[:-1]
    return list(zip(np.split(X, edges), np.split(y, edges), strict=True))


def raw_weights(model: dict[str, Any]) -> Floats:
    """(11,) coefficients in raw units, the intercept last."""
    return np.array(list(model["coefficients"].values()))


@pytest.mark.slow
@pytest.mark.parametrize(
    "sizes",
    [(376,), (188, 113, 75), (40, 36, 38, 40, 30, 50, 30, 41, 35, 36), (300, 71, 5)],
    ids=["one owner", "three owners", "ten owners", "one owner with five rows"],
)
def test_coefficients_and_cost_are_those_of_least_squares_on_the_pooled_rows(
    train: Train, diabetes: tuple[Floats, Floats], sizes: tuple[int, ...]
) -> None:
    X, y = diabetes
    rows = sum(sizes)
    outcome = train(make_spec(len(sizes), tolerance=1e-12), split(X[:rows], y[:rows], sizes), (X[rows:], y[rows:]))
    assert outcome["model"]["status"] == "FINISHED", outcome["model"]
    pooled = LinearRegression().fit(X[:rows], y[:rows])
    np.testing.assert_allclose(raw_weights(outcome["model"]), [*pooled.coef_, pooled.intercept_], rtol=1e-6)
    cost = np.mean((pooled.predict(X[rows:]) - y[rows:]) ** 2)
    assert outcome["prediction"]["cost"] == pytest.approx(cost, rel=1e-6)
    np.testing.assert_allclose(outcome["prediction"]["values"], pooled.predict(X[rows:]), rtol=1e-6)


def scheduled_descent(X: Floats, y: Floats, learning_rate: float, rounds: int) -> Floats:
    """w ← w − learning_rate·(1/N)·(A·w − b) in float64, from zero, the last column of X being ones."""
    w = np.zeros(X.shape[1])
    for _ in range(rounds):
        w -= learning_rate / len(X) * (X.T @ (X @ w - y))
    return w


@pytest.mark.slow
def test_gradient_descent_is_the_schedule_in_float64_within_the_derived_bound(
    train: Train, diabetes: tuple[Floats, Floats]
) -> None:
    X, y = diabetes
    spec = make_spec(3, optimizer="gradient_descent", rounds=100, learning_rate=0.09, tolerance=0.0)
    outcome = train(spec, split(X, y, (220, 130, 92)), (X[:5], y[:5]))
    # In scaled units, on the grid of 2^-40 to which owners round: features over 0.2, targets over half their range.
    half_width = (346 - 25) / 2
    scaled = on_grid(np.column_stack([X / 0.2, np.ones(len(X))]))
    expected = scheduled_descent(scaled, on_grid(y / half_width), 0.09, 100)
    raw = raw_weights(outcome["model"])
    found = np.array([*(raw[:-1] * 0.2), raw[-1]]) / half_width
    inputs = budget_inputs(ModelSpec.model_validate_json(json.dumps(spec)))
    bound = window_error_bound(inputs, len(X), 3, 100, float(np.abs(expected).max()))
    assert bound < 2e-9
    assert np.linalg.norm(found - expected) <= bound
    # One round more or less is far outside of it.
    other = scheduled_descent(scaled, on_grid(y / half_width), 0.09, 99)
    assert np.linalg.norm(found - other) > 100 * bound


def on_grid(values: Floats) -> Floats:
    grid: Floats = np.rint(values * 2.0**RECORD_FRACTION_BITS) / 2.0**RECORD_FRACTION_BITS
    return grid


@pytest.mark.parametrize("rounds", [22, pytest.param(100, marks=pytest.mark.slow)])
def test_the_published_schedule_gives_the_published_error(
    train: Train, diabetes: tuple[Floats, Floats], rounds: int
) -> None:
    X, y = diabetes

    def error_after(rounds: int) -> float:
        ones = np.column_stack([X, np.ones(len(X))])
        return float(np.mean((ones @ scheduled_descent(ones, y, 1.5, rounds) - y) ** 2))

    assert error_after(22) == pytest.approx(4921.71, abs=0.01)
    assert error_after(1000) == pytest.approx(2884.27, abs=0.01)
    spec = make_spec(1, optimizer="gradient_descent", rounds=rounds, learning_rate=1.5, scaling="none", tolerance=0.0)
    outcome = train(spec, [(X, y)], (X, y))
    assert outcome["prediction"]["cost"] == pytest.approx(error_after(rounds), rel=1e-6)


@pytest.mark.slow
def test_a_learning_rate_that_diverges_fails_with_that_reason(train: Train, diabetes: tuple[Floats, Floats]) -> None:
    X, y = diabetes
    spec = make_spec(3, optimizer="gradient_descent", rounds=300, learning_rate=50.0, tolerance=0.0)
    outcome = train(spec, split(X, y, (220, 130, 92)), (X[:5], y[:5]))
    assert outcome["model"]["status"] == "FAILED"
    assert outcome["model"]["code"] == "diverged"
    assert "learning_rate" in outcome["model"]["reason"]


@pytest.mark.slow
def test_a_target_out_of_its_range_is_declined_by_its_owner_alone(
    train: Train, diabetes: tuple[Floats, Floats]
) -> None:
    X, y = diabetes
    parts = split(X, y.copy(), (220, 130, 92))
    parts[1][1][7] = 400.0
    outcome = train(make_spec(3), parts, (X[:5], y[:5]))
    assert outcome["model"]["status"] == "FAILED"
    assert outcome["model"]["code"] == "too-few-owners"
    assert "owner-1" in outcome["model"]["reason"]
    assert "owner-0" not in outcome["model"]["reason"]
    assert "400" not in outcome["model"]["reason"]


@pytest.mark.slow
def test_fewer_owners_than_the_spec_wants_end_the_job(train: Train, diabetes: tuple[Floats, Floats]) -> None:
    X, y = diabetes
    outcome = train(make_spec(3), split(X, y, (220, 222)), (X[:5], y[:5]))
    assert outcome["model"]["status"] == "FAILED"
    assert outcome["model"]["code"] == "too-few-owners"
