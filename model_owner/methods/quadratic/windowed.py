"""Gradient descent and the heavy ball where the Facilitator updates the weights under encryption, window by window.

The Model Owner sees w (and, with momentum, the weights before it) at the end of a window, and no gradient. It rounds
them to the base scale, exactly as the next window's first round encrypts them, and goes on from there. All of it is
integer arithmetic, so that a job that was interrupted ends with the same bits.

What a window tells of the gradient: its updates add up to

    w_0 − w_K + momentum·(w_{K−1} − w_{−1}) = rate/N·Σ_t gradient(w_t)

so that their mean is known. For gradient descent at a rate of at most that of `auto`, every component of the gradient
shrinks from update to update and keeps its sign: the mean is then at least as long as the gradient at w_K, and the
first window's at most as long as b. Their ratio is never below ‖gradient‖/‖b‖. For other rates and momentum it is an
estimate, for which the last step of the weights counts too, and two windows in a row must be within the tolerance.

Training ends there. That a short gradient is near the minimum takes a ridge besides, which bounds how little any column
can vary: only then, and where the mean bounds the gradient, it has converged (see `left_to_explain`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from fedtrain.crypto.packing.fixed_point import rescale
from fedtrain.methods.regression.kinds import RoundKind
from fedtrain.model_owner.arithmetic.arrays import (
    ExactFraction,
    HexFloat,
    IntegerArray,
    Integers,
    Json,
    dot,
    from_json,
    ratio,
    to_floats,
    to_json,
    zeros,
)
from fedtrain.model_owner.methods.moves import Ask, Done, Move, Progress
from fedtrain.model_owner.methods.quadratic.heavy_ball import diverged
from fedtrain.model_owner.methods.quadratic.left_to_explain import WITHIN_TOLERANCE
from fedtrain.model_owner.methods.quadratic.objective import Quadratic


@dataclass(frozen=True, eq=False)
class Window:
    """Result of a window: w (d, k) at `fraction_bits`; the weights before it at `previous_fraction_bits`.

    `previous` is None for gradient descent. `updates`: how many the window made.
    """

    updates: int
    weights: Integers
    fraction_bits: int
    previous: Integers | None
    previous_fraction_bits: int

    def __repr__(self) -> str:
        return f"Window({self.updates} updates)"


@dataclass(frozen=True, eq=False)
class _State:
    """`weights`, `previous`: as encrypted last, at f_w. `first`: the first window's mean update, squared, by output.

    `size`: the measure of the window before, None before the first.
    """

    updates: int
    weights: IntegerArray
    previous: IntegerArray
    first: tuple[ExactFraction, ...] | None
    size: HexFloat | None


class WindowedHeavyBall:
    """Both optimisers that windows are for. `auto_rate`: the learning rate that `auto` would be."""

    def __init__(self, *, uses_momentum: bool, auto_rate: float) -> None:
        self._uses_momentum = uses_momentum
        self._auto_rate = auto_rate

    def start(self, problem: Quadratic) -> Move:
        """From w = 0."""
        nothing = zeros(problem.dimensions, problem.outputs)
        return Move(to_json(_State(0, nothing, nothing, None, None)), self._ask(nothing, nothing))

    def take(self, problem: Quadratic, state: Json, window: Window) -> Move:
        """Take the end of a window. Raises Problem(DIVERGED) where a weight is beyond the bound.

        Progress has no losses: they need the gradient, and windows hide it.
        """
        before = from_json(_State, state)
        base = problem.weight_fraction_bits
        weights = rescale(window.weights, window.fraction_bits, base)
        previous = weights
        if window.previous is not None:
            previous = rescale(window.previous, window.previous_fraction_bits, base)
        updates = before.updates + window.updates
        largest = max(abs(int(v)) for v in (*weights.ravel(), *previous.ravel()))
        if largest > problem.weight_limit:
            raise diverged(problem, ratio(largest, 1 << base), updates)
        drift = self._drift(problem, before, weights, previous, window.updates)
        first = before.first or drift
        size = max(_relative(length, reference) for length, reference in zip(drift, first, strict=True))
        if self._uses_momentum:
            size = max(size, self._speed(problem, weights, previous, first))
        proven = not self._uses_momentum and problem.learning_rate <= self._auto_rate
        after = to_json(_State(updates, weights, previous, first, size))
        progress = Progress(None, size)
        reached = size if proven else max(size, math.inf if before.size is None else before.size)
        exact = to_floats(window.weights, window.fraction_bits)
        if proven and self._within_ridge(problem, drift):
            return Move(after, Done(exact, True, f"{WITHIN_TOLERANCE} after {updates} updates"), progress)
        if reached <= problem.tolerance and not (proven and problem.l2):
            why = f"the updates are within the tolerance after {updates} of them, which is no proof of the minimum"
            return Move(after, Done(exact, False, why), progress)
        if updates >= problem.rounds:
            return Move(after, Done(exact, False, f"all {updates} rounds are done"), progress)
        return Move(after, self._ask(weights, previous), progress)

    def _ask(self, weights: Integers, previous: Integers) -> Ask:
        return Ask(RoundKind.GRADIENT, weights, previous if self._uses_momentum else None)

    def _drift(
        self, problem: Quadratic, before: _State, weights: Integers, previous: Integers, updates: int
    ) -> tuple[Fraction, ...]:
        """The squared length of the mean of rate/N·gradient over the window, output by output, at f_w."""
        momentum = Fraction(problem.momentum) if self._uses_momentum else Fraction(0)
        moved = (before.weights - weights) * momentum.denominator
        moved = moved + (previous - before.previous) * momentum.numerator
        scale = (momentum.denominator * updates) ** 2
        return tuple(Fraction(dot(column, column), scale) for column in moved.T)

    def _within_ridge(self, problem: Quadratic, drift: tuple[Fraction, ...]) -> bool:
        """Say whether the mean gradient, which is no shorter than the last one, and the ridge prove the tolerance."""
        if not problem.l2:
            return False
        one = Fraction(problem.rows_total) / (Fraction(problem.learning_rate) * (1 << problem.weight_fraction_bits))
        # With the intercept at its best a slope may be steeper by its column's mean times the intercept's own.
        steeper = (1 + Fraction(problem.largest_feature)) ** 2
        reference = Fraction(problem.l2) / (1 << problem.counts_fraction_bits)
        allowed = Fraction(problem.tolerance) ** 2
        return all(
            length * one * one * steeper <= allowed * reference * squares
            for length, squares in zip(drift, problem.targets_squared, strict=True)
        )

    def _speed(self, problem: Quadratic, weights: Integers, previous: Integers, first: tuple[Fraction, ...]) -> float:
        """The last step, times what friction takes of it: along flat directions that is rate/N·gradient."""
        friction = (1 - Fraction(problem.momentum)) ** 2
        steps = [friction * dot(column, column) for column in np.asarray(weights - previous).T]
        return max(_relative(length, reference) for length, reference in zip(steps, first, strict=True))


def _relative(squared: Fraction, reference: Fraction) -> float:
    scaled = squared.numerator * reference.denominator, squared.denominator * reference.numerator
    return math.sqrt(ratio(*scaled))
