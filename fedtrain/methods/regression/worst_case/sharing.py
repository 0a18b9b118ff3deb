"""Worst cases where owners see the weights: they answer with Σ x·r over their rows, and with Σ loss.

r is the derivative of a row's loss by its score, of known largest magnitude. The loss can be far larger than any entry
of the gradient, and needs no more precision: it travels divided by 2^`loss_shift_bits`, in a slot like the others.
Source: docs/arithmetic.md, weights that owners see.
"""

from __future__ import annotations

import math
from fractions import Fraction

from fedtrain.crypto.packing.slots import SlotLayout
from fedtrain.methods.regression.inputs import BudgetInputs, RowBounds, ceil_log2
from fedtrain.methods.regression.worst_case import terms

# Owners add up in float64, in batches of at most 2^13 rows: (1 + 2^−53)^(2^13) is below this.
_FLOAT_SLACK = 1 + Fraction(1, 1 << 32)


def loss_shift_bits(inputs: BudgetInputs) -> int:
    """The least e ≥ 0 with loss·2^−e no larger than the largest entry that a row adds to the gradient."""
    bounds = _bounds(inputs)
    return max(0, ceil_log2(bounds.loss / (bounds.residual * inputs.largest_feature)))


def shared_entry(inputs: BudgetInputs, rows: int) -> int:
    """The largest magnitude of an entry of the gradient, or of the shifted loss, over so many rows, at f_g.

    A batch is rounded once, and has at least one row.
    """
    largest = _bounds(inputs).residual * inputs.largest_feature
    return math.ceil(rows * largest * (1 << inputs.gradient_fraction_bits) * _FLOAT_SLACK) + rows


def shared_sum(inputs: BudgetInputs) -> int:
    """The same of all owners together."""
    return terms.owners_in_sum(inputs) * shared_entry(inputs, inputs.max_rows)


def shared_layout(inputs: BudgetInputs, slot_bits: int) -> SlotLayout:
    """One column: the gradient (d, k) row by row, then the loss."""
    return SlotLayout.packed(inputs.dimensions * inputs.outputs + 1, 1, slot_bits, inputs.modulus_bits)


def _bounds(inputs: BudgetInputs) -> RowBounds:
    if inputs.row_bounds is None:
        raise ValueError("the weights of this job are encrypted: its owners see no rows' losses")
    return inputs.row_bounds
