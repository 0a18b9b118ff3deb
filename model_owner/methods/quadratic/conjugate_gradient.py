"""Conjugate gradient with full re-orthogonalisation, all outputs over one pool of directions.

The first answer, at w = 0, is −b. After it every ask is a direction p, scaled to max-norm 1 and quantised, and the
answer plus b is A·p exactly. Each direction is made A-conjugate to all the earlier ones with 160 bits to spare, so
that ill-conditioned problems end after about d rounds, as in exact arithmetic. The outputs share A, so each
one's direction serves them all: with k outputs it takes about d/k rounds (block conjugate gradient).

The first direction is the intercept's, so that the others tell of columns about their means. How small a residual is
depends on how wide a range was declared, and one that is small says nothing of a column that hardly varies within its
range: up to EXPLORED columns training goes on until every direction is known, also those that no residual leads to.
Where there are more it ends by the measure of `left_to_explain`.

Nothing in the inner loop is floating point: weights and residual are carried along as integers, and the residual is
that of those very weights but for roundings at 2^−160 of the last place.
Sources: Hestenes and Stiefel, "Methods of conjugate gradients for solving linear systems", 1952;
D. P. O'Leary, "The block conjugate gradient algorithm and related methods", 1980.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np

from fedtrain.methods.regression.kinds import RoundKind
from fedtrain.model_owner.arithmetic.arrays import (
    Floats,
    IntegerArray,
    Integers,
    Json,
    dot,
    from_json,
    length_ratio,
    ratio,
    to_floats,
    to_json,
    zeros,
)
from fedtrain.model_owner.methods.moves import Ask, Done, Move, Progress
from fedtrain.model_owner.methods.quadratic.directions import (
    GUARD_BITS,
    Pool,
    divide_half_even,
    quotient,
    solved_matrix,
    spanned_matrix,
    times,
)
from fedtrain.model_owner.methods.quadratic.left_to_explain import WITHIN_TOLERANCE, correlation, spread
from fedtrain.model_owner.methods.quadratic.objective import Optimiser, Quadratic, summed
from fedtrain.model_owner.results.remarks import Finding, RemarkCode
from fedtrain.model_owner.results.table.coefficient_table import SummedMoments

# A direction of which less than 2^−40 is left after the earlier ones are taken out is one of them again.
DEPENDENT_BITS = 40
# Up to so many columns every direction is asked for: d + 1 rounds at most, and a table of coefficients in the end.
EXPLORED = 64
# A weight that rounding may move by more than this, in standard deviations of the target for one of the column.
UNCERTAIN = 1e-4
_RATIO_BITS = 64
_GOLDEN = (5**0.5 - 1) / 2


@dataclass(frozen=True, eq=False)
class Progressing:
    """State. b (d, k) at f_A + f_w; weights (d, k) like P; residual (d, k) = b − (A + l2·J)·weights, like AP.

    P, AP, curvatures: those of the pool. `probing`: the residual leads nowhere new, and what was asked is a
    direction apart from it.
    """

    answers: int
    b: IntegerArray
    asked: IntegerArray
    weights: IntegerArray
    residual: IntegerArray
    P: IntegerArray
    AP: IntegerArray
    curvatures: IntegerArray
    probing: bool = False

    @property
    def pool(self) -> Pool:
        return Pool(self.P, self.AP, self.curvatures)


class ConjugateGradient(Optimiser):
    """One ask a round: a direction for each output that has not converged, zeros for the others."""

    def start(self, problem: Quadratic) -> Move:
        nothing, empty = zeros(problem.dimensions, problem.outputs), zeros(problem.dimensions, 0)
        state = Progressing(0, nothing, nothing, nothing, nothing, empty, empty, zeros(0))
        return Move(to_json(state), Ask(RoundKind.GRADIENT, nothing))

    def step(self, problem: Quadratic, state: Json, answer: Integers) -> Move:
        before = from_json(Progressing, state)
        if before.answers == 0:
            now = replace(before, answers=1, b=-answer, residual=-answer * (1 << GUARD_BITS))
        else:
            now = _absorb(problem, replace(before, answers=before.answers + 1), answer)
        sizes = [length_ratio(now.residual[:, c], _guarded(now.b)[:, c]) for c in range(problem.outputs)]
        progress = Progress(_losses(problem, now), max(sizes))
        nothing_new = before.answers > 0 and now.pool.size == before.pool.size
        why = _over(problem, now, nothing_new=nothing_new)
        if why is None:
            probing = now.probing or nothing_new
            point = _probes(problem, now) if probing else _directions(problem, now)
            if not point.any() and not probing:
                probing, point = True, _probes(problem, now)
            now = replace(now, asked=point, probing=probing)
            return Move(to_json(now), Ask(RoundKind.GRADIENT, point), progress)
        bits = problem.weight_fraction_bits + GUARD_BITS
        weights, converged = to_floats(now.weights, bits), _largest_correlation(problem, now) <= problem.tolerance
        end = Done(weights, converged, why, _findings(problem, now), exact=now.weights, exact_fraction_bits=bits)
        return Move(to_json(now), end, progress)

    def evaluated_weights(self, problem: Quadratic, state: Json) -> Floats:
        return to_floats(from_json(Progressing, state).weights, problem.weight_fraction_bits + GUARD_BITS)

    def known_moments(self, problem: Quadratic, state: Json) -> Integers | None:
        known = from_json(Progressing, state)
        all_but_rounding = known.pool.size == problem.dimensions or known.probing
        return spanned_matrix(problem, known.pool) if all_but_rounding else None

    def summed_moments(self, problem: Quadratic, state: Json) -> SummedMoments:
        known = from_json(Progressing, state)
        if known.pool.size < problem.dimensions or problem.ridge.any():
            return super().summed_moments(problem, state)
        A = solved_matrix(problem, known.pool)
        return summed(problem, A, problem.moment_fraction_bits, known.b, problem.answer_fraction_bits)


def _findings(problem: Quadratic, state: Progressing) -> tuple[Finding, ...]:
    found = _uncertain(problem, state)
    if problem.dimensions > EXPLORED and state.pool.size < problem.dimensions:
        found += (Finding(RemarkCode.DIRECTIONS_LEFT, values={"known": state.pool.size, "all": problem.dimensions}),)
    return found


def _uncertain(problem: Quadratic, state: Progressing) -> tuple[Finding, ...]:
    """The columns whose weight the rounding of sums leaves uncertain by more than UNCERTAIN.

    Where A is off by δA, entries of at most ½ an owner, w is off by Σ_k p_k·(p_kᵀ·δA·w)/(p_kᵀ·A·p_k), to first order.
    The measure of weight j is that times √(v_j/T): for least squares in standard deviations of the target for one of
    the column.
    """
    fraction_bits = problem.weight_fraction_bits + GUARD_BITS
    varied = _varied(problem, state.pool)
    largest: dict[int, float] = {}
    for column in range(problem.outputs):
        size = sum(abs(int(v)) for v in state.weights[:, column])
        T = spread(problem, state.b, column)
        for j in range(problem.dimensions - 1):
            off = Fraction(0)
            for p, curvature in zip(state.pool.P.T, state.pool.curvatures, strict=True):
                # At the scales of p (twice), of w and of A's last place over those of the curvature.
                off += Fraction(
                    abs(int(p[j])) * sum(abs(int(v)) for v in p) * size * problem.owners, 2 * int(curvature)
                )
            squared = (off / (1 << fraction_bits)) ** 2 * varied[j]
            share = math.sqrt(ratio(squared.numerator * T.denominator, squared.denominator * T.numerator)) if T else 0.0
            if share > UNCERTAIN:
                largest[j] = max(largest.get(j, 0.0), share)
    return tuple(Finding(RemarkCode.UNCERTAIN, j, {"share": share}) for j, share in largest.items())


def _over(problem: Quadratic, state: Progressing, *, nothing_new: bool) -> str | None:
    """Return why training ends here; None where it goes on."""
    explores = problem.dimensions <= EXPLORED
    if state.pool.size == problem.dimensions:
        return "all moments are known"
    if nothing_new and (state.probing or not explores):
        return "what is left of the moments is rounding"
    if not explores and _largest_correlation(problem, state) <= problem.tolerance:
        return WITHIN_TOLERANCE
    if state.answers >= problem.rounds:
        return f"all {problem.rounds} rounds are done"
    return None


def _largest_correlation(problem: Quadratic, state: Progressing) -> float:
    """The measure of `left_to_explain`, the largest of any column and output. What is rounding counts as 0 where the
    column is seen to vary."""
    varied = _varied(problem, state.pool)
    one = 1 << (problem.answer_fraction_bits + GUARD_BITS)
    largest = 0.0
    for column in range(problem.outputs):
        # Room for the rounding of what came, whatever weight it is met by.
        rounding = problem.owners * sum(abs(int(v)) for v in state.weights[:, column])
        left = [abs(int(v)) for v in state.residual[:, column]]
        T = spread(problem, state.b, column)
        for gradient, known in zip(left, varied, strict=True):
            if gradient > rounding or not known:
                largest = max(largest, correlation(Fraction(gradient, one), known, T))
    return largest


def _varied(problem: Quadratic, pool: Pool) -> list[Fraction]:
    """Lower bounds of every v_j, by the directions after the intercept's. All 0 where that was not asked first."""
    intercept = Fraction(problem.rows_total)
    if pool.size == 0 or pool.P[:-1, 0].any():
        return [Fraction(0)] * (problem.dimensions - 1) + [intercept]
    rounding = Fraction(problem.dimensions * problem.owners, 1 << problem.moment_fraction_bits)
    varied = []
    for entries in pool.AP[:-1, 1:]:
        squares = zip(entries.tolist(), pool.curvatures[1:].tolist(), strict=True)
        # At most the working precision of these sums is lost, which the tolerance does not notice.
        shares = sum((v * v << _RATIO_BITS) // c for v, c in squares)
        known = Fraction(shares, 1 << (problem.moment_fraction_bits + _RATIO_BITS))
        varied.append(known if known > rounding else Fraction(0))
    return [*varied, intercept]


def _guarded(integers: Integers) -> Integers:
    guarded: Integers = integers * (1 << GUARD_BITS)
    return guarded


def _absorb(problem: Quadratic, state: Progressing, answer: Integers) -> Progressing:
    """Take the asked directions, one by one, into the pool, and every output's best step along each."""
    products = answer + state.b + problem.ridge[:, None] * state.asked
    pool, weights, residual = state.pool, state.weights, state.residual
    for column in range(problem.outputs):
        if not state.asked[:, column].any():
            continue
        p, ap = pool.projected(_guarded(state.asked[:, column]), _guarded(products[:, column]))
        if ap is None or not _is_new(problem, state.asked[:, column], p, ap):
            continue
        pool = pool.with_direction(p, ap)
        steps = [quotient(dot(p, residual[:, c]), pool.curvatures[-1]) for c in range(problem.outputs)]
        weights = weights + np.column_stack([times(p, step) for step in steps])
        residual = residual - np.column_stack([times(ap, step) for step in steps])
    return replace(state, P=pool.P, AP=pool.AP, curvatures=pool.curvatures, weights=weights, residual=residual)


def _is_new(problem: Quadratic, asked: Integers, p: Integers, ap: Integers) -> bool:
    """Say whether more than rounding is left of a direction, and of its curvature."""
    squared = dot(p, p)
    if squared << (2 * DEPENDENT_BITS) <= dot(asked, asked) << (2 * GUARD_BITS):
        return False
    # A column that the others give but for the rounding of its numbers leaves that much of each row.
    rounding = sum(
        (abs(v) * Fraction(each) for v, each in zip(p.tolist(), problem.roundings, strict=True)), Fraction(0)
    )
    return dot(p, ap) > problem.rows_total * rounding**2 * (1 << problem.moment_fraction_bits)


def _directions(problem: Quadratic, state: Progressing) -> Integers:
    """(d, k) at f_w: first the intercept, then each output's residual, conjugated to the pool, where any is left."""
    point = zeros(problem.dimensions, problem.outputs)
    for column in range(problem.outputs):
        if state.pool.size == 0 and column == 0:
            point[-1, 0] = _one(problem)
        else:
            point[:, column] = _conjugated(problem, state.pool, state.residual[:, column])
    return point


def _probes(problem: Quadratic, state: Progressing) -> Integers:
    """(d, k) at f_w: for each output a direction with a share of every column, conjugated to the pool.

    The shares, fractional parts of multiples of the golden ratio, are in no simple proportion, as columns may be.
    """
    point = zeros(problem.dimensions, problem.outputs)
    one = _one(problem)
    for column in range(problem.outputs):
        places = range(1 + column * problem.dimensions, 1 + (column + 1) * problem.dimensions)
        shares = np.array([round((0.5 + (place * _GOLDEN) % 1.0) * one) for place in places], dtype=object)
        point[:, column] = _conjugated(problem, state.pool, _guarded(shares))
    return point


def _conjugated(problem: Quadratic, pool: Pool, v: Integers) -> Integers:
    """v less what the pool knows of it, at max-norm 1 or the limit; zeros where only the guard bits are left."""
    p, _ = pool.projected(v, None)
    largest = max(abs(int(entry)) for entry in p)
    if largest <= max(abs(int(entry)) for entry in v) >> GUARD_BITS or largest == 0:
        return zeros(len(v))
    one = _one(problem)
    conjugated = zeros(len(v))
    conjugated[:] = [divide_half_even(int(entry) * one, largest) for entry in p]
    return conjugated


def _one(problem: Quadratic) -> int:
    return min(1 << problem.weight_fraction_bits, problem.weight_limit)


def _losses(problem: Quadratic, state: Progressing) -> tuple[float, ...]:
    ridge_part = problem.ridge[:, None] * state.weights
    # residual = b − A·w − ridge·w, so that A·w − b is what is left when both others are taken off.
    gradient = -state.residual - ridge_part
    return problem.losses(gradient, _guarded(state.b), state.weights, GUARD_BITS)
