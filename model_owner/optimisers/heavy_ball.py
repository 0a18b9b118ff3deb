"""Gradient descent and Polyak's heavy ball, from w = 0, with a fixed step and a fixed momentum.

w_{t+1} = w_t − rate·(1/N)·(A·w_t − b + l2·J·w_t) + momentum·(w_t − w_{t−1}); gradient descent has momentum 0.
Source: B. T. Polyak, "Some methods of speeding up the convergence of iteration methods", 1964.
"""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np

from crypto.errors import EncodingOverflow
from model_owner.optimisers.quadratic import (
    Ask,
    Done,
    Floats,
    Integers,
    Json,
    Move,
    Progress,
    Quadratic,
    floats_from_json,
    floats_to_json,
    integers_from_json,
    integers_to_json,
    length_ratio,
    quantise,
    to_floats,
    zeros,
)
from protocol.messages import RoundKind
from protocol.problems import Code, Problem


class HeavyBall:
    """State: the updates made, b, and the last two weights in float64. The gradient is taken where they quantise to."""

    def __init__(self, *, uses_momentum: bool) -> None:
        self._uses_momentum = uses_momentum

    def start(self, problem: Quadratic) -> Move:
        shape = (problem.dimensions, problem.outputs)
        state = _state(0, zeros(*shape), np.zeros(shape), np.zeros(shape))
        return Move(state, Ask(RoundKind.GRADIENT, zeros(*shape)))

    def step(self, problem: Quadratic, state: Json, answer: Integers) -> Move:
        updates, b, weights, previous = _open(state)
        if updates == 0:
            b = -answer
        point = quantise(weights, problem.weight_fraction_bits)
        gradient = answer + problem.ridge[:, None] * point
        size = max(length_ratio(gradient[:, column], b[:, column]) for column in range(problem.outputs))
        progress = Progress(problem.losses(answer, b, point), size)
        if size <= problem.tolerance:
            reached = to_floats(point, problem.weight_fraction_bits)
            why = f"the gradient is within the tolerance after {updates} updates"
            return Move(_state(updates, b, weights, previous), Done(reached, True, why), progress)
        moved = self._moved(problem, weights, previous, gradient)
        updates += 1
        point = check_weights(problem, moved, updates)
        state = _state(updates, b, moved, weights)
        if updates >= problem.rounds:
            return Move(state, Done(moved, False, f"all {updates} rounds are done"), progress)
        return Move(state, Ask(RoundKind.GRADIENT, point), progress)

    def _moved(self, problem: Quadratic, weights: Floats, previous: Floats, gradient: Integers) -> Floats:
        try:
            slope = to_floats(gradient, problem.answer_fraction_bits) / problem.rows_total
        except EncodingOverflow:
            return np.full(weights.shape, np.inf)
        with np.errstate(over="ignore", invalid="ignore"):  # whatever is not finite is found by who asked
            moved: Floats = weights - problem.learning_rate * slope
            if self._uses_momentum:
                moved += problem.momentum * (weights - previous)
        return moved


def check_weights(problem: Quadratic, weights: Floats, updates: int) -> Integers:
    """Return what the weights quantise to. Raises Problem(DIVERGED), with the numbers, beyond the limit."""
    largest = float(np.abs(weights).max())
    if math.isfinite(largest):
        point = quantise(weights, problem.weight_fraction_bits)
        if max(abs(int(v)) for v in point.ravel()) <= problem.weight_limit:
            return point
    raise diverged(problem, largest, updates)


def diverged(problem: Quadratic, largest: float, updates: int) -> Problem:
    """The Problem of a largest weight, in scaled units, that is beyond the bound after so many updates."""
    bound = float(Fraction(problem.weight_limit, 1 << problem.weight_fraction_bits))
    return Problem(
        Code.DIVERGED,
        f"Training diverged: after update {updates} the largest weight is {largest:.4g} in scaled units, beyond "
        f"weight_bound {bound:.4g}, at learning_rate {problem.learning_rate:.4g}. "
        'Use learning_rate "auto", which converges whatever the data, or a lower one; where the weights really '
        "are that large, raise weight_bound.",
    )


def _state(updates: int, b: Integers, weights: Floats, previous: Floats) -> Json:
    return {
        "updates": updates,
        "b": integers_to_json(b),
        "weights": floats_to_json(weights),
        "previous": floats_to_json(previous),
    }


def _open(state: Json) -> tuple[int, Integers, Floats, Floats]:
    if not isinstance(state, dict) or not isinstance(state["updates"], int):
        raise ValueError("this is not a state of gradient descent or momentum")
    weights, previous = floats_from_json(state["weights"]), floats_from_json(state["previous"])
    return state["updates"], integers_from_json(state["b"]), weights, previous
