"""Costs against Google's dp-accounting, and against the exact privacy of the noise itself."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from scipy import optimize, special, stats

from fedtrain.privacy.accounting import epsilon_of, rho_of, rho_of_sum, share_variance
from fedtrain.privacy.cost import Cost
from fedtrain.privacy.filter import RenyiFilter

#: (noise multiplier, δ, ε of one and of seven Gaussian events) by dp-accounting 0.6.0: its RdpAccountant over orders
#: 1.01, 1.02, … 10.99, 11, 12, … 4999.
BY_DP_ACCOUNTING = [
    (4.530877117036444, 1e-6, 1.0000002896371398, 2.8675947303829643),
    (14.0313, 1e-6, 0.30000378650620974, 0.8451435250617771),
    (1.64368, 1e-6, 2.9999996598679104, 9.033372581592001),
    (0.63765, 1e-5, 8.000018439423318, 27.219407567407757),
    (20.0, 1e-9, 0.2751678427829063, 0.7557454020383072),
    (1.0, 1e-3, 3.5365620688888635, 12.151661591301817),
]


@pytest.mark.parametrize(("multiplier", "delta", "once", "seven_times"), BY_DP_ACCOUNTING)
def test_costs_are_those_of_dp_accounting(multiplier: float, delta: float, once: float, seven_times: float) -> None:
    rho = 1 / (2 * multiplier**2)
    # Its orders are some; all of them give no more.
    assert once * (1 - 3e-4) < epsilon_of(rho, delta) <= once
    assert seven_times * (1 - 3e-4) < epsilon_of(7 * rho, delta) <= seven_times


@pytest.mark.parametrize("epsilon", [0.01, 0.3, 1.0, 3.0, 20.0])
@pytest.mark.parametrize("delta", [1e-9, 1e-6, 1e-3])
def test_what_is_claimed_is_no_less_than_the_exact_privacy_of_a_gaussian(epsilon: float, delta: float) -> None:
    """By Balle and Wang 2018, theorem 8, which has no slack."""
    rho = rho_of(epsilon, delta)
    assert math.isclose(epsilon_of(rho, delta), epsilon, rel_tol=1e-9)
    assert epsilon_of(rho, delta) <= epsilon

    def exact_delta(at: float) -> float:
        step = math.sqrt(2 * rho)
        return float(stats.norm.cdf(step / 2 - at / step) - math.exp(at) * stats.norm.cdf(-step / 2 - at / step))

    assert exact_delta(epsilon) <= delta
    exact = optimize.brentq(lambda at: exact_delta(at) - delta, 0, epsilon) if exact_delta(0) > delta else 0.0
    assert exact >= 0.5 * epsilon  # nor is it far above


@pytest.mark.parametrize(
    ("epsilon", "delta"), [(0.0, 1e-6), (-1.0, 1e-6), (1.0, 0.0), (1.0, 1.0), (math.nan, 1e-6), (1.0, math.nan)]
)
def test_what_is_no_budget_is_refused(epsilon: float, delta: float) -> None:
    with pytest.raises(ValueError, match="epsilon must be above 0"):
        rho_of(epsilon, delta)


def test_nothing_spent_is_nothing() -> None:
    assert epsilon_of(0.0, 1e-6) == 0
    with pytest.raises(ValueError, match="rho at least 0"):
        epsilon_of(-1e-9, 1e-6)


@pytest.mark.parametrize("shares", [1, 2, 5])
def test_shares_are_sized_so_that_their_sum_spends_what_was_asked(shares: int) -> None:
    rho, sensitivity = rho_of(1.0, 1e-6), Fraction(91 << 96)
    variance = share_variance(rho, sensitivity, shares)
    assert rho * (1 - 1e-12) < rho_of_sum(sensitivity, variance, shares, 100) <= rho * (1 + 1e-12)


@pytest.mark.parametrize("variance", [1, 2])
def test_a_sum_of_two_shares_is_no_more_telling_than_the_bound_says(variance: int) -> None:
    """Rényi divergences of the sum's exact distribution, on the integers, against that shifted by one."""
    reach = np.arange(-120, 121)
    share = np.exp(-(reach**2) / (2 * variance))
    total = np.convolve(share, share)
    total /= total.sum()
    p, q = total[1:-1], total[:-2]
    used = (p > 1e-250) & (q > 1e-250)
    rho = rho_of_sum(Fraction(1), variance, 2, 1)
    for order in (1.5, 2.0, 4.0):
        divergence = float(special.logsumexp(order * np.log(p[used]) + (1 - order) * np.log(q[used]))) / (order - 1)
        assert divergence <= order * rho
    assert rho_of_sum(Fraction(1), 1, 2, 1) > 1 / (4 * 1)  # where it is coarse, it costs more than one Gaussian


def test_a_budget_for_seven_opens_seven() -> None:
    cost = Cost(rho_of(0.5, 1e-6))
    budget = RenyiFilter(cost.times(7).epsilon(1e-6), 1e-6)
    spent: list[Cost] = []
    while budget.allows(spent, cost):
        spent.append(cost)
    assert len(spent) == 7
    assert math.isclose(budget.epsilon_spent(spent), budget.epsilon)
    assert budget.epsilon_left(spent) == 0
    assert math.isclose(budget.epsilon_left(spent[:6]), 0.5, rel_tol=1e-6)
    assert budget.epsilon_left([]) == pytest.approx(budget.epsilon)


def test_what_is_larger_than_the_budget_is_not_allowed() -> None:
    budget = RenyiFilter(1.0, 1e-6)
    assert budget.allows([], Cost(rho_of(1.0, 1e-6)))
    assert not budget.allows([], Cost(rho_of(1.001, 1e-6)))
    assert not budget.allows([], Cost(math.inf))
    assert not budget.allows([Cost(math.inf)], Cost())
    assert budget.order > 1
