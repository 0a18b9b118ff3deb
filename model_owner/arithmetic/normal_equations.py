"""(A + ridge)·w = b from integers, in far more digits than the moments have.

A column that the others give but for the rounding of its own numbers cannot be told from their combination; of the
solutions the one of least length is then taken. Source: Å. Björck, "Numerical Methods for Least Squares Problems",
1996, §2.7.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import gmpy2
import numpy as np
from gmpy2 import mpfr
from numpy.typing import NDArray

from fedtrain.model_owner.arithmetic.arrays import Integers

PRECISION_BITS = 512
#: Fraction bits of solutions as integers: their rounding is far below a double's.
SOLUTION_FRACTION_BITS = 256
# Combinations of others by factors of up to 2^30 are looked at; columns further apart than that are told apart.
_SHARE_BITS = 30

Reals = NDArray[Any]  # of mpfr


@dataclass(frozen=True, eq=False)
class Solution:
    """`weights` (d, k) integers at SOLUTION_FRACTION_BITS. `dependent`: columns that are combinations of others."""

    weights: Integers
    dependent: tuple[int, ...]


def solve(
    A: Integers, b: Integers, ridge: Integers, fraction_bits: int, rows: int, roundings: Sequence[float]
) -> Solution:
    """Return the minimum of ½·wᵀ(A + ridge)w − bᵀw, the shortest of several.

    A (d, d), b (d, k), ridge (d,): integers at `fraction_bits`. `rows`: N. `roundings` (d,): the most by which a value
    of each column may be off.
    """
    with gmpy2.context(gmpy2.get_context(), precision=PRECISION_BITS):
        matrix, right = reals(A, fraction_bits), reals(b, fraction_bits)
        matrix[np.diag_indices(len(A))] += reals(ridge, fraction_bits)
        dependent = dependent_columns(matrix, rows, roundings)
        kept = [column for column in range(len(A)) if column not in set(dependent)]
        solved = linear_solution(
            matrix[np.ix_(kept, kept)], np.hstack([right[kept], matrix[np.ix_(kept, list(dependent))]])
        )
        outputs = b.shape[1]
        weights = reals(np.full(b.shape, 0, dtype=object), 0)
        weights[kept] = solved[:, :outputs]
        if dependent:
            # What changes nothing: a dependent column less the others' combination that it is.
            idle = reals(np.full((len(A), len(dependent)), 0, dtype=object), 0)
            idle[kept] = -solved[:, outputs:]
            idle[list(dependent), range(len(dependent))] = mpfr(1)
            weights = weights - idle @ linear_solution(idle.T @ idle, idle.T @ weights)
        return Solution(_integers(weights), dependent)


def dependent_columns(matrix: Reals, rows: int, roundings: Sequence[float]) -> tuple[int, ...]:
    """Return the columns of which the ones before them leave no more than rounding, the intercept (the last) first.

    `matrix` is XᵀX of `rows` rows.
    """
    order = [len(matrix) - 1, *range(len(matrix) - 1)]
    work = matrix[np.ix_(order, order)].copy()
    rounding = [mpfr(roundings[place]) for place in order]
    suspicious = rows * (mpfr(2) ** _SHARE_BITS * sum(rounding, mpfr(0))) ** 2
    dependent: list[int] = []
    kept: list[int] = []
    for step, place in enumerate(order):
        left = work[step, step]
        if left <= 0 or (left <= suspicious and left <= rows * _combined(work, kept, step, rounding) ** 2):
            dependent.append(place)
            continue
        kept.append(step)
        below = work[step + 1 :, step] / left
        work[step + 1 :, step + 1 :] = work[step + 1 :, step + 1 :] - np.outer(below, work[step, step + 1 :])
    return tuple(sorted(dependent))


def _combined(work: Reals, kept: list[int], step: int, rounding: list[mpfr]) -> mpfr:
    """The most by which a column can differ from the combination of the kept ones by rounding alone, row by row.

    `work` is upper triangular in the rows of `kept`: what elimination has made of them.
    """
    shares: dict[int, mpfr] = {}
    for row in reversed(kept):
        known = sum((work[row, other] * share for other, share in shares.items()), mpfr(0))
        shares[row] = (work[row, step] - known) / work[row, row]
    return rounding[step] + sum((abs(share) * rounding[row] for row, share in shares.items()), mpfr(0))


def linear_solution(matrix: Reals, right: Reals) -> Reals:
    """X with matrix·X = right, of a regular (d, d) matrix of mpfr: elimination with row pivots."""
    d = len(matrix)
    work = np.hstack([matrix, right])
    for column in range(d):
        pivot = column + max(range(d - column), key=lambda row: abs(work[column + row, column]))
        work[[column, pivot]] = work[[pivot, column]]
        factors = work[column + 1 :, column] / work[column, column]
        work[column + 1 :, column + 1 :] = work[column + 1 :, column + 1 :] - np.outer(
            factors, work[column, column + 1 :]
        )
    solution = work[:, d:].copy()
    for row in reversed(range(d)):
        if row + 1 < d:
            solution[row] = solution[row] - work[row, row + 1 : d] @ solution[row + 1 :]
        solution[row] = solution[row] / work[row, row]
    return solution


def reals(integers: Integers, fraction_bits: int) -> Reals:
    """integer / 2^fraction_bits at the precision of the context."""
    scale = mpfr(2) ** fraction_bits
    flat = np.empty(integers.size, dtype=object)
    flat[:] = [mpfr(int(value)) / scale for value in integers.ravel()]
    return flat.reshape(integers.shape)


def _integers(values: Reals) -> Integers:
    scale = mpfr(2) ** SOLUTION_FRACTION_BITS
    flat = np.empty(values.size, dtype=object)
    flat[:] = [int(gmpy2.rint(value * scale)) for value in values.ravel()]
    return flat.reshape(values.shape)
