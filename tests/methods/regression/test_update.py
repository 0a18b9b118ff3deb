"""An update under encryption: the powers that its formula says, taken by the engine that it is given."""

from __future__ import annotations

from fractions import Fraction

import gmpy2
import pytest
from gmpy2 import mpz

from fedtrain.crypto import LocalEngine
from fedtrain.crypto.paillier.vector import EncryptedVector
from fedtrain.methods.plan import Update
from fedtrain.methods.regression.budget import Budget, plan
from fedtrain.methods.regression.inputs import update_scalars
from tests.harness.attackers.budget_adversary import example_inputs

ROWS = 900
JOBS: dict[str, dict[str, object]] = {
    "gradient descent": {},
    "ridge": {"l2": Fraction(50)},
    "ridge so strong that the sign of what is kept turns": {"l2": Fraction(5000), "learning_rate": Fraction(1)},
    "momentum": {"optimizer": "momentum"},
    "several outputs": {"outputs": 3, "optimizer": "momentum", "l2": Fraction(2)},
}


class Counting(LocalEngine):
    """Notes what is asked of it."""

    def __init__(self) -> None:
        self.powers_taken = self.products_taken = 0

    def powers(self, bases, exponent, modulus, *, secret=False):  # type: ignore[no-untyped-def]
        self.powers_taken += len(bases)
        return super().powers(bases, exponent, modulus, secret=secret)

    def product(self, columns, modulus):  # type: ignore[no-untyped-def]
        self.products_taken += len(columns)
        return super().product(columns, modulus)


def vector(budget: Budget, fraction_bits: int, seed: int, n: mpz) -> EncryptedVector:
    layout, state = budget.weights_layout, gmpy2.random_state(seed)
    units = tuple(gmpy2.mpz_random(state, n * n - 2) + 2 for _ in range(layout.ciphertexts))
    return EncryptedVector("00" * 16, fraction_bits, 1, layout, units)


@pytest.mark.parametrize("name", JOBS)
@pytest.mark.parametrize("step", [0, 1])
def test_an_update_is_its_formula_to_the_last_bit_and_runs_on_the_engine(name: str, step: int, small_keypair) -> None:
    n, engine = mpz(small_keypair[0].n), Counting()
    square = n * n
    inputs = example_inputs(reencrypt_every=2, **JOBS[name])
    budget = plan(inputs)
    weights = vector(budget, inputs.weights_fraction_bits_at(step), 1, n)
    total = vector(budget, inputs.answer_fraction_bits_at(step), 2, n)
    before = vector(budget, inputs.weights_fraction_bits_at(0), 3, n) if inputs.heavy_ball else None
    after = budget.next_weights(Update(ROWS, step, weights, before, total), int(n), engine)
    scalars = update_scalars(inputs, ROWS, step)
    assert (scalars.weights < 0) == (name == "ridge so strong that the sign of what is kept turns")
    last_row = (inputs.dimensions - 1) * budget.weights_layout.column_groups
    for index, ciphertext in enumerate(after.ciphertexts):
        keep = scalars.intercept if index >= last_row else scalars.weights
        expected = gmpy2.powmod(weights.ciphertexts[index], keep, square)
        expected = expected * gmpy2.powmod(total.ciphertexts[index], -scalars.gradient, square) % square
        if before is not None:
            expected = expected * gmpy2.powmod(before.ciphertexts[index], -scalars.previous, square) % square
        assert ciphertext == expected
    count = len(after.ciphertexts)
    assert engine.powers_taken == count * (3 if before else 2)
    assert engine.products_taken == count * (2 if before else 1)
    assert after.fraction_bits == inputs.weights_fraction_bits_at(step + 1)
