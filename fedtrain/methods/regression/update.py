"""One update of the weights under encryption, inside a window of `reencrypt_every` rounds.

    Enc(w_{t+1}) = Enc(w_t)^a · Enc(Σg_t)^(−μ) · Enc(w_{t−1})^(−p)

with the public integers a, μ and p of `update_scalars`; the intercept's row, the last, has its own a,
because ridge leaves it alone. Gradient descent has p = 0. Source: docs/arithmetic.md; Polyak 1964 for the heavy ball.
"""

from __future__ import annotations

from collections.abc import Sequence

import gmpy2
from gmpy2 import mpz

from fedtrain.crypto.engine import Engine
from fedtrain.crypto.errors import LayoutMismatch, ScaleMismatch
from fedtrain.crypto.packing.slots import SlotLayout
from fedtrain.crypto.paillier.vector import EncryptedVector
from fedtrain.methods.plan import EncryptedWeights, Update
from fedtrain.methods.regression.inputs import BudgetInputs, update_scalars


def next_weights(
    inputs: BudgetInputs, planned: EncryptedWeights, update: Update, modulus: int, engine: Engine
) -> EncryptedVector:
    """Return Enc(w_{t+1}), as `planned`, from `update` at t.

    All vectors are (d, k) in the planned layout, one row a ciphertext group.
    The exponents are public; nothing is re-randomised, so that anyone can recompute it.
    Raises LayoutMismatch and ScaleMismatch where the vectors are not the plan's of this step, ValueError for
    rows_total beyond the plan or for momentum without `previous`.
    """
    weights, previous, total = update.weights, update.previous, update.total
    scalars = update_scalars(inputs, update.rows_total, update.step)
    if (previous is None) != (scalars.previous == 0):
        raise ValueError("previous weights belong to momentum, and to nothing else")
    _check(inputs, planned.layout, update)
    square = mpz(modulus) * modulus
    intercept_from = (inputs.dimensions - 1) * planned.layout.column_groups
    ciphertexts = [
        *_powers(engine, weights.ciphertexts[:intercept_from], scalars.weights, square),
        *_powers(engine, weights.ciphertexts[intercept_from:], scalars.intercept, square),
    ]
    taken = _powers(engine, total.ciphertexts, scalars.gradient, square)
    if previous is not None:
        before = _powers(engine, previous.ciphertexts, scalars.previous, square)
        taken = engine.product(list(zip(taken, before, strict=True)), square)
    inverses = [gmpy2.invert(ciphertext, square) for ciphertext in taken]
    ciphertexts = engine.product(list(zip(ciphertexts, inverses, strict=True)), square)
    return EncryptedVector(weights.key_id, planned.fraction_bits, planned.bound, planned.layout, tuple(ciphertexts))


def _powers(engine: Engine, bases: Sequence[mpz], exponent: int, square: mpz) -> list[mpz]:
    """base^exponent for each, also for a negative exponent: strong ridge turns the sign of what is kept."""
    powers = engine.powers(bases, abs(exponent), square)
    return powers if exponent >= 0 else [gmpy2.invert(power, square) for power in powers]


def _check(inputs: BudgetInputs, layout: SlotLayout, update: Update) -> None:
    planned = [
        (update.weights, inputs.weights_fraction_bits_at(update.step)),
        (update.total, inputs.answer_fraction_bits_at(update.step)),
    ]
    if update.previous is not None:
        planned.append((update.previous, inputs.weights_fraction_bits_at(max(0, update.step - 1))))
    for vector, fraction_bits in planned:
        if vector.layout != layout:
            raise LayoutMismatch(layout, vector.layout)
        if vector.fraction_bits != fraction_bits:
            raise ScaleMismatch(fraction_bits, vector.fraction_bits)
