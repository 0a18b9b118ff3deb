"""Quotients to more digits than a double has: arrays of pairs (value, rest) that stand for value + rest.

`value` is the sum rounded to a double, and a quotient is right to some 2^−100 of its size, from plain IEEE operations
in a fixed order, so that every machine gets the same bits. Source: T. J. Dekker, "A floating-point technique for
extending the available precision", 1971.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from fedtrain.tabular.reading.convert import Floats

_SPLITTER = float((1 << 27) + 1)


@dataclass(frozen=True)
class Affine:
    """x ↦ (2x − shift) / width for x within [low, high], exactly as far as a pair goes.

    With shift = low + high and width = high − low it takes the ends of a range to −1 and 1; with shift = 0 it divides
    by half of the width alone.
    """

    low: float
    high: float
    centred: bool

    def write(self, values: Floats, out: Floats, rest: Floats | None) -> None:
        """Fill `out` (rows,) with the quotients of `values` (rows,), clipped to the range, and `rest` with the rest."""
        # By a power of two, which is exact: widths near the ends of a double's range overflow nothing.
        _, exponent = math.frexp(self.high - self.low)
        low, high = math.ldexp(self.low, -exponent), math.ldexp(self.high, -exponent)
        width, width_rest = _two_sum(high, -low)
        numerator: Floats = np.clip(values, self.low, self.high)
        if abs(exponent) < 1000:
            numerator *= 2.0 ** (1 - exponent)
        else:
            np.ldexp(numerator, 1 - exponent, out=numerator)
        numerator_rest: Floats | float = 0.0
        if self.centred:
            shift, shift_rest = _two_sum(high, low)
            numerator, numerator_rest = _two_sums(numerator, -shift)
            numerator_rest -= shift_rest
        first = numerator / width
        product, product_rest = product_pair(first, width)
        left = np.subtract(numerator, product, out=product)
        left -= product_rest
        left += numerator_rest
        if width_rest:
            left -= first * width_rest
        left /= width
        np.add(first, left, out=out)
        if rest is not None:
            np.subtract(out, first, out=first)
            np.subtract(left, first, out=rest)


def product_pair(values: Floats, factor: Floats | float) -> tuple[Floats, Floats]:
    """values·factor and what rounding took off it, exactly."""
    product = values * factor
    factor_high, factor_low = _halves(np.atleast_1d(factor))
    high, low = _halves(values)
    rest: Floats = high * factor_high
    rest -= product
    if factor_low.any():
        high *= factor_low
        rest += high
        rest += low * factor_high
        low *= factor_low
    else:
        low *= factor_high
    rest += low
    return product, rest


def _halves(values: Floats) -> tuple[Floats, Floats]:
    """Two summands of 26 bits each. Source: Veltkamp, as in Dekker 1971."""
    scaled = values * _SPLITTER
    high = scaled - values
    np.subtract(scaled, high, out=high)
    return high, values - high


def _two_sum(a: float, b: float) -> tuple[float, float]:
    total = a + b
    second = total - a
    return total, (a - (total - second)) + (b - second)


def _two_sums(values: Floats, summand: float) -> tuple[Floats, Floats]:
    total = values + summand
    second = total - values
    rest: Floats = (values - (total - second)) + (summand - second)
    return total, rest
