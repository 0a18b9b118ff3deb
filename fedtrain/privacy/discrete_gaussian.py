"""Exact draws of the discrete Gaussian on the integers: P(x) ∝ exp(−x²/(2·variance)).

No floating point is in the path, so that no bit of what is drawn is another than the theorem's.
Source: Canonne, Kamath, Steinke, "The discrete Gaussian for differential privacy", 2020, algorithms 1 to 3.
"""

from __future__ import annotations

import math

from fedtrain.privacy.random_stream import RandomStream


def discrete_gaussian(variance: int, stream: RandomStream) -> int:
    """Return a draw; its variance is at most `variance`, and indistinguishable from it where that is 2 or more.

    Raises ValueError for a variance below 1.
    """
    if variance < 1:
        raise ValueError(f"a variance of at least 1 is needed, received {variance}")
    scale = math.isqrt(variance) + 1
    denominator = 2 * variance * scale * scale
    while True:
        value = discrete_laplace(scale, stream)
        # Accepted with probability exp(−(|value| − variance/scale)²/(2·variance)).
        if _with_probability_exp((abs(value) * scale - variance) ** 2, denominator, stream):
            return value


def discrete_laplace(scale: int, stream: RandomStream) -> int:
    """Return a draw with P(x) ∝ exp(−|x|/scale)."""
    while True:
        rest = stream.below(scale)
        if not _exp_of_at_most_one(rest, scale, stream):
            continue
        whole = 0
        while _exp_of_at_most_one(1, 1, stream):
            whole += 1
        magnitude = rest + scale * whole
        negative = stream.word() & 1
        if magnitude or not negative:  # 0 has one sign
            return -magnitude if negative else magnitude


def _with_probability_exp(numerator: int, denominator: int, stream: RandomStream) -> bool:
    """Return True with probability exp(−numerator/denominator)."""
    whole, rest = divmod(numerator, denominator)
    return all(_exp_of_at_most_one(1, 1, stream) for _ in range(whole)) and _exp_of_at_most_one(
        rest, denominator, stream
    )


def _exp_of_at_most_one(numerator: int, denominator: int, stream: RandomStream) -> bool:
    """Return True with probability exp(−γ) for γ = numerator/denominator from 0 to 1.

    The number of draws until the first that fails, of probabilities γ/1, γ/2, γ/3, …, is odd with that probability.
    """
    draws = 1
    while stream.is_below(numerator, denominator * draws):
        draws += 1
    return draws % 2 == 1
