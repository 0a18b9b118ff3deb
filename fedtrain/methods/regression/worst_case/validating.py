"""Worst cases of an evaluation: w⊗w and w under encryption, times an owner's validation moments.

Notation of docs/arithmetic.md. The bounds hold for all data within the declared ranges, and some data attain them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from fedtrain.crypto.packing.slots import SlotLayout
from fedtrain.methods.regression.inputs import BudgetInputs
from fedtrain.methods.regression.worst_case import terms


@dataclass(frozen=True)
class ValidationBudget:
    """The loss of the validation parts: out go, output by output, w⊗w (upper triangle, row by row) and w, as one
    column at `weight_fraction_bits`; back comes wᵀA·w − 2bᵀw of each output, as one column at `answer_fraction_bits`.

    `entry_bound`, `row_bound`: of the matrix that an owner applies, at moment_fraction_bits.
    """

    weights_layout: SlotLayout
    weight_fraction_bits: int
    weight_bound: int
    answer_layout: SlotLayout
    answer_fraction_bits: int
    entry_bound: int
    row_bound: int
    sum_bound: int


def validation_entry(inputs: BudgetInputs) -> int:
    """The largest of 2·|A_ij| and 2·|b_i| of one owner's validation part, at f_A, rounding included."""
    x, scale = inputs.largest_feature, 1 << inputs.moment_fraction_bits
    return math.ceil(2 * inputs.max_rows * x * max(inputs.slope * x, inputs.target_bound) * scale) + 1


def validation_row(inputs: BudgetInputs) -> int:
    """Σ of those magnitudes over w⊗w and w: c·R·(Σx_j)² + 2·R·Σx_j·y, and a rounding of 1 an entry at most."""
    total, scale = inputs.feature_sum, 1 << inputs.moment_fraction_bits
    exact = inputs.max_rows * total * (inputs.slope * total + 2 * inputs.target_bound) * scale
    return math.ceil(exact) + products_and_weights(inputs)


def validation_weight(inputs: BudgetInputs) -> int:
    """The largest |w_i·w_j| or |w_i| as encrypted, at f_w."""
    return math.ceil(max(inputs.weight_bound**2, inputs.weight_bound) * (1 << inputs.weight_fraction_bits))


def products(inputs: BudgetInputs) -> int:
    """d(d + 1)/2, the entries of a symmetric matrix on and above its diagonal."""
    return inputs.dimensions * (inputs.dimensions + 1) // 2


def products_and_weights(inputs: BudgetInputs) -> int:
    """Those of w⊗w and the d weights of one output."""
    return products(inputs) + inputs.dimensions


def validation_sum(inputs: BudgetInputs) -> int:
    """The largest magnitude of any entry of all owners' answers together."""
    return terms.owners_in_sum(inputs) * validation_row(inputs) * validation_weight(inputs)


def validation_bits(inputs: BudgetInputs) -> int:
    """Bits of its slot, the sign included; 0 where nothing is evaluated."""
    return validation_sum(inputs).bit_length() + terms.sign_bits() if inputs.evaluates else 0


def validation_budget(inputs: BudgetInputs) -> ValidationBudget:
    """The budget of evaluations, for inputs that evaluate."""
    shape = (1, validation_bits(inputs), inputs.modulus_bits)
    return ValidationBudget(
        weights_layout=SlotLayout.row_by_row(inputs.outputs * products_and_weights(inputs), *shape),
        weight_fraction_bits=inputs.weight_fraction_bits,
        weight_bound=validation_weight(inputs),
        answer_layout=SlotLayout.packed(inputs.outputs, *shape),
        answer_fraction_bits=inputs.weight_fraction_bits + inputs.moment_fraction_bits,
        entry_bound=validation_entry(inputs),
        row_bound=validation_row(inputs),
        sum_bound=validation_sum(inputs),
    )
