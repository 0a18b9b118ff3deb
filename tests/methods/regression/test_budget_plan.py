"""The planner's budgets, and its refusals where a job does not fit."""

from __future__ import annotations

import json
import pickle
import re
from dataclasses import replace
from fractions import Fraction

import pytest

from fedtrain.methods.plan import DoesNotFit
from fedtrain.methods.regression.budget import plan
from fedtrain.methods.regression.inputs import BudgetInputs, ceil_log2, learning_rate, update_scalars
from fedtrain.methods.regression.worst_case.steps import largest_window, needed_bits
from fedtrain.methods.regression.worst_case.terms import matrix_entry
from tests.harness.attackers.budget_adversary import example_inputs

ELEVEN_COLUMNS = (Fraction(1),) * 11


def big_job(**changes: object) -> BudgetInputs:
    """A job of a real size: 11 columns, 64 owners of ten million rows, a key of 3,072 bits."""
    fields: dict[str, object] = {
        "feature_bounds": ELEVEN_COLUMNS,
        "max_rows": 10_000_000,
        "max_owners": 64,
        "modulus_bits": 3072,
        **changes,
    }
    return example_inputs(**fields)


def changed(inputs: BudgetInputs, fix: str, *, less: bool = False) -> BudgetInputs:
    """The job with the fix applied as written; `less`: with one unit or one halving less of a change."""
    if fix == 'learning_rate "auto"':
        return replace(inputs, learning_rate=None)
    match = re.fullmatch(r"(\w+) ([\d,.e+-]+)(?: or (?:fewer|less))?", fix)
    assert match is not None, fix
    name, number = match[1], match[2].replace(",", "")
    if name in ("reencrypt_every", "max_rows", "max_data_owners"):
        field = {"max_data_owners": "max_owners"}.get(name, name)
        return replace(inputs, **{field: int(number) + less})  # type: ignore[arg-type]
    if name == "key_bits":
        return replace(inputs, modulus_bits=max(1, int(number) - 1024 * less))
    # Printed numbers are rounded down, to a thousandth.
    doubled = min(Fraction(number) * Fraction(2002, 1000), getattr(inputs, name) or 0)
    return replace(inputs, **{name: doubled if less else Fraction(number)})  # type: ignore[arg-type]


REFUSED: dict[str, BudgetInputs] = {
    "a window a little too long": big_job(reencrypt_every=29),
    "a window far too long": big_job(reencrypt_every=40),
    "momentum": big_job(reencrypt_every=30, optimizer="momentum"),
    "a very small rate": big_job(reencrypt_every=28, learning_rate=Fraction(1, 10**9)),
    "a strong ridge": big_job(reencrypt_every=28, learning_rate=Fraction(1, 11), l2=Fraction(10**9)),
    "a ridge that an automatic rate tames": big_job(
        reencrypt_every=26, modulus_bits=2810, learning_rate=Fraction(1, 11), l2=Fraction(40)
    ),
    "momentum close to 1": big_job(
        reencrypt_every=28, modulus_bits=2998, optimizer="momentum", momentum=Fraction(999_999, 1_000_000)
    ),
    "huge weights": example_inputs(modulus_bits=2048, weight_bound=Fraction(1 << 1960)),
    "plain rounds under a tiny key": big_job(modulus_bits=110),
    "newton under a tiny key": big_job(modulus_bits=80, optimizer="newton"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_refusal_offers_changes_that_are_each_enough_and_the_smallest(name: str) -> None:
    inputs = REFUSED[name]
    with pytest.raises(DoesNotFit) as caught:
        plan(inputs)
    error = caught.value
    assert error.needed_bits == needed_bits(inputs) > error.available_bits == inputs.modulus_bits - 2
    assert error.fixes
    for fix in error.fixes:
        plan(changed(inputs, fix))
        if "auto" not in fix:
            assert not _fits(changed(inputs, fix, less=True)), fix


def _fits(inputs: BudgetInputs) -> bool:
    try:
        plan(inputs)
    except DoesNotFit:
        return False
    return True


def test_fields_that_could_change_are_all_offered_somewhere() -> None:
    offered = set()
    for inputs in REFUSED.values():
        with pytest.raises(DoesNotFit) as caught:
            plan(inputs)
        offered |= {fix.split()[0] for fix in caught.value.fixes}
    limits = {"key_bits", "max_rows", "max_data_owners", "weight_bound"}
    assert offered == {*limits, "reencrypt_every", "learning_rate", "momentum", "l2"}


def test_the_refusal_reads_as_a_person_would_say_it() -> None:
    with pytest.raises(DoesNotFit) as caught:
        plan(big_job(reencrypt_every=30))
    assert str(caught.value).startswith(
        "reencrypt_every 30 needs 3,204 bits, the key gives 3,070: use reencrypt_every 28 or fewer, or key_bits 4096"
    )
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)  # noqa: S301 - our own bytes


def test_no_fix_goes_below_the_owners_that_the_job_must_have() -> None:
    inputs = big_job(reencrypt_every=29)
    for min_owners, offered in ((1, True), (64, False)):
        with pytest.raises(DoesNotFit) as caught:
            plan(replace(inputs, min_owners=min_owners))
        assert any(fix.startswith("max_data_owners") for fix in caught.value.fixes) is offered


def test_a_job_that_no_single_change_saves_says_so() -> None:
    hopeless = example_inputs(modulus_bits=64, weight_bound=Fraction(1 << 9000), max_rows=10**12)
    with pytest.raises(DoesNotFit, match="no change of a single field is enough"):
        plan(replace(hopeless, feature_bounds=(Fraction(1 << 9000), Fraction(1))))


@pytest.mark.parametrize("optimizer", ["gradient_descent", "momentum"])
@pytest.mark.parametrize("modulus_bits", [2048, 3072, 4096])
def test_the_largest_window_fits_and_one_more_does_not(optimizer: str, modulus_bits: int) -> None:
    inputs = big_job(optimizer=optimizer, modulus_bits=modulus_bits)
    updates = largest_window(inputs)
    assert updates > 10
    budget = plan(replace(inputs, reencrypt_every=updates))
    assert budget.slot_bits <= budget.bits_available
    with pytest.raises(DoesNotFit):
        plan(replace(inputs, reencrypt_every=updates + 1))


def test_the_largest_window_is_1_for_other_optimizers_and_0_where_nothing_fits() -> None:
    assert largest_window(big_job(optimizer="conjugate_gradient")) == 1
    assert largest_window(big_job(modulus_bits=64)) == 0


def test_a_plain_round_packs_answers_across_rows_and_a_window_does_not() -> None:
    plain, window = plan(big_job(outputs=2)), plan(big_job(outputs=2, reencrypt_every=4))
    assert plain.weights_layout.rows_per_ciphertext == 1
    assert plain.weights_layout.columns_per_ciphertext == plain.answer_layout.columns_per_ciphertext == 2
    assert plain.answer_layout.ciphertexts == 1 < plain.weights_layout.ciphertexts == 11
    assert window.answer_layout == window.weights_layout
    assert plain.counts_layout.ciphertexts == 1 and plain.counts_layout.columns == 3
    assert plain.newton is None


def test_newton_gets_a_layout_of_its_own() -> None:
    budget = plan(big_job(optimizer="newton", outputs=2))
    assert budget.newton is not None
    assert (budget.newton.layout.rows, budget.newton.layout.columns) == (11 * 12 // 2 + 11 * 2, 1)
    assert budget.newton.sum_bound == 64 * budget.newton.owner_bound
    assert budget.newton.sum_bound.bit_length() + 1 == budget.newton.layout.slot_bits


def test_scales_grow_by_the_same_amount_each_step_and_slots_fit_the_widest() -> None:
    budget = plan(big_job(reencrypt_every=5))
    growth = {
        after.weight_fraction_bits - before.weight_fraction_bits
        for before, after in zip(budget.steps, budget.steps[1:], strict=False)
    }
    assert growth == {budget.step_fraction_bits}
    assert budget.weights_after(5).fraction_bits == budget.inputs.weight_fraction_bits + 5 * budget.step_fraction_bits
    assert budget.slot_bits == max(step.bits_used for step in budget.steps) == budget.steps[-1].bits_used
    for step in budget.steps:
        assert step.answer_fraction_bits == step.weight_fraction_bits + budget.inputs.moment_fraction_bits


def test_matrix_bounds_hold_entry_by_entry() -> None:
    inputs = example_inputs(feature_bounds=(Fraction(3), Fraction(1, 3), Fraction(1)))

    def entry(row: int, column: int) -> int:
        bounds = inputs.feature_bounds
        return matrix_entry(inputs, bounds[row], bounds[column], inputs.moment_fraction_bits)

    budget = plan(inputs)
    assert budget.moment_bound == entry(0, 0) == 9 * 1000 << 32
    assert entry(1, 2) == entry(2, 1) == round(Fraction(1000 << 32, 3))
    assert budget.matrix_row_bounds[0] >= sum(entry(0, j) for j in range(3))


@pytest.mark.parametrize("inputs", [big_job(), big_job(reencrypt_every=12), big_job(optimizer="newton")])
def test_the_plan_can_be_shown_as_json(inputs: BudgetInputs) -> None:
    budget = plan(inputs)
    shown = json.loads(json.dumps(budget.to_dict()))
    assert shown["slot_bits"] == budget.slot_bits
    assert [step["bits_used"] for step in shown["steps"]] == [step.bits_used for step in budget.steps]


def test_the_automatic_rate_is_the_inverse_of_the_largest_eigenvalue_that_is_possible() -> None:
    inputs = example_inputs(slope=Fraction(1, 4), l2=Fraction(10), feature_bounds=(Fraction(3), Fraction(1)))
    assert learning_rate(inputs, 100) == 1 / (Fraction(10, 4) + Fraction(1, 10))
    assert learning_rate(replace(inputs, learning_rate=Fraction(1, 7)), 100) == Fraction(1, 7)
    with pytest.raises(ValueError, match="rows_total"):
        learning_rate(inputs, 0)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"learning_rate": Fraction(1, 10**6)},
        {"learning_rate": Fraction(10**9)},
        {"feature_bounds": (Fraction(10**6), Fraction(1))},
        {"l2": Fraction(10**9)},
    ],
)
def test_the_rate_keeps_its_precision_for_every_number_of_rows(changes: dict[str, object]) -> None:
    inputs = replace(big_job(reencrypt_every=2), **{"dimensions": 2, "feature_bounds": (Fraction(1),) * 2, **changes})  # type: ignore[arg-type]
    for rows_total in (1, 3, 1000, inputs.max_rows_total):
        exact = learning_rate(inputs, rows_total) / rows_total
        applied = Fraction(update_scalars(inputs, rows_total, 0).gradient, 1 << inputs.rate_fraction_bits)
        assert abs(applied - exact) <= exact / (1 << inputs.learning_rate_precision_bits)


def test_update_scalars_leave_the_intercept_free_of_ridge_and_rescale_the_predecessor() -> None:
    inputs = example_inputs(reencrypt_every=2, optimizer="momentum", l2=Fraction(3))
    first, later = update_scalars(inputs, 10, 0), update_scalars(inputs, 10, 1)
    one = 1 << inputs.step_fraction_bits
    momentum = round(Fraction(9, 10) * one)
    assert first.intercept == one + momentum
    assert first.intercept - first.weights == first.gradient * (3 << inputs.moment_fraction_bits)
    assert (first.previous, later.previous) == (momentum, momentum * one)
    assert update_scalars(replace(inputs, optimizer="gradient_descent"), 10, 1).previous == 0
    with pytest.raises(ValueError, match="rows_total must be 1 to 5000, received 5001"):
        update_scalars(inputs, 5001, 0)
    with pytest.raises(ValueError, match="step"):
        update_scalars(inputs, 10, -1)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"max_rows": 0}, "max_rows must be an integer of at least 1, received 0"),
        ({"min_owners": 0}, "min_owners must be"),
        ({"max_owners": True}, "max_owners must be an integer"),
        ({"outputs": 0}, "outputs must be"),
        ({"reencrypt_every": 0}, "reencrypt_every must be"),
        ({"weight_fraction_bits": 0}, "weight_fraction_bits must be"),
        ({"learning_rate_precision_bits": 0}, "learning_rate_precision_bits must be"),
        ({"weight_bound": 1024.0}, "weight_bound must be exact"),
        ({"weight_bound": Fraction(0)}, "weight_bound must be above 0"),
        ({"weight_bound": Fraction(1, 2**41)}, "weight_bound 4.54747e-13 is below the smallest weight"),
        ({"target_bound": Fraction(-1)}, "target_bound must be above 0"),
        ({"feature_bounds": (Fraction(0), Fraction(1))}, "feature_bounds must be above 0"),
        ({"feature_bounds": (Fraction(1), Fraction(2))}, "the last .the intercept's. 1"),
        ({"dimensions": 3}, "feature_bounds needs 3 entries"),
        ({"learning_rate": Fraction(0)}, "learning_rate must be above 0"),
        ({"l2": Fraction(-1)}, "l2 must be at least 0"),
        ({"momentum": Fraction(1)}, "momentum must be at least 0 and below 1"),
        ({"optimizer": "rmsprop"}, "optimizer must be one of"),
        ({"optimizer": "conjugate_gradient", "reencrypt_every": 2}, "so it needs reencrypt_every 1"),
        ({"optimizer": "newton", "reencrypt_every": 2}, "so it needs reencrypt_every 1"),
    ],
)
def test_inputs_out_of_range_are_refused_by_name(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        example_inputs(**changes)


@pytest.mark.parametrize(
    ("value", "exponent"),
    [
        (Fraction(1), 0),
        (Fraction(2), 1),
        (Fraction(3), 2),
        (Fraction(1, 2), -1),
        (Fraction(1, 3), -1),
        (Fraction(5, 4), 1),
    ],
)
def test_ceil_log2(value: Fraction, exponent: int) -> None:
    assert ceil_log2(value) == exponent
