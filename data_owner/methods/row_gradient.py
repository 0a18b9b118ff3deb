"""The true gradient, and the loss, of an owner's rows, for jobs in which owners see the weights.

Σ x·r and Σ loss over the rows, r the derivative of a row's loss by its scores x·w. Which loss that is, the model type
says. Source: docs/arithmetic.md, weights that owners see.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from fedtrain.data_owner.data.moments import Floats
from fedtrain.data_owner.methods.answers import Answer, Plain, PreparedData, Question
from fedtrain.data_owner.methods.second_moment import counts
from fedtrain.methods.regression.budget import budget_of
from fedtrain.methods.regression.kinds import RoundKind
from fedtrain.spec.model_types.row_loss import RowLoss


@dataclass(frozen=True)
class RowGradient:
    """Implements `fedtrain.data_owner.methods.answers.OwnerMethod`; counts are those of the moments."""

    row_loss: RowLoss

    @property
    def answers(self) -> Mapping[str, Callable[[PreparedData, Question], Answer]]:
        return {RoundKind.COUNTS: counts, RoundKind.GRADIENT: self.gradient}

    @property
    def needs_rows(self) -> bool:
        return True

    @property
    def needs_weights(self) -> frozenset[str]:
        return frozenset({RoundKind.GRADIENT})

    def gradient(self, data: PreparedData, question: Question) -> Plain:
        """(d·k + 1, 1) float64, a part a batch of rows: the gradient row by row of w, then the loss, shifted.

        Going through the parts raises Problem(INVALID_DATA) where the table changed.
        """
        return Plain(self._sums(data, question))

    def _sums(self, data: PreparedData, question: Question) -> Iterator[Floats]:
        if data.rows is None or question.weights is None:
            raise ValueError("this job was prepared without its rows, or asked without weights")
        shift = 2.0 ** -budget_of(data.plan).loss_shift_bits
        for rows in data.rows:
            losses, residuals = self.row_loss.at(rows.X @ question.weights.arrays["weights"], rows.Y)
            gradient = rows.X.T @ residuals
            yield np.append(gradient.ravel(), losses.sum() * shift).reshape(-1, 1)
