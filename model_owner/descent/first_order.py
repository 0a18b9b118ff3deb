"""Gradient descent, Polyak's heavy ball, and Adam, from w = 0.

Heavy ball: w_{t+1} = w_t − rate·g_t + momentum·(w_t − w_{t−1}); gradient descent has momentum 0.
Adam's step size falls as 1/√t, as in the analysis of its authors: with a fixed one it circles the minimum.
Sources: B. T. Polyak, 1964; D. P. Kingma and J. Ba, "Adam: a method for stochastic optimization", 2015, §4.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import Final

import numpy as np

from model_owner.descent.objective import Evaluation, Objective
from model_owner.optimisers.quadratic import Floats, Integers, Json, Move, floats_from_json, floats_to_json

#: Adam's step where learning_rate is "auto": scaled weights are mostly below 10, and the steps to them add up as 2·√t.
ADAM_RATE: Final = 0.5
_BETA_1: Final = 0.9
_BETA_2: Final = 0.999
_EPSILON: Final = 1e-12


class _FirstOrder(ABC):
    """State: the updates made, ‖gradient‖ at the first point, the weights, and two arrays of the method's own."""

    def start(self, objective: Objective) -> Move:
        nothing = np.zeros((objective.dimensions, objective.outputs))
        return Move(_state(0, 0.0, nothing, nothing, nothing), objective.ask(nothing, 0))

    def step(self, objective: Objective, state: Json, answer: Integers) -> Move:
        updates, first, weights, one, other = _open(state)
        here = objective.at(weights, answer)
        if updates == 0:
            first = here.length
        progress = objective.progress(here, first)
        if progress.gradient <= objective.tolerance:
            why = f"the gradient is within the tolerance after {updates} updates"
            return Move(state, objective.end(weights, True, why), progress)
        updates += 1
        weights, one, other = self._updated(objective, here, updates, weights, one, other)
        ask = objective.ask(weights, updates)
        after = _state(updates, first, weights, one, other)
        if updates >= objective.rounds:
            return Move(after, objective.end(weights, False, f"all {updates} rounds are done"), progress)
        return Move(after, ask, progress)

    @abstractmethod
    def _updated(
        self, objective: Objective, here: Evaluation, updates: int, weights: Floats, one: Floats, other: Floats
    ) -> tuple[Floats, Floats, Floats]:
        """The weights after so many updates, and the method's two arrays."""


class HeavyBall(_FirstOrder):
    """Its array: the weights before the last update."""

    def __init__(self, *, uses_momentum: bool) -> None:
        self._uses_momentum = uses_momentum

    def _updated(
        self,
        objective: Objective,
        here: Evaluation,
        updates: int,  # noqa: ARG002 - one signature for all
        weights: Floats,
        one: Floats,
        other: Floats,
    ) -> tuple[Floats, Floats, Floats]:
        rate = objective.learning_rate or objective.rate
        with np.errstate(over="ignore", invalid="ignore"):  # whatever is not finite is found by who asks
            moved = weights - rate * here.gradient
            if self._uses_momentum:
                moved = moved + objective.momentum * (weights - one)
        return moved, weights, other


class Adam(_FirstOrder):
    """Its arrays: the running means of the gradient and of its squares."""

    def _updated(
        self, objective: Objective, here: Evaluation, updates: int, weights: Floats, one: Floats, other: Floats
    ) -> tuple[Floats, Floats, Floats]:
        mean = _BETA_1 * one + (1 - _BETA_1) * here.gradient
        squares = _BETA_2 * other + (1 - _BETA_2) * here.gradient**2
        rate = (objective.learning_rate or ADAM_RATE) / math.sqrt(updates)
        direction = mean / (1 - _BETA_1**updates) / (np.sqrt(squares / (1 - _BETA_2**updates)) + _EPSILON)
        return weights - rate * direction, mean, squares


def _state(updates: int, first: float, weights: Floats, one: Floats, other: Floats) -> Json:
    arrays: dict[str, Json] = {
        name: floats_to_json(array) for name, array in (("weights", weights), ("one", one), ("other", other))
    }
    return {"updates": updates, "first": first.hex(), **arrays}


def _open(state: Json) -> tuple[int, float, Floats, Floats, Floats]:
    if not isinstance(state, dict) or not isinstance(state["updates"], int):
        raise ValueError("this is not a state of gradient descent, momentum or adam")
    weights, one, other = (floats_from_json(state[name]) for name in ("weights", "one", "other"))
    return state["updates"], float.fromhex(str(state["first"])), weights, one, other
