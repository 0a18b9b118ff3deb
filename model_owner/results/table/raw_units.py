"""From weights of scaled columns to coefficients of raw ones, from exact rationals, to be rounded once."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction

import gmpy2
import numpy as np
from gmpy2 import mpfr, mpq

from fedtrain.model_owner.arithmetic.arrays import Floats, Integers
from fedtrain.model_owner.arithmetic.normal_equations import PRECISION_BITS, Reals, reals
from fedtrain.tabular.encode import Encoder


def raw_coefficients(weights: Integers, fraction_bits: int, slope: Fraction, encoder: Encoder) -> Floats:
    """(d, k) float64 coefficients of raw columns, the intercept's row last, each rounded once.

    `weights` (d, k) at `fraction_bits` are those of scaled columns, times `slope`. Source: `Encoder.unscale`.
    """
    with gmpy2.context(gmpy2.get_context(), precision=PRECISION_BITS):
        _, to_raw = unit_changes(encoder)
        half_widths = numbers(encoder.exact_target_half_width)
        return floats((to_raw @ reals(weights, fraction_bits)) * (half_widths / numbers([slope])[0]))


def unit_changes(encoder: Encoder) -> tuple[Reals, Reals]:
    """S with X_raw = X_scaled·S, and its inverse, by which weights become coefficients. At the context's precision."""
    d = encoder.dimensions
    to_scaled = reals(np.full((d, d), 0, dtype=object), 0)
    to_raw = to_scaled.copy()
    halves, centres = numbers(encoder.exact_half_width), numbers(encoder.exact_centre)
    for j in range(d):
        to_scaled[j, j], to_raw[j, j] = halves[j], 1 / halves[j]
        if j < d - 1:
            to_scaled[d - 1, j], to_raw[d - 1, j] = centres[j], -centres[j] / halves[j]
    return to_scaled, to_raw


def numbers(fractions: Iterable[Fraction]) -> Reals:
    """(n,) mpfr at the context's precision."""
    values = list(fractions)
    result = np.empty(len(values), dtype=object)
    result[:] = [mpfr(mpq(value.numerator, value.denominator)) for value in values]
    return result


def floats(values: Reals) -> Floats:
    """The nearest doubles."""
    return np.array([float(value) for value in values.ravel()], dtype=np.float64).reshape(values.shape)
