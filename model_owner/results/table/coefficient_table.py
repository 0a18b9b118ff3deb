"""The table that statistics programs print of ordinary least squares, from a federation's summed second moments.

Everything is in raw units. The moments are exact integers of the records, and what is derived from them is computed
with 512 bits and rounded once, so that ill-conditioned columns cost no digits.
Source: W. H. Greene, Econometric Analysis, chapter 4.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import gmpy2
import numpy as np
from gmpy2 import mpfr

from fedtrain.model_owner.arithmetic.arrays import Floats, Integers
from fedtrain.model_owner.arithmetic.normal_equations import (
    PRECISION_BITS,
    SOLUTION_FRACTION_BITS,
    Reals,
    dependent_columns,
    linear_solution,
    reals,
)
from fedtrain.model_owner.results.table.raw_units import floats, numbers, unit_changes
from fedtrain.model_owner.results.table.student_t import quantile, two_sided_p
from fedtrain.spec.model_spec import Strict
from fedtrain.tabular.encode import Encoder

CONFIDENCE = 0.95
# Residuals are taken for the rounding of the numbers they are the difference of below this many times its size.
_WELL_ABOVE_ROUNDING = 4


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


@dataclass(frozen=True, eq=False)
class Fit:
    """The minimum: `weights` (d, k) of scaled columns, and `coefficients` (d, k) of raw ones, each rounded once."""

    weights: Floats
    coefficients: Floats


class NoTable(Exception):  # noqa: N818 - it says what is not there
    """Reason for there being no table, for a person. `fit`: the minimum, where it is known all the same."""

    def __init__(self, why: str, fit: Fit | None = None) -> None:
        super().__init__(why)
        self.fit = fit


@dataclass(frozen=True, eq=False)
class SummedMoments:
    """(d, d) A and (d, k) b in scaled units at their fraction bits, Σy² (k,) at `squares_fraction_bits`, and N.

    `roundings` (d,): the most by which a scaled value of each column may be off.
    """

    A: Integers
    A_fraction_bits: int
    b: Integers
    b_fraction_bits: int
    squares: tuple[int, ...]
    squares_fraction_bits: int
    rows: int
    roundings: tuple[float, ...]


def coefficient_table(moments: SummedMoments, encoder: Encoder) -> tuple[CoefficientTable, Fit]:
    """Return the table of least squares, and the fit that it is of.

    Raises NoTable, which names columns that are constant or combinations of others, says that rows are few, or that a
    target is given by the columns but for the rounding of its numbers.
    """
    d = len(moments.A)
    free = moments.rows - d
    if free < 1:
        raise NoTable(f"{moments.rows} rows and {d} coefficients leave no degree of freedom")
    with gmpy2.context(gmpy2.get_context(), precision=PRECISION_BITS):
        A = reals(moments.A, moments.A_fraction_bits)
        _check_rank(A, moments, encoder.names)
        inverse = inverted(A)
        to_scaled, to_raw = unit_changes(encoder)
        covariance = to_raw @ inverse @ to_raw.T
        raw_A = to_scaled.T @ A @ to_scaled
        condition = math.sqrt(_largest_eigenvalue(raw_A) * _largest_eigenvalue(covariance))
        weights = inverse @ reals(moments.b, moments.b_fraction_bits)
        half_widths = numbers(encoder.exact_target_half_width)
        fit = Fit(floats(weights), floats((to_raw @ weights) * half_widths))
        t_quantile = quantile(CONFIDENCE, free)
        outputs = []
        for column, name in enumerate(encoder.output_names):
            residual, left = _residual(moments, encoder, weights[:, column], column, fit)
            variance = residual / free * half_widths[column] ** 2
            rows = tuple(
                _row(encoder.names[j], fit.coefficients[j, column], variance * covariance[j, j], free, t_quantile)
                for j in range(d)
            )
            outputs.append(
                OutputTable(
                    target=name,
                    r2=None if left is None else float(1 - left),
                    adjusted_r2=None if left is None else float(1 - left * (moments.rows - 1) / free),
                    residual_standard_error=float(gmpy2.sqrt(variance)),
                    coefficients=rows,
                )
            )
        table = CoefficientTable(
            rows=moments.rows,
            degrees_of_freedom=free,
            condition_number=condition,
            confidence=CONFIDENCE,
            outputs=tuple(outputs),
        )
        return table, fit


def _residual(
    moments: SummedMoments, encoder: Encoder, weights: Reals, column: int, fit: Fit
) -> tuple[mpfr, mpfr | None]:
    """The sum of squared residuals in scaled units, and its share of the target's own variation (None without any).

    Raises NoTable where it is no more than what rounding the records' numbers to doubles makes of nothing.
    """
    b = reals(moments.b[:, column], moments.b_fraction_bits)
    square_sum = mpfr(moments.squares[column]) / (1 << moments.squares_fraction_bits)
    residual = square_sum - b @ weights
    # Exact but for the records' own numbers: every residual may be off by as much as its target and columns are.
    off = mpfr(encoder.target_roundings[column]) + mpfr(2) ** -SOLUTION_FRACTION_BITS
    off += sum((abs(weight) * each for weight, each in zip(weights, moments.roundings, strict=True)), mpfr(0))
    if residual <= moments.rows * (_WELL_ABOVE_ROUNDING * off) ** 2:
        raise NoTable(
            f"the columns give {encoder.output_names[column]} but for the rounding of its numbers: residuals that "
            "small tell no standard errors",
            fit,
        )
    total = square_sum - b[-1] ** 2 / moments.rows
    return residual, None if total <= 0 else residual / total


def inverted(matrix: Reals) -> Reals:
    """The inverse of a regular (d, d) matrix of mpfr."""
    return linear_solution(matrix, reals(np.eye(len(matrix), dtype=int).astype(object), 0))


def _row(name: str, value: float, variance: mpfr, free: int, t_quantile: float) -> CoefficientRow:
    error = float(gmpy2.sqrt(variance))
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
    dependent = dependent_columns(A, moments.rows, moments.roundings)
    if not dependent:
        return
    place = dependent[0]
    column = A[place, place] - A[place, -1] ** 2 / A[-1, -1]
    if column <= moments.rows * mpfr(moments.roundings[place]) ** 2:
        raise NoTable(f"{names[place]} is the same in all rows, to the last digit of its numbers: leave it out")
    raise NoTable(f"{names[place]} is a combination of other columns: leave one of them out")


def _largest_eigenvalue(matrix: Reals) -> float:
    # Of a positive definite matrix the largest one is found to the last digit, unlike the smallest.
    return float(np.linalg.eigvalsh(matrix.astype(np.float64))[-1])
