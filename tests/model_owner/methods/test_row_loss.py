"""The loss of a row, its derivative, and the bounds that plans rest on."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from scipy.special import expit, softmax

from fedtrain.spec.model_types.row_loss import LogLoss

LOSS = LogLoss()
DRAW = np.random.default_rng(11)


@pytest.mark.parametrize("classes", [2, 3, 10])
def test_residuals_are_the_derivative_of_the_loss(classes: int) -> None:
    k = 1 if classes == 2 else classes
    labels = DRAW.integers(0, classes, 50)
    Y = labels.reshape(-1, 1).astype(float) if k == 1 else np.eye(classes)[labels]
    z = DRAW.normal(0, 3, (50, k))
    losses, residuals = LOSS.at(z, Y)
    for column in range(k):
        step = np.zeros((1, k))
        step[0, column] = 1e-6
        difference = (LOSS.at(z + step, Y)[0] - LOSS.at(z - step, Y)[0]) / 2e-6
        np.testing.assert_allclose(residuals[:, column], difference, atol=1e-8)
    expected = expit(z) if k == 1 else softmax(z, axis=1)
    np.testing.assert_allclose(residuals, expected - Y, atol=1e-15)
    true = expected[np.arange(50), labels] if k > 1 else np.where(labels == 1, expected[:, 0], 1 - expected[:, 0])
    np.testing.assert_allclose(losses, -np.log(true), rtol=1e-10)


@pytest.mark.parametrize("k", [1, 3])
@pytest.mark.parametrize("size", [0.0, 1.0, 1e3, 1e6, 1e15])
def test_no_row_is_beyond_its_bounds(k: int, size: float) -> None:
    signs = np.array(np.meshgrid(*[[-size, size]] * k)).reshape(k, -1).T
    Y = np.zeros_like(signs)
    Y[:, 0] = 1.0
    with np.errstate(all="raise", under="ignore"):
        losses, residuals = LOSS.at(signs, Y)
    assert np.isfinite(losses).all()
    bound = LOSS.loss_bound(k, Fraction(size))
    assert all(0 <= Fraction(float(loss)) <= bound for loss in losses)
    assert float(losses.max()) >= float(bound) / 4 or size < 10
    assert np.abs(residuals).max() <= LOSS.residual_bound()


@pytest.mark.parametrize("k", [1, 2, 5])
def test_the_curvature_is_no_larger_than_it_says(k: int) -> None:
    z = DRAW.normal(0, 2, (200, k)) * DRAW.uniform(0, 1, (200, 1))
    for row in np.vstack([z, np.zeros((1, k))]):
        p = expit(row) if k == 1 else softmax(row)
        hessian = np.diag(p) - np.outer(p, p)
        assert np.linalg.eigvalsh(hessian).max() <= float(LOSS.curvature(k)) + 1e-12
