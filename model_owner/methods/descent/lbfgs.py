"""L-BFGS: the last curvatures stand for the second derivative, and a line search says how far to go.

Source: J. Nocedal, "Updating quasi-Newton matrices with limited storage", 1980; Nocedal and Wright, 2006, §7.2.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from fedtrain.model_owner.arithmetic.arrays import FloatArray, Floats, HexFloat, Integers, Json, from_json, to_json
from fedtrain.model_owner.methods.descent.convergence import MEMORY, Pair, largest_correlation
from fedtrain.model_owner.methods.descent.line_search import LONGEST_SEARCH, Search, Verdict
from fedtrain.model_owner.methods.descent.objective import Evaluation, Objective, inner
from fedtrain.model_owner.methods.moves import Ask, Move, Progress
from fedtrain.model_owner.methods.quadratic.left_to_explain import WITHIN_TOLERANCE

# A pair whose curvature is below this part of its lengths says nothing but rounding.
_LEAST_CURVATURE: Final = 1e-14


@dataclass(frozen=True, eq=False)
class _At:
    """Between two answers. `pairs`: changes of point and gradient, the oldest first. `search` along `direction`."""

    answers: int
    first: HexFloat
    point: FloatArray
    gradient: FloatArray
    direction: FloatArray
    pairs: tuple[Pair, ...] = ()
    search: Search | None = None
    first_loss: HexFloat | None = None


class LBFGS:
    """An ask a point of a line search, mostly one an iteration."""

    def start(self, objective: Objective) -> Move:
        nothing = np.zeros((objective.dimensions, objective.outputs))
        return Move(to_json(_At(0, 0.0, nothing, nothing, nothing)), objective.ask(nothing, 0))

    def step(self, objective: Objective, state: Json, answer: Integers) -> Move:
        before = from_json(_At, state)
        now = replace(before, answers=before.answers + 1)
        search = now.search
        here = objective.at(now.point if search is None else now.point + search.step * now.direction, answer)
        if search is None:
            now = replace(now, first=here.length, first_loss=here.loss)
        progress = objective.progress(here, now.first)
        # A state that was kept before the first loss was has the last one in its place, which is less: harder to reach.
        reference = here.loss if now.first_loss is None else now.first_loss
        if largest_correlation(objective, here, _with_last(now, here), reference) <= objective.tolerance:
            why = f"{WITHIN_TOLERANCE} after {now.answers} rounds"
            return Move(to_json(now), objective.end(here.point, True, why, here), progress)
        verdict = Verdict.TAKE if search is None else search.judge(here.value, inner(here.gradient, now.direction))
        best = here.point if verdict is not Verdict.SHORTER else now.point
        if now.answers >= objective.rounds:
            return Move(to_json(now), objective.end(best, False, f"all {now.answers} rounds are done", here), progress)
        if search is None or verdict is Verdict.TAKE:
            return _onwards(objective, now, here, progress)
        if search.asked >= LONGEST_SEARCH or not _can_narrow(objective, now, search):
            why = "what is left of the gradient is rounding"
            return Move(to_json(now), objective.end(best, False, why, here), progress)
        search = search.narrowed(verdict, inner(here.gradient, now.direction))
        return _asking(objective, replace(now, search=search), progress)


def _onwards(objective: Objective, now: _At, here: Evaluation, progress: Progress) -> Move:
    """The point is taken: on along a new direction."""
    pairs = _with_last(now, here)
    direction = _direction(here.gradient, pairs, objective.rate)
    slope = inner(direction, here.gradient)
    if not slope < 0:
        pairs, direction = (), -objective.rate * here.gradient
        slope = inner(direction, here.gradient)
    after = replace(now, point=here.point, gradient=here.gradient, direction=direction, pairs=pairs)
    return _asking(objective, replace(after, search=Search.begin(here.value, slope)), progress)


def _with_last(now: _At, here: Evaluation) -> tuple[Pair, ...]:
    """The last pairs, with the one that leads here."""
    if now.search is None:
        return now.pairs
    s, y = here.point - now.point, here.gradient - now.gradient
    if inner(s, y) > _LEAST_CURVATURE * np.sqrt(inner(s, s) * inner(y, y)):
        return (*now.pairs, (s, y))[-MEMORY:]
    return now.pairs


def _asking(objective: Objective, now: _At, progress: Progress) -> Move:
    if now.search is None:
        raise ValueError("a point is asked along a direction")
    ask: Ask = objective.ask(now.point + now.search.step * now.direction, now.answers)
    return Move(to_json(now), ask, progress)


def _can_narrow(objective: Objective, now: _At, search: Search) -> bool:
    """Say whether the bracket is wider than the weights' last place."""
    width = search.step if search.high is None else search.high - search.low
    return bool(width * np.abs(now.direction).max() > 2.0 ** (2 - objective.weight_fraction_bits))


def _direction(gradient: Floats, pairs: Sequence[Pair], rate: float) -> Floats:
    """−H·gradient by the two-loop recursion; without pairs, H is `rate` times the identity."""
    q = gradient.copy()
    used = []
    for s, y in reversed(pairs):
        rho = 1.0 / inner(s, y)
        alpha = rho * inner(s, q)
        q = q - alpha * y
        used.append((rho, alpha))
    scale = rate
    if pairs:
        s, y = pairs[-1]
        scale = inner(s, y) / inner(y, y)
    r: Floats = scale * q
    for (s, y), (rho, alpha) in zip(pairs, reversed(used), strict=True):
        r = r + s * (alpha - rho * inner(y, r))
    return -r
