"""Whatever the well-posed data, every optimiser's end is the minimum that numpy finds."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fedtrain.spec.model_spec import Optimizer
from tests.harness.model_owner.federation_sums import Federation

shapes = st.tuples(st.integers(1, 6), st.integers(1, 3), st.integers(1, 5), st.integers(0, 2**32 - 1))


def data(shape):
    d, k, owners, seed = shape
    generator = np.random.default_rng(seed)
    rows = 20 * d + 20
    X = np.c_[generator.uniform(-1, 1, (rows, d)), np.ones(rows)]
    return X, generator.uniform(-1, 1, (rows, k)), owners


@settings(max_examples=60, deadline=None)
@given(shapes, st.sampled_from([0.0, 0.5, 3.0]))
def test_conjugate_gradient_reaches_the_minimum_within_d_and_one_rounds(shape, l2):
    X, Y, owners = data(shape)
    federation = Federation.of(X, Y, owners=owners, tolerance=1e-12, l2=l2)
    done, history, _ = federation.train(Optimizer.CONJUGATE_GRADIENT)
    ridge = l2 * np.diag([1.0] * (X.shape[1] - 1) + [0.0])
    expected = np.linalg.solve(X.T @ X + ridge, X.T @ Y)
    assert len(history) <= X.shape[1] + 1
    assert done.weights == pytest.approx(expected, abs=1e-8)


@settings(max_examples=30, deadline=None)
@given(shapes, st.floats(0.0, 10.0))
def test_automatic_gradient_descent_never_increases_the_objective(shape, l2):
    X, Y, owners = data(shape)
    federation = Federation.of(X, Y, owners=owners, tolerance=0.0, rounds=25, l2=l2)
    done, history, _ = federation.train(Optimizer.GRADIENT_DESCENT)
    start = np.mean(Y**2, axis=0)
    end = np.mean((X @ done.weights - Y) ** 2, axis=0) + l2 * (done.weights[:-1] ** 2).sum(0) / len(X)
    assert (end <= start + 1e-9).all()
    assert history[-1].gradient <= history[0].gradient + 1e-9
