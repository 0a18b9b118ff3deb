"""Tails of noise: where an owner's share of a number ends, and the part of δ that covers it."""

from __future__ import annotations

import math
from typing import Final

from fedtrain.spec.privacy import Privacy

#: A share of noise ends after so many standard deviations, or more where δ asks for it.
_LEAST_DEVIATIONS: Final = 12
#: Of δ, what is kept for the chance that a share ends at its tail.
_TAIL_PART: Final = 2.0**-40


def covered_delta(privacy: Privacy) -> float:
    """Return what is left of δ for the noise itself."""
    return privacy.delta * (1 - _TAIL_PART)


def tail_deviations(epsilon: float, delta: float, shares: int) -> int:
    """Return how many standard deviations it takes for `shares` shares of noise to end at none, but for a part of δ.

    Where noise ends with a chance of p in all, (ε, δ) becomes (ε, δ + (1 + e^ε)·p); of each share the chance is at most
    exp(−t²/2). Source: Canonne, Kamath, Steinke 2020, proposition 25.
    """
    one_plus_power = epsilon + math.log1p(math.exp(-epsilon))
    log_chance = math.log(delta) + math.log(_TAIL_PART / shares) - one_plus_power
    return max(_LEAST_DEVIATIONS, math.ceil(math.sqrt(-2 * log_chance)))
