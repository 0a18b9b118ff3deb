"""The optimisers of shared weights against scikit-learn, with sums as owners would send them and no party."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from fedtrain.model_owner.arithmetic.arrays import Integers, quantise, to_floats
from fedtrain.model_owner.methods.descent import DESCENTS, Objective
from fedtrain.model_owner.methods.descent.line_search import Search, Verdict
from fedtrain.model_owner.methods.moves import Ask, Done, Move
from fedtrain.spec.model_spec import Optimizer
from fedtrain.spec.model_types.row_loss import LogLoss
from fedtrain.spec.problems import Code, Problem
from tests.harness.attackers.shared_jobs import Floats, as_coefficients, breast_cancer, exact, small_digits

LOSS = LogLoss()


class Federation:
    """All rows in one place, answering as the owners' decrypted sum does."""

    def __init__(self, X: Floats, y: Any, **more: Any) -> None:
        self.X, self.y = X, y
        self.D = np.column_stack([X, np.ones(len(X))])
        classes = int(y.max()) + 1
        self.Y = y.reshape(-1, 1).astype(float) if classes == 2 else np.eye(classes)[y]
        d, k = self.D.shape[1], self.Y.shape[1]
        fields: dict[str, Any] = {
            "dimensions": d,
            "outputs": k,
            "rows_total": len(X),
            "rounds": 500,
            "tolerance": 1e-8,
            "learning_rate": None,
            "momentum": 0.9,
            "l2": 1.0,
            "weight_fraction_bits": 40,
            "weight_limit": 1024 << 40,
            "gradient_fraction_bits": 52,
            "loss_shift_bits": 12,
        } | more
        fields["rate"] = 1 / (float(LOSS.curvature(k)) * d + fields["l2"] / len(X))
        self.objective = Objective(**fields)

    def answer(self, point: Integers) -> Integers:
        losses, residuals = LOSS.at(self.D @ to_floats(point, 40), self.Y)
        sums = np.append((self.D.T @ residuals).ravel(), losses.sum() * 2.0**-12)
        return quantise(sums.reshape(-1, 1), 52)

    def train(self, optimizer: Optimizer, *, restarts: bool = False) -> tuple[Move, int]:
        descent = DESCENTS[optimizer]
        move, rounds = descent.start(self.objective), 0
        while isinstance(move.next, Ask):
            assert move.next.point is not None
            # A restart has nothing but the stored state.
            state = json.loads(json.dumps(move.state)) if restarts else move.state
            move, rounds = descent.step(self.objective, state, self.answer(move.next.point)), rounds + 1
        return move, rounds

    def off_by(self, move: Move) -> float:
        assert isinstance(move.next, Done)
        expected = as_coefficients(exact(self.X, self.y, self.objective.l2))
        return float(np.linalg.norm(move.next.weights - expected) / np.linalg.norm(expected))


@pytest.mark.parametrize("l2", [10.0, 1.0, 0.1])
def test_lbfgs_finds_scikit_learns_coefficients(l2: float) -> None:
    federation = Federation(*breast_cancer(), l2=l2)
    move, rounds = federation.train(Optimizer.LBFGS)
    assert isinstance(move.next, Done)
    assert move.next.converged, move.next.why
    assert federation.off_by(move) <= 1e-5
    assert rounds < 200


def test_lbfgs_finds_the_softmax_that_scikit_learn_finds() -> None:
    federation = Federation(*small_digits(), l2=2.0)
    move, _ = federation.train(Optimizer.LBFGS)
    assert federation.off_by(move) <= 1e-4


@pytest.mark.parametrize("optimizer", [Optimizer.GRADIENT_DESCENT, Optimizer.MOMENTUM, Optimizer.ADAM])
def test_first_order_methods_end_at_the_same_minimum(optimizer: Optimizer) -> None:
    federation = Federation(*breast_cancer(columns=4), l2=20.0, rounds=1000, tolerance=1e-6)
    move, _ = federation.train(optimizer)
    assert isinstance(move.next, Done)
    assert move.next.converged, move.next.why
    assert federation.off_by(move) <= 1e-4


@pytest.mark.parametrize("optimizer", DESCENTS)
def test_a_restart_between_any_two_rounds_changes_no_bit(optimizer: Optimizer) -> None:
    federation = Federation(*breast_cancer(columns=4), l2=5.0, rounds=25)
    through, _ = federation.train(optimizer)
    interrupted, _ = federation.train(optimizer, restarts=True)
    assert isinstance(through.next, Done)
    assert isinstance(interrupted.next, Done)
    np.testing.assert_array_equal(through.next.weights, interrupted.next.weights)
    assert through.state == interrupted.state


@pytest.mark.parametrize("optimizer", DESCENTS)
def test_the_rounds_that_a_spec_allows_are_the_most_that_are_asked(optimizer: Optimizer) -> None:
    move, rounds = Federation(*breast_cancer(columns=4), rounds=3).train(optimizer)
    assert rounds == 3
    assert isinstance(move.next, Done)
    assert not move.next.converged
    assert move.next.why == "all 3 rounds are done"


@pytest.mark.parametrize("optimizer", DESCENTS)
def test_progress_tells_loss_and_relative_gradient_of_the_point_that_was_asked(optimizer: Optimizer) -> None:
    federation = Federation(*breast_cancer(columns=4), l2=5.0)
    descent = DESCENTS[optimizer]
    first = descent.start(federation.objective)
    assert isinstance(first.next, Ask)
    assert first.next.point is not None
    assert not first.next.point.any()
    second = descent.step(federation.objective, first.state, federation.answer(first.next.point))
    assert second.progress is not None
    assert second.progress.losses == pytest.approx((np.log(2),))
    assert second.progress.gradient == 1.0
    assert isinstance(second.next, Ask)
    assert second.next.point is not None
    third = descent.step(federation.objective, second.state, federation.answer(second.next.point))
    assert third.progress is not None
    point = to_floats(second.next.point, 40)
    losses, residuals = LOSS.at(federation.D @ point, federation.Y)
    assert third.progress.losses == pytest.approx((losses.mean(),))
    ridge = np.array([[5.0]] * 4 + [[0.0]]) * point
    start = federation.D.T @ (0.5 - federation.Y)
    expected = np.linalg.norm(federation.D.T @ residuals + ridge) / np.linalg.norm(start)
    assert third.progress.gradient == pytest.approx(expected)


@pytest.mark.parametrize("optimizer", DESCENTS)
def test_classes_that_can_be_told_apart_end_with_advice(optimizer: Optimizer) -> None:
    X = np.linspace(-1, 1, 20).reshape(-1, 1)
    federation = Federation(X, (X[:, 0] > 0).astype(int), l2=0.0, tolerance=0.0, learning_rate=40.0)
    federation.objective = replace(federation.objective, weight_limit=8 << 40)
    with pytest.raises(Problem, match="give l2") as caught:
        federation.train(optimizer)
    assert caught.value.code is Code.DIVERGED


def test_a_search_narrows_from_both_sides() -> None:
    # φ(a) = (a − 3)²/2: value 4.5 and slope −3 at 0.
    search = Search.begin(4.5, -3.0, step=0.1)
    assert search.judge(0.5 * 2.9**2, -2.9) is Verdict.LONGER
    longer = search.narrowed(Verdict.LONGER, -2.9)
    assert 0.2 <= longer.step <= 1.0
    far = Search.begin(4.5, -3.0, step=20.0)
    assert far.judge(0.5 * 17**2, 17.0) is Verdict.SHORTER
    shorter = far.narrowed(Verdict.SHORTER, 17.0)
    assert shorter.step == pytest.approx(3.0)
    assert shorter.judge(0.0, 0.0) is Verdict.TAKE


def test_a_value_within_rounding_is_judged_by_its_slope() -> None:
    search = Search.begin(1.0, -1e-12)
    assert search.judge(1.0 + 1e-11, 0.0) is Verdict.TAKE
    assert search.judge(1.0 + 1e-11, 1.5e-12) is Verdict.SHORTER
    assert search.judge(1.0 + 1e-6, 0.0) is Verdict.SHORTER


@pytest.mark.parametrize("optimizer", DESCENTS)
def test_classes_that_are_told_apart_are_never_a_minimum(optimizer: Optimizer) -> None:
    X = np.linspace(-1, 1, 20).reshape(-1, 1)
    federation = Federation(X, (X[:, 0] > 0).astype(int), l2=0.0, tolerance=1e-3, learning_rate=40.0)
    move, _ = federation.train(optimizer)
    assert isinstance(move.next, Done)
    assert not move.next.converged
    assert [finding.code for finding in move.next.findings] == ["separable"]
    assert "no minimum" in move.next.why


@pytest.mark.parametrize("optimizer", DESCENTS)
def test_classes_that_overlap_and_a_ridge_are_not_called_separable(optimizer: Optimizer) -> None:
    X = np.linspace(-1, 1, 20).reshape(-1, 1)
    separable, overlapping = (X[:, 0] > 0).astype(int), (np.arange(20) % 3 > 0).astype(int)
    for y, l2 in ((separable, 1e-3), (overlapping, 0.0)):
        move, _ = Federation(X, y, l2=l2, tolerance=1e-4).train(optimizer)
        assert isinstance(move.next, Done)
        assert move.next.findings == ()


def wide(width: float, offset: float) -> tuple[Floats, Any]:
    """Two columns, one of which varies by ± width about an offset, and classes that overlap."""
    draw = np.random.default_rng(7)
    raw = draw.uniform(-1, 1, (400, 2))
    y = (raw @ np.array([1.0, 1.5]) + draw.logistic(0, 0.7, 400) > 0.3).astype(int)
    return np.column_stack([raw[:, 0], offset + width * raw[:, 1]]), y


@pytest.mark.parametrize("optimizer", DESCENTS)
@pytest.mark.parametrize("width", [1.0, 1e-2, 1e-4])
def test_converged_is_said_at_the_minimum_alone(optimizer: Optimizer, width: float) -> None:
    X, y = wide(width, 0.0 if width == 1.0 else 0.75)
    federation = Federation(X, y, l2=0.0, tolerance=1e-4, rounds=400)
    federation.objective = replace(federation.objective, weight_limit=1 << 80)
    move, _ = federation.train(optimizer)
    assert isinstance(move.next, Done)

    def loss(weights: Floats) -> float:
        return float(LOSS.at(federation.D @ weights, federation.Y)[0].mean())

    centred = (X - X.mean(0)) / X.std(0)
    least = Federation(centred, y, l2=0.0, tolerance=1e-8)
    best, _ = least.train(Optimizer.LBFGS)
    assert isinstance(best.next, Done)
    assert best.next.converged
    off_by = (loss(move.next.weights) - float(LOSS.at(least.D @ best.next.weights, least.Y)[0].mean())) / np.log(2)
    if move.next.converged:
        assert off_by < 1e-6
    assert move.next.converged == (off_by < 1e-6) or optimizer is not Optimizer.LBFGS


def test_weights_beyond_their_bound_name_the_column_and_its_range_first() -> None:
    X, y = wide(1e-6, 0.0)
    federation = Federation(X, y, l2=0.0)
    federation.objective = replace(federation.objective, columns=("age", "income", "intercept"))
    with pytest.raises(Problem, match=r"the weight of income .* Where income varies by a small part") as caught:
        federation.train(Optimizer.LBFGS)
    assert "learning_rate" not in caught.value.detail
