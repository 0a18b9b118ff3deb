"""The objective where owners see the weights: (Σ loss + ½·l2·‖w‖²)/N over all owners' rows, the intercept free.

Weights are asked for as integers at 2^−f_w, and value and gradient are taken exactly there: what an optimiser holds in
float64 beyond that is its own affair.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Protocol

import numpy as np

from fedtrain.methods.regression.kinds import RoundKind
from fedtrain.model_owner.arithmetic.arrays import Floats, Integers, Json, quantise, to_floats
from fedtrain.model_owner.methods.moves import Ask, Done, Move, Progress
from fedtrain.model_owner.results.remarks import Finding, RemarkCode
from fedtrain.spec.problems import Code, Problem


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
    `largest_feature`: the largest magnitude of any column. `columns`: their names, for people. `classifies`: the loss
    is minus the logarithm of a probability.
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
    largest_feature: float = 1.0
    columns: tuple[str, ...] = ()
    classifies: bool = True

    def at(self, weights: Floats, answer: Integers) -> Evaluation:
        """Return what the federation's sum (d·k + 1, 1) says about the point that `weights` quantise to."""
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
        sizes = np.abs(weights).max(axis=1)
        largest = float(sizes.max())
        if math.isfinite(largest):
            point = quantise(weights, self.weight_fraction_bits)
            if max(abs(int(v)) for v in point.ravel()) <= self.weight_limit:
                return Ask(RoundKind.GRADIENT, point)
        bound = float(Fraction(self.weight_limit, 1 << self.weight_fraction_bits))
        column = self.columns[int(np.argmax(sizes))] if self.columns else "a column"
        advice = [
            f"Where {column} varies by a small part of its declared range, declare one that fits its values, or raise "
            "weight_bound."
        ]
        if self.classifies:
            advice.append("Where the classes can be told apart without error, weights grow without end: give l2.")
        if self.learning_rate is not None:
            advice.append('Or learning_rate is too high: use "auto".')
        raise Problem(
            Code.DIVERGED,
            f"Training diverged: after {answers} rounds the weight of {column} is {largest:.4g} in scaled units, "
            f"beyond weight_bound {bound:.4g}. {' '.join(advice)}",
        )

    def end(self, weights: Floats, converged: bool, why: str, here: Evaluation) -> Done:
        """The weights as they were asked for last. `here`: what is known of them, or of the point before.

        Where all losses together are below ln 2, each row's is: its true class is likelier than all others together, so
        that the columns tell the classes apart. Twice the weights are then better, and without a ridge none are best.
        """
        findings: tuple[Finding, ...] = ()
        if self.classifies and not self.l2 and here.loss * self.rows_total < math.log(2):
            findings, converged = (Finding(RemarkCode.SEPARABLE),), False
            why = "the columns tell the classes apart without error, so that there is no minimum"
        point = quantise(weights, self.weight_fraction_bits)
        return Done(to_floats(point, self.weight_fraction_bits), converged, why, findings)

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
