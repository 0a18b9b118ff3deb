"""Worst cases of every step of a window, and whether they fit the key: what the budget is made of, and its fixes.

The bounds hold for all data within the declared ranges, and some data attain them. Source: docs/arithmetic.md.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from itertools import islice

from fedtrain.methods.regression.inputs import WINDOWED, BudgetInputs
from fedtrain.methods.regression.worst_case import terms
from fedtrain.methods.regression.worst_case.sharing import shared_entry, shared_sum
from fedtrain.methods.regression.worst_case.validating import validation_bits
from fedtrain.methods.regression.worst_case.windowing import WindowStep, window_steps


@dataclass(frozen=True)
class StepBudget:
    """Worst cases at one step of a window (the only step where reencrypt_every is 1). Bounds are magnitudes.

    `weight_bound`: of w_t, at `weight_fraction_bits`. `owner_bound`: of one owner's A·w − b, at
    `answer_fraction_bits`; `sum_bound`: of all owners' together. `peak_bound`: of whatever the Facilitator
    computes from that, at weight_fraction_bits of the next step; in a plain round, the sum itself.
    `bits_used` of a slot, the sign included, of `bits_available` in a ciphertext.
    """

    step: int
    weight_fraction_bits: int
    answer_fraction_bits: int
    weight_bound: int
    b_bound: int
    owner_bound: int
    sum_bound: int
    peak_bound: int
    bits_used: int
    bits_available: int


def available_bits(inputs: BudgetInputs) -> int:
    """Bits of a plaintext that slots may fill, signs included: |n| − 2."""
    return inputs.modulus_bits - 2


def needed_bits(inputs: BudgetInputs) -> int:
    """Bits of the widest slot that the job needs, the sign included."""
    others = [newton_bits(inputs), counts_bits(inputs), validation_bits(inputs)]
    if inputs.reencrypt_every == 1:
        return max(step_budget(inputs, next(window_steps(inputs)), 0).bits_used, *others)
    window = islice(window_steps(inputs), inputs.reencrypt_every)
    return max(*(_window_bits(inputs, step, index) for index, step in enumerate(window)), *others)


def fits(inputs: BudgetInputs) -> bool:
    """Say whether `plan` would accept. Stops at the first step that does not fit."""
    available = available_bits(inputs)
    if needed_bits(replace(inputs, reencrypt_every=1)) > available:
        return False
    if inputs.reencrypt_every == 1:
        return True
    window = islice(window_steps(inputs), inputs.reencrypt_every)
    return all(_window_bits(inputs, step, index) <= available for index, step in enumerate(window))


def largest_window(inputs: BudgetInputs) -> int:
    """The largest reencrypt_every that fits this key; 1 where the optimiser takes no other, 0 where none fits."""
    if not fits(replace(inputs, reencrypt_every=1)):
        return 0
    if inputs.optimizer not in WINDOWED:
        return 1
    available = available_bits(inputs)
    updates = 0
    for index, step in enumerate(window_steps(inputs)):
        if _window_bits(inputs, step, index) > available:
            break
        updates = index + 1
    return max(1, updates)


def _window_bits(inputs: BudgetInputs, step: WindowStep, index: int) -> int:
    """Slot bits of the step at `index` of a window of several updates."""
    # The owners' sum is never wider than the peak, which holds it times μ, and μ has at least
    # learning_rate_precision_bits bits even for the most rows.
    peak_bits = step.magnitude_bits(step.peak, inputs.weights_fraction_bits_at(index + 1))
    return peak_bits + terms.sign_bits()


def _shared_step(inputs: BudgetInputs) -> StepBudget:
    sum_bound = shared_sum(inputs)
    return StepBudget(
        step=0,
        weight_fraction_bits=inputs.weight_fraction_bits,
        answer_fraction_bits=inputs.gradient_fraction_bits,
        weight_bound=terms.initial_weight(inputs),
        b_bound=0,
        owner_bound=shared_entry(inputs, inputs.max_rows),
        sum_bound=sum_bound,
        peak_bound=sum_bound,
        bits_used=sum_bound.bit_length() + terms.sign_bits(),
        bits_available=available_bits(inputs),
    )


def step_budget(inputs: BudgetInputs, window_step: WindowStep, index: int) -> StepBudget:
    if inputs.row_bounds is not None:
        return _shared_step(inputs)
    fraction_bits = inputs.weights_fraction_bits_at(index)
    answer_bits = inputs.answer_fraction_bits_at(index)
    owner_bound = answer_bound(inputs, window_step, index, inputs.max_rows, 1)
    sum_bound = terms.owners_in_sum(inputs) * owner_bound
    peak_bound = sum_bound
    if inputs.reencrypt_every > 1:
        peak_bound = window_step.magnitude(window_step.peak, inputs.weights_fraction_bits_at(index + 1))
    target = terms.target_entry(inputs, inputs.largest_feature, inputs.max_rows, 1, answer_bits)
    weight_bound = window_step.magnitude(window_step.weight, fraction_bits)
    return StepBudget(
        step=index,
        weight_fraction_bits=fraction_bits,
        answer_fraction_bits=answer_bits,
        weight_bound=weight_bound,
        b_bound=math.floor(target),
        owner_bound=owner_bound,
        sum_bound=sum_bound,
        peak_bound=peak_bound,
        bits_used=max(weight_bound, sum_bound, peak_bound).bit_length() + terms.sign_bits(),
        bits_available=available_bits(inputs),
    )


def answer_bound(inputs: BudgetInputs, window_step: WindowStep, index: int, rows: int, owners: int) -> int:
    """|Σ (A·w − b)| of so many rows and owners at the step, for the widest feature, whose row is the largest."""
    fraction_bits = inputs.weights_fraction_bits_at(index)
    largest = inputs.largest_feature
    weight = window_step.magnitude(window_step.weight, fraction_bits)
    # One unit more: the length is cut to an integer here, and must not fall short.
    norm = window_step.magnitude(window_step.norm, fraction_bits) + 1
    product = min(
        terms.matrix_row_sum(inputs, largest, rows, owners) * weight,
        terms.matrix_row_norm(inputs, largest, rows, owners) * norm,
    )
    target = terms.target_entry(inputs, largest, rows, owners, inputs.answer_fraction_bits_at(index))
    return math.floor(product + target)


def counts_bits(inputs: BudgetInputs) -> int:
    return (terms.owners_in_sum(inputs) * terms.counts_entry(inputs)).bit_length() + terms.sign_bits()


def newton_bits(inputs: BudgetInputs) -> int:
    if inputs.optimizer != "newton":
        return 0
    return (terms.owners_in_sum(inputs) * terms.newton_entry(inputs)).bit_length() + terms.sign_bits()
