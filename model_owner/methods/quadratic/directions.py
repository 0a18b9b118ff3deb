"""A-conjugate directions with their products, exact but for guard bits, and the moments that all of them tell."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import gmpy2
import numpy as np

from fedtrain.model_owner.arithmetic.arrays import Integers, dot, shifted, zeros
from fedtrain.model_owner.arithmetic.normal_equations import PRECISION_BITS, reals
from fedtrain.model_owner.methods.quadratic.objective import Quadratic
from fedtrain.model_owner.results.table.coefficient_table import inverted

GUARD_BITS: Final = 160
_EXTRA_BITS: Final = 64


@dataclass(frozen=True, eq=False)
class Pool:
    """A-conjugate directions, one a column.

    P (d, m) at f_w + GUARD_BITS; AP (d, m) = (A + l2·J)·P, at f_A more; curvatures (m,) are P_j·AP_j.
    """

    P: Integers
    AP: Integers
    curvatures: Integers

    @property
    def size(self) -> int:
        return int(self.P.shape[1])

    def with_direction(self, p: Integers, ap: Integers) -> Pool:
        P, AP = np.column_stack([self.P, p]), np.column_stack([self.AP, ap])
        return Pool(P, AP, np.append(self.curvatures, dot(p, ap)))

    def projected(self, v: Integers, product: Integers | None) -> tuple[Integers, Integers | None]:
        """v less its A-projection on the directions so far; and the product with A + l2·J, where it is known."""
        for j in range(self.size):
            share = quotient(dot(v, self.AP[:, j]), self.curvatures[j])
            v = v - times(self.P[:, j], share)
            if product is not None:
                product = product - times(self.AP[:, j], share)
        return v, product


def quotient(numerator: int, denominator: int) -> int:
    """numerator / denominator at 2·GUARD_BITS, half to even; the denominator is above 0."""
    return divide_half_even(numerator << (2 * GUARD_BITS), denominator)


def times(vector: Integers, quotient: int) -> Integers:
    """vector·quotient, at the vector's scale."""
    return shifted(vector * quotient, -2 * GUARD_BITS)


def divide_half_even(numerator: int, denominator: int) -> int:
    quotient, remainder = divmod(numerator, denominator)
    doubled = 2 * remainder
    return quotient + (doubled > denominator or (doubled == denominator and quotient & 1 == 1))


def spanned_matrix(problem: Quadratic, pool: Pool) -> Integers:
    """A (d, d) at some scale, of directions that are all that there are but for rounding.

    A + l2·J = Σ (Ap)(Ap)ᵀ/(pᵀAp) over conjugate directions.
    """
    A = zeros(problem.dimensions, problem.dimensions)
    for product, curvature in zip(pool.AP.T, pool.curvatures, strict=True):
        A = A + (np.outer(product, product) << _EXTRA_BITS) // int(curvature)
    for j, ridge in enumerate(problem.ridge):
        A[j, j] -= int(ridge) << _EXTRA_BITS
    return A


def solved_matrix(problem: Quadratic, pool: Pool) -> Integers:
    """A (d, d) = AP·P⁻¹ at f_A, of d directions without a ridge: its entries are on that grid, and the nearest it."""
    with gmpy2.context(gmpy2.get_context(), precision=PRECISION_BITS):
        scale = problem.weight_fraction_bits + GUARD_BITS
        A = reals(pool.AP, scale) @ inverted(reals(pool.P, scale))
        rounded = np.empty(A.size, dtype=object)
        rounded[:] = [int(gmpy2.rint(value)) for value in ((A + A.T) / 2).ravel()]
    return rounded.reshape(A.shape)
