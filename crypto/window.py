"""One update of the weights under encryption, inside a window of `reencrypt_every` rounds.

    Enc(w_{t+1}) = Enc(w_t)^a · Enc(Σg_t)^(−μ) · Enc(w_{t−1})^(−p)

with the public integers a, μ and p of `crypto.budget.update_scalars`; the intercept's row, the last, has its own a,
because ridge leaves it alone. Gradient descent has p = 0. Source: docs/arithmetic.md; Polyak 1964 for the heavy ball.
"""

from __future__ import annotations

import gmpy2
from gmpy2 import mpz

from crypto.budget import Budget, update_scalars
from crypto.errors import LayoutMismatch, ScaleMismatch
from crypto.vector import EncryptedVector


def next_weights(
    budget: Budget,
    rows_total: int,
    window_step: int,
    weights: EncryptedVector,
    previous: EncryptedVector | None,
    total: EncryptedVector,
    modulus: int,
) -> EncryptedVector:
    """Return Enc(w_{t+1}) at t = `window_step`, for the sum `total` of the owners' gradients at w_t.

    All vectors are (d, k), one row a ciphertext group. `previous` is Enc(w_{t−1}) for momentum, else None.
    The exponents are public; nothing is re-randomised, so that anyone can recompute it.
    Raises LayoutMismatch and ScaleMismatch where the vectors are not the plan's of this step, ValueError for
    rows_total beyond the plan or for momentum without `previous`.
    """
    scalars = update_scalars(budget.inputs, rows_total, window_step)
    if (previous is None) != (scalars.previous == 0):
        raise ValueError("previous weights belong to momentum, and to nothing else")
    _check(budget, window_step, weights, previous, total)
    square = mpz(modulus) * modulus
    groups = budget.weights_layout.column_groups
    intercept_from = (budget.inputs.dimensions - 1) * groups
    ciphertexts = []
    for index, (w, g) in enumerate(zip(weights.ciphertexts, total.ciphertexts, strict=True)):
        keep = scalars.intercept if index >= intercept_from else scalars.weights
        stepped = gmpy2.powmod(w, keep, square) * gmpy2.powmod(g, -scalars.gradient, square) % square
        if previous is not None:
            stepped = stepped * gmpy2.powmod(previous.ciphertexts[index], -scalars.previous, square) % square
        ciphertexts.append(stepped)
    return EncryptedVector(
        weights.key_id,
        budget.inputs.weights_fraction_bits_at(window_step + 1),
        budget.weight_bound_after(window_step + 1),
        budget.weights_layout,
        tuple(ciphertexts),
    )


def _check(
    budget: Budget,
    window_step: int,
    weights: EncryptedVector,
    previous: EncryptedVector | None,
    total: EncryptedVector,
) -> None:
    inputs = budget.inputs
    planned = [
        (weights, inputs.weights_fraction_bits_at(window_step)),
        (total, inputs.answer_fraction_bits_at(window_step)),
    ]
    if previous is not None:
        planned.append((previous, inputs.weights_fraction_bits_at(max(0, window_step - 1))))
    for vector, fraction_bits in planned:
        if vector.layout != budget.weights_layout:
            raise LayoutMismatch(budget.weights_layout, vector.layout)
        if vector.fraction_bits != fraction_bits:
            raise ScaleMismatch(fraction_bits, vector.fraction_bits)
