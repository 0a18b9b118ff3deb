"""The worst case of each answer, as the job's plan has proven it against the key: what every stage holds numbers to."""

from __future__ import annotations

from dataclasses import dataclass

from fedtrain.crypto import SlotLayout
from fedtrain.planning.budget import Budget
from fedtrain.protocol.messages.expected import expected_answer
from fedtrain.protocol.messages.rounds import RoundKind
from fedtrain.spec.problems import Problem


@dataclass(frozen=True)
class MatrixBound:
    """Of an affine answer's matrix: its scale, the largest |A_ij|, and Σ_j |A_ij| of each row.

    `work`: of |A_ij|, by the federation's rows where they are known. It fixes the work, the same for every owner of the
    job: were the table's own rows to fix it, they would show in the time.
    """

    fraction_bits: int
    entry: int
    rows: tuple[int, ...]
    work: int


@dataclass(frozen=True)
class WorstCase:
    """Of one owner's answer to one kind of round. `layout`, `fraction_bits`: of what leaves.

    `bound`: the largest magnitude of a plain answer's integers, or of an affine one's vector. `matrix`: for an affine
    answer, None for a plain one.
    """

    layout: SlotLayout
    fraction_bits: int
    bound: int
    matrix: MatrixBound | None = None


def worst_case(budget: Budget, kind: RoundKind, window_step: int = 0, rows_total: int | None = None) -> WorstCase:
    """Return what the plan allows. `rows_total`: N, once it is known.

    Raises Problem(MALFORMED_MESSAGE) for a kind that the plan does not have.
    """
    expected = expected_answer(budget, kind, window_step)
    bits, matrix = budget.inputs.moment_fraction_bits, None
    if kind is RoundKind.COUNTS:
        bound = budget.counts_owner_bound
    elif kind is RoundKind.MOMENTS and budget.newton is not None:
        bound = budget.newton.owner_bound
    elif kind is RoundKind.VALIDATION_LOSS and budget.validation is not None:
        validation, bound = budget.validation, 0
        entry = validation.entry_bound
        matrix = MatrixBound(bits, entry, (validation.row_bound,) * budget.inputs.outputs, entry)
    elif budget.shares_weights:
        bound = budget.steps[0].owner_bound
    else:
        bound = budget.steps[window_step].b_bound
        entry = budget.moment_bound
        work = entry if rows_total is None else budget.moment_bound_for(rows_total)
        matrix = MatrixBound(bits, entry, budget.matrix_row_bounds, work)
    return WorstCase(expected.layout, expected.fraction_bits, bound, matrix)


def is_planned(budget: Budget, kind: RoundKind) -> bool:
    """Whether the plan has that kind of round."""
    try:
        expected_answer(budget, kind, 0)
    except Problem:
        return False
    return True
