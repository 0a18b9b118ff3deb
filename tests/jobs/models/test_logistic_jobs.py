"""Logistic regression with encrypted weights: the surrogate's minimum, and probabilities that are worth the name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn import metrics as sk
from sklearn.datasets import load_breast_cancer, load_iris

from tests.harness.one_process import Floats, rows_of, run_job, split, training

SLOPES = {"minimax": 0.153, "taylor": 0.25}


def logistic_spec(X: Floats, categories: list[str], owners: int = 3, **more: Any) -> dict[str, Any]:
    d = X.shape[1]
    return {
        "model_type": "LOGISTIC_REGRESSION",
        "data_props": {
            "features": [
                {"col_idx": j, "type": "continuous", "range": [float(X[:, j].min()), float(X[:, j].max())]}
                for j in range(d)
            ],
            "target": {"col_idx": d, "categories": categories},
        },
        "training": training(owners, **more),
    }


def design(X: Floats) -> Floats:
    low, high = X.min(axis=0), X.max(axis=0)
    return np.column_stack([(X - (low + high) / 2) / ((high - low) / 2), np.ones(len(X))])


def surrogate(D: Floats, y: Floats, slope: float, l2: float = 0.0) -> Floats:
    """argmin Σ ln 2 − (y − ½)·z + slope·z²/2 + l2·‖w‖²/2, the intercept free, in float64."""
    ridge = l2 * np.eye(D.shape[1])
    ridge[-1, -1] = 0
    # Least squares on stacked rows keeps the condition number of D, not that of DᵀD.
    stacked = np.vstack([np.sqrt(slope) * D, np.sqrt(ridge)])
    wanted = np.vstack([(y - 0.5) / np.sqrt(slope), np.zeros((D.shape[1], y.shape[1]))])
    return np.linalg.lstsq(stacked, wanted, rcond=None)[0]


def surrogate_loss(z: Floats, y: Floats, slope: float) -> float:
    return float(np.mean(np.log(2) - (y - 0.5) * z + slope * z**2 / 2))


def raw_coefficients(X: Floats, weights: Floats) -> Floats:
    low, high = X.min(axis=0), X.max(axis=0)
    slopes = weights[:-1] / ((high - low) / 2)[:, None]
    return np.vstack([slopes, weights[-1] - ((low + high) / 2) @ slopes])


def found(model: dict[str, Any]) -> Floats:
    return np.array([list(v.values()) if isinstance(v, dict) else [v] for v in model["coefficients"].values()])


@pytest.fixture(scope="module")
def breast_cancer() -> tuple[Floats, Floats]:
    data = load_breast_cancer()
    order = np.random.default_rng(7).permutation(len(data.data))
    return data.data[order][:, :10], data.target[order]


NAMES = ["malignant", "benign"]


@pytest.mark.slow
@pytest.mark.parametrize("slope", SLOPES)
@pytest.mark.parametrize("optimizer", ["newton", "conjugate_gradient"])
def test_the_surrogate_is_minimised_as_in_float64(
    tmp_path: Path, breast_cancer: tuple[Floats, Floats], optimizer: str, slope: str
) -> None:
    X, y = breast_cancer
    l2 = 1.0
    spec = logistic_spec(X, NAMES, optimizer=optimizer, slope=slope, l2=l2, tolerance=1e-9)
    rows = rows_of(X, [NAMES[label] for label in y])
    outcome = run_job(tmp_path, spec, split(rows, (200, 200, 169)), rows)
    assert outcome["model"]["status"] == "FINISHED", outcome["model"]
    D, Y = design(X), y.reshape(-1, 1).astype(float)
    weights = surrogate(D, Y, SLOPES[slope], l2)
    expected = raw_coefficients(X, weights)
    assert np.linalg.norm(found(outcome["model"]) - expected) <= 1e-6 * np.linalg.norm(expected)
    loss = surrogate_loss(D @ weights, Y, SLOPES[slope])
    assert outcome["model"]["history"][-1]["loss"] == pytest.approx(loss, rel=1e-6)
    if optimizer == "conjugate_gradient":
        # At w = 0 every probability is ½.
        assert outcome["model"]["history"][0]["loss"] == pytest.approx(np.log(2), rel=1e-6)


@pytest.mark.slow
def test_probabilities_are_calibrated_on_rows_that_no_metric_uses(
    tmp_path: Path, breast_cancer: tuple[Floats, Floats]
) -> None:
    X, y = breast_cancer
    rows = rows_of(X, [NAMES[label] for label in y])
    test = rows[400:]
    spec = logistic_spec(X, NAMES, optimizer="newton", l2=1.0)
    outcome = run_job(tmp_path, spec, split(rows[:400], (150, 150, 100)), test, rows=[row[:-1] for row in test])
    prediction = outcome["prediction"]
    p, labels = np.array(prediction["values"]), y[400:]
    assert prediction["targets"] == [NAMES[label] for label in labels]
    assert prediction["classes"] == [NAMES[int(value > 0.5)] for value in p]
    fitted = prediction["calibration"]["rows"]
    kept = np.setdiff1d(np.arange(len(test)), fitted)
    assert len(fitted) == pytest.approx(len(test) / 2, abs=2)
    q, t = p[kept], labels[kept]
    assert prediction["cost"] == prediction["metrics"]["log_loss"] == pytest.approx(sk.log_loss(t, q))
    expected = {
        "accuracy": sk.accuracy_score(t, q > 0.5),
        "precision": sk.precision_score(t, q > 0.5),
        "recall": sk.recall_score(t, q > 0.5),
        "auc": sk.roc_auc_score(t, q),
        "brier": sk.brier_score_loss(t, q),
    }
    assert {name: prediction["metrics"][name] for name in expected} == pytest.approx(expected)
    assert prediction["metrics"]["confusion_matrix"] == sk.confusion_matrix(t, q > 0.5).tolist()
    # Rows without targets get the same, calibrated, probabilities.
    assert outcome["scores"]["values"] == pytest.approx(prediction["values"])
    assert outcome["scores"]["classes"] == prediction["classes"]
    z = design_of(X, X[400:]) @ scaled_weights(outcome, X)
    assert q == pytest.approx(1 / (1 + np.exp(-(z * slope_of(prediction) + offset_of(prediction))))[kept])


def design_of(ranges: Floats, X: Floats) -> Floats:
    low, high = ranges.min(axis=0), ranges.max(axis=0)
    return np.column_stack([(X - (low + high) / 2) / ((high - low) / 2), np.ones(len(X))])


def scaled_weights(outcome: dict[str, Any], X: Floats) -> Floats:
    raw = found(outcome["model"])[:, 0]
    low, high = X.min(axis=0), X.max(axis=0)
    return np.array([*(raw[:-1] * (high - low) / 2), raw[-1] + raw[:-1] @ ((low + high) / 2)])


def slope_of(prediction: dict[str, Any]) -> float:
    return float(prediction["calibration"]["slopes"][0])


def offset_of(prediction: dict[str, Any]) -> float:
    return float(prediction["calibration"]["offsets"][0])


@pytest.mark.slow
def test_three_classes_are_one_against_the_rest(tmp_path: Path) -> None:
    data = load_iris()
    names = ["setosa", "versicolor", "virginica"]
    order = np.random.default_rng(3).permutation(150)
    X, y = data.data[order], data.target[order]
    rows = rows_of(X, [names[label] for label in y])
    spec = logistic_spec(X, names, optimizer="newton", l2=0.1)
    outcome = run_job(tmp_path, spec, split(rows, (60, 50, 40)), rows)
    assert outcome["model"]["status"] == "FINISHED", outcome["model"]
    weights = surrogate(design(X), np.eye(3)[y], SLOPES["minimax"], 0.1)
    expected = raw_coefficients(X, weights)
    assert np.linalg.norm(found(outcome["model"]) - expected) <= 1e-6 * np.linalg.norm(expected)
    prediction = outcome["prediction"]
    p = np.array(prediction["values"])
    assert p.shape == (150, 3)
    np.testing.assert_allclose(p.sum(axis=1), 1.0)
    kept = np.setdiff1d(np.arange(150), prediction["calibration"]["rows"])
    assert prediction["metrics"]["log_loss"] == pytest.approx(sk.log_loss(y[kept], p[kept]))
    assert prediction["metrics"]["auc"] == pytest.approx(sk.roc_auc_score(y[kept], p[kept], multi_class="ovr"))
    macro = sk.precision_score(y[kept], p[kept].argmax(axis=1), average="macro")
    assert prediction["metrics"]["precision"] == pytest.approx(macro)
    assert prediction["class_names"] == names


@pytest.mark.slow
def test_a_test_set_with_too_few_rows_of_a_class_is_reported_on_whole(
    tmp_path: Path, breast_cancer: tuple[Floats, Floats]
) -> None:
    X, y = breast_cancer
    rows = rows_of(X, [NAMES[label] for label in y])
    spec = logistic_spec(X, NAMES, optimizer="newton", l2=1.0)
    outcome = run_job(tmp_path, spec, split(rows, (200, 200, 169)), rows[:12])
    assert outcome["prediction"]["calibration"] is None
    p = np.array(outcome["prediction"]["values"])
    assert outcome["prediction"]["cost"] == pytest.approx(sk.log_loss(y[:12], p, labels=[0, 1]))


def test_a_category_that_was_not_declared_keeps_its_owner_out(
    tmp_path: Path, breast_cancer: tuple[Floats, Floats]
) -> None:
    X, y = breast_cancer
    rows = rows_of(X, [NAMES[label] for label in y])
    parts = split(rows, (200, 200, 169))
    parts[1][3][-1] = "unclear"
    outcome = run_job(tmp_path, logistic_spec(X, NAMES, optimizer="newton"), parts, rows[:50])
    assert outcome["model"]["status"] == "FAILED"
    assert outcome["model"]["code"] == "too-few-owners"
    assert "unclear" not in outcome["model"]["reason"]
