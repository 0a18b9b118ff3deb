"""The distance of a point from the minimum, at most, column by column, in a measure that no declared range changes.

Of column j the measure is |r_j| / √(v_j·T): r_j the gradient there with the intercept at its best, v_j what is left of
the column's second moment when the intercept is taken out, T the same of the target. For least squares it is at least
the correlation of the column with what the model leaves unexplained, times the share that is unexplained; its square
is the part of T that the column alone could still explain. Another range scales column and gradient alike.

No v_j is known before all moments are. But of each direction p whose product Ap is known, (Ap)_j²/(pᵀAp) ≤ A_jj by
Cauchy and Schwarz, and of A-conjugate directions these add up: v_j is bounded from below, and the measure from above.
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Final, NamedTuple

from fedtrain.model_owner.arithmetic.arrays import IntegerArray, Integers, dot, ratio
from fedtrain.model_owner.methods.quadratic.objective import Quadratic

#: Why an optimiser ended that reached the tolerance.
WITHIN_TOLERANCE: Final = "no column is correlated with what is left by more than the tolerance"


def spread(problem: Quadratic, b: Integers, column: int) -> Fraction:
    """T of an output: Σy² less what the intercept alone explains, at least 0. b (d, k) at f_A + f_w."""
    # What completes a surrogate's squares is (y − ½)²/c; in terms of v = c·w the target is y − ½.
    squares = Fraction(problem.targets_squared[column], 1 << problem.counts_fraction_bits) * problem.slope
    intercept = Fraction(int(b[-1, column]), 1 << problem.answer_fraction_bits)
    return max(Fraction(0), squares - intercept * intercept / problem.rows_total)


def correlation(gradient: Fraction, varied: Fraction, spread: Fraction) -> float:
    """|gradient| / √(varied·spread); 0 for a gradient of 0, and inf for one of a column that was not seen to vary."""
    squared, reference = gradient * gradient, varied * spread
    return math.sqrt(ratio(squared.numerator * reference.denominator, squared.denominator * reference.numerator))


class Step(NamedTuple):
    """A direction (d,) at f_w, and its product (d,) with A + l2·J at f_A + f_w, which owners rounded."""

    direction: IntegerArray
    product: IntegerArray


def varied_between(problem: Quadratic, one: Step, other: Step) -> list[Fraction]:
    """Lower bounds of every v_j from two steps: of the combination whose product has no intercept, as column j about
    its mean has the same product with it as column j itself. All 0 where it is one with rounding.
    """
    first, second = int(one.product[-1]), int(other.product[-1])
    p = one.direction * second - other.direction * first
    product = one.product * second - other.product * first
    # Each owner rounds every entry of A by at most ½ of its last place.
    lengths = [sum(abs(int(v)) for v in step.direction) * problem.owners for step in (one, other)]
    rounding = abs(second) * lengths[0] + abs(first) * lengths[1]
    curvature = dot(p, product) + rounding * sum(abs(int(v)) for v in p)
    if curvature <= 0:
        return [Fraction(0)] * len(p)
    certain = [max(0, abs(int(v)) - rounding) for v in product]
    return [Fraction(v * v, curvature << problem.moment_fraction_bits) for v in certain]
