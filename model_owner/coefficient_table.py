"""The table that statistics programs print of ordinary least squares, from a federation's summed second moments.

Everything is in raw units. The moments are integers, and what is derived from them is computed with 512 bits, so
that ill-conditioned columns cost no digits. Source: W. H. Greene, Econometric Analysis, chapter 4.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import gmpy2
import numpy as np
from gmpy2 import mpfr
from numpy.typing import NDArray

from model_owner.optimisers.quadratic import Integers
from model_owner.student_t import quantile, two_sided_p
from protocol.spec import Strict
from tabular.encode import Encoder

PRECISION_BITS = 512
CONFIDENCE = 0.95

Reals = NDArray[Any]  # of mpfr


class CoefficientRow(Strict):
    """One coefficient: its estimate, and how far it can be trusted."""

    name: str
    coefficient: float
    standard_error: float
    t: float | None
    p: float
    low: float
    high: float


class OutputTable(Strict):
    """One target's coefficients. `residual_standard_error`: √(RSS/(N − d)). `r2` is None for a constant target."""

    target: str
    r2: float | None
    adjusted_r2: float | None
    residual_standard_error: float
    coefficients: tuple[CoefficientRow, ...]


class CoefficientTable(Strict):
    """Ordinary least squares on all rows of the federation. `low`, `high` are the ends of `confidence` intervals."""

    rows: int
    degrees_of_freedom: int
    condition_number: float
    confidence: float
    outputs: tuple[OutputTable, ...]


class NoTable(Exception):  # noqa: N818 - it says what is not there
    """Why there is no table, for a person."""


@dataclass(frozen=True, eq=False)
class SummedMoments:
    """(d, d) A and (d, k) b in scaled units at their fraction bits, Σy² (k,) at `squares_fraction_bits`, and N.

    `noise_bits`: entries of A are wrong by less than 2^−noise_bits.
    """

    A: Integers
    A_fraction_bits: int
    b: Integers
    b_fraction_bits: int
    squares: tuple[int, ...]
    squares_fraction_bits: int
    rows: int
    noise_bits: int


def coefficient_table(moments: SummedMoments, encoder: Encoder) -> CoefficientTable:
    """Raises NoTable, which names columns that are constant or combinations of others, or says that rows are few."""
    d = len(moments.A)
    free = moments.rows - d
    if free < 1:
        raise NoTable(f"{moments.rows} rows and {d} coefficients leave no degree of freedom")
    with gmpy2.context(gmpy2.get_context(), precision=PRECISION_BITS):
        A = reals(moments.A, moments.A_fraction_bits)
        _check_rank(A, moments, encoder.names)
        inverse = inverted(A)
        to_scaled, to_raw = _unit_changes(encoder)
        covariance = to_raw @ inverse @ to_raw.T
        raw_A = to_scaled.T @ A @ to_scaled
        condition = math.sqrt(_largest_eigenvalue(raw_A) * _largest_eigenvalue(covariance))
        b = reals(moments.b, moments.b_fraction_bits)
        t_quantile = quantile(CONFIDENCE, free)
        outputs = []
        for column, name in enumerate(encoder.output_names):
            half_width = mpfr(float(encoder.target_half_width[column]))
            weights = inverse @ b[:, column]
            square_sum = mpfr(moments.squares[column]) / (1 << moments.squares_fraction_bits)
            residual = max(mpfr(0), square_sum - b[:, column] @ weights)
            total = square_sum - b[-1, column] ** 2 / moments.rows
            variance = residual / free * half_width**2
            coefficients = (to_raw @ weights) * half_width
            rows = tuple(
                _row(encoder.names[j], coefficients[j], variance * covariance[j, j], free, t_quantile) for j in range(d)
            )
            left = None if total <= 0 else residual / total
            outputs.append(
                OutputTable(
                    target=name,
                    r2=None if left is None else float(1 - left),
                    adjusted_r2=None if left is None else float(1 - left * (moments.rows - 1) / free),
                    residual_standard_error=float(gmpy2.sqrt(variance)),
                    coefficients=rows,
                )
            )
    return CoefficientTable(
        rows=moments.rows,
        degrees_of_freedom=free,
        condition_number=condition,
        confidence=CONFIDENCE,
        outputs=tuple(outputs),
    )


def inverted(matrix: Reals) -> Reals:
    """The inverse of a regular (d, d) matrix of mpfr: Gauss and Jordan, with row pivots."""
    d = len(matrix)
    work = np.hstack([matrix, reals(np.eye(d, dtype=int).astype(object), 0)])
    for column in range(d):
        pivot = column + max(range(d - column), key=lambda row: abs(work[column + row, column]))
        work[[column, pivot]] = work[[pivot, column]]
        work[column] = work[column] / work[column, column]
        factors = work[:, column].copy()
        factors[column] = mpfr(0)
        work = work - np.outer(factors, work[column])
    return work[:, d:]


def _row(name: str, coefficient: mpfr, variance: mpfr, free: int, t_quantile: float) -> CoefficientRow:
    error = float(gmpy2.sqrt(variance))
    value = float(coefficient)
    t = value / error if error > 0 else None
    return CoefficientRow(
        name=name,
        coefficient=value,
        standard_error=error,
        t=t,
        p=0.0 if t is None else two_sided_p(t, free),
        low=value - t_quantile * error,
        high=value + t_quantile * error,
    )


def _check_rank(A: Reals, moments: SummedMoments, names: tuple[str, ...]) -> None:
    """Take the columns one by one, the intercept first; what is left of each after the others must be no rounding."""
    d = len(A)
    order = [d - 1, *range(d - 1)]
    work = A[np.ix_(order, order)].copy()
    noise = mpfr(d) * moments.rows.bit_length() / (mpfr(2) ** moments.noise_bits)
    for step, place in enumerate(order):
        if work[step, step] <= noise:
            column = A[place, place] - A[place, -1] ** 2 / A[-1, -1]
            if column <= noise:
                raise NoTable(f"{names[place]} is the same in all rows: leave it out")
            raise NoTable(f"{names[place]} is a combination of other columns: leave one of them out")
        below = work[step + 1 :, step] / work[step, step]
        work[step + 1 :] = work[step + 1 :] - np.outer(below, work[step])


def _unit_changes(encoder: Encoder) -> tuple[Reals, Reals]:
    """S with X_raw = X_scaled·S, and its inverse, by which weights become coefficients."""
    d = encoder.dimensions
    to_scaled = reals(np.zeros((d, d), dtype=int).astype(object), 0)
    to_raw = to_scaled.copy()
    for j in range(d):
        half, centre = mpfr(float(encoder.half_width[j])), mpfr(float(encoder.centre[j]))
        to_scaled[j, j], to_raw[j, j] = half, 1 / half
        if j < d - 1:
            to_scaled[d - 1, j], to_raw[d - 1, j] = centre, -centre / half
    return to_scaled, to_raw


def _largest_eigenvalue(matrix: Reals) -> float:
    # Of a positive definite matrix the largest one is found to the last digit, unlike the smallest.
    return float(np.linalg.eigvalsh(matrix.astype(np.float64))[-1])


def reals(integers: Integers, fraction_bits: int) -> Reals:
    """integer / 2^fraction_bits at the precision of the context."""
    scale = mpfr(2) ** fraction_bits
    flat = np.empty(integers.size, dtype=object)
    flat[:] = [mpfr(int(value)) / scale for value in integers.ravel()]
    return flat.reshape(integers.shape)
