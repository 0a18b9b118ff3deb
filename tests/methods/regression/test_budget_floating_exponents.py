"""Reason for a budget: the same descent in phe's floating-point encoding overflows after a few updates."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from phe import paillier

from fedtrain.methods.regression.worst_case.steps import largest_window
from tests.harness.attackers.budget_adversary import example_inputs


def test_phes_own_numbers_overflow_where_a_planned_window_ends_in_time() -> None:
    public, private = paillier.generate_paillier_keypair(n_length=1024)
    random = np.random.default_rng(0)
    X = random.uniform(-1, 1, (50, 2))
    X[:, -1] = 1.0
    A, b, rate = X.T @ X, X.T @ (X @ [0.5, -0.3]), 0.5 / 50
    encrypted, expected = [public.encrypt(0.1), public.encrypt(0.2)], np.array([0.1, 0.2])
    survived = 0
    while survived < 20:
        gradient = [encrypted[0] * float(A[i, 0]) + encrypted[1] * float(A[i, 1]) - float(b[i]) for i in range(2)]
        encrypted = [w - g * rate for w, g in zip(encrypted, gradient, strict=True)]
        expected = expected - rate * (A @ expected - b)
        try:
            decrypted = [private.decrypt(w) for w in encrypted]
        except OverflowError:
            break
        # Some numbers wrap around unseen: nothing is raised, and the weights are wrong.
        if not np.allclose(decrypted, expected):
            break
        survived += 1
    assert 2 <= survived < 12
    # The planner allows as many updates as provably fit, then weights are encrypted afresh, without end.
    job = example_inputs(modulus_bits=1024, max_rows=50, max_owners=1, weight_bound=Fraction(1024))
    assert largest_window(job) > survived
