"""Growth of weights inside a window of encrypted updates, step by step, whatever the data.

Two bounds are carried, and the smaller one counts. *Row by row*: the triangle inequality, which is attained
within one step. *In length*: the update's matrix is symmetric, so that over many steps its eigenvalues alone
matter; with a rate of at most 1/eigenvalue a step lengthens nothing. Derivations: docs/arithmetic.md.

Everything is in real units (one is 1.0), as integers on a grid far finer than the base scale, rounded up.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

from fedtrain.methods.regression.inputs import BudgetInputs
from fedtrain.methods.regression.worst_case import terms

_GUARD_BITS = 160


@dataclass(frozen=True)
class WindowStep:
    """Bounds, on a grid of 2^−grid_bits, of the weights before an update and of everything it computes.

    `weight`: the largest |w_t|. `norm`: the length of a column of w_t. `peak`: the sum of the magnitudes of
    all terms of the update, and so of each of its partial sums.
    """

    grid_bits: int
    weight: int
    norm: int
    peak: int

    def magnitude(self, value: int, fraction_bits: int) -> int:
        """The largest integer at `fraction_bits` that the grid value allows."""
        shift = fraction_bits - self.grid_bits
        return value << shift if shift >= 0 else value >> -shift

    def magnitude_bits(self, value: int, fraction_bits: int) -> int:
        """`magnitude(...).bit_length()`, without building a number that may be far too large."""
        return max(0, value.bit_length() + fraction_bits - self.grid_bits)


@dataclass(frozen=True)
class _Gains:
    """Factors of one update, at most; independent of the step."""

    keep: Fraction
    row: Fraction
    row_norm: Fraction
    target: Fraction
    target_norm: Fraction
    momentum: Fraction
    triangle: Fraction
    spectral: Fraction


def window_steps(inputs: BudgetInputs) -> Iterator[WindowStep]:
    """Step 0, 1, 2 … of a window, without end."""
    grid_bits = inputs.weight_fraction_bits + _GUARD_BITS
    gains = _gains(inputs)

    def up(value: Fraction) -> int:
        return math.ceil(value * (1 << grid_bits))

    def times(a: int, b: int) -> int:
        return -((-a * b) >> grid_bits)

    keep, row, row_norm, target = up(gains.keep), up(gains.row), up(gains.row_norm), up(gains.target)
    target_norm, momentum, triangle = up(gains.target_norm), up(gains.momentum), up(gains.triangle)
    # U_t = Σ_k z1^k·z2^(t−k) bounds the homogeneous solution; z1 and z2 solve z² − spectral·z + momentum = 0.
    z1 = up((gains.spectral + terms.sqrt_up(gains.spectral**2 - 4 * gains.momentum)) / 2)
    z2 = up(gains.momentum / Fraction(z1, 1 << grid_bits))
    side = up(terms.sqrt_up(Fraction(inputs.dimensions)))
    weight = before = terms.initial_weight(inputs) << (grid_bits - inputs.weight_fraction_bits)
    start_norm = times(side, weight)
    growth, growth_before, growth_sum, z2_power = 1 << grid_bits, 0, 0, 1 << grid_bits
    while True:
        spectral = (
            times(growth, start_norm)
            + times(times(momentum, growth_before), start_norm)
            + times(growth_sum, target_norm)
        )
        weight = min(weight, spectral)
        norm = min(spectral, times(side, weight))
        gradient = min(times(row, weight), times(row_norm, norm)) + target
        yield WindowStep(grid_bits, weight, norm, times(keep, weight) + gradient + times(momentum, before))
        weight, before = times(triangle, weight) + target + times(momentum, before), weight
        growth_sum += growth
        z2_power = times(z2_power, z2)
        growth, growth_before = times(z1, growth) + z2_power, growth


def _gains(inputs: BudgetInputs) -> _Gains:
    rate, rounding = terms.rate_gain(inputs), terms.rounding_gain(inputs)
    ridge, momentum = terms.ridge_gain(inputs), terms.momentum_gain(inputs)
    largest, root_d = inputs.largest_feature, terms.sqrt_up(Fraction(inputs.dimensions))
    entry_rounding = rounding / (1 << inputs.moment_fraction_bits)
    target_rounding = rounding / (1 << inputs.answer_fraction_bits_at(0))
    curvature = rate * inputs.slope
    length = terms.sqrt_up(inputs.feature_square_sum)
    # A is positive semidefinite but for its owners' rounding, which moves eigenvalues by this much.
    eigenvalue_rounding = inputs.dimensions * entry_rounding
    largest_eigenvalue = curvature * inputs.feature_square_sum + eigenvalue_rounding + ridge
    return _Gains(
        keep=max(1 + momentum, ridge - 1 - momentum),
        row=curvature * largest * inputs.feature_sum + inputs.dimensions * entry_rounding,
        row_norm=curvature * largest * length + root_d * entry_rounding,
        target=rate * largest * inputs.target_bound + target_rounding,
        target_norm=rate * length * inputs.target_bound + root_d * target_rounding,
        momentum=momentum,
        # As x_i·(Σx − x_i) rises up to half of Σx, which only the widest column can be beyond.
        triangle=max(_row_growth(inputs, x, curvature, entry_rounding) for x in inputs.two_largest_features),
        spectral=max(1 + momentum + eigenvalue_rounding, largest_eigenvalue - 1 - momentum),
    )


def _row_growth(inputs: BudgetInputs, x_i: Fraction, curvature: Fraction, entry_rounding: Fraction) -> Fraction:
    """Σ_j |T_ij| of the update's matrix T: A_ii ≥ 0 counts against what is kept, never on top of it."""
    ridge, momentum = terms.ridge_gain(inputs), terms.momentum_gain(inputs)
    own = curvature * x_i * x_i + entry_rounding
    others = curvature * x_i * (inputs.feature_sum - x_i) + (inputs.dimensions - 1) * entry_rounding
    return max(1 + momentum, ridge + own - 1 - momentum) + others
