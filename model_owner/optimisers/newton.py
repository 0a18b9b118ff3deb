"""Newton's method on a quadratic: all of (A, b) in one answer, and the minimum from it.

The linear system is solved by the conjugate gradient of this package on the known A, in the same exact
arithmetic, so that rank-deficient moments get the solution of least length and no step depends on a library's order.
"""

from __future__ import annotations

from dataclasses import replace

from model_owner.optimisers.conjugate_gradient import ConjugateGradient
from model_owner.optimisers.quadratic import Ask, Done, Integers, Json, Move, Quadratic, integers_to_json, zeros
from protocol.messages import RoundKind


class Newton:
    """One round. Its state after it: the moments, from which other statistics of the model follow."""

    def start(self, problem: Quadratic) -> Move:  # noqa: ARG002 - one interface for all optimisers
        return Move({"moments": None}, Ask(RoundKind.MOMENTS))

    def step(self, problem: Quadratic, state: Json, answer: Integers) -> Move:  # noqa: ARG002
        """`answer`: (d(d+1)/2 + d·k, 1) integers at newton_fraction_bits: A's upper triangle, then b, row by row."""
        A, b = open_moments(answer, problem.dimensions, problem.outputs)
        # The tolerance is 0: nothing is asked of anybody, so the end is where rounding begins.
        local = replace(
            problem,
            moment_fraction_bits=problem.newton_fraction_bits,
            tolerance=0.0,
            rounds=4 * (problem.dimensions + 1),
        )
        solver = ConjugateGradient()
        move = solver.start(local)
        while isinstance(move.next, Ask) and move.next.point is not None:
            product: Integers = A.dot(move.next.point) - b * (1 << local.weight_fraction_bits)
            move = solver.step(local, move.state, product)
        assert isinstance(move.next, Done)  # noqa: S101 - conjugate gradient asks for points or ends
        end = Done(move.next.weights, True, "solved exactly from all moments")
        return Move({"moments": integers_to_json(answer)}, end, move.progress)


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
