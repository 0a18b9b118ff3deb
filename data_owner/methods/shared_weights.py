"""The true gradient, and the loss, of an owner's rows, for jobs in which owners see the weights.

Σ x·r and Σ loss over the rows, r the derivative of a row's loss by its scores x·w. Which loss that is, the model type
says. Source: docs/arithmetic.md, weights that owners see.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fedtrain.crypto import CryptoError, EncryptedVector, encode
from fedtrain.crypto.engine import Engine
from fedtrain.crypto.paillier.encryption import check_magnitudes
from fedtrain.data_owner.data.moments import Encoded, Moments
from fedtrain.data_owner.methods.provider import Prepared
from fedtrain.data_owner.methods.second_moment import SecondMoment, packed
from fedtrain.planning.budget import Budget
from fedtrain.protocol.messages.rounds import RoundKind, RoundRequest
from fedtrain.protocol.messages.shared_weights import SharedWeights
from fedtrain.spec.model_types.row_loss import RowLoss
from fedtrain.spec.problems import Code, Problem

Integers = NDArray[Any]


@dataclass(frozen=True)
class RowGradient:
    """Implements `fedtrain.data_owner.methods.provider.GradientProvider`; counts are those of the moments."""

    row_loss: RowLoss
    target_shift: Fraction

    def prepare(self, moments: Moments, budget: Budget) -> Prepared:
        """What the counts round needs. Raises Problem(DOES_NOT_FIT)."""
        return SecondMoment(self.target_shift).prepare(moments, budget)

    def answer(
        self,
        prepared: Prepared,
        request: RoundRequest,
        weights: EncryptedVector | SharedWeights | None,
        n: int,
        engine: Engine,
    ) -> EncryptedVector:
        """COUNTS: as with moments. GRADIENT: (d·k + 1, 1), the gradient row by row of w, then the shifted loss.

        Raises Problem: WRONG_STATE for another kind, INVALID_DATA where the table changed, DOES_NOT_FIT where it has
        more rows than the plan covers.
        """
        if request.kind is RoundKind.COUNTS:
            return SecondMoment(self.target_shift).answer(prepared, request, None, n, engine)
        if request.kind is not RoundKind.GRADIENT or not isinstance(weights, SharedWeights):
            raise Problem(Code.WRONG_STATE, f"With weights shared with owners there is no answer to {request.kind}.")
        budget = prepared.budget
        step = budget.steps[0]
        if prepared.rows is None:
            raise ValueError("this job was prepared without its rows")
        try:
            entries = self.sums(budget, prepared.rows, weights)
            check_magnitudes(entries, step.owner_bound)
        except CryptoError as error:
            raise Problem(
                Code.DOES_NOT_FIT, f"The rows do not fit the job's plan: {error}. The job needs a larger max_rows."
            ) from None
        return packed(entries, budget.answer_layout, step.answer_fraction_bits, step.owner_bound, n)

    def sums(self, budget: Budget, batches: Iterable[Encoded], weights: SharedWeights) -> Integers:
        """(d·k + 1, 1) integers at the plan's scale: each batch is rounded once, and batches add up exactly.

        In the clear: they are the owner's own. Raises EncodingOverflow for a batch beyond the plan's bound.
        """
        bits = budget.steps[0].answer_fraction_bits
        shift = 2.0**-budget.loss_shift_bits
        total: Integers = np.full((budget.answer_layout.rows, 1), 0, dtype=object)
        for rows in batches:
            losses, residuals = self.row_loss.at(rows.X @ weights.values, rows.Y)
            gradient = rows.X.T @ residuals
            sums = np.append(gradient.ravel(), losses.sum() * shift).reshape(-1, 1)
            total = total + encode(sums, bits, budget.steps[0].owner_bound)
        return total
