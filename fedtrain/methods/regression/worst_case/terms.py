"""The terms of the budget formula, one function each, so that each can be tested, and broken, by itself.

Everything here is an upper bound that some data attain: features and targets at the ends of their ranges,
all of one sign. Fractions are exact; square roots are rounded up. Derivations: docs/arithmetic.md.
"""

from __future__ import annotations

import math
from fractions import Fraction

from fedtrain.methods.regression.inputs import BudgetInputs, learning_rate

HALF = Fraction(1, 2)


def matrix_entry(
    inputs: BudgetInputs, x_i: Fraction, x_j: Fraction, fraction_bits: int, rows: int | None = None
) -> int:
    """|A_ij| of one owner: c·Σ x_i·x_j over at most `rows` rows (`max_rows`), rounded at `fraction_bits`."""
    rows = inputs.max_rows if rows is None else rows
    return round(inputs.slope * rows * x_i * x_j * (1 << fraction_bits))


def matrix_row_sum(inputs: BudgetInputs, x_i: Fraction, rows: int, owners: int) -> Fraction:
    """Σ_j |A_ij| at f_A over `rows` rows of `owners` owners, each of which rounds every entry by at most ½."""
    exact = inputs.slope * rows * x_i * inputs.feature_sum * (1 << inputs.moment_fraction_bits)
    return exact + HALF * owners * inputs.dimensions


def matrix_row_norm(inputs: BudgetInputs, x_i: Fraction, rows: int, owners: int) -> Fraction:
    """√(Σ_j A_ij²) at f_A, as in `matrix_row_sum`: the gain from a weight vector of bounded length."""
    length = sqrt_up(inputs.feature_square_sum)
    exact = inputs.slope * rows * x_i * length * (1 << inputs.moment_fraction_bits)
    return exact + HALF * owners * sqrt_up(Fraction(inputs.dimensions))


def target_entry(inputs: BudgetInputs, x_i: Fraction, rows: int, owners: int, fraction_bits: int) -> Fraction:
    """|b_i| at `fraction_bits` over `rows` rows of `owners` owners, rounding included."""
    return rows * x_i * inputs.target_bound * (1 << fraction_bits) + HALF * owners


def initial_weight(inputs: BudgetInputs) -> int:
    """|w_j| as encrypted by the Model Owner: ⌊weight_bound·2^f_w⌋; it refuses to encrypt more."""
    return math.floor(inputs.weight_bound * (1 << inputs.weight_fraction_bits))


def owners_in_sum(inputs: BudgetInputs) -> int:
    """Return how many answers the Facilitator multiplies together at most."""
    return inputs.max_owners


def sign_bits() -> int:
    """A balanced slot of s bits holds |v| < 2^(s − 1)."""
    return 1


def counts_entry(inputs: BudgetInputs) -> int:
    """One owner's N_i or Σy², whichever is larger, at `counts_fraction_bits`. 0/1 targets square to 1."""
    largest_square = max(Fraction(1), inputs.target_bound**2)
    return round(inputs.max_rows * largest_square * (1 << inputs.counts_fraction_bits))


def newton_entry(inputs: BudgetInputs) -> int:
    """The largest entry of one owner's A or b, or where it tells Σy² too of that, at `newton_fraction_bits`."""
    largest = inputs.largest_feature
    target = round(inputs.max_rows * largest * inputs.target_bound * (1 << inputs.newton_fraction_bits))
    entry = max(matrix_entry(inputs, largest, largest, inputs.newton_fraction_bits), target)
    if not inputs.validates and not inputs.at_once:
        return entry
    largest_square = max(Fraction(1), inputs.target_bound**2)
    return max(entry, round(inputs.max_rows * largest_square * (1 << inputs.newton_fraction_bits)))


def rate_gain(inputs: BudgetInputs) -> Fraction:
    """sup over N of μ·N / 2^f_lr, with μ = round(rate/N·2^f_lr): what multiplies a row of data in an update.

    At most rate + ½·N·2^−f_lr. Both parts grow with N: without ridge `auto` is constant, with it, it rises.
    """
    rows = inputs.max_rows_total
    return learning_rate(inputs, rows) + HALF * rows / (1 << inputs.rate_fraction_bits)


def rounding_gain(inputs: BudgetInputs) -> Fraction:
    """sup over N of μ/2^f_lr · ½·min(M, N): what multiplies the owners' roundings; one without rows has none."""
    rate = learning_rate(inputs, inputs.max_rows_total)
    return HALF * (rate + HALF * inputs.max_owners / (1 << inputs.rate_fraction_bits))


def ridge_gain(inputs: BudgetInputs) -> Fraction:
    """sup over N of μ·L / 2^s, with L = round(l2·2^f_A); attained by a federation of one row."""
    ridge = Fraction(round(inputs.l2 * (1 << inputs.moment_fraction_bits)), 1 << inputs.moment_fraction_bits)
    return (learning_rate(inputs, 1) + HALF / (1 << inputs.rate_fraction_bits)) * ridge


def momentum_gain(inputs: BudgetInputs) -> Fraction:
    """The momentum coefficient as the Facilitator applies it, an integer at 2^−s."""
    one = 1 << inputs.step_fraction_bits
    return Fraction(round(inputs.heavy_ball * one), one)


def sqrt_up(value: Fraction) -> Fraction:
    """A Fraction at least √value, and above it by less than one part in 2^120."""
    if value == 0:
        return Fraction(0)
    shift = max(0, 128 - (value.numerator.bit_length() - value.denominator.bit_length()) // 2)
    root = math.isqrt(math.ceil(value * (1 << (2 * shift))) - 1) + 1
    return Fraction(root, 1 << shift)
