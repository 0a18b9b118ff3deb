"""No honest data exceed a bound, every bound is reached to within a bit, and each term of the formula counts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from fedtrain.crypto.packing.slots import SlotLayout, pack, unpack
from fedtrain.methods.regression.budget import Budget, plan
from fedtrain.methods.regression.inputs import BudgetInputs, update_scalars
from fedtrain.methods.regression.worst_case import terms as budget_terms
from fedtrain.methods.regression.worst_case import windowing as budget_window
from tests.harness.attackers.budget_adversary import (
    BoundExceeded,
    Owners,
    Play,
    attack,
    example_inputs,
    halved_field,
    starts,
)

TINY = Fraction(1, 2**30)
FIVE_COLUMNS = (Fraction(1),) * 5
UNEQUAL_COLUMNS = (Fraction(40), Fraction(1, 3), Fraction(1))

JOBS: dict[str, dict[str, object]] = {
    "plain": {},
    "plain, conjugate gradient": {"optimizer": "conjugate_gradient", "feature_bounds": FIVE_COLUMNS, "outputs": 3},
    "plain, logistic": {"slope": Fraction(153, 1000), "target_bound": Fraction(1, 2)},
    "plain, tiny weights": {"weight_bound": TINY},
    "window": {"reencrypt_every": 4},
    "window, d = 5, k = 2": {"reencrypt_every": 3, "feature_bounds": FIVE_COLUMNS, "outputs": 2},
    "window, unequal columns": {"reencrypt_every": 3, "feature_bounds": UNEQUAL_COLUMNS},
    "window, ridge": {"reencrypt_every": 3, "l2": Fraction(50)},
    "window, strong ridge, own rate": {"reencrypt_every": 3, "l2": Fraction(1000), "learning_rate": Fraction(1, 3)},
    "window, tiny weights": {"reencrypt_every": 4, "weight_bound": TINY},
    "window, diverging": {"reencrypt_every": 3, "learning_rate": Fraction(1000)},
    "window, slow": {"reencrypt_every": 3, "learning_rate": Fraction(1, 1024)},
    "window, momentum": {"reencrypt_every": 4, "optimizer": "momentum"},
    "window, logistic, momentum 0.99": {
        "reencrypt_every": 4,
        "optimizer": "momentum",
        "momentum": Fraction(99, 100),
        "slope": Fraction(153, 1000),
        "target_bound": Fraction(1, 2),
    },
}


def planned(budget: Budget) -> dict[tuple[str, int], int]:
    bounds = {("moment", 0): budget.moment_bound, ("matrix_row", 0): max(budget.matrix_row_bounds)}
    for step in budget.steps:
        bounds["b", step.step] = step.b_bound
        bounds["owner", step.step] = step.owner_bound
        bounds["sum", step.step] = step.sum_bound
        if len(budget.steps) > 1:
            bounds["peak", step.step] = step.peak_bound
            bounds["weight", step.step + 1] = budget.weight_bound_after(step.step + 1)
    return bounds


@pytest.mark.parametrize("name", JOBS)
def test_data_at_the_edge_of_every_range_reach_each_bound_within_one_bit_and_exceed_none(name: str) -> None:
    inputs = example_inputs(**JOBS[name])
    reached = attack(inputs)
    bounds = planned(plan(inputs))
    assert reached.keys() == bounds.keys()
    # The length of w bounds a single weight; momentum can line up only one coordinate with it. See the docs.
    slack_bits = {"weight": 1 if inputs.heavy_ball == 0 else 2}
    short = {
        key: round(reached[key] / bound, 3)
        for key, bound in bounds.items()
        if reached[key] * 2 ** slack_bits.get(key[0], 1) < bound
    }
    assert not short


def test_a_plain_round_reaches_its_bounds_exactly() -> None:
    inputs = example_inputs(feature_bounds=FIVE_COLUMNS)
    reached, step = attack(inputs), plan(inputs).steps[0]
    assert abs(reached["sum", 0] - step.sum_bound) <= inputs.max_owners * inputs.dimensions << 51
    assert reached["sum", 0].bit_length() + 1 == step.bits_used


def test_one_row_more_than_declared_is_caught_by_the_bounds() -> None:
    inputs = example_inputs()
    owners = [Owners(inputs.max_owners, inputs.max_rows + 1, inputs.feature_bounds, inputs.target_bound)]
    with pytest.raises(BoundExceeded):
        Play(plan(inputs), owners)


def test_one_owner_more_than_declared_is_caught_by_the_bounds() -> None:
    inputs = example_inputs()
    owners = [Owners(inputs.max_owners + 1, inputs.max_rows, inputs.feature_bounds, inputs.target_bound)]
    play = Play(plan(inputs), owners, rows_total=inputs.max_rows_total)
    with pytest.raises(BoundExceeded):
        for weights, before in starts(inputs):
            play.window(weights, before)


Mutation = tuple[dict[str, object], str]

# Each term with a job in which it is what matters.
TERM_MUTATIONS: dict[str, dict[str, object]] = {
    "matrix_entry": {},
    "matrix_row_sum": {},
    "matrix_row_norm": {},
    "target_entry": {"weight_bound": TINY},
    "initial_weight": {},
    "owners_in_sum": {},
    "sqrt_up": {"reencrypt_every": 3},
    "rate_gain": {"reencrypt_every": 2, "learning_rate": Fraction(1000)},
    "rounding_gain": {
        "reencrypt_every": 2,
        "learning_rate": Fraction(1000),
        "slope": Fraction(51, 200),
        "moment_fraction_bits": 1,
        "max_rows": 1,
        "max_owners": 1,
    },
    "ridge_gain": {"reencrypt_every": 2, "l2": Fraction(1000), "learning_rate": Fraction(1)},
    "momentum_gain": {
        "reencrypt_every": 2,
        "optimizer": "momentum",
        "momentum": Fraction(99, 100),
        "learning_rate": Fraction(1, 1024),
    },
}

GAIN_MUTATIONS: dict[str, dict[str, object]] = {
    "keep": {"reencrypt_every": 2, "learning_rate": Fraction(1, 1024)},
    "row": {"reencrypt_every": 2, "learning_rate": Fraction(1000)},
    "row_norm": {"reencrypt_every": 2, "learning_rate": Fraction(1000)},
    "target": {"reencrypt_every": 2, "weight_bound": TINY},
    "target_norm": {"reencrypt_every": 4, "weight_bound": TINY},
    "momentum": TERM_MUTATIONS["momentum_gain"],
    "triangle": {"reencrypt_every": 2, "learning_rate": Fraction(1000)},
    "spectral": {"reencrypt_every": 4},
}


@pytest.mark.parametrize("name", TERM_MUTATIONS)
def test_any_term_one_bit_smaller_lets_data_exceed_a_bound(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    inputs = example_inputs(**TERM_MUTATIONS[name])
    attack(inputs)
    original: Callable[..., Any] = getattr(budget_terms, name)

    def halved(*arguments: object) -> object:
        value = original(*arguments)
        return value // 2 if isinstance(value, int) else value / 2

    # What the Model Owner encrypts does not shrink with the planner's idea of it: `starts` computes it afresh.
    monkeypatch.setattr(budget_terms, name, halved)
    with pytest.raises(BoundExceeded):
        attack(inputs)


@pytest.mark.parametrize("name", GAIN_MUTATIONS)
def test_any_gain_of_a_window_one_bit_smaller_lets_data_exceed_a_bound(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    inputs = example_inputs(**GAIN_MUTATIONS[name])
    attack(inputs)
    original = budget_window._gains
    monkeypatch.setattr(budget_window, "_gains", lambda inputs: halved_field(original(inputs), name))
    with pytest.raises(BoundExceeded):
        attack(inputs)


@pytest.mark.parametrize("reencrypt_every", [1, 2])
def test_half_the_rounding_of_owners_lets_data_exceed_a_bound(
    reencrypt_every: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    inputs = example_inputs(**{**TERM_MUTATIONS["rounding_gain"], "reencrypt_every": reencrypt_every})
    attack(inputs)
    monkeypatch.setattr(budget_terms, "HALF", Fraction(1, 4))
    with pytest.raises(BoundExceeded):
        attack(inputs)


@pytest.mark.parametrize("reencrypt_every", [1, 3])
def test_a_slot_without_its_sign_bit_overflows(reencrypt_every: int, monkeypatch: pytest.MonkeyPatch) -> None:
    # One bit of the peak is slack at d = 2; with a large rate none is.
    inputs = example_inputs(reencrypt_every=reencrypt_every, learning_rate=Fraction(1000))
    attack(inputs)
    monkeypatch.setattr(budget_terms, "sign_bits", lambda: 0)
    with pytest.raises(BoundExceeded):
        attack(inputs)


def test_every_gain_and_every_term_is_mutated() -> None:
    gains = set(budget_window._Gains.__dataclass_fields__)
    assert gains == set(GAIN_MUTATIONS)
    functions = {
        name
        for name, value in vars(budget_terms).items()
        if callable(value) and getattr(value, "__module__", "") == budget_terms.__name__
    }
    assert functions == {*TERM_MUTATIONS, "sign_bits", "counts_entry", "newton_entry"}


def _sum_survives(layout: SlotLayout, owner_values: list[int], owners: int, bound: int, modulus_bits: int) -> bool:
    n = (1 << (modulus_bits - 1)) + 1
    values = np.array(owner_values, dtype=object).reshape(layout.rows, layout.columns)
    residues = [plaintext * owners % n for plaintext in pack(values, layout)]
    return bool((unpack(residues, layout, n, bound) == values * owners).all())


def _counts_survive(inputs: BudgetInputs) -> bool:
    budget = plan(inputs)
    rows = inputs.max_rows << budget.counts_fraction_bits
    squares = round(inputs.max_rows * inputs.target_bound**2 * (1 << budget.counts_fraction_bits))
    values = [rows] + [squares] * inputs.outputs
    return max(values) <= budget.counts_owner_bound and _sum_survives(
        budget.counts_layout, values, inputs.max_owners, budget.counts_sum_bound, inputs.modulus_bits
    )


def _newton_survives(inputs: BudgetInputs) -> bool:
    budget = plan(inputs)
    assert budget.newton is not None
    scale = inputs.max_rows << budget.newton.fraction_bits
    bounds = inputs.feature_bounds
    values = [round(scale * inputs.slope * x * z) for i, x in enumerate(bounds) for z in bounds[i:]]
    values += [-round(scale * x * inputs.target_bound) for x in bounds for _ in range(inputs.outputs)]
    return max(map(abs, values)) <= budget.newton.owner_bound and _sum_survives(
        budget.newton.layout, values, inputs.max_owners, budget.newton.sum_bound, inputs.modulus_bits
    )


@pytest.mark.parametrize("target_bound", [Fraction(1, 2), Fraction(2), Fraction(700, 3)])
def test_counts_of_most_rows_and_owners_survive_and_one_bit_less_does_not(
    target_bound: Fraction, monkeypatch: pytest.MonkeyPatch
) -> None:
    inputs = example_inputs(target_bound=target_bound, outputs=3)
    assert _counts_survive(inputs)
    original = budget_terms.counts_entry
    monkeypatch.setattr(budget_terms, "counts_entry", lambda inputs: original(inputs) // 2)
    assert not _counts_survive(inputs)


@pytest.mark.parametrize(
    "changes",
    [{"target_bound": Fraction(1, 2)}, {"target_bound": Fraction(50)}, {"feature_bounds": UNEQUAL_COLUMNS}],
)
def test_newton_moments_of_most_rows_and_owners_survive_and_one_bit_less_does_not(
    changes: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    inputs = example_inputs(optimizer="newton", outputs=2, **changes)
    assert _newton_survives(inputs)
    original = budget_terms.newton_entry
    monkeypatch.setattr(budget_terms, "newton_entry", lambda inputs: original(inputs) // 2)
    assert not _newton_survives(inputs)


@pytest.mark.parametrize("name", [name for name, job in JOBS.items() if "reencrypt_every" in job])
def test_bounds_followed_operation_by_operation_stay_within_the_peak(name: str) -> None:
    """Show what an implementation derives step by step from the sum's bound for N is never more than was planned."""
    inputs = example_inputs(**JOBS[name])
    budget = plan(inputs)
    for rows_total in (1, 2, inputs.max_owners, 77, inputs.max_rows_total):
        for step in budget.steps:
            scalars = update_scalars(inputs, rows_total, step.step)
            before = budget.weight_bound_after(max(0, step.step - 1))
            derived = (
                max(abs(scalars.weights), abs(scalars.intercept)) * step.weight_bound
                + scalars.gradient * budget.sum_bound_for(step.step, rows_total)
                + scalars.previous * before
            )
            assert derived <= step.peak_bound


def test_the_sum_of_fewer_rows_has_a_smaller_bound() -> None:
    budget = plan(example_inputs(reencrypt_every=2))
    assert budget.sum_bound_for(1, 1) < budget.sum_bound_for(1, 10) < budget.steps[1].sum_bound
    with pytest.raises(ValueError, match="rows_total must be 1 to 5000, received 5001"):
        budget.sum_bound_for(0, 5001)


def test_a_weight_after_a_short_last_window_has_its_own_bound() -> None:
    inputs = example_inputs(reencrypt_every=4)
    whole = plan(inputs)
    short = plan(replace(inputs, reencrypt_every=2))
    assert whole.weight_bound_after(2) == short.weight_bound_after(2) == short.final_weight_bound
    assert whole.weight_bound_after(4) == whole.final_weight_bound
