"""Gradient descent and Polyak's heavy ball, from w = 0, with a fixed step and a fixed momentum.

w_{t+1} = w_t − rate·(1/N)·(A·w_t − b + l2·J·w_t) + momentum·(w_t − w_{t−1}); gradient descent has momentum 0.
Source: B. T. Polyak, "Some methods of speeding up the convergence of iteration methods", 1964.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np

from fedtrain.crypto.errors import EncodingOverflow
from fedtrain.methods.regression.kinds import RoundKind
from fedtrain.model_owner.arithmetic.arrays import (
    FloatArray,
    Floats,
    HexFloat,
    IntegerArray,
    Integers,
    Json,
    from_json,
    length_ratio,
    quantise,
    to_floats,
    to_json,
    zeros,
)
from fedtrain.model_owner.methods.moves import Ask, Done, Move, Progress
from fedtrain.model_owner.methods.quadratic.left_to_explain import (
    WITHIN_TOLERANCE,
    Step,
    correlation,
    spread,
    varied_between,
)
from fedtrain.model_owner.methods.quadratic.objective import Optimiser, Quadratic
from fedtrain.spec.problems import Code, Problem


@dataclass(frozen=True, eq=False)
class _State:
    """The updates made, b, and the last two weights in float64. The gradient is taken where they quantise to.

    `gradient`: the last one, at `previous`. `steps`: the last step of each output. `varied`: what the steps told of how
    much each column varies. The last three are not in a state that was kept before they were looked at.
    """

    updates: int
    b: IntegerArray
    weights: FloatArray
    previous: FloatArray
    gradient: IntegerArray | None = None
    steps: tuple[Step, ...] = ()
    varied: tuple[HexFloat, ...] = ()


class HeavyBall(Optimiser):
    """Ends where no column is correlated with what is left by more than the tolerance, as far as the steps can tell."""

    def __init__(self, *, uses_momentum: bool) -> None:
        self._uses_momentum = uses_momentum

    def start(self, problem: Quadratic) -> Move:
        shape = (problem.dimensions, problem.outputs)
        state = _State(0, zeros(*shape), np.zeros(shape), np.zeros(shape), varied=(0.0,) * problem.dimensions)
        return Move(to_json(state), Ask(RoundKind.GRADIENT, zeros(*shape)))

    def step(self, problem: Quadratic, state: Json, answer: Integers) -> Move:
        now = from_json(_State, state)
        if now.updates == 0:
            now = replace(now, b=-answer)
        point = quantise(now.weights, problem.weight_fraction_bits)
        gradient = answer + problem.ridge[:, None] * point
        now = _seen(problem, now, point, gradient)
        size = max(length_ratio(gradient[:, column], now.b[:, column]) for column in range(problem.outputs))
        progress = Progress(problem.losses(answer, now.b, point), size)
        if _largest_correlation(problem, now, point, gradient) <= problem.tolerance:
            reached = to_floats(point, problem.weight_fraction_bits)
            return Move(to_json(now), Done(reached, True, f"{WITHIN_TOLERANCE} after {now.updates} updates"), progress)
        moved = self._moved(problem, now.weights, now.previous, gradient)
        updates = now.updates + 1
        point = check_weights(problem, moved, updates)
        after = to_json(replace(now, updates=updates, weights=moved, previous=now.weights))
        if updates >= problem.rounds:
            return Move(after, Done(moved, False, f"all {updates} rounds are done"), progress)
        return Move(after, Ask(RoundKind.GRADIENT, point), progress)

    def evaluated_weights(self, problem: Quadratic, state: Json) -> Floats:  # noqa: ARG002
        return from_json(_State, state).previous

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
    slope = float(problem.slope)
    bound = float(Fraction(problem.weight_limit, 1 << problem.weight_fraction_bits)) / slope
    return Problem(
        Code.DIVERGED,
        f"Training diverged: after update {updates} the largest weight is {largest / slope:.4g} in scaled units, "
        f"beyond weight_bound {bound:.4g}, at learning_rate {problem.learning_rate / slope:.4g}. "
        'Use learning_rate "auto", which converges whatever the data, or a lower one; where the weights really '
        "are that large, raise weight_bound.",
    )


def _seen(problem: Quadratic, state: _State, point: Integers, gradient: Integers) -> _State:
    """Return what the step to `point` tells beside the one before it."""
    if state.gradient is None:
        return replace(state, gradient=gradient)
    before = quantise(state.previous, problem.weight_fraction_bits)
    steps = tuple(
        Step(point[:, column] - before[:, column], gradient[:, column] - state.gradient[:, column])
        for column in range(problem.outputs)
    )
    varied = state.varied or (0.0,) * problem.dimensions
    for last, step in zip(state.steps, steps, strict=False):
        bounds = varied_between(problem, last, step)
        varied = tuple(max(known, float(bound)) for known, bound in zip(varied, bounds, strict=True))
    return replace(state, gradient=gradient, steps=steps, varied=varied)


def _largest_correlation(problem: Quadratic, state: _State, point: Integers, gradient: Integers) -> float:
    """The measure of `left_to_explain`, the largest of any column and output. What is rounding counts as 0 where the
    column is seen to vary."""
    one = 1 << problem.answer_fraction_bits
    largest_feature = Fraction(problem.largest_feature)
    # The ridge is a lower bound of every v_j, too.
    varied = [
        *(max(Fraction(bound), Fraction(problem.l2)) for bound in (state.varied or (0.0,) * problem.dimensions)[:-1]),
        Fraction(problem.rows_total),
    ]
    largest = 0.0
    for column in range(problem.outputs):
        rounding = problem.owners * sum(abs(int(v)) for v in point[:, column])
        T = spread(problem, state.b, column)
        slopes = [abs(int(v)) for v in gradient[:, column]]
        for slope, known in zip(slopes, varied, strict=True):
            if not known or max(slope, slopes[-1]) > rounding:
                # With the intercept at its best the slope may be steeper by the column's mean times its own.
                left = slope + largest_feature * slopes[-1]
                largest = max(largest, correlation(left / one, known, T))
    return largest
