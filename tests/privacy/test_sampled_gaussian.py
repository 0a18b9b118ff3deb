"""Costs of sampled sums against Google's dp-accounting and Opacus, and against exact divergences on the integers."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from fedtrain.privacy.accounting import rho_of
from fedtrain.privacy.cost import ORDERS, Cost, total
from fedtrain.privacy.filter import RenyiFilter
from fedtrain.privacy.sampled_gaussian import MULTIPLIER_STEP, noise_multiplier, sampled_gaussian

#: (rate, noise multiplier, rounds, δ), then ε by dp-accounting 0.6.0 and by Opacus 1.6.0, RDP accountants at their own
#: orders; of the smallest ε Opacus at orders up to 1,024, for its own end at 63.
BY_OTHERS = [
    (0.01, 1.1, 1000, 1e-5, 1.7117701662429012, 1.7117700912203435),
    (0.05, 3.074127197265625, 200, 1e-5, 0.999998461984642, 0.9999984619846425),
    (0.1, 1.3734283447265625, 300, 1e-5, 7.881477148621273, 7.873656150627359),
    (0.0356, 1.45, 500, 1e-5, 2.9937980389783645, 2.993796957781651),
    (0.01, 4.2, 100, 1e-6, 0.1031465316504254, 0.10032501144625476),
    (0.5, 2.0, 10, 1e-5, 4.366906764052282, 4.366850551130349),
    (0.001, 0.7, 20000, 1e-7, 3.228199766716386, 3.228199766716345),
]


@pytest.mark.parametrize(("rate", "multiplier", "rounds", "delta", "dp_accounting", "opacus"), BY_OTHERS)
def test_costs_are_those_of_dp_accounting_and_opacus(
    rate: float, multiplier: float, rounds: int, delta: float, dp_accounting: float, opacus: float
) -> None:
    epsilon = sampled_gaussian(rate, multiplier, rounds).epsilon(delta)
    assert epsilon == pytest.approx(dp_accounting, rel=3e-2)
    assert epsilon == pytest.approx(opacus, rel=2e-2)


@pytest.mark.parametrize(("epsilon", "delta", "rate", "rounds"), [(1.0, 1e-6, 0.01, 1000), (8.0, 1e-5, 0.1, 300)])
def test_the_noise_that_is_planned_is_the_least_that_is_enough(
    epsilon: float, delta: float, rate: float, rounds: int
) -> None:
    found = noise_multiplier(epsilon, delta, rate, rounds)
    assert sampled_gaussian(rate, found, rounds).epsilon(delta) <= epsilon
    assert sampled_gaussian(rate, found - MULTIPLIER_STEP, rounds).epsilon(delta) > epsilon


def test_without_sampling_it_is_the_gaussian() -> None:
    assert sampled_gaussian(1.0, 4.0, 10) == Cost(rho=10 / 32)
    # Nearly all records: nearly its cost, by another way.
    nearly = sampled_gaussian(1 - 1e-12, 4.0, 10)
    assert nearly.epsilon(1e-6) == pytest.approx(Cost(rho=10 / 32).epsilon(1e-6), rel=1e-2)


@pytest.mark.parametrize(("rate", "variance", "shift"), [(0.2, 9, 2), (0.05, 4, 3), (0.5, 100, 10)])
def test_the_bound_holds_of_the_discrete_gaussian_in_both_directions(rate: float, variance: int, shift: int) -> None:
    """Exact divergences of a sampled sum's distribution on the integers, with one record and without it."""
    reach = np.arange(-60 * shift, 60 * shift + 1)

    def log_density(centre: int) -> np.ndarray:
        powers = -((reach - centre) ** 2) / (2 * variance)
        return np.asarray(powers - np.logaddexp.reduce(powers))

    without = log_density(0)
    with_it = np.logaddexp(math.log1p(-rate) + without, math.log(rate) + log_density(shift))
    cost = sampled_gaussian(rate, math.sqrt(variance) / shift)
    for order in (1.5, 2, 3, 5.5, 8):
        for p, q in ((with_it, without), (without, with_it)):
            divergence = float(np.logaddexp.reduce(order * p + (1 - order) * q)) / (order - 1)
            assert divergence <= cost.at(order) * (1 + 1e-9)
        if order == int(order):  # there it is what it is, and no bound of it
            exact = float(np.logaddexp.reduce(order * with_it + (1 - order) * without)) / (order - 1)
            assert exact == pytest.approx(cost.at(order), rel=1e-9)


def test_between_orders_a_cost_is_no_less_than_a_gaussians_and_beyond_the_last_there_is_none() -> None:
    rho = 0.02
    known = Cost(sampled=tuple(order * rho for order in ORDERS))
    for order in (1.001, 1.5, 2.5, 63.9, 70.0, 200.0, 1023.0):
        # The chord of (α − 1)·α·ρ, which is convex, is above it, by a quarter of a squared step at most.
        assert order * rho <= known.at(order)
    for low, high in itertools.pairwise(ORDERS):
        assert known.at(low) == pytest.approx(low * rho)
        assert known.at((low + high) / 2) <= high * rho
    assert known.at(1024.5) == math.inf
    assert Cost(rho).at(1024.5) == 1024.5 * rho


def test_costs_add_up_whatever_they_are_of() -> None:
    sampled, moments = sampled_gaussian(0.1, 2.0, 5), Cost(rho_of(0.3, 1e-6))
    together = total([sampled, moments, sampled])
    for order in (1.7, 3, 64):
        assert together.at(order) == pytest.approx(2 * sampled.at(order) + moments.at(order))
    assert together.epsilon(1e-6) > sampled.times(2).epsilon(1e-6) > sampled.epsilon(1e-6)
    assert total([]) == Cost()


def test_a_budget_for_seven_jobs_opens_seven() -> None:
    cost = sampled_gaussian(0.05, 3.1, 200)
    # A filter's order is fixed before it is known what will be asked: it takes a little more than ε of the seven.
    budget = RenyiFilter(cost.times(7).epsilon(1e-5) * 1.01, 1e-5)
    spent: list[Cost] = []
    while budget.allows(spent, cost):
        spent.append(cost)
    assert len(spent) == 7
    assert budget.epsilon_spent(spent) <= budget.epsilon
    assert 0 < budget.epsilon_left(spent) < 0.3


@pytest.mark.parametrize(("rate", "multiplier", "rounds"), [(0.0, 1, 1), (1.1, 1, 1), (0.5, 0, 1), (0.5, 1, 0)])
def test_what_is_no_sampled_noise_is_refused(rate: float, multiplier: float, rounds: int) -> None:
    with pytest.raises(ValueError, match="are no sampled noise"):
        sampled_gaussian(rate, multiplier, rounds)


def test_a_cost_at_other_orders_is_refused() -> None:
    with pytest.raises(ValueError, match="73 orders, received 2"):
        Cost(sampled=(0.1, 0.2))


def test_what_no_noise_makes_private_is_refused() -> None:
    with pytest.raises(ValueError, match="no noise makes"):
        noise_multiplier(1e-9, 1e-300, 1.0, 10**6)
