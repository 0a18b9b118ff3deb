"""Newton's method on a quadratic: all of (A, b) in one answer, and the minimum from it.

The moments are exact integers of the records, and the linear system is solved in 512 bits, so that what a double holds
of the result is right to the last digit, whatever the condition of the columns.
"""

from __future__ import annotations

from dataclasses import replace

from fedtrain.methods.regression.kinds import RoundKind
from fedtrain.model_owner.arithmetic.arrays import (
    Integers,
    Json,
    integers_from_json,
    integers_to_json,
    length_ratio,
    to_floats,
    zeros,
)
from fedtrain.model_owner.arithmetic.normal_equations import SOLUTION_FRACTION_BITS, solve
from fedtrain.model_owner.methods.moves import Ask, Done, Move, Progress
from fedtrain.model_owner.methods.quadratic.objective import Optimiser, Quadratic, summed
from fedtrain.model_owner.results.table.coefficient_table import SummedMoments


class Newton(Optimiser):
    """One round. Its state after it: the moments, from which other statistics of the model follow."""

    def start(self, problem: Quadratic) -> Move:  # noqa: ARG002
        return Move({"moments": None}, Ask(RoundKind.MOMENTS))

    def step(self, problem: Quadratic, state: Json, answer: Integers) -> Move:  # noqa: ARG002
        """`answer`: (d(d+1)/2 + d·k, 1) integers at newton_fraction_bits: A's upper triangle, then b, row by row."""
        A, b = open_moments(answer, problem.dimensions, problem.outputs)
        local = replace(
            problem,
            moment_fraction_bits=problem.newton_fraction_bits,
            weight_fraction_bits=SOLUTION_FRACTION_BITS,
        )
        solved = solve(A, b, local.ridge, problem.newton_fraction_bits, problem.rows_total, problem.roundings)
        w = solved.weights
        start = b * (1 << SOLUTION_FRACTION_BITS)
        product: Integers = A.dot(w) - start
        gradient = product + local.ridge[:, None] * w
        size = max(length_ratio(gradient[:, column], start[:, column]) for column in range(problem.outputs))
        # What remains of b where columns depend on each other is rounding of the records, which no weights take off.
        why = f"solved from all moments in 512 bits: {size:.1g} of the first gradient is left"
        if solved.dependent:
            why += (
                f"; {len(solved.dependent)} of the columns are combinations of others, and the shortest weights taken"
            )
        progress = Progress(local.losses(product, start, w), size)
        end = Done(to_floats(w, SOLUTION_FRACTION_BITS), True, why, exact=w, exact_fraction_bits=SOLUTION_FRACTION_BITS)
        return Move({"moments": integers_to_json(answer)}, end, progress)

    def known_moments(self, problem: Quadratic, state: Json) -> Integers:
        return _kept(problem, state)[0]

    def summed_moments(self, problem: Quadratic, state: Json) -> SummedMoments:
        A, b = _kept(problem, state)
        return summed(problem, A, problem.newton_fraction_bits, b, problem.newton_fraction_bits)


def _kept(problem: Quadratic, state: Json) -> tuple[Integers, Integers]:
    if not isinstance(state, dict):
        raise ValueError("this is not a state of newton")
    return open_moments(integers_from_json(state["moments"]), problem.dimensions, problem.outputs)


def open_moments(entries: Integers, dimensions: int, outputs: int) -> tuple[Integers, Integers]:
    """(d, d) symmetric A and (d, k) b. Raises ValueError for another number of entries."""
    flat = entries.ravel().tolist()
    triangle = dimensions * (dimensions + 1) // 2
    if len(flat) != triangle + dimensions * outputs:
        raise ValueError(f"{len(flat)} moments, {triangle + dimensions * outputs} are expected")
    A, b = zeros(dimensions, dimensions), zeros(dimensions, outputs)
    values = iter(flat)
    for i in range(dimensions):
        for j in range(i, dimensions):
            A[i, j] = A[j, i] = next(values)
    for i in range(dimensions):
        for j in range(outputs):
            b[i, j] = next(values)
    return A, b
