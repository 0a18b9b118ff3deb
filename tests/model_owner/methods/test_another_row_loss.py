"""Another model's loss goes through the same method, plan and optimisers: robust regression by Huber's."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.optimize import minimize

from fedtrain.data_owner.data.moments import Rows
from fedtrain.data_owner.methods.row_gradient import RowGradient
from fedtrain.methods.regression.budget import plan
from fedtrain.methods.regression.from_spec import budget_inputs
from fedtrain.methods.regression.inputs import RowBounds
from fedtrain.model_owner.arithmetic.arrays import to_floats
from fedtrain.model_owner.methods.descent import DESCENTS
from fedtrain.model_owner.methods.descent.method import objective
from fedtrain.model_owner.methods.moves import Ask, Done
from fedtrain.spec.model_spec import ModelSpec, Optimizer
from fedtrain.spec.model_types.row_loss import RowLoss
from tests.harness.attackers.shared_jobs import shared_spec, sums_of

Floats = NDArray[np.float64]
DELTA = 0.25


class HuberLoss:
    """Squared where the error is at most DELTA, linear beyond; scores and targets within ±1 of each other's range."""

    def at(self, scores: Floats, targets: Floats) -> tuple[Floats, Floats]:
        errors = scores - targets
        clipped = np.clip(errors, -DELTA, DELTA)
        return (clipped * (errors - clipped / 2))[:, 0], clipped

    def residual_bound(self) -> Fraction:
        return Fraction(DELTA)

    def loss_bound(self, outputs: int, score_bound: Fraction) -> Fraction:
        return outputs * Fraction(DELTA) * (score_bound + 2)

    def curvature(self, outputs: int) -> Fraction:
        return Fraction(outputs)


@pytest.mark.parametrize("optimizer", [Optimizer.LBFGS, Optimizer.MOMENTUM])
def test_robust_regression_ends_where_scipy_ends(optimizer: Optimizer) -> None:
    draw = np.random.default_rng(5)
    X = np.column_stack([draw.uniform(-1, 1, (200, 2)), np.ones(200)])
    y = X @ np.array([[0.4], [-0.3], [0.1]]) + draw.normal(0, 0.05, (200, 1))
    y[:30] = -1.0  # as far off as the range allows
    loss: RowLoss = HuberLoss()
    spec = ModelSpec.model_validate(shared_spec(np.zeros((1, 2)), 2, l2=0.5, tolerance=1e-8, max_rows=200))
    bounds = RowBounds(loss.loss_bound(1, Fraction(1024 * 3)), loss.residual_bound())
    budget = plan(replace(budget_inputs(spec), row_bounds=bounds, slope=loss.curvature(1)))
    goal = objective(budget, spec, 1000, 200)
    method, descent = RowGradient(loss), DESCENTS[optimizer]
    owners = [Rows(X[part], y[part]) for part in (slice(0, 90), slice(90, 150), slice(150, 200))]
    move = descent.start(goal)
    while isinstance(move.next, Ask):
        assert move.next.point is not None
        weights = to_floats(move.next.point, 40)
        answers = [sums_of(method, budget, [owner], weights) for owner in owners]
        assert max(abs(int(v)) for answer in answers for v in answer.ravel()) <= budget.steps[0].owner_bound
        move = descent.step(goal, move.state, sum(answers[1:], answers[0]))
    assert isinstance(move.next, Done)
    assert move.next.converged, move.next.why

    def pooled(w: Floats) -> float:
        return float(loss.at(X @ w.reshape(-1, 1), y)[0].sum() + 0.25 * (w[:2] @ w[:2]))

    expected = minimize(pooled, np.zeros(3), method="BFGS", options={"gtol": 1e-7}).x
    np.testing.assert_allclose(move.next.weights[:, 0], expected, atol=1e-4)
    plain = np.linalg.lstsq(X, y, rcond=None)[0][:, 0]
    assert np.abs(plain - expected).max() > 0.02  # the outliers would have told
