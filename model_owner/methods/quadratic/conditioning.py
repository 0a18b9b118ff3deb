"""Findings that the moments show: columns that hardly vary within their declared range, or that go together."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from typing import Final

import numpy as np

from fedtrain.model_owner.arithmetic.arrays import Integers
from fedtrain.model_owner.results.remarks import Remark, RemarkCode, remark

#: A standard deviation below this part of half the declared range costs three digits, and l2 takes it for nothing.
HARDLY: Final = 1e-3
#: Of the matrix of correlations; a combination of columns then varies by 1/10,000 of what they do.
LEAST_EIGENVALUE: Final = 1e-8
#: Columns with less than this part of the combination are not named.
_SHARE: Final = 0.05


def remarks_on_columns(A: Integers, names: Sequence[str], bounds: Sequence[float]) -> tuple[Remark, ...]:
    """Return remarks on the columns of A (d, d), exact integers at any scale, the intercept the last.

    `bounds`: the largest magnitude that each column can have, as scaled. One that hardly varies is not looked at for
    combinations: they would be its rounding's.
    """
    last = len(A) - 1
    # A is c·XᵀX for some c, whose last entry is c·N.
    rows = Fraction(int(A[last, last]))
    if rows <= 0:
        return ()
    made, moving = [], []
    varied = {}
    for j in range(last):
        varied[j] = Fraction(int(A[j, j])) - Fraction(int(A[j, last])) ** 2 / rows
        share = math.sqrt(max(Fraction(0), varied[j] / rows)) / bounds[j]
        if share < HARDLY:
            made.append(remark(RemarkCode.COLUMN_HARDLY_VARIES, names[j], share=share))
        else:
            moving.append(j)
    return (*made, *_combinations(A, names, rows, varied, moving))


def _combinations(
    A: Integers, names: Sequence[str], rows: Fraction, varied: dict[int, Fraction], moving: list[int]
) -> tuple[Remark, ...]:
    last = len(A) - 1
    correlations = np.eye(len(moving))
    for a, i in enumerate(moving):
        for b, j in enumerate(moving[:a]):
            shared = Fraction(int(A[i, j])) - Fraction(int(A[i, last]) * int(A[j, last])) / rows
            # One correctly rounded quotient: the columns' own scales are gone before anything is a double.
            squared = float(shared * shared / (varied[i] * varied[j]))
            correlations[a, b] = correlations[b, a] = math.copysign(math.sqrt(min(1.0, squared)), shared)
    if len(moving) < 2:
        return ()
    values, vectors = np.linalg.eigh(correlations)
    if values[0] > LEAST_EIGENVALUE:
        return ()
    parts = np.abs(vectors[:, 0])
    together = [names[moving[place]] for place in np.argsort(-parts) if parts[place] >= _SHARE]
    # Eigenvalues of a matrix rounded to doubles are no better than its rounding.
    least = max(float(values[0]), float(np.finfo(np.float64).eps))
    return (remark(RemarkCode.COLLINEAR, together[0], others=", ".join(together[1:]) or "the rest", least=least),)
