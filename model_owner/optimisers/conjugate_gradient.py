"""Conjugate gradient with full re-orthogonalisation, all outputs over one pool of directions.

The first answer, at w = 0, is −b. After it every ask is a direction p, scaled to max-norm 1 and quantised, and the
answer plus b is A·p exactly. Each direction is made A-conjugate to all the earlier ones with 64 bits to spare, so
that ill-conditioned problems end after about d rounds, as in exact arithmetic. The outputs share A, so each
one's direction serves them all: with k outputs it takes about d/k rounds (block conjugate gradient).

Nothing in the inner loop is floating point: weights and residual are carried along as integers, and the residual is
that of those very weights but for roundings at 2^−64 of the last place.
Sources: Hestenes and Stiefel, "Methods of conjugate gradients for solving linear systems", 1952;
D. P. O'Leary, "The block conjugate gradient algorithm and related methods", 1980.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from model_owner.optimisers.quadratic import (
    Ask,
    Done,
    Integers,
    Json,
    Move,
    Progress,
    Quadratic,
    dot,
    integers_from_json,
    integers_to_json,
    length_ratio,
    shifted,
    to_floats,
    zeros,
)
from protocol.messages import RoundKind

GUARD_BITS = 64
# A direction of which less than 2^−40 is left after the earlier ones are taken out is one of them again.
DEPENDENT_BITS = 40


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
            share = _quotient(dot(v, self.AP[:, j]), self.curvatures[j])
            v = v - _times(self.P[:, j], share)
            if product is not None:
                product = product - _times(self.AP[:, j], share)
        return v, product


@dataclass(frozen=True, eq=False)
class Progressing:
    """State. b (d, k) at f_A + f_w; weights (d, k) like P; residual (d, k) = b − (A + l2·J)·weights, like AP."""

    answers: int
    b: Integers
    asked: Integers
    weights: Integers
    residual: Integers
    pool: Pool

    def to_json(self) -> Json:
        arrays = {
            "b": self.b,
            "asked": self.asked,
            "weights": self.weights,
            "residual": self.residual,
            "P": self.pool.P,
            "AP": self.pool.AP,
            "curvatures": self.pool.curvatures,
        }
        return {"answers": self.answers, **{name: integers_to_json(array) for name, array in arrays.items()}}

    @classmethod
    def from_json(cls, state: Json) -> Progressing:
        if not isinstance(state, dict) or not isinstance(state["answers"], int):
            raise ValueError("this is not a state of conjugate gradient")
        b, asked, weights, residual = (
            integers_from_json(state[name]) for name in ("b", "asked", "weights", "residual")
        )
        P, AP, curvatures = (integers_from_json(state[name]) for name in ("P", "AP", "curvatures"))
        return cls(state["answers"], b, asked, weights, residual, Pool(P, AP, curvatures))


class ConjugateGradient:
    """One ask a round: a direction for each output that has not converged, zeros for the others."""

    def start(self, problem: Quadratic) -> Move:
        nothing = zeros(problem.dimensions, problem.outputs)
        pool = Pool(zeros(problem.dimensions, 0), zeros(problem.dimensions, 0), zeros(0))
        state = Progressing(0, nothing, nothing, nothing, nothing, pool)
        return Move(state.to_json(), Ask(RoundKind.GRADIENT, nothing))

    def step(self, problem: Quadratic, state: Json, answer: Integers) -> Move:
        before = Progressing.from_json(state)
        if before.answers == 0:
            now = replace(before, answers=1, b=-answer, residual=-answer * (1 << GUARD_BITS))
        else:
            now = _absorb(problem, replace(before, answers=before.answers + 1), answer)
        sizes = [length_ratio(now.residual[:, c], _guarded(now.b)[:, c]) for c in range(problem.outputs)]
        progress = Progress(_losses(problem, now), max(sizes))
        if max(sizes) <= problem.tolerance:
            return _done(problem, now, progress, True, "the gradient is within the tolerance")
        if now.pool.size == problem.dimensions:
            return _done(problem, now, progress, False, "there is no further direction: exact up to rounding")
        if before.answers > 0 and now.pool.size == before.pool.size:
            return _done(problem, now, progress, False, "what is left of the gradient is rounding")
        if now.answers >= problem.rounds:
            return _done(problem, now, progress, False, f"all {problem.rounds} rounds are done")
        open_columns = [column for column, size in enumerate(sizes) if size > problem.tolerance]
        point = _directions(problem, now, open_columns)
        now = replace(now, asked=point)
        return Move(now.to_json(), Ask(RoundKind.GRADIENT, point), progress)


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
        steps = [_quotient(dot(p, residual[:, c]), pool.curvatures[-1]) for c in range(problem.outputs)]
        weights = weights + np.column_stack([_times(p, step) for step in steps])
        residual = residual - np.column_stack([_times(ap, step) for step in steps])
    return replace(state, pool=pool, weights=weights, residual=residual)


def _is_new(problem: Quadratic, asked: Integers, p: Integers, ap: Integers) -> bool:
    """Whether more than rounding is left of a direction, and of its curvature."""
    squared = dot(p, p)
    if squared << (2 * DEPENDENT_BITS) <= dot(asked, asked) << (2 * GUARD_BITS):
        return False
    # Each owner rounds every entry of A by at most ½ of its last place, which moves an eigenvalue by d/2 at most.
    return dot(p, ap) > squared * problem.dimensions * problem.owners


def _directions(problem: Quadratic, state: Progressing, columns: list[int]) -> Integers:
    """(d, k) at f_w: for each open output its residual, conjugated to the pool, at max-norm 1 or the limit."""
    point = zeros(problem.dimensions, problem.outputs)
    one = min(1 << problem.weight_fraction_bits, problem.weight_limit)
    for column in columns:
        p, _ = state.pool.projected(state.residual[:, column], None)
        largest = max(abs(v) for v in p.tolist())
        if largest > 0:
            point[:, column] = [_divide_half_even(v * one, largest) for v in p.tolist()]
    return point


def _quotient(numerator: int, denominator: int) -> int:
    """numerator / denominator at 2·GUARD_BITS, half to even; the denominator is above 0."""
    return _divide_half_even(numerator << (2 * GUARD_BITS), denominator)


def _times(vector: Integers, quotient: int) -> Integers:
    """vector·quotient, at the vector's scale."""
    return shifted(vector * quotient, -2 * GUARD_BITS)


def _divide_half_even(numerator: int, denominator: int) -> int:
    quotient, remainder = divmod(numerator, denominator)
    doubled = 2 * remainder
    return quotient + (doubled > denominator or (doubled == denominator and quotient & 1 == 1))


def _losses(problem: Quadratic, state: Progressing) -> tuple[float, ...]:
    ridge_part = problem.ridge[:, None] * state.weights
    # residual = b − A·w − ridge·w, so that A·w − b is what is left when both others are taken off.
    gradient = -state.residual - ridge_part
    return problem.losses(gradient, _guarded(state.b), state.weights, GUARD_BITS)


def _done(problem: Quadratic, state: Progressing, progress: Progress, converged: bool, why: str) -> Move:
    weights = to_floats(state.weights, problem.weight_fraction_bits + GUARD_BITS)
    return Move(state.to_json(), Done(weights, converged, why), progress)
