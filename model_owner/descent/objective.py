"""What is minimised where owners see the weights: (Σ loss + ½·l2·‖w‖²)/N over all owners' rows, the intercept free.

Weights are asked for as integers at 2^−f_w, and value and gradient are taken exactly there: what an optimiser holds in
float64 beyond that is its own affair.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Protocol

import numpy as np

from model_owner.optimisers.quadratic import Ask, Done, Floats, Integers, Json, Move, Progress, quantise, to_floats
from protocol.messages import RoundKind
from protocol.problems import Code, Problem


@dataclass(frozen=True, eq=False)
class Evaluation:
    """At one point (d, k): the objective, its gradient (d, k), and the mean loss, which is the objective without l2."""

    point: Floats
    value: float
    gradient: Floats
    loss: float

    @property
    def length(self) -> float:
        """‖gradient‖."""
        return math.sqrt(inner(self.gradient, self.gradient))


@dataclass(frozen=True)
class Objective:
    """The public numbers of a job, in scaled units.

    `rate`: 1 over a bound on the curvature of the objective, by which gradient descent converges whatever the data.
    `learning_rate`: the declared one, None for "auto". `weight_limit`: the largest |weight| that is asked for, at f_w.
    """

    dimensions: int
    outputs: int
    rows_total: int
    rounds: int
    tolerance: float
    rate: float
    learning_rate: float | None
    momentum: float
    l2: float
    weight_fraction_bits: int
    weight_limit: int
    gradient_fraction_bits: int
    loss_shift_bits: int

    def at(self, weights: Floats, answer: Integers) -> Evaluation:
        """What the federation's sum (d·k + 1, 1) says about the point that `weights` quantise to."""
        point = to_floats(quantise(weights, self.weight_fraction_bits), self.weight_fraction_bits)
        sums = to_floats(answer, self.gradient_fraction_bits).ravel()
        ridge = np.full((self.dimensions, 1), self.l2)
        ridge[-1] = 0.0
        gradient = (sums[:-1].reshape(self.dimensions, self.outputs) + ridge * point) / self.rows_total
        loss = math.ldexp(float(sums[-1]), self.loss_shift_bits) / self.rows_total
        value = loss + inner(ridge * point, point) / (2 * self.rows_total)
        return Evaluation(point, value, gradient, loss)

    def ask(self, weights: Floats, answers: int) -> Ask:
        """Ask for value and gradient there. Raises Problem(DIVERGED), with the numbers, beyond the limit."""
        largest = float(np.abs(weights).max())
        if math.isfinite(largest):
            point = quantise(weights, self.weight_fraction_bits)
            if max(abs(int(v)) for v in point.ravel()) <= self.weight_limit:
                return Ask(RoundKind.GRADIENT, point)
        bound = float(Fraction(self.weight_limit, 1 << self.weight_fraction_bits))
        raise Problem(
            Code.DIVERGED,
            f"Training diverged: after {answers} rounds the largest weight is {largest:.4g} in scaled units, beyond "
            f"weight_bound {bound:.4g}. Where the classes can be told apart without error, weights grow without end: "
            'give l2. Otherwise use learning_rate "auto", or raise weight_bound.',
        )

    def end(self, weights: Floats, converged: bool, why: str) -> Done:
        """The weights as they were asked for last."""
        point = quantise(weights, self.weight_fraction_bits)
        return Done(to_floats(point, self.weight_fraction_bits), converged, why)

    def progress(self, here: Evaluation, first_length: float) -> Progress:
        """`first_length`: of the gradient at w = 0."""
        relative = here.length / first_length if first_length else 0.0
        return Progress((here.loss,), relative)


class Descent(Protocol):
    """Pure: the same arguments give the same bits. The state is plain JSON, and all there is to keep."""

    def start(self, objective: Objective) -> Move:
        """The first ask, at w = 0."""
        ...

    def step(self, objective: Objective, state: Json, answer: Integers) -> Move:
        """Take the answer to the last ask: (d·k + 1, 1) integers. Raises Problem(DIVERGED)."""
        ...


def inner(a: Floats, b: Floats) -> float:
    """Σ a_ij·b_ij."""
    return float(np.sum(a * b))
