"""Student's t distribution: two-sided p-values and quantiles.

P(|T| > t) = I_x(ν/2, ½) with x = ν/(ν + t²), the regularised incomplete beta function, by its continued fraction.
Source: NIST Digital Library of Mathematical Functions, §8.17, evaluated as W. J. Lentz, Applied Optics 15, 1976.
"""

from __future__ import annotations

import math

_TINY = 1e-300
_TERMS = 10_000
_LARGE = 100.0


def two_sided_p(t: float, degrees_of_freedom: int) -> float:
    """P(|T| > |t|), also where it is as small as a double can be. 1 for nan, 0 for infinity.

    To 12 digits up to 1,000 degrees of freedom, 10 up to a million, 7 up to a thousand million.
    """
    if math.isnan(t):
        return 1.0
    nu = float(degrees_of_freedom)
    square = t * t
    if math.isinf(square):
        return 0.0
    return _beta(nu / 2, 0.5, nu / (nu + square), square / (nu + square))


def quantile(p: float, degrees_of_freedom: int) -> float:
    """The t ≥ 0 with P(|T| > t) = 1 − p, for 0 ≤ p < 1: 0.95 gives what a 95% interval needs. Raises ValueError."""
    if not 0 <= p < 1:
        raise ValueError(f"p must be at least 0 and below 1, received {p}")
    low, high = 0.0, 1.0
    while two_sided_p(high, degrees_of_freedom) > 1 - p:
        low, high = high, 2 * high
    while True:
        middle = (low + high) / 2
        if middle in (low, high):
            return middle
        if two_sided_p(middle, degrees_of_freedom) > 1 - p:
            low = middle
        else:
            high = middle


def _beta(a: float, b: float, x: float, complement: float) -> float:
    """I_x(a, b), with `complement` = 1 − x to full precision."""
    if x <= 0:
        return 0.0
    if complement <= 0:
        return 1.0
    # Of x near 1 the logarithm has the digits of what is missing to 1.
    log_x, log_complement = (math.log(p) if p < 0.5 else math.log1p(-q) for p, q in ((x, complement), (complement, x)))
    log_front = a * log_x + b * log_complement - _log_beta(a, b)
    if x > (a + 1) / (a + b + 2):
        # The fraction converges fast only on this side of the mean.
        return 1.0 - math.exp(log_front) * _fraction(b, a, complement) / b
    return math.exp(log_front) * _fraction(a, b, x) / a


def _log_beta(a: float, b: float) -> float:
    """ln B(a, b); for a large a and b = ½ by the series in 1/a, where the two large logarithms would cancel."""
    if b != 0.5 or a < _LARGE:
        return math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)
    ratio = math.log(a) / 2 - 1 / (8 * a) + 1 / (192 * a**3) - 1 / (640 * a**5)
    return math.lgamma(b) - ratio


def _fraction(a: float, b: float, x: float) -> float:
    c, d = 1.0, 1.0 / _away_from_zero(1.0 - (a + b) * x / (a + 1.0))
    result = d
    for m in range(1, _TERMS):
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        d = 1.0 / _away_from_zero(1.0 + even * d)
        c = _away_from_zero(1.0 + even / c)
        result *= d * c
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        d = 1.0 / _away_from_zero(1.0 + odd * d)
        c = _away_from_zero(1.0 + odd / c)
        result *= d * c
        if abs(d * c - 1.0) < 1e-15:
            break
    return result


def _away_from_zero(value: float) -> float:
    return value if abs(value) > _TINY else _TINY
