"""500 rounds under real encryption: the same integers as without, and so within the derived bound of float64."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest

from fedtrain.crypto import (
    KeyHolderEncryptor,
    LocalEngine,
    decrypt_array,
    encrypt_array,
    generate_keypair,
    key_id,
    sum_vectors,
)
from fedtrain.crypto.packing.fixed_point import encode, rescale
from fedtrain.crypto.paillier.arithmetic import affine_matrix
from fedtrain.crypto.paillier.vector import EncryptedVector
from fedtrain.methods.plan import Update
from fedtrain.methods.regression.budget import Budget, plan
from fedtrain.methods.regression.inputs import BudgetInputs, learning_rate
from tests.harness.truncation import window_error_bound
from tests.methods.regression.test_budget_error import OWNERS, ROWS, D, Moments, in_float64, job, moments

ENGINE = LocalEngine()
N = OWNERS * ROWS


@cache
def private_key(modulus_bits: int) -> Any:
    return generate_keypair(modulus_bits, allow_small=True)[1]


class Parties:
    """Owners, Facilitator and Model Owner of one job, as far as arithmetic goes. `scales`: of each window's ends."""

    def __init__(self, inputs: BudgetInputs, data: Moments) -> None:
        self.inputs, self.data = inputs, data
        self.budget: Budget = plan(inputs)
        self.key = private_key(inputs.modulus_bits)
        self.n = int(self.key.public_key.n)
        self.encryptor = KeyHolderEncryptor(self.key, ENGINE, 100)
        self.scales: set[tuple[int, int]] = set()

    def encrypt(self, weights: np.ndarray) -> EncryptedVector:
        first = self.budget.steps[0]
        column = np.array(weights, dtype=object).reshape(D, 1)
        return encrypt_array(
            column,
            self.budget.weights_layout,
            first.weight_fraction_bits,
            first.weight_bound,
            self.encryptor,
            key_id(self.n),
        )

    def decrypt(self, vector: EncryptedVector) -> np.ndarray:
        return decrypt_array(vector, self.key, ENGINE)[:, 0]

    def gradient(self, step: int, weights: EncryptedVector) -> EncryptedVector:
        """Σ (A_i·w − b_i): every owner's answer, and their sum."""
        planned = self.budget.steps[step]
        answers = []
        for matrix, exact_b in zip(self.data.integer_matrices, self.data.exact_b, strict=True):
            b = np.array([[round(v * (1 << planned.answer_fraction_bits))] for v in exact_b], dtype=object)
            answers.append(
                affine_matrix(
                    matrix,
                    self.budget.moment_bound,
                    self.inputs.moment_fraction_bits,
                    weights,
                    b,
                    planned.b_bound,
                    self.budget.answer_layout,
                    self.n,
                    ENGINE,
                    self.budget.matrix_row_bounds,
                )
            )
        return sum_vectors(answers, self.n, ENGINE, planned.sum_bound)

    def windows(self, rounds: int) -> np.ndarray:
        base = self.inputs.weight_fraction_bits
        w, before = encode(np.zeros(D), base, 0), encode(np.zeros(D), base, 0)
        done = 0
        while done < rounds:
            updates = min(self.inputs.reencrypt_every, rounds - done)
            weights = self.encrypt(w)
            previous = self.encrypt(before) if self.inputs.heavy_ball else None
            start = weights.fraction_bits
            for step in range(updates):
                total = self.gradient(step, weights)
                after = self.budget.next_weights(Update(N, step, weights, previous, total), self.n, ENGINE)
                weights, previous = after, weights if previous is not None else None
            if updates == self.inputs.reencrypt_every:
                self.scales.add((start, weights.fraction_bits))
            w = rescale(self.decrypt(weights), weights.fraction_bits, base)
            if previous is not None:
                before = rescale(self.decrypt(previous), previous.fraction_bits, base)
            done += updates
        return np.array([int(v) / (1 << base) for v in w])

    def plain_rounds(self, rounds: int) -> np.ndarray:
        rate = float(learning_rate(self.inputs, N)) / N
        first = self.budget.steps[0]
        w, before = np.zeros(D), np.zeros(D)
        for _ in range(rounds):
            weights = self.encrypt(encode(w, first.weight_fraction_bits, first.weight_bound))
            decoded = self.decrypt(self.gradient(0, weights))
            gradient = np.array([int(v) / (1 << first.answer_fraction_bits) for v in decoded])
            w, before = w + float(self.inputs.heavy_ball) * (w - before) - rate * gradient, w
        return w


def check(inputs: BudgetInputs, rounds: int, slack: float) -> None:
    """The encrypted schedule keeps within the bound, which is at most `slack` times the error."""
    data = moments(inputs, 0.01)
    parties = Parties(inputs, data)
    got = parties.plain_rounds(rounds) if inputs.reencrypt_every == 1 else parties.windows(rounds)
    expected, largest = in_float64(inputs, data, rounds)
    error = float(np.linalg.norm(got - expected))
    bound = window_error_bound(inputs, N, OWNERS, rounds, largest)
    assert 0 < error <= bound < slack * error
    if inputs.reencrypt_every > 1:
        # From window to window the weights begin at one scale, and end at one.
        end = inputs.weights_fraction_bits_at(inputs.reencrypt_every)
        assert parties.scales == {(inputs.weight_fraction_bits, end)}


@pytest.mark.parametrize("reencrypt_every", [1, 4, "largest"])
@pytest.mark.parametrize("optimizer", ["gradient_descent", "momentum"])
def test_encrypted_rounds_equal_float64_within_the_bound(optimizer: str, reencrypt_every: int | str) -> None:
    check(job(reencrypt_every, 1024, optimizer=optimizer), 40, 100.0)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("optimizer", "reencrypt_every", "modulus_bits"),
    [
        ("gradient_descent", 1, 3072),
        ("momentum", 4, 3072),
        ("gradient_descent", 12, 2048),
        ("momentum", "largest", 3072),
    ],
)
def test_500_encrypted_rounds_equal_float64_within_a_bound_that_is_not_slack(
    optimizer: str, reencrypt_every: int | str, modulus_bits: int
) -> None:
    check(job(reencrypt_every, modulus_bits, optimizer=optimizer), 500, 100.0)


def test_weights_of_another_update_are_not_within_the_bound() -> None:
    """One update left out of forty is an error far beyond the bound."""
    inputs = job(4, 1024)
    data = moments(inputs, 0.01)
    got = Parties(inputs, data).windows(39)
    expected, largest = in_float64(inputs, data, 40)
    assert float(np.linalg.norm(got - expected)) > window_error_bound(inputs, N, OWNERS, 40, largest)
