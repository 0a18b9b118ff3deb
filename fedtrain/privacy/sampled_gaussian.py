"""Cost of sums over a Poisson sample of the records: each is in with probability q, and Gaussian noise is added.

At an integer order α the divergence is ln Σ_k C(α, k)·(1 − q)^(α − k)·q^k·exp((k² − k)/(2z²)) / (α − 1), z the noise's
standard deviation over the length that one record adds at most. Sources: Mironov, Talwar, Zhang, "Rényi differential
privacy of the sampled Gaussian mechanism", 2019, theorems 4 and 5; Zhu, Wang, "Poisson subsampled Rényi differential
privacy", 2019. It holds of the discrete Gaussian as it stands: with integer sums, Σ over the integers of
exp(−(x − k·μ)²/(2σ²)) is the same for every k, as the Gaussian's integral is, and x ↦ μ − x maps the integers onto
themselves, which is what theorem 5 needs.
"""

from __future__ import annotations

import math
from functools import cache, lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from fedtrain.privacy.cost import ORDERS, Cost

#: The noise multiplier is searched in steps of this; mathematics libraries differ in last bits, and parties must not.
MULTIPLIER_STEP: Final = 2.0**-16
_LARGEST_MULTIPLIER: Final = 2.0**20


def sampled_gaussian(rate: float, multiplier: float, rounds: int = 1) -> Cost:
    """Return the cost of so many rounds, whatever each asks after seeing the others' answers.

    Raises ValueError for a rate outside (0, 1], a multiplier that is not above 0, and fewer rounds than 1.
    """
    if not 0 < rate <= 1 or not multiplier > 0 or rounds < 1:
        raise ValueError(f"rate {rate}, noise multiplier {multiplier} and {rounds} rounds are no sampled noise")
    if rate == 1:
        return Cost(rho=1 / (2 * multiplier**2)).times(rounds)
    return Cost(sampled=tuple(_divergence(order, rate, multiplier) for order in ORDERS)).times(rounds)


@lru_cache(maxsize=256)
def noise_multiplier(epsilon: float, delta: float, rate: float, rounds: int) -> float:
    """Return the least noise multiplier, a multiple of `MULTIPLIER_STEP`, of (ε, δ) over so many rounds.

    Raises ValueError where none is large enough, and as `sampled_gaussian`.
    """

    def enough(steps: int) -> bool:
        return sampled_gaussian(rate, steps * MULTIPLIER_STEP, rounds).epsilon(delta) <= epsilon

    low, high = 0, 1 << 16
    while not enough(high):
        low, high = high, 2 * high
        if high * MULTIPLIER_STEP > _LARGEST_MULTIPLIER:
            raise ValueError(f"no noise makes {rounds} rounds of rate {rate} private at epsilon {epsilon}")
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high * MULTIPLIER_STEP


def _divergence(order: int, rate: float, multiplier: float) -> float:
    k = np.arange(order + 1)
    terms = (
        _log_binomials(order) + (order - k) * math.log1p(-rate) + k * math.log(rate) + k * (k - 1) / (2 * multiplier**2)
    )
    largest = float(terms.max())
    return max(0.0, largest + math.log(float(np.exp(terms - largest).sum()))) / (order - 1)


@cache
def _log_binomials(order: int) -> NDArray[np.float64]:
    whole = math.lgamma(order + 1)
    return np.array([whole - math.lgamma(k + 1) - math.lgamma(order - k + 1) for k in range(order + 1)])
