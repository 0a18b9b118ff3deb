"""An optimiser of the quadratic objective, as the family's method and its tests see one."""

from __future__ import annotations

from abc import ABC, abstractmethod

from fedtrain.model_owner.arithmetic.arrays import Floats, Integers, Json
from fedtrain.model_owner.methods.moves import Move
from fedtrain.model_owner.methods.quadratic.objective import Quadratic
from fedtrain.model_owner.results.coefficient_table import NoTable, SummedMoments


class Optimiser(ABC):
    """Pure: the same arguments give the same bits. The state is plain JSON, and all there is to keep."""

    @abstractmethod
    def start(self, problem: Quadratic) -> Move:
        """The first ask."""

    @abstractmethod
    def step(self, problem: Quadratic, state: Json, answer: Integers) -> Move:
        """Take the answer to the last ask: (d, k) integers A·point − b at f_A + f_w, summed over the federation.

        Raises Problem(DIVERGED) where a weight is beyond the bound.
        """

    def evaluated_weights(self, problem: Quadratic, state: Json) -> Floats:  # noqa: ARG002
        """(d, k) float64: the weights, times the slope, that the latest training loss belongs to."""
        raise ValueError(f"{type(self).__name__} has no weights before its end")

    def known_moments(self, problem: Quadratic, state: Json) -> Integers | None:  # noqa: ARG002
        """A (d, d) at some scale where a finished state knows all of it, or all but rounding; else None."""
        return None

    def summed_moments(self, problem: Quadratic, state: Json) -> SummedMoments:  # noqa: ARG002
        """(A, b) exactly, from a finished state. Raises NoTable where the rounds did not tell them."""
        raise NoTable("the rounds did not tell all moments: newton does, and conjugate_gradient after d + 1 rounds")


def summed(problem: Quadratic, A: Integers, A_bits: int, b: Integers, b_bits: int) -> SummedMoments:
    """The moments A (d, d) and b (d, k), at so many fraction bits each, with what the counts told of the targets."""
    return SummedMoments(
        A=A,
        A_fraction_bits=A_bits,
        b=b,
        b_fraction_bits=b_bits,
        squares=problem.targets_squared,
        squares_fraction_bits=problem.counts_fraction_bits,
        rows=problem.rows_total,
        roundings=problem.roundings,
    )
