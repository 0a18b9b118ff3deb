"""Updates under encryption: after a window the decrypted weights are those of the same steps in exact arithmetic."""

from __future__ import annotations

from fractions import Fraction
from functools import cache

import numpy as np
import pytest
from numpy.typing import NDArray
from phe.paillier import PaillierPrivateKey

from fedtrain.crypto import (
    EncryptedVector,
    LayoutMismatch,
    LocalEngine,
    PublicEncryptor,
    ScaleMismatch,
    decrypt_array,
    encrypt_array,
    generate_keypair,
    key_id,
)
from fedtrain.methods.plan import Update
from fedtrain.methods.regression.budget import Budget
from fedtrain.methods.regression.inputs import learning_rate
from fedtrain.planning.plans import plan_spec
from tests.harness.facilitator.machine_bench import small_spec

ENGINE = LocalEngine()
WINDOW = 3
# Second moments of a made-up federation of 40 rows, two features and the intercept.
ROWS = 40
A = np.array([[11.5, -3.25, 2.0], [-3.25, 9.75, -4.5], [2.0, -4.5, 40.0]])
B = np.array([[7.25], [-12.5], [21.0]])


@cache
def private_key() -> PaillierPrivateKey:
    return generate_keypair(1024, allow_small=True)[1]


def budget_of(**training: object) -> Budget:
    return plan_spec(small_spec(key_bits=1024, reencrypt_every=WINDOW, **training))


def encrypt(budget: Budget, values: NDArray[np.object_], fraction_bits: int, bound: int) -> EncryptedVector:
    n = private_key().public_key.n
    encryptor = PublicEncryptor(private_key().public_key, ENGINE, expected_count=4)
    return encrypt_array(values, budget.weights_layout, fraction_bits, bound, encryptor, key_id(n))


def integers(values: NDArray[np.float64], fraction_bits: int) -> NDArray[np.object_]:
    flat = [round(Fraction(value) * (1 << fraction_bits)) for value in values.ravel().tolist()]
    return np.array(flat, dtype=object).reshape(values.shape)


def under_encryption(budget: Budget, start: NDArray[np.float64]) -> list[NDArray[np.float64]]:
    """w after each update of one window; gradients are exact, and everything else is the Facilitator's."""
    inputs, n = budget.inputs, private_key().public_key.n
    base = budget.steps[0]
    a = integers(A, inputs.moment_fraction_bits)
    weights = encrypt(budget, integers(start, base.weight_fraction_bits), base.weight_fraction_bits, base.weight_bound)
    previous = weights if inputs.heavy_ball else None
    seen = []
    for step in range(WINDOW):
        plan = budget.steps[step]
        w = decrypt_array(weights, private_key(), ENGINE)
        gradient = a.dot(w) - integers(B, plan.answer_fraction_bits)
        total = encrypt(budget, gradient, plan.answer_fraction_bits, plan.sum_bound)
        after = budget.next_weights(Update(ROWS, step, weights, previous, total), n, ENGINE)
        weights, previous = after, weights if previous is not None else None
        result = decrypt_array(weights, private_key(), ENGINE)
        scale = 1 << weights.fraction_bits
        seen.append(np.array([[float(Fraction(int(v), scale)) for v in row] for row in result]))
    return seen


def in_exact_arithmetic(budget: Budget, start: NDArray[np.float64], l2: float) -> list[NDArray[np.float64]]:
    rate = learning_rate(budget.inputs, ROWS) / ROWS
    momentum = budget.inputs.heavy_ball
    ridge = [Fraction(l2), Fraction(l2), Fraction(0)]
    w = [Fraction(v) for v in start.ravel().tolist()]
    before = list(w)
    seen = []
    for _ in range(WINDOW):
        gradient = [
            sum((Fraction(A[i, j]) * w[j] for j in range(3)), -Fraction(B[i, 0])) + ridge[i] * w[i] for i in range(3)
        ]
        w, before = [w[i] - rate * gradient[i] + momentum * (w[i] - before[i]) for i in range(3)], w
        seen.append(np.array([[float(v)] for v in w]))
    return seen


@pytest.mark.parametrize(
    "training",
    [
        {"optimizer": "gradient_descent"},
        {"optimizer": "gradient_descent", "l2": 3.0},
        {"optimizer": "momentum", "momentum": 0.75},
        {"optimizer": "momentum", "momentum": 0.75, "l2": 3.0},
    ],
    ids=["gradient descent", "ridge", "heavy ball", "heavy ball and ridge"],
)
def test_a_window_of_updates_under_encryption_is_the_same_steps_in_the_clear(training: dict[str, object]) -> None:
    budget = budget_of(**training)
    start = np.array([[0.5], [-0.25], [1.0]])
    l2 = training.get("l2", 0.0)
    assert isinstance(l2, float)
    exact = in_exact_arithmetic(budget, start, l2)
    for computed, expected in zip(under_encryption(budget, start), exact, strict=True):
        np.testing.assert_allclose(computed, expected, rtol=1e-9)


def test_vectors_of_another_step_are_refused() -> None:
    budget = budget_of(optimizer="gradient_descent")
    n, base = private_key().public_key.n, budget.steps[0]
    ones = np.full((3, 1), 1, dtype=object)
    weights = encrypt(budget, ones, base.weight_fraction_bits, base.weight_bound)
    total = encrypt(budget, ones, base.answer_fraction_bits, base.sum_bound)
    with pytest.raises(ScaleMismatch):
        budget.next_weights(Update(ROWS, 1, weights, None, total), n, ENGINE)
    with pytest.raises(ScaleMismatch):
        budget.next_weights(Update(ROWS, 0, weights, None, weights), n, ENGINE)
    with pytest.raises(ValueError, match="previous weights"):
        budget.next_weights(Update(ROWS, 0, weights, weights, total), n, ENGINE)
    with pytest.raises(ValueError, match="rows_total"):
        budget.next_weights(Update(budget.inputs.max_rows_total + 1, 0, weights, None, total), n, ENGINE)
    packed = plan_spec(small_spec(key_bits=1024)).answer_layout
    with pytest.raises(LayoutMismatch):
        other = encrypt_array(
            ones,
            packed,
            base.answer_fraction_bits,
            1,
            PublicEncryptor(private_key().public_key, ENGINE, expected_count=4),
            key_id(n),
        )
        budget.next_weights(Update(ROWS, 0, weights, None, other), n, ENGINE)
