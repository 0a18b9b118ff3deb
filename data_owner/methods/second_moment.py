"""A·w − b from an owner's second moments, for every model whose gradient is linear in w.

A = XᵀX and b = Xᵀ(y − shift): shift = 0 for linear regression, ½ for the first-order surrogate of logistic regression,
whose slope the Model Owner takes into w. Everything is an exact integer of the records, so that what owners send adds
up to what one owner of all rows would send, to the bit. Source: docs/arithmetic.md, the second-moment form.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from fedtrain.data_owner.data.moments import Integers, Moments
from fedtrain.data_owner.methods.answers import Affine, Answer, Plain, PreparedData, Question
from fedtrain.methods.regression.kinds import RoundKind


@dataclass(frozen=True)
class SecondMoment:
    """Implements `fedtrain.data_owner.methods.answers.OwnerMethod`. `target_shift`: its denominator a power of two."""

    target_shift: Fraction

    @property
    def answers(self) -> Mapping[str, Callable[[PreparedData, Question], Answer]]:
        return {
            RoundKind.COUNTS: counts,
            RoundKind.GRADIENT: self.gradient,
            RoundKind.MOMENTS: self.moments,
            RoundKind.VALIDATION_LOSS: self.validation_loss,
        }

    @property
    def needs_rows(self) -> bool:
        return False

    @property
    def needs_weights(self) -> frozenset[str]:
        return frozenset()

    def gradient(self, data: PreparedData, _question: Question) -> Affine:
        """(d, d) A and (d, k) b of the training part."""
        return Affine(data.moments.xtx, _scale(data.moments), self._b(data.moments), self._b_scale(data.moments))

    def moments(self, data: PreparedData, _question: Question) -> Plain:
        """All of A and b as one column; where the job validates, then those of the validation part, and its Σy²; where
        all is told at once, then Σy²."""
        entries, told = self._triangle_and_b(data.moments), data.plan.round(RoundKind.MOMENTS).answer.arrays
        if "validation_matrix" in told and data.validation is not None:
            squares = self._at_b_scale(data.validation.yty)
            entries = np.concatenate([entries, self._triangle_and_b(data.validation), squares])
        if "target_squares" in told:
            entries = np.concatenate([entries, self._at_b_scale(data.moments.yty)])
        return Plain([entries.reshape(-1, 1)], self._b_scale(data.moments))

    def validation_loss(self, data: PreparedData, _question: Question) -> Affine:
        """(k, k·(d(d+1)/2 + d)): times w⊗w and w of each output it gives wᵀA·w − 2bᵀw of the validation part.

        Each row has A (off its diagonal twice) and −2b in the columns of its own output.
        """
        part = data.validation
        if part is None:
            raise ValueError("this job was prepared without a validation part")
        rows, columns = np.triu_indices(part.dimensions)
        A = self._at_b_scale(part.xtx[rows, columns])
        products, doubled_b = np.where(rows == columns, A, 2 * A), 2 * self._b(part)
        width = len(products) + part.dimensions
        matrix: Integers = np.full((part.outputs, part.outputs * width), 0, dtype=object)
        for output in range(part.outputs):
            row = np.concatenate([products, -doubled_b[:, output]])
            matrix[output, output * width : (output + 1) * width] = row
        return Affine(matrix, self._b_scale(part), np.full((part.outputs, 1), 0, dtype=object), 0)

    def _triangle_and_b(self, moments: Moments) -> Integers:
        upper = self._at_b_scale(moments.xtx[np.triu_indices(moments.dimensions)])
        return np.concatenate([upper, self._b(moments).ravel()])

    def _b(self, moments: Moments) -> Integers:
        """(d, k) Xᵀ(y − shift), exact: one denominator for shift and b keeps b an integer."""
        b: Integers = self._at_b_scale(moments.xty) - self.target_shift.numerator * moments.column_sums[:, None]
        return b

    def _at_b_scale(self, values: Integers) -> Integers:
        finer: Integers = values << (self.target_shift.denominator.bit_length() - 1)
        return finer

    def _b_scale(self, moments: Moments) -> int:
        return _scale(moments) + self.target_shift.denominator.bit_length() - 1


def counts(data: PreparedData, _question: Question) -> Plain:
    """(1, 1 + k): N, and Σy² of each output; where the job evaluates, then those of the validation part."""
    told = data.plan.round(RoundKind.COUNTS).answer.arrays
    parts = [data.moments, data.validation] if "validation_rows" in told else [data.moments]
    entries = [entry for part in parts if part is not None for entry in (part.rows << _scale(part), *part.yty)]
    return Plain([np.array([entries], dtype=object)], _scale(data.moments))


def _scale(moments: Moments) -> int:
    return 2 * moments.fraction_bits
