"""Random jobs: the plan refuses, or nothing that honest data can do goes beyond it."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fedtrain.methods.plan import DoesNotFit
from fedtrain.methods.regression.budget import plan
from fedtrain.methods.regression.inputs import BudgetInputs
from fedtrain.methods.regression.worst_case.steps import largest_window, needed_bits
from tests.harness.attackers.budget_adversary import attack, example_inputs

powers = st.integers(-12, 12).map(lambda exponent: Fraction(2) ** exponent)
magnitudes = st.builds(lambda power, numerator: power * numerator / 7, powers, st.integers(1, 50))


@st.composite
def jobs(draw: st.DrawFn) -> BudgetInputs:
    features = draw(st.lists(st.one_of(st.just(Fraction(1)), magnitudes), min_size=1, max_size=4))
    optimizer = draw(st.sampled_from(["gradient_descent", "momentum", "conjugate_gradient"]))
    windowed = optimizer != "conjugate_gradient"
    return example_inputs(
        modulus_bits=draw(st.sampled_from([200, 400, 700])),
        feature_bounds=(*features, Fraction(1)),
        outputs=draw(st.integers(1, 2)),
        target_bound=draw(magnitudes),
        slope=draw(st.sampled_from([Fraction(1), Fraction(1, 4), Fraction(153, 1000)])),
        max_rows=draw(st.sampled_from([1, 2, 37, 10**7])),
        max_owners=draw(st.sampled_from([1, 2, 3, 64])),
        # At the fewest fraction bits below, the smallest weight is 1/16.
        weight_bound=max(draw(magnitudes), Fraction(1, 16)),
        optimizer=optimizer,
        learning_rate=draw(st.one_of(st.none(), magnitudes)),
        l2=draw(st.one_of(st.just(Fraction(0)), magnitudes)),
        momentum=draw(st.sampled_from([Fraction(0), Fraction(1, 2), Fraction(9, 10), Fraction(999, 1000)])),
        reencrypt_every=draw(st.integers(1, 5)) if windowed else 1,
        moment_fraction_bits=draw(st.sampled_from([1, 8, 32])),
        weight_fraction_bits=draw(st.sampled_from([4, 40])),
        learning_rate_precision_bits=draw(st.sampled_from([1, 10, 40])),
    )


@pytest.mark.slow
@given(jobs())
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_a_job_is_refused_or_survives_the_adversary(inputs: BudgetInputs) -> None:
    try:
        budget = plan(inputs)
    except DoesNotFit as error:
        assert error.needed_bits == needed_bits(inputs) > inputs.modulus_bits - 2
        return
    assert budget.slot_bits <= needed_bits(inputs) <= inputs.modulus_bits - 2
    attack(inputs)


@given(jobs())
@settings(max_examples=30, deadline=None)
def test_the_largest_window_is_where_fitting_ends(inputs: BudgetInputs) -> None:
    updates = largest_window(inputs)
    if updates > 0:
        plan(replace(inputs, reencrypt_every=updates))
    else:
        with pytest.raises(DoesNotFit):
            plan(replace(inputs, reencrypt_every=1))
    if updates > 0 and inputs.optimizer in ("gradient_descent", "momentum"):
        with pytest.raises(DoesNotFit):
            plan(replace(inputs, reencrypt_every=updates + 1))
