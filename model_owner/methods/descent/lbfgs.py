"""L-BFGS: the last curvatures stand for the second derivative, and a line search says how far to go.

Source: J. Nocedal, "Updating quasi-Newton matrices with limited storage", 1980; Nocedal and Wright, 2006, §7.2.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Final

import numpy as np

from fedtrain.model_owner.methods.descent.convergence import (
    MEMORY,
    Pair,
    largest_correlation,
    pair_from_json,
    pair_to_json,
)
from fedtrain.model_owner.methods.descent.line_search import LONGEST_SEARCH, Search, Verdict
from fedtrain.model_owner.methods.descent.objective import Evaluation, Objective, inner, loss_from_json
from fedtrain.model_owner.methods.optimisers.left_to_explain import WITHIN_TOLERANCE
from fedtrain.model_owner.methods.optimisers.quadratic import (
    Ask,
    Floats,
    Integers,
    Json,
    Move,
    Progress,
    floats_from_json,
    floats_to_json,
)

# A pair whose curvature is below this part of its lengths says nothing but rounding.
_LEAST_CURVATURE: Final = 1e-14


@dataclass(frozen=True, eq=False)
class _At:
    """Between two answers. `pairs`: changes of point and gradient, the oldest first. `search` along `direction`."""

    answers: int
    first: float
    first_loss: float | None
    point: Floats
    gradient: Floats
    direction: Floats
    pairs: tuple[Pair, ...]
    search: Search | None

    def to_json(self) -> Json:
        return {
            "answers": self.answers,
            "first": self.first.hex(),
            "first_loss": None if self.first_loss is None else self.first_loss.hex(),
            "point": floats_to_json(self.point),
            "gradient": floats_to_json(self.gradient),
            "direction": floats_to_json(self.direction),
            "pairs": [pair_to_json(pair) for pair in self.pairs],
            "search": None if self.search is None else _search_to_json(self.search),
        }

    @classmethod
    def from_json(cls, state: Json) -> _At:
        if not isinstance(state, dict) or not isinstance(state["answers"], int):
            raise ValueError("this is not a state of lbfgs")
        pairs, search = state["pairs"], state["search"]
        if not isinstance(pairs, list):
            raise ValueError("a state of lbfgs has a list of pairs")
        point, gradient, direction = (floats_from_json(state[name]) for name in ("point", "gradient", "direction"))
        return cls(
            state["answers"],
            float.fromhex(str(state["first"])),
            loss_from_json(state.get("first_loss")),
            point,
            gradient,
            direction,
            tuple(pair_from_json(pair) for pair in pairs),
            None if search is None else _search_from_json(search),
        )


class LBFGS:
    """An ask a point of a line search, mostly one an iteration."""

    def start(self, objective: Objective) -> Move:
        nothing = np.zeros((objective.dimensions, objective.outputs))
        return Move(_At(0, 0.0, None, nothing, nothing, nothing, (), None).to_json(), objective.ask(nothing, 0))

    def step(self, objective: Objective, state: Json, answer: Integers) -> Move:
        before = _At.from_json(state)
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
            return Move(now.to_json(), objective.end(here.point, True, why, here), progress)
        verdict = Verdict.TAKE if search is None else search.judge(here.value, inner(here.gradient, now.direction))
        best = here.point if verdict is not Verdict.SHORTER else now.point
        if now.answers >= objective.rounds:
            return Move(now.to_json(), objective.end(best, False, f"all {now.answers} rounds are done", here), progress)
        if search is None or verdict is Verdict.TAKE:
            return _onwards(objective, now, here, progress)
        if search.asked >= LONGEST_SEARCH or not _can_narrow(objective, now, search):
            why = "what is left of the gradient is rounding"
            return Move(now.to_json(), objective.end(best, False, why, here), progress)
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
    return Move(now.to_json(), ask, progress)


def _can_narrow(objective: Objective, now: _At, search: Search) -> bool:
    """Whether the bracket is wider than the weights' last place."""
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


def _search_to_json(search: Search) -> Json:
    return {name: value.hex() if isinstance(value, float) else value for name, value in asdict(search).items()}


def _search_from_json(stored: Json) -> Search:
    if not isinstance(stored, dict):
        raise ValueError("a search is stored as an object")
    values = {name: float.fromhex(value) if isinstance(value, str) else value for name, value in stored.items()}
    return Search(**values)  # type: ignore[arg-type]
