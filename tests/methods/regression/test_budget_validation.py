"""The bounds of an evaluation: never passed, and attained by rows and weights at the ends of their ranges."""

from __future__ import annotations

import math
from dataclasses import replace
from fractions import Fraction

import pytest

from fedtrain.methods.plan import DoesNotFit
from fedtrain.methods.regression.budget import plan
from fedtrain.methods.regression.inputs import BudgetInputs

INPUTS = BudgetInputs(
    modulus_bits=512,
    dimensions=4,
    outputs=2,
    feature_bounds=(Fraction(1), Fraction(3, 4), Fraction(5, 2), Fraction(1)),
    target_bound=Fraction(7, 4),
    slope=Fraction(1),
    max_rows=1000,
    max_owners=5,
    weight_bound=Fraction(64),
    optimizer="conjugate_gradient",
    learning_rate=None,
    l2=Fraction(0),
    momentum=Fraction(0),
    reencrypt_every=1,
    evaluates=True,
)


@pytest.mark.parametrize("slope", [Fraction(1), Fraction(153, 1000)])
@pytest.mark.parametrize("weight_bound", [Fraction(64), Fraction(1, 8)])
def test_rows_and_weights_at_their_ends_attain_the_bound(slope: Fraction, weight_bound: Fraction) -> None:
    inputs = replace(INPUTS, slope=slope, weight_bound=weight_bound)
    budget = plan(inputs).validation
    assert budget is not None
    x, y, rows = inputs.feature_bounds, inputs.target_bound, inputs.max_rows
    scale = 1 << inputs.moment_fraction_bits
    products = [round(slope * rows * x[i] * x[j] * scale) * (1 if i == j else 2) for i in range(4) for j in range(i, 4)]
    crosses = [2 * round(rows * x[i] * y * scale) for i in range(4)]
    assert max(*products, *crosses) <= budget.entry_bound
    w = math.floor(inputs.weight_bound * (1 << inputs.weight_fraction_bits))
    squared = round(Fraction(w * w, 1 << inputs.weight_fraction_bits))
    assert max(squared, w) <= budget.weight_bound
    answer = sum(products) * squared + sum(crosses) * w
    assert inputs.max_owners * answer <= budget.sum_bound
    # With weights of 1 in both, all that is left between them is rounding.
    one = 1 << inputs.weight_fraction_bits
    assert (sum(products) + sum(crosses)) * one == pytest.approx(budget.row_bound * one, rel=1e-9)
    assert budget.sum_bound.bit_length() < budget.answer_layout.slot_bits


def test_an_evaluation_that_does_not_fit_is_refused() -> None:
    fits = replace(INPUTS, evaluates=False, weight_bound=Fraction(1 << 220))
    assert plan(fits).validation is None
    with pytest.raises(DoesNotFit):
        plan(replace(fits, evaluates=True))


def test_counts_and_newton_carry_the_validation_parts_where_they_are_asked_for() -> None:
    assert plan(replace(INPUTS, evaluates=False)).counts_layout.columns == 3
    assert plan(INPUTS).counts_layout.columns == 6
    newton = replace(INPUTS, evaluates=False, optimizer="newton")
    plain, validating = plan(newton).newton, plan(replace(newton, validates=True)).newton
    assert plain is not None
    assert validating is not None
    assert (plain.layout.rows, validating.layout.rows) == (10 + 8, 2 * (10 + 8) + 2)
