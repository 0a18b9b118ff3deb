"""The budget that a dataset's records may still spend, over all jobs: a Rényi filter.

Its order is fixed before anything is asked, as the one at which Gaussian noise spends a budget best. Whatever is asked
after seeing earlier answers, the whole is (ε, δ)-differentially private as long as divergences at that order add up to
no more than the budget. Source: Feldman, Zrnic, "Individual privacy accounting via a Rényi filter", 2021, theorem 4.3.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from fedtrain.privacy.accounting import best_order, epsilon_of, rho_of
from fedtrain.privacy.cost import Cost, total

#: Sums of costs are rounded; a budget that was divided evenly is spent to its end all the same.
_ROUNDING = 1e-9


@dataclass(frozen=True)
class RenyiFilter:
    """A budget (ε, δ), of which costs take their divergence at the filter's order."""

    epsilon: float
    delta: float

    @cached_property
    def rho(self) -> float:
        """ρ that the budget comes to."""
        return rho_of(self.epsilon, self.delta)

    @cached_property
    def order(self) -> float:
        """The order α at which divergences are added up."""
        return best_order(self.rho, self.delta)

    def allows(self, spent: Iterable[Cost], cost: Cost) -> bool:
        """Say whether `cost` may be spent after `spent`."""
        divergence = total([*spent, cost]).at(self.order)
        return divergence <= self.order * self.rho * (1 + _ROUNDING)

    def epsilon_spent(self, spent: Iterable[Cost]) -> float:
        """Return ε, at the budget's δ, of everything spent."""
        return total(spent).epsilon(self.delta)

    def epsilon_left(self, spent: Iterable[Cost]) -> float:
        """Return the largest ε, at the budget's δ, of one more release of moments; 0 where nothing is left."""
        left = self.rho - total(spent).at(self.order) / self.order
        return epsilon_of(left, self.delta) if left > self.rho * _ROUNDING else 0.0
