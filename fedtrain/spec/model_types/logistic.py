"""Logistic regression by a surrogate that is quadratic in the weights: σ(z) ≈ ½ + c·z.

The gradient Xᵀ(σ(Xw) − y) becomes c·XᵀX·w − Xᵀ(y − ½), that of the loss ln 2 − (y − ½)·z + c·z²/2 a row. With
c = ¼ it is the log loss to the second order at z = 0; c = 0.153 has the least largest error of σ over |z| ≤ 4. More
than two classes are one against the rest, each with the same A. Source: docs/arithmetic.md, the second-moment form.
Where weights are shared with owners there is no surrogate: they compute the gradient of the log loss itself.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction

from fedtrain.spec.columns import Target
from fedtrain.spec.model_types.kind import ModelKind
from fedtrain.spec.model_types.row_loss import LogLoss
from fedtrain.spec.training import Training

MINIMAX_SLOPE = Fraction(153, 1000)
TAYLOR_SLOPE = Fraction(1, 4)


class LogisticRegression(ModelKind):
    """A = XᵀX, which meets c·w, and b = Xᵀ(y − ½) for y of 0 and 1."""

    name = "LOGISTIC_REGRESSION"
    classifies = True
    target_shift = Fraction(1, 2)
    row_loss = LogLoss()
    takes_privacy = True

    def check_targets(self, targets: Sequence[Target]) -> None:
        super().check_targets(targets)
        if len(targets) != 1:
            raise ValueError(f"targets: {self.name} takes one target")

    def outputs(self, targets: Sequence[Target]) -> int:
        classes = len(targets[0].categories or ())
        return 1 if classes == 2 else classes

    def slope(self, training: Training) -> Fraction:
        return TAYLOR_SLOPE if training.slope == "taylor" else MINIMAX_SLOPE

    def square_sum(self, squares: Fraction, rows: int, training: Training) -> Fraction:  # noqa: ARG002
        # c·(z − (y − ½)/c)² = c·z² − 2(y − ½)·z + 1/(4c), as (y − ½)² is ¼ for both classes.
        return rows / (4 * self.slope(training))

    def loss(self, mean_square: float, half_width: float, training: Training) -> float:  # noqa: ARG002
        return math.log(2) - float(1 / (8 * self.slope(training))) + mean_square / 2
