"""Predictions say which rows were clipped, what cost is, and at which threshold a rare class is found."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fedtrain import ModelOwner, RemarkWarning
from fedtrain.cli.jobs.commands import print_prediction
from fedtrain.model_owner.results.probabilities.decision import decision_of, threshold_of
from tests.harness.model_owner.served import Bridge, served
from tests.harness.one_process import rows_of, training, write_table

FEATURES = [
    {"name": "c0", "type": "continuous", "range": [-1, 1], "missing": "drop"},
    {"name": "c1", "type": "continuous", "range": [-1, 1]},
]
LINEAR = {"features": FEATURES, "target": {"name": "c2", "range": [-10, 10]}}
CLASSES = {"features": FEATURES, "target": {"name": "c3", "categories": ["no", "yes"]}}


@pytest.fixture
def services(tmp_path: Path) -> Iterator[Bridge]:
    folder = tmp_path
    rng = np.random.default_rng(4)
    X = rng.uniform(-1, 1, (700, 2))
    y = X @ [2.0, -1.0] + rng.normal(size=700) * 0.1
    rare = np.where(X @ [1.5, 1.0] + rng.logistic(0, 0.5, 700) > 2.2, "yes", "no")
    rows = rows_of(X, y.tolist(), rare.tolist())
    test: list[list[Any]] = [list(row) for row in rows[400:]]
    test[0][0] = "NA"  # has no prediction, so that the others move up by one
    test[3][0], test[3][1], test[7][1] = 4.0, -3.0, 1.5
    with served(
        folder, {"a": write_table(folder / "a.csv", rows[:400])}, write_table(folder / "test.csv", test)
    ) as parties:
        yield parties


def connected(transport: Bridge) -> ModelOwner:
    return ModelOwner("http://model-owner.invalid", transport=transport, sleep=lambda _: None)


def trained(owner: ModelOwner, model_type: str, props: dict[str, Any]) -> str:
    spec = {"model_type": model_type, "data_props": props, "training": {**training(1), "optimizer": "newton"}}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RemarkWarning)
        return str(owner.wait(owner.deploy(spec), show_progress=False)["id"])


def test_rows_outside_a_range_are_named_and_counted(services: Bridge, capsys: pytest.CaptureFixture[str]) -> None:
    with connected(services) as owner:
        model_id = trained(owner, "LINEAR_REGRESSION", LINEAR)
        with pytest.warns(RemarkWarning, match="1 of 3 rows have a c0 outside"):
            told = owner.predict([{"c0": 0, "c1": 0}, {"c0": 7, "c1": -7}, [0.5, 1.01]], model_id)
        assert told["clipped"] == [{"row": 1, "columns": ["c0", "c1"]}, {"row": 2, "columns": ["c1"]}]
        assert told["values"][1] == pytest.approx(owner.predict([[1, -1]], model_id)["values"][0])
        assert owner.predict([[1, -1]], model_id)["clipped"] == []
        with (
            pytest.warns(RemarkWarning, match="2 of 299 rows have a c1 outside"),
            pytest.warns(RemarkWarning, match="1 of 300 rows of the test set have no value"),
        ):
            prediction = owner.prediction(model_id)
        # The values are those of the second row on: whoever puts them beside the file's rows has to know.
        assert (len(prediction["values"]), prediction["left_out"]) == (299, [0])
        assert prediction["clipped"] == [{"row": 2, "columns": ["c0", "c1"]}, {"row": 6, "columns": ["c1"]}]
        assert prediction["cost_is"] == "mean squared error on the test rows"
        assert owner.model(model_id)["loss_is"] == "mean squared error on the training rows"
    print_prediction(prediction, rows=5)
    out = capsys.readouterr().out
    assert "cost is the mean squared error" in out
    assert "note: 1 of 300 rows of the test set have no value" in out
    assert sum(line.split()[2:] == ["c0,", "c1"] for line in out.splitlines()) == 1


def test_a_rare_class_is_found_at_a_threshold_that_is_shown(
    services: Bridge, capsys: pytest.CaptureFixture[str]
) -> None:
    with connected(services) as owner:
        model_id = trained(owner, "LOGISTIC_REGRESSION", CLASSES)
        with pytest.warns(RemarkWarning, match="At a probability of 0.5 only"):
            prediction = owner.prediction(model_id)
        model = owner.model(model_id)
    decision, metrics = prediction["decision"], prediction["metrics"]
    assert metrics["recall"] < 0.5 < decision["recall"]
    assert decision["chosen_on"] == len(prediction["calibration"]["rows"])
    reported = [row for row in range(299) if row not in set(prediction["calibration"]["rows"])]
    called = [prediction["values"][row] > decision["threshold"] for row in reported]
    true = [prediction["targets"][row] == "yes" for row in reported]
    assert decision["recall"] == pytest.approx(sum(a and b for a, b in zip(called, true, strict=True)) / sum(true))
    assert "surrogate" in model["loss_is"]
    assert "calibration did not use" in prediction["cost_is"]
    slope, offset = prediction["calibration"]["slopes"][0], prediction["calibration"]["offsets"][0]
    told = prediction["calibrated_coefficients"]
    assert told["c0"] == pytest.approx(slope * model["coefficients"]["c0"])
    assert told["intercept"] == pytest.approx(slope * model["coefficients"]["intercept"] + offset)
    z = told["intercept"] + 0.25 * told["c0"] - 0.5 * told["c1"]
    with connected(services) as owner, warnings.catch_warnings():
        warnings.simplefilter("ignore", RemarkWarning)
        (p,) = owner.predict([[0.25, -0.5]], model_id)["values"]
    assert p == pytest.approx(1 / (1 + np.exp(-z)))
    print_prediction(prediction, rows=2)
    out = capsys.readouterr().out
    assert "at a threshold of" in out
    assert "log odds as calibrated" in out


def test_the_threshold_separates_what_can_be_separated() -> None:
    p, y = np.array([0.1, 0.2, 0.3, 0.4]), np.array([0.0, 0.0, 1.0, 1.0])
    assert threshold_of(p, y) == pytest.approx(0.25)
    told = decision_of(0.25, p, y, 4)
    assert (told["recall"], told["precision"], told["accuracy"]) == (1.0, 1.0, 1.0)
    assert decision_of(0.5, p, y, 4)["precision"] is None


@pytest.mark.parametrize("y", [np.zeros(4), np.ones(4)])
def test_one_class_alone_has_no_threshold(y: np.ndarray) -> None:
    assert threshold_of(np.array([0.1, 0.2, 0.3, 0.4]), y) is None
    assert threshold_of(np.full(4, 0.5), np.array([0.0, 1.0, 0.0, 1.0])) is None
