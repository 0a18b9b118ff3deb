"""Gradient descent, Polyak's heavy ball, and Adam, from w = 0.

Heavy ball: w_{t+1} = w_t − rate·g_t + momentum·(w_t − w_{t−1}); gradient descent has momentum 0.
Adam's step size falls as 1/√t, as in the analysis of its authors: with a fixed one it circles the minimum.
Sources: B. T. Polyak, 1964; D. P. Kingma and J. Ba, "Adam: a method for stochastic optimization", 2015, §4.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from fedtrain.model_owner.arithmetic.arrays import FloatArray, Floats, HexFloat, Integers, Json, from_json, to_json
from fedtrain.model_owner.methods.descent.convergence import MEMORY, Pair, largest_correlation
from fedtrain.model_owner.methods.descent.objective import Evaluation, Objective
from fedtrain.model_owner.methods.moves import Move
from fedtrain.model_owner.methods.quadratic.left_to_explain import WITHIN_TOLERANCE

#: Adam's step where learning_rate is "auto": scaled weights are mostly below 10, and the steps to them add up as 2·√t.
ADAM_RATE: Final = 0.5
_BETA_1: Final = 0.9
_BETA_2: Final = 0.999
_EPSILON: Final = 1e-12


@dataclass(frozen=True, eq=False)
class _At:
    """The updates made, ‖gradient‖ and loss at w = 0, the weights, and two arrays of the method's own.

    `before`: the last point and its gradient; `pairs`: how the last ones changed. The last three are not in a state
    that was kept before they were looked at.
    """

    updates: int
    first: HexFloat
    weights: FloatArray
    one: FloatArray
    other: FloatArray
    first_loss: HexFloat | None = None
    before: Pair | None = None
    pairs: tuple[Pair, ...] = ()


class _FirstOrder(ABC):
    """An update a round, until the measure of `convergence` is within the tolerance."""

    def start(self, objective: Objective) -> Move:
        nothing = np.zeros((objective.dimensions, objective.outputs))
        return Move(to_json(_At(0, 0.0, nothing, nothing, nothing)), objective.ask(nothing, 0))

    def step(self, objective: Objective, state: Json, answer: Integers) -> Move:
        now = from_json(_At, state)
        here = objective.at(now.weights, answer)
        if now.updates == 0:
            now = replace(now, first=here.length, first_loss=here.loss)
        if now.before is not None:
            pair = (here.point - now.before[0], here.gradient - now.before[1])
            now = replace(now, pairs=(*now.pairs, pair)[-MEMORY:])
        progress = objective.progress(here, now.first)
        reference = here.loss if now.first_loss is None else now.first_loss
        if largest_correlation(objective, here, now.pairs, reference) <= objective.tolerance:
            why = f"{WITHIN_TOLERANCE} after {now.updates} updates"
            return Move(to_json(now), objective.end(now.weights, True, why, here), progress)
        updates = now.updates + 1
        weights, one, other = self._updated(objective, here, updates, now.weights, now.one, now.other)
        ask = objective.ask(weights, updates)
        here_now = (here.point, here.gradient)
        after = to_json(replace(now, updates=updates, weights=weights, one=one, other=other, before=here_now))
        if updates >= objective.rounds:
            return Move(after, objective.end(weights, False, f"all {updates} rounds are done", here), progress)
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
