"""Optimisers on the exact sums of a federation, held against scikit-learn and float64 numpy."""

import json

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits
from sklearn.linear_model import LinearRegression, Ridge

from fedtrain.model_owner.arithmetic.arrays import (
    floats_from_json,
    floats_to_json,
    integers_from_json,
    integers_to_json,
    quantise,
    to_floats,
)
from fedtrain.model_owner.methods.moves import Ask
from fedtrain.model_owner.methods.quadratic import OPTIMISERS
from fedtrain.model_owner.methods.quadratic.newton import open_moments
from fedtrain.spec.model_spec import Optimizer
from fedtrain.spec.problems import Code, Problem
from tests.harness.model_owner.federation_sums import Federation, scaled

CG, GD, MOMENTUM, NEWTON = (
    Optimizer.CONJUGATE_GRADIENT,
    Optimizer.GRADIENT_DESCENT,
    Optimizer.MOMENTUM,
    Optimizer.NEWTON,
)


@pytest.fixture(scope="module")
def diabetes():
    data = load_diabetes()
    return scaled(data.data, data.target)


@pytest.fixture(scope="module")
def breast_cancer():
    data = load_breast_cancer()
    return scaled(data.data, data.target)


def by_scikit_learn(X, Y, model=None):
    fitted = (model or LinearRegression()).fit(X[:, :-1], Y)
    return np.vstack([fitted.coef_.reshape(Y.shape[1], -1).T, np.atleast_1d(fitted.intercept_)[None, :]])


def relative(a, b):
    return np.abs(a - b).max() / np.abs(b).max()


def test_conjugate_gradient_equals_linear_regression_on_pooled_rows(diabetes):
    done, history, _ = Federation.of(*diabetes, tolerance=1e-12).train(CG)
    assert done.converged
    assert len(history) <= diabetes[0].shape[1] + 1
    assert relative(done.weights, by_scikit_learn(*diabetes)) < 1e-9


def test_conjugate_gradient_takes_about_d_rounds_where_ill_conditioned(breast_cancer):
    X, Y = breast_cancer
    assert np.linalg.cond(X.T @ X) > 5e5
    done, history, _ = Federation.of(X, Y, tolerance=1e-12, moment_bits=48).train(CG)
    assert done.converged
    assert len(history) <= X.shape[1] + 1
    assert relative(done.weights, by_scikit_learn(X, Y)) < 1e-9


def test_conjugate_gradient_without_reorthogonalisation_would_not_have_converged(breast_cancer):
    """Show what the pool is for: the textbook recurrence in float64 is still far off after as many rounds."""
    X, Y = breast_cancer
    A, b, w = X.T @ X, X.T @ Y, np.zeros((X.shape[1], 1))
    r = b.copy()
    p = r.copy()
    for _ in range(X.shape[1] + 1):
        step = (r.T @ r) / (p.T @ A @ p)
        w, new = w + step * p, r - step * (A @ p)
        p, r = new + (new.T @ new) / (r.T @ r) * p, new
    assert relative(w, by_scikit_learn(X, Y)) > 1e-4


def test_rank_deficient_data_end_at_the_shortest_solution(diabetes):
    X, Y = diabetes
    doubled = np.c_[X[:, :3], X]
    done, history, _ = Federation.of(doubled, Y, tolerance=0.0).train(CG)
    assert done.converged
    assert "rounding" in done.why
    # 1 + rank, one round that finds the residual to be rounding, and one that finds no other direction.
    assert len(history) <= X.shape[1] + 3
    assert relative(done.weights, np.linalg.lstsq(doubled, Y, rcond=None)[0]) < 1e-8


@pytest.mark.slow
def test_all_outputs_share_directions():
    data = load_digits()
    X, _ = scaled(data.data[:, data.data.std(0) > 0], data.target)
    Y = np.eye(10)[data.target]
    done, history, _ = Federation.of(X, Y, tolerance=1e-9).train(CG)
    assert done.converged
    assert len(history) <= -(-X.shape[1] // 9) + 2
    assert np.abs(X @ done.weights - X @ np.linalg.lstsq(X, Y, rcond=None)[0]).max() < 1e-8


def test_a_target_that_is_all_zeros_costs_nothing_and_breaks_nothing(diabetes):
    X, Y = diabetes
    done, _, _ = Federation.of(X, np.c_[Y, np.zeros(len(Y))], tolerance=1e-12).train(CG)
    assert done.converged
    assert not done.weights[:, 1].any()
    assert relative(done.weights[:, :1], by_scikit_learn(X, Y)) < 1e-9


@pytest.mark.slow
@pytest.mark.parametrize("name", [CG, NEWTON, GD])
def test_l2_means_what_ridge_alpha_means(diabetes, name):
    federation = Federation.of(*diabetes, l2=20.0, tolerance=1e-11, rounds=30_000)
    done = solve_newton(federation, 60).next if name is NEWTON else federation.train(name)[0]
    assert done.converged
    tolerance = 1e-7 if name is GD else 1e-9
    assert relative(done.weights, by_scikit_learn(*diabetes, Ridge(alpha=20.0))) < tolerance


def solve_newton(federation, bits):
    """The one round of newton on the federation's moments, brought to `bits` fraction bits."""
    problem = federation.problem
    A, b = federation.A, federation.b
    d = len(b)
    up, shift = bits - problem.moment_fraction_bits, bits - problem.answer_fraction_bits
    entries = [int(A[i, j]) << up for i in range(d) for j in range(i, d)]
    entries += [int(v) << shift if shift >= 0 else round(int(v) / (1 << -shift)) for v in b.ravel()]
    start = OPTIMISERS[NEWTON].start(problem)
    return OPTIMISERS[NEWTON].step(problem, start.state, np.array(entries, dtype=object).reshape(-1, 1))


def test_newton_solves_in_one_round(breast_cancer):
    federation = Federation.of(*breast_cancer, moment_bits=50)
    move = solve_newton(federation, 60)
    assert relative(move.next.weights, by_scikit_learn(*breast_cancer)) < 1e-8
    residuals = breast_cancer[0] @ move.next.weights - breast_cancer[1]
    assert move.progress.losses[0] == pytest.approx(np.mean(residuals**2), rel=1e-8)


def test_newton_refuses_another_number_of_moments():
    with pytest.raises(ValueError, match="4 moments, 5 are expected"):
        open_moments(np.array([1, 2, 3, 4], dtype=object), 2, 1)


def numpy_schedule(X, Y, problem, rounds, momentum=0.0):
    A, b, N = X.T @ X, X.T @ Y, len(X)
    w = before = np.zeros_like(b)
    for _ in range(rounds):
        w, before = w - problem.learning_rate / N * (A @ w - b) + momentum * (w - before), w
    return w


@pytest.mark.parametrize(("name", "momentum"), [(GD, 0.0), (MOMENTUM, 0.9)])
def test_descent_equals_the_schedule_in_float64(diabetes, name, momentum):
    X, Y = diabetes
    federation = Federation.of(X, Y, rounds=300, tolerance=0.0)
    done, history, _ = federation.train(name)
    assert len(history) == 300
    assert not done.converged
    expected = numpy_schedule(X, Y, federation.problem, 300, momentum)
    # 300 roundings of the weights to 2^-40, none of which the iteration enlarges; momentum by 1/(1 - 0.9).
    assert np.abs(done.weights - expected).max() < 300 * 2**-41 / (1 - momentum)


def test_the_published_schedule_gives_the_published_error():
    data = load_diabetes()
    X, Y = np.c_[data.data, np.ones(442)], data.target[:, None]
    federation = Federation.of(X, Y, owners=1, learning_rate=1.5, rounds=22, tolerance=0.0)
    done, _, _ = federation.train(GD)
    assert np.mean((X @ done.weights - Y) ** 2) == pytest.approx(4921.71, abs=0.01)


@pytest.mark.slow
def test_momentum_needs_fewer_rounds(diabetes):
    rounds = {}
    for name in (GD, MOMENTUM):
        done, history, _ = Federation.of(*diabetes, tolerance=1e-2, rounds=20_000).train(name)
        assert done.converged
        rounds[name] = len(history)
    assert rounds[MOMENTUM] < rounds[GD] / 3


@pytest.mark.parametrize("name", [GD, CG])
def test_the_training_loss_is_that_of_the_pooled_rows(diabetes, name):
    X, Y = diabetes
    done, history, _ = Federation.of(X, Y, rounds=40, tolerance=1e-12).train(name)
    assert history[0].losses[0] == pytest.approx(np.mean(Y**2), rel=1e-9)
    losses = [progress.losses[0] for progress in history]
    assert losses == sorted(losses, reverse=True)
    if name is CG:
        assert losses[-1] == pytest.approx(np.mean((X @ done.weights - Y) ** 2), rel=1e-9)


def test_the_loss_leaves_ridge_out(diabetes):
    X, Y = diabetes
    done, history, _ = Federation.of(X, Y, l2=20.0, tolerance=1e-12).train(CG)
    assert history[-1].losses[0] == pytest.approx(np.mean((X @ done.weights - Y) ** 2), rel=1e-9)


def test_a_diverging_learning_rate_is_refused_with_the_numbers(diabetes):
    federation = Federation.of(*diabetes, learning_rate=50.0, weight_bound=1000.0)
    with pytest.raises(Problem) as caught:
        federation.train(GD)
    assert caught.value.code is Code.DIVERGED
    assert "weight_bound 1000" in caught.value.detail
    assert "learning_rate 50" in caught.value.detail


@pytest.mark.parametrize("rate", [1e160, 1e300, 1e308])
def test_overflow_to_infinity_is_divergence_too(diabetes, rate):
    federation = Federation.of(*diabetes, learning_rate=rate, weight_bound=1.7e308)
    with pytest.raises(Problem) as caught:
        federation.train(GD)
    assert caught.value.code is Code.DIVERGED


def test_a_rate_that_suits_does_not_diverge(diabetes):
    federation = Federation.of(*diabetes, weight_bound=1000.0, rounds=50, tolerance=0.0)
    _, history, _ = federation.train(GD)
    assert len(history) == 50


@pytest.mark.parametrize("name", [GD, MOMENTUM, CG])
def test_a_state_through_json_at_every_step_changes_no_bit(diabetes, name):
    federation = Federation.of(*diabetes, rounds=14, tolerance=1e-12)
    straight, history, states = federation.train(name)
    resumed, again, others = federation.train(name, between=lambda state: json.loads(json.dumps(state)))
    assert straight.weights.tobytes() == resumed.weights.tobytes()
    assert history == again
    assert states == others


@pytest.mark.parametrize("name", [GD, CG])
def test_a_state_of_another_optimiser_is_refused(diabetes, name):
    federation = Federation.of(*diabetes)
    answer = federation.answer(np.zeros(federation.b.shape, dtype=int).astype(object))
    with pytest.raises((ValueError, KeyError)):
        OPTIMISERS[name].step(federation.problem, {"moments": None}, answer)


def test_conjugate_gradient_asks_for_directions_of_max_norm_one(diabetes):
    federation = Federation.of(*diabetes)
    optimiser = OPTIMISERS[CG]
    move = optimiser.step(federation.problem, optimiser.start(federation.problem).state, -federation.b)
    assert isinstance(move.next, Ask)
    assert max(abs(int(v)) for v in move.next.point.ravel()) == 1 << federation.problem.weight_fraction_bits


def test_arrays_keep_every_bit_as_json():
    integers = np.array([[-(1 << 300), 0], [1, 255]], dtype=object)
    assert (integers_from_json(json.loads(json.dumps(integers_to_json(integers)))) == integers).all()
    floats = np.array([0.1, -1e-310, 2.0**1000])
    assert floats_from_json(json.loads(json.dumps(floats_to_json(floats)))).tobytes() == floats.tobytes()
    with pytest.raises(ValueError, match="shape"):
        integers_from_json("ff")
    with pytest.raises(ValueError, match="shape"):
        floats_from_json({"shape": [1]})


def test_quantising_rounds_half_to_even_and_back_exactly():
    integers = quantise(np.array([[0.5, 1.5, -2.5, 1e30]]), 0)
    assert integers.tolist() == [[0, 2, -2, int(1e30)]]
    assert to_floats(integers, 1).tolist() == [[0.0, 1.0, -1.0, 5e29]]
