"""Cost of Gaussian noise: how much of it (ε, δ) asks for, and what a sum that carries it spends.

The unit of account is ρ of zero-concentrated differential privacy: the Rényi divergence of order α between outputs on
neighbouring tables is at most α·ρ for every α > 1. Costs add up, also where what is asked next depends on what came.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from functools import lru_cache

#: Of bisections and of searches by thirds, which end where doubles do.
_STEPS = 100
_LARGEST_LOG_ORDER = 40.0


def epsilon_at_order(order: float, divergence: float, delta: float) -> float:
    """Return the ε that a Rényi divergence at one order α > 1 gives with δ; it may be below 0, which says 0.

    Source: Canonne, Kamath, Steinke 2020, proposition 12.
    """
    surplus = -math.log(delta) + (order - 1) * math.log1p(-1 / order) - math.log(order)
    return divergence + surplus / (order - 1)


def best_order(rho: float, delta: float) -> float:
    """Return the order at which ρ gives the least ε with δ."""

    def epsilon(log_order: float) -> float:
        order = 1 + math.exp(log_order)
        return epsilon_at_order(order, order * rho, delta)

    return 1 + math.exp(_least(epsilon, -_LARGEST_LOG_ORDER / 4, _LARGEST_LOG_ORDER))


def epsilon_of(rho: float, delta: float) -> float:
    """Return ε with (ε, δ)-differential privacy for whatever spends ρ in all; 0 for ρ = 0.

    Raises ValueError for δ outside (0, 1), and ρ below 0.
    """
    if not 0 < delta < 1 or rho < 0:
        raise ValueError(f"delta must be between 0 and 1 and rho at least 0, received {delta} and {rho}")
    if rho == 0:
        return 0.0
    order = best_order(rho, delta)
    return max(0.0, epsilon_at_order(order, order * rho, delta))


@lru_cache(maxsize=256)
def rho_of(epsilon: float, delta: float) -> float:
    """Return the largest ρ, to within a rounding below it, that is (ε, δ)-differentially private.

    Raises ValueError for ε that is not above 0, and δ outside (0, 1).
    """
    if not epsilon > 0 or not 0 < delta < 1:
        raise ValueError(f"epsilon must be above 0 and delta between 0 and 1, received {epsilon} and {delta}")
    low, high = 0.0, epsilon + 1.0
    while epsilon_of(high, delta) < epsilon:
        high *= 2
    for _ in range(_STEPS):
        middle = (low + high) / 2
        low, high = (middle, high) if epsilon_of(middle, delta) <= epsilon else (low, middle)
    return low


def share_variance(rho: float, squared_sensitivity: Fraction, shares: int) -> int:
    """Return the variance of each of `shares` discrete Gaussians whose sum spends at most ρ.

    `squared_sensitivity`: the largest squared length by which one record changes the integers. The sum of shares is no
    discrete Gaussian itself: see `rho_of_sum`, which this is held against by who plans a job.
    """
    return math.ceil(squared_sensitivity / (2 * Fraction(rho) * shares))


def rho_of_sum(squared_sensitivity: Fraction, variance: int, shares: int, numbers: int) -> float:
    """Return ρ of integers that carry the sum of `shares` discrete Gaussians of that variance each.

    `numbers`: how many integers there are. Source: Kairouz, Liu, Steinke, "The distributed discrete Gaussian mechanism
    for federated learning with secure aggregation", 2021, theorem 1; its τ, by which a sum of shares falls short of one
    discrete Gaussian, is below 10^−15 from a variance of 4 on.
    """
    ratio = float(squared_sensitivity / (variance * shares))
    # Of its terms for k = 1 to shares − 1 all but the first are at most the second.
    terms = (min(1, shares - 1), 1 / 2), (max(0, shares - 2), 2 / 3)
    tau = 10 * math.fsum(count * math.exp(-2 * math.pi**2 * variance * part) for count, part in terms)
    return min(ratio + tau * numbers / 2, (math.sqrt(ratio) + tau * math.sqrt(numbers)) ** 2) / 2


def _least(value: Callable[[float], float], low: float, high: float) -> float:
    """Return where a function that falls and then rises is least."""
    for _ in range(_STEPS):
        left, right = low + (high - low) / 3, high - (high - low) / 3
        low, high = (low, right) if value(left) <= value(right) else (left, high)
    return (low + high) / 2
