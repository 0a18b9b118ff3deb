"""Whole jobs whose owners see the weights end where scikit-learn's LogisticRegression ends on the pooled rows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import special
from sklearn import metrics as sk

from fedtrain.data_owner.release import answer as compute
from fedtrain.protocol.messages.shared_weights import SealingContext, SharedWeights
from tests.harness.attackers.shared_jobs import (
    SHARING,
    USED_PIXELS,
    as_coefficients,
    breast_cancer,
    exact,
    shared_spec,
    small_digits,
    table,
)
from tests.harness.one_process import Floats, run_job, split


def found(model: dict[str, Any]) -> Floats:
    return np.array([list(v.values()) if isinstance(v, dict) else [v] for v in model["coefficients"].values()])


def off_by(model: dict[str, Any], expected: Floats) -> float:
    return float(np.linalg.norm(found(model) - expected) / np.linalg.norm(expected))


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> dict[int, Floats]:
    """The weights (d, k) of each round, as owners find them in their boxes."""
    weights: dict[int, Floats] = {}
    opened_by_owner = compute.open_weights_box

    def opened(boxes: Any, own: str, key: Any, context: SealingContext, *others: Any) -> SharedWeights:
        box = opened_by_owner(boxes, own, key, context, *others)
        # Three owners find the same.
        np.testing.assert_array_equal(weights.setdefault(context.round, box.arrays["weights"]), box.arrays["weights"])
        return box

    monkeypatch.setattr(compute, "open_weights_box", opened)
    return weights


def pooled_loss(X: Floats, y: NDArray[np.int64], w: Floats) -> float:
    """The mean log loss of all rows in one place, in float64: log Σ exp z − z_y; of two classes one has z = 0."""
    z = np.c_[X, np.ones(len(X))] @ w
    if z.shape[1] == 1:
        z = np.c_[np.zeros(len(z)), z]
    return float(np.mean(special.logsumexp(z, axis=1) - z[np.arange(len(y)), y]))


def check_losses(model: dict[str, Any], asked: dict[int, Floats], X: Floats, y: NDArray[np.int64]) -> None:
    """The loss of every round is that of the pooled rows at the round's weights, and at no other round's."""
    told = {row["round"]: row["loss"] for row in model["history"]}
    assert list(told) == sorted(asked) == list(range(1, model["round"] + 1))
    expected = {number: pooled_loss(X, y, w) for number, w in asked.items()}
    assert told == pytest.approx(expected, rel=1e-6)
    assert expected[1] == pytest.approx(np.log(y.max() + 1), rel=1e-12)
    assert told[2] != pytest.approx(expected[1], rel=1e-3)
    assert told[2] != pytest.approx(expected[3], rel=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize(("columns", "l2"), [(30, 1.0), (10, 0.1)])
def test_lbfgs_ends_where_scikit_learn_ends(tmp_path: Path, asked: dict[int, Floats], columns: int, l2: float) -> None:
    X, y = breast_cancer(columns)
    rows = table(X, y)
    spec = shared_spec(X, 2, l2=l2, tolerance=1e-8)
    outcome = run_job(tmp_path, spec, split(rows, (250, 200, 119)), rows, **SHARING)
    model = outcome["model"]
    assert model["status"] == "FINISHED", model
    assert model["converged"] is True
    pooled = exact(X, y, l2)
    assert off_by(model, as_coefficients(pooled)) <= 1e-4
    # The history has the loss itself, and no surrogate of it.
    check_losses(model, asked, X, y)
    assert model["history"][-1]["loss"] == pytest.approx(sk.log_loss(y, pooled.predict_proba(X)), rel=1e-6)
    # Scores are logits: nothing is fitted to the test rows, and all of them are reported on.
    prediction = outcome["prediction"]
    assert prediction["calibration"] is None
    np.testing.assert_allclose(prediction["values"], pooled.predict_proba(X)[:, 1], atol=1e-4)
    assert prediction["cost"] == pytest.approx(sk.log_loss(y, pooled.predict_proba(X)), rel=1e-4)


@pytest.mark.slow
def test_every_sum_that_was_decrypted_is_counted(tmp_path: Path) -> None:
    X, y = breast_cancer(columns=3)
    rows = table(X, y)
    spec = shared_spec(X, 2, l2=5.0, tolerance=1e-3)
    model = run_job(tmp_path, spec, split(rows, (250, 200, 119)), rows, **SHARING)["model"]
    assert model["status"] == "FINISHED", model
    rounds = model["round"]
    assert model["leak"]["numbers_decrypted"] == rounds * (4 + 1)
    assert model["leak"]["of"] == model["plan"]["forecast"]["sums_in_all"] == 500 * 5
    assert "does not hold" in model["leak"]["holds"]
    assert off_by(model, as_coefficients(exact(X, y, 5.0))) < 0.01


@pytest.mark.slow
def test_more_than_two_classes_are_a_softmax(tmp_path: Path) -> None:
    X, y = small_digits()
    rows = table(X, y)
    spec = shared_spec(X, 4, l2=2.0, tolerance=1e-7)
    outcome = run_job(tmp_path, spec, split(rows, (300, 250, 170)), rows, **SHARING)
    model = outcome["model"]
    assert model["status"] == "FINISHED", model
    pooled = exact(X, y, 2.0)
    assert off_by(model, as_coefficients(pooled)) <= 1e-4
    np.testing.assert_allclose(outcome["prediction"]["values"], pooled.predict_proba(X), atol=1e-4)
    assert outcome["prediction"]["metrics"]["accuracy"] == pytest.approx(pooled.score(X, y), abs=0.002)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("optimizer", "more"),
    [("gradient_descent", {"learning_rate": 2.0}), ("momentum", {"learning_rate": 1.0, "momentum": 0.7}), ("adam", {})],
)
def test_every_other_optimiser_trains_a_whole_job(tmp_path: Path, optimizer: str, more: dict[str, Any]) -> None:
    X, y = breast_cancer(columns=2)
    rows = table(X, y)
    spec = shared_spec(X, 2, optimizer=optimizer, l2=20.0, rounds=6, **more)
    model = run_job(tmp_path, spec, split(rows, (250, 200, 119)), rows[:50], **SHARING)["model"]
    assert model["status"] == "FINISHED", model
    assert model["converged"] is False
    losses = [row["loss"] for row in model["history"]]
    assert len(losses) == 6
    assert losses[-1] < losses[0]


def losses_in_float64(
    X: Floats, y: NDArray[np.int64], rate: float, momentum: float, l2: float, rounds: int
) -> list[float]:
    """The mean log loss at each of the weights that gradients are taken at, on all rows in one place."""
    D, classes = np.c_[X, np.ones(len(X))], int(y.max()) + 1
    T = np.eye(classes)[y] if classes > 2 else y[:, None].astype(float)
    free = np.r_[np.ones((X.shape[1], 1)), [[0.0]]]
    w = before = np.zeros((D.shape[1], T.shape[1]))
    found = []
    for _ in range(rounds):
        z = D @ w
        p = special.softmax(z, axis=1) if classes > 2 else special.expit(z)
        found.append(float(sk.log_loss(y, p, labels=range(classes))))
        w, before = w - rate * (D.T @ (p - T) + l2 * free * w) / len(D) + momentum * (w - before), w
    return found


@pytest.mark.slow
@pytest.mark.parametrize("momentum", [0.0, 0.6])
@pytest.mark.parametrize("classes", [2, 3])
def test_the_training_loss_is_that_of_the_pooled_rows_at_every_round(
    tmp_path: Path, classes: int, momentum: float
) -> None:
    X, y = breast_cancer(columns=3) if classes == 2 else small_digits(3, USED_PIXELS)
    X = X[:, :3]
    rows, rate, l2 = table(X, y), 1.5, 10.0
    chosen = {"optimizer": "momentum", "momentum": momentum} if momentum else {"optimizer": "gradient_descent"}
    spec = shared_spec(X, classes, learning_rate=rate, l2=l2, rounds=6, tolerance=0.0, **chosen)
    sizes = (250, 200, len(rows) - 450)
    model = run_job(tmp_path, spec, split(rows, sizes), rows[:50], **SHARING)["model"]
    assert model["status"] == "FINISHED", model
    assert [row["round"] for row in model["history"]] == list(range(1, 7))
    expected = losses_in_float64(X, y, rate, momentum, l2, 6)
    assert expected[0] == pytest.approx(np.log(classes))
    assert [row["loss"] for row in model["history"]] == pytest.approx(expected, rel=1e-6)
    # Half the ridge would have told.
    assert expected[1:] != pytest.approx(losses_in_float64(X, y, rate, momentum, l2 / 2, 6)[1:], rel=1e-6)


def losses_of_adam(X: Floats, y: NDArray[np.int64], rate: float, l2: float, rounds: int) -> list[float]:
    """The same of Adam, its step rate/√t, on all rows in one place: Kingma and Ba, algorithm 1, in float64."""
    D, classes = np.c_[X, np.ones(len(X))], int(y.max()) + 1
    T = np.eye(classes)[y] if classes > 2 else y[:, None].astype(float)
    free = np.r_[np.ones((X.shape[1], 1)), [[0.0]]]
    w = m = v = np.zeros((D.shape[1], T.shape[1]))
    found = []
    for t in range(1, rounds + 1):
        found.append(pooled_loss(X, y, w))
        z = D @ w
        p = special.softmax(z, axis=1) if classes > 2 else special.expit(z)
        gradient = (D.T @ (p - T) + l2 * free * w) / len(D)
        m, v = 0.9 * m + 0.1 * gradient, 0.999 * v + 0.001 * gradient**2
        w = w - rate / np.sqrt(t) * (m / (1 - 0.9**t)) / (np.sqrt(v / (1 - 0.999**t)) + 1e-12)
    return found


@pytest.mark.slow
@pytest.mark.parametrize(("classes", "rate"), [(2, "auto"), (3, 0.2)])
def test_the_training_loss_of_adam_is_that_of_the_pooled_rows_at_every_round(
    tmp_path: Path, asked: dict[int, Floats], classes: int, rate: str | float
) -> None:
    X, y = breast_cancer(columns=3) if classes == 2 else small_digits(3, USED_PIXELS)
    X = X[:, :3]
    rows, l2 = table(X, y), 10.0
    spec = shared_spec(X, classes, optimizer="adam", learning_rate=rate, l2=l2, rounds=8, tolerance=0.0)
    model = run_job(tmp_path, spec, split(rows, (250, 200, len(rows) - 450)), rows[:50], **SHARING)["model"]
    assert model["status"] == "FINISHED", model
    check_losses(model, asked, X, y)
    # The weights themselves are Adam's on the pooled rows, and with half the ridge they would be others.
    step = 0.5 if rate == "auto" else float(rate)
    told = [row["loss"] for row in model["history"]]
    assert told == pytest.approx(losses_of_adam(X, y, step, l2, 8), rel=1e-6)
    assert told[2:] != pytest.approx(losses_of_adam(X, y, step, l2 / 2, 8)[2:], rel=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("classes", [2, 3])
def test_the_training_loss_of_lbfgs_is_that_of_the_pooled_rows_at_every_round(
    tmp_path: Path, asked: dict[int, Floats], classes: int
) -> None:
    X, y = breast_cancer(columns=3) if classes == 2 else small_digits(3, USED_PIXELS)
    X = X[:, :3]
    rows = table(X, y)
    spec = shared_spec(X, classes, l2=0.1, tolerance=1e-7)
    model = run_job(tmp_path, spec, split(rows, (250, 200, len(rows) - 450)), rows[:50], **SHARING)["model"]
    assert model["status"] == "FINISHED", model
    assert model["converged"] is True
    assert len(asked) > 8
    check_losses(model, asked, X, y)
