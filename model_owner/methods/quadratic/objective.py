"""The objective of training under encryption, exact integers from sum to finished weights; and what an optimiser is.

Per output column: ½·wᵀ(A + l2·J)w − bᵀw, with A = XᵀX over all owners' rows, b = Xᵀy, and J the identity without the
intercept (the last row), so that l2 means what scikit-learn's `Ridge(alpha)` means. A surrogate of slope c is the same
in v = c·w with l2/c and c·rate in their place: optimisers ask about v, and know no slope.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from fedtrain.model_owner.arithmetic.arrays import Floats, Integers, Json, dot, ratio
from fedtrain.model_owner.methods.moves import Move
from fedtrain.model_owner.results.table.coefficient_table import NoTable, SummedMoments


@dataclass(frozen=True)
class Quadratic:
    """The public numbers of a job, and what the counts round told. In scaled units.

    `moment_fraction_bits` f_A and `weight_fraction_bits` f_w: A·w − b comes at f_A + f_w. `targets_squared`: Σy² of
    each output at `counts_fraction_bits`. `owners` bounds the rounding of A: each owner rounds every entry once.
    `weight_limit`: the largest |weight| that may be encrypted, at f_w.
    `newton_fraction_bits`: of all moments sent at once. `largest_feature`: the largest magnitude of any column.
    `slope`: c. Weights, l2 and rate here are those of v = c·w. `column_roundings` (d,): the most by which a scaled
    value of each column may be off, as a double is; () for none.
    """

    dimensions: int
    outputs: int
    rows_total: int
    owners: int
    moment_fraction_bits: int
    weight_fraction_bits: int
    targets_squared: tuple[int, ...]
    counts_fraction_bits: int
    rounds: int
    tolerance: float
    learning_rate: float
    momentum: float
    l2: float
    weight_limit: int
    newton_fraction_bits: int = 60
    largest_feature: float = 1.0
    slope: Fraction = Fraction(1)
    column_roundings: tuple[float, ...] = ()

    @property
    def answer_fraction_bits(self) -> int:
        return self.moment_fraction_bits + self.weight_fraction_bits

    @property
    def roundings(self) -> tuple[float, ...]:
        """(d,) the most by which a scaled value of each column may be off, quantising included."""
        grid = 2.0 ** -(self.newton_fraction_bits // 2 + 1)
        return tuple(grid + own for own in self.column_roundings or (0.0,) * self.dimensions)

    @property
    def ridge(self) -> Integers:
        """(d,) l2 at f_A, 0 for the intercept."""
        ridge = np.full(self.dimensions, round(Fraction(self.l2) * (1 << self.moment_fraction_bits)), dtype=object)
        ridge[-1] = 0
        return ridge

    def losses(self, gradient: Integers, b: Integers, weights: Integers, guard_bits: int = 0) -> tuple[float, ...]:
        """Mean squared error on the training rows, one an output, in scaled units.

        ((vᵀg − bᵀv)/c + Σy²)/N for g = A·v − b without ridge, from integers: g and b (d, k) at f_A + f_w + guard_bits,
        v (d, k) at f_w + guard_bits. Exact but for the last rounding.
        """
        doubled = 2 * guard_bits + self.answer_fraction_bits + self.weight_fraction_bits
        losses = []
        for column, squares in enumerate(self.targets_squared):
            cross = dot(gradient[:, column] - b[:, column], weights[:, column])
            total = Fraction(cross, 1 << doubled) / self.slope + Fraction(squares, 1 << self.counts_fraction_bits)
            mean = total / self.rows_total
            losses.append(ratio(max(0, mean.numerator), mean.denominator))
        return tuple(losses)


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
