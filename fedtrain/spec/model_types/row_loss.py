"""The loss of a row, and its derivative by the scores: for training in which owners see the weights.

An owner computes this for each of its rows from the scores z = x·w, and answers with Σ x·residual and Σ loss. The
bounds here are what the plan proves that these sums fit by.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[Any]


class RowLoss(Protocol):
    """A convex loss of a row's scores."""

    def at(self, scores: Floats, targets: Floats) -> tuple[Floats, Floats]:
        """(rows,) losses and (rows, k) residuals, their derivatives by the scores (rows, k); targets are (rows, k)."""
        ...

    def residual_bound(self) -> Fraction:
        """The largest |residual|."""
        ...

    def loss_bound(self, outputs: int, score_bound: Fraction) -> Fraction:
        """The largest loss of a row whose scores are within ± `score_bound`, rounding in float64 included."""
        ...

    def curvature(self, outputs: int) -> Fraction:
        """At least the largest eigenvalue of the second derivative by the scores."""
        ...


class LogLoss:
    """−ln of the probability of the true class: σ(z) for two classes, softmax(z) for more.

    Targets are 0 or 1, one column where there are two classes, else one column a class.
    Source: Böhning, "Multinomial logistic regression algorithm", 1992, for the bound ½ on the curvature of softmax.
    """

    def at(self, scores: Floats, targets: Floats) -> tuple[Floats, Floats]:
        if scores.shape[1] == 1:
            # ln(1 + e^z) − y·z, and σ(z) − y, neither of which can overflow.
            losses = (np.logaddexp(0.0, scores) - targets * scores)[:, 0]
            return losses, np.exp(-np.logaddexp(0.0, -scores)) - targets
        shifted = scores - scores.max(axis=1, keepdims=True)
        powers = np.exp(shifted)
        totals = powers.sum(axis=1, keepdims=True)
        losses = np.log(totals[:, 0]) - (targets * shifted).sum(axis=1)
        return losses, powers / totals - targets

    def residual_bound(self) -> Fraction:
        return Fraction(1)

    def loss_bound(self, outputs: int, score_bound: Fraction) -> Fraction:
        # At most ln 2 + |z|, or ln k + 2·|z|; the logarithms are rounded up, which leaves room for rounding.
        if outputs == 1:
            return score_bound * (1 + Fraction(1, 1 << 40)) + 1
        return 2 * score_bound * (1 + Fraction(1, 1 << 40)) + outputs.bit_length()

    def curvature(self, outputs: int) -> Fraction:
        return Fraction(1, 4) if outputs == 1 else Fraction(1, 2)
