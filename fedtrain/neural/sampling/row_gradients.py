"""Gradients of rows in closed form, clipped one by one and summed: of one layer, as a regression has it.

Of a row x with the derivative r of its loss by its scores the gradient is r ⊗ x. In float64, without PyTorch, and
without matrix products: those may round a row in another way when others come with it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from fedtrain.neural.examples_files import open_examples
from fedtrain.neural.sampling.clipped_sample import clipped, sampled
from fedtrain.neural.tasks import GradientTask
from fedtrain.spec.model_types.row_loss import RowLoss

#: Numbers of gradients that are held at a time: some 30 MB with their roundings.
_MOST_AT_ONCE: Final = 1 << 20


@dataclass(frozen=True)
class RowGradients:
    """Implements `fedtrain.neural.GradientSource`."""

    row_loss: RowLoss

    def gradients(self, task: GradientTask) -> NDArray[np.int64]:
        """Return the sum over the sample, (k·d,): of each output the columns, at 2^−fraction_bits.

        A row whose gradient is no finite number counts for nothing. Raises ValueError for examples that are none, and
        for weights of more than one layer.
        """
        terms, (single,) = task.terms, task.weights.values()
        weights = np.asarray(single, dtype=np.float64)
        X, Y = open_examples(task.examples)
        rows = np.flatnonzero(sampled(terms.rate, len(X), task.seed))
        total, most = np.zeros(weights.size, dtype=np.int64), max(1, _MOST_AT_ONCE // weights.size)
        for start in range(0, len(rows), most):
            part = rows[start : start + most]
            each = self.each(X[part].astype(np.float64), Y[part].astype(np.float64), weights)
            total += clipped(each, terms.clip, terms.fraction_bits).sum(axis=0)
        return total

    def each(self, X: NDArray[np.float64], Y: NDArray[np.float64], weights: NDArray[np.float64]) -> NDArray[np.float64]:
        """(rows, k·d): each row's own gradient at weights (k, d)."""
        with np.errstate(over="ignore", invalid="ignore"):  # what is not finite is left out by who clips
            scores = (X[:, None, :] * weights).sum(axis=2)
            _losses, residuals = self.row_loss.at(scores, Y)
            found: NDArray[np.float64] = (residuals[:, :, None] * X[:, None, :]).reshape(len(X), -1)
        return found
