"""`converged` is said at the minimum alone, however wide a range was declared for a column."""

from __future__ import annotations

import json

import numpy as np
import pytest

from fedtrain.model_owner.methods.moves import Ask
from fedtrain.model_owner.methods.quadratic import OPTIMISERS
from fedtrain.spec.model_spec import Optimizer
from tests.harness.model_owner.federation_sums import Federation

CG, GD, MOMENTUM = Optimizer.CONJUGATE_GRADIENT, Optimizer.GRADIENT_DESCENT, Optimizer.MOMENTUM


def table(d, widths, rows=600, seed=5, offset=0.75):
    """Scaled features of which column j varies by ± widths[j] about an offset, or ±1, the intercept, and a target."""
    rng = np.random.default_rng(seed)
    X = rng.uniform(-1, 1, (rows, d))
    raw = X.copy()
    for column, width in widths.items():
        X[:, column] = offset + width * X[:, column]
    Y = raw @ rng.normal(size=(d, 1)) * 0.2 + 300.0 + rng.normal(size=(rows, 1)) * 0.05
    return np.c_[X, np.ones(rows)], Y


def off_by(done, X, Y):
    """Return how much of the target's variation the least-squares fit would explain, and these weights do not."""
    best = X @ np.linalg.lstsq(X - np.r_[X[:, :-1].mean(0), 0], Y, rcond=None)[0]
    least = ((Y - best - (Y - best).mean(0)) ** 2).sum()
    return (((Y - X @ done.weights) ** 2).sum() - least) / ((Y - Y.mean(0)) ** 2).sum()


@pytest.mark.parametrize("width", [1.0, 1e-2, 1e-3, 3e-4])
def test_conjugate_gradient_reaches_the_minimum_whatever_range_is_declared(width):
    X, Y = table(6, {1: width, 4: width})
    done, history, _ = Federation.of(X, Y).train(CG)
    assert done.converged
    assert off_by(done, X, Y) < 1e-6
    assert len(history) <= 8


@pytest.mark.parametrize("widths", [{}, {3: 1e-3, 7: 1e-2}, {3: 1e-3, 4: 1e-3, 5: 3e-4}])
def test_many_columns_end_by_a_measure_that_no_range_changes(widths):
    X, Y = table(110, widths)
    done, history, _ = Federation.of(X, Y, moment_bits=40).train(CG)
    assert done.converged
    assert off_by(done, X, Y) < 1e-9
    assert len(history) < 70


def test_a_column_that_varies_by_less_than_the_sums_can_show_is_not_called_converged():
    X, Y = table(1, {0: 1e-6}, rows=60)
    done, history, _ = Federation.of(X, Y).train(CG)
    assert not done.converged
    assert "rounding" in done.why
    assert len(history) <= 4


@pytest.mark.parametrize("name", [GD, MOMENTUM])
@pytest.mark.parametrize("widths", [{}, {1: 1e-2}, {1: 1e-3}])
def test_first_order_methods_never_call_converged_what_is_not(name, widths):
    X, Y = table(3, widths)
    done, _, _ = Federation.of(X, Y, rounds=1500, tolerance=1e-4).train(name)
    assert done.converged == (not widths)
    if done.converged:
        assert off_by(done, X, Y) < 1e-7


def test_a_state_that_was_kept_before_the_measure_goes_on():
    X, Y = table(3, {})
    for name, keys in ((CG, ("probing",)), (GD, ("gradient", "steps", "varied"))):
        federation = Federation.of(X, Y, rounds=3000, tolerance=1e-4)
        move = OPTIMISERS[name].start(federation.problem)
        for _ in range(3000):
            if not isinstance(move.next, Ask):
                break
            kept = {key: value for key, value in json.loads(json.dumps(move.state)).items() if key not in keys}
            move = OPTIMISERS[name].step(federation.problem, kept, federation.answer(move.next.point))
        # Without what steps have told there is no proof; the weights are what they were.
        assert move.next.converged is (name is CG)
        assert off_by(move.next, X, Y) < 1e-7
