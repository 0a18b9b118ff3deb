"""Cost of what was told: Rényi divergences by order, which add up, also where what is asked follows from what came."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from fedtrain.privacy.accounting import epsilon_at_order, epsilon_of

#: Orders at which divergences are known that are no multiple of the order.
ORDERS: Final = (*range(2, 65), 80, 96, 128, 160, 192, 256, 384, 512, 768, 1024)


@dataclass(frozen=True)
class Cost:
    """The divergence of order α between outputs on neighbouring tables is at most α·rho, and `sampled` on top.

    `sampled`: at each of `ORDERS`; () for nothing. Raises ValueError for another number of them.
    """

    rho: float = 0.0
    sampled: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if self.sampled and len(self.sampled) != len(ORDERS):
            raise ValueError(f"divergences are needed at {len(ORDERS)} orders, received {len(self.sampled)}")

    def at(self, order: float) -> float:
        """Return the divergence at an order above 1; inf beyond the last one that is known.

        Between two orders (α − 1) times the divergence is convex in α, so that a chord is no less; it is 0 at α = 1.
        Source: van Erven, Harremoës, "Rényi divergence and Kullback-Leibler divergence", 2014, corollary 2.
        """
        if not self.sampled:
            return order * self.rho
        if order > ORDERS[-1]:
            return math.inf
        above: int = next(index for index, one in enumerate(ORDERS) if one >= order)
        right, high = ORDERS[above], (ORDERS[above] - 1) * self.sampled[above]
        left, low = (1, 0.0) if above == 0 else (ORDERS[above - 1], (ORDERS[above - 1] - 1) * self.sampled[above - 1])
        scaled: float = low + (high - low) * ((order - left) / (right - left))
        return order * self.rho + scaled / (order - 1)

    def epsilon(self, delta: float) -> float:
        """Return ε with (ε, δ)-differential privacy. Raises ValueError for δ outside (0, 1)."""
        if not self.sampled:
            return epsilon_of(self.rho, delta)
        if not 0 < delta < 1:
            raise ValueError(f"delta must be between 0 and 1, received {delta}")
        return max(0.0, min(epsilon_at_order(order, self.at(order), delta) for order in ORDERS))

    def times(self, count: int) -> Cost:
        """Return the cost of as many of it."""
        return Cost(count * self.rho, tuple(count * one for one in self.sampled))


def total(costs: Iterable[Cost]) -> Cost:
    """Return the cost of all of them together."""
    rho, sampled = 0.0, [0.0] * len(ORDERS)
    any_sampled = False
    for cost in costs:
        rho += cost.rho
        if cost.sampled:
            any_sampled = True
            sampled = [one + other for one, other in zip(sampled, cost.sampled, strict=True)]
    return Cost(rho, tuple(sampled) if any_sampled else ())
