"""A·w − b from an owner's second moments, for every model whose gradient is linear in w.

A = XᵀX and b = Xᵀ(y − shift): shift = 0 for linear regression, ½ for the first-order surrogate of logistic regression,
whose slope the Model Owner takes into w. Everything is an exact integer of the records, so that what owners send adds
up to what one owner of all rows would send, to the bit. Source: docs/arithmetic.md, the second-moment form.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from gmpy2 import mpz
from numpy.typing import NDArray

from fedtrain.crypto import CryptoError, EncryptedVector, SlotLayout, key_id, pack
from fedtrain.crypto.engine import Engine
from fedtrain.crypto.packing.fixed_point import rescale
from fedtrain.crypto.paillier.arithmetic import affine_matrix
from fedtrain.crypto.paillier.encryption import check_magnitudes
from fedtrain.data_owner.data.moments import Moments
from fedtrain.data_owner.methods.provider import Prepared
from fedtrain.planning.budget import Budget
from fedtrain.protocol.messages.rounds import RoundKind, RoundRequest
from fedtrain.protocol.messages.shared_weights import SharedWeights
from fedtrain.spec.problems import Code, Problem

Integers = NDArray[Any]


@dataclass(frozen=True)
class SecondMoment:
    """Implements `fedtrain.data_owner.methods.provider.GradientProvider`."""

    target_shift: Fraction

    def prepare(self, moments: Moments, budget: Budget) -> Prepared:
        """Lay the moments out at the plan's scales, which hold them exactly.

        Raises Problem: DOES_NOT_FIT where the moments are larger than the plan's bounds: more rows than declared;
        PLAN_DIFFERS where they were frozen at a scale that this plan would have to round them to.
        """
        validation: Moments | None = None
        if budget.inputs.validates or budget.inputs.evaluates:
            moments, validation = moments.parts()
        scale = 2 * moments.fraction_bits
        matrix = _exactly(moments.xtx, scale, budget.inputs.moment_fraction_bits)
        denominator_bits = self.target_shift.denominator.bit_length() - 1
        vector = self._vector(moments)
        counts = _counts(moments, budget)
        losses = None
        if budget.validation is not None and validation is not None:
            counts = np.hstack([counts, _counts(validation, budget)])
            losses = _loss_matrix(validation, self._vector(validation), scale + denominator_bits, budget)
        try:
            check_magnitudes(matrix, budget.moment_bound)
            check_magnitudes(counts, budget.counts_owner_bound)
            entries = None
            if budget.newton is not None:
                entries = _all_moments(moments, vector, scale + denominator_bits, budget)
                if validation is not None and budget.inputs.validates:
                    further = _all_moments(validation, self._vector(validation), scale + denominator_bits, budget)
                    squares = _exactly(validation.yty, scale, budget.newton.fraction_bits).reshape(-1, 1)
                    check_magnitudes(squares, budget.newton.owner_bound)
                    entries = np.concatenate([entries, further, squares])
            if losses is not None and budget.validation is not None:
                check_magnitudes(losses, budget.validation.entry_bound)
        except CryptoError as error:
            raise Problem(
                Code.DOES_NOT_FIT, f"The table does not fit the job's plan: {error}. The job needs a larger max_rows."
            ) from None
        return Prepared(budget, matrix, vector, scale + denominator_bits, counts, entries, losses)

    def _vector(self, moments: Moments) -> Integers:
        """(d, k) Xᵀ(y − shift), exact: one denominator for shift and b keeps b an integer."""
        shift = self.target_shift.numerator * moments.column_sums[:, None]
        vector: Integers = (moments.xty << (self.target_shift.denominator.bit_length() - 1)) - shift
        return vector

    def answer(
        self,
        prepared: Prepared,
        request: RoundRequest,
        weights: EncryptedVector | SharedWeights | None,
        n: int,
        engine: Engine,
    ) -> EncryptedVector:
        """COUNTS: N and Σy², packed, with the trivial nonce. GRADIENT: A·w − b at the scale of the window's step.
        MOMENTS: all of A and b, packed. VALIDATION_LOSS: wᵀA·w − 2bᵀw of the validation part, an output a row.

        Raises Problem: WRONG_STATE for a kind that this model type does not have, ROWS_TOTAL_REFUSED for a gradient
        request whose rows_total is below this owner's own.
        """
        if request.kind is RoundKind.COUNTS:
            budget = prepared.budget
            return packed(
                prepared.counts, budget.counts_layout, budget.counts_fraction_bits, budget.counts_owner_bound, n
            )
        if request.kind is RoundKind.MOMENTS and prepared.moments is not None and prepared.budget.newton is not None:
            newton = prepared.budget.newton
            return packed(prepared.moments, newton.layout, newton.fraction_bits, newton.owner_bound, n)
        if isinstance(weights, SharedWeights):
            raise Problem(Code.MALFORMED_MESSAGE, "This job's weights are encrypted, and the request's are sealed.")
        if request.kind is RoundKind.VALIDATION_LOSS and prepared.validation is not None and weights is not None:
            return _validation_loss(prepared, prepared.validation, weights, n, engine)
        if request.kind is RoundKind.GRADIENT and weights is not None and request.rows_total is not None:
            entry_bound = _entry_bound(prepared, request.rows_total)
            return _gradient(prepared, request.window_step, entry_bound, weights, n, engine)
        raise Problem(Code.WRONG_STATE, f"This model type has no answer to {request.kind}.")


def _entry_bound(prepared: Prepared, rows_total: int) -> int:
    """The largest |A_ij| that N allows: it fixes the work, the same for every owner of the job.

    Were the table's own rows to fix it, they would show in the time. With N below them, the work would not fit.
    """
    budget = prepared.budget
    own_rows = int(prepared.counts[0, 0]) >> budget.counts_fraction_bits
    if own_rows > rows_total:
        raise Problem(
            Code.ROWS_TOTAL_REFUSED,
            f"The request says {rows_total} rows in all: that cannot be the sum that this owner's count is part of.",
        )
    return budget.moment_bound_for(rows_total)


def _gradient(
    prepared: Prepared, window_step: int, entry_bound: int, weights: EncryptedVector, n: int, engine: Engine
) -> EncryptedVector:
    budget, step = prepared.budget, prepared.budget.steps[window_step]
    b = _exactly(prepared.vector, prepared.vector_fraction_bits, step.answer_fraction_bits)
    return affine_matrix(
        prepared.matrix,
        budget.moment_bound,
        budget.inputs.moment_fraction_bits,
        weights,
        b,
        step.b_bound,
        budget.answer_layout,
        n,
        engine,
        budget.matrix_row_bounds,
        entry_bound,
    )


def _counts(moments: Moments, budget: Budget) -> Integers:
    """(1, 1 + k): N, and Σy² of each output."""
    yty = _exactly(moments.yty, 2 * moments.fraction_bits, budget.counts_fraction_bits)
    return np.array([[moments.rows << budget.counts_fraction_bits, *yty.tolist()]], dtype=object)


def _loss_matrix(moments: Moments, vector: Integers, vector_fraction_bits: int, budget: Budget) -> Integers:
    """(k, k·(d(d+1)/2 + d)): each row has A (off its diagonal twice) and −2b in the columns of its own output."""
    d, k, bits = moments.dimensions, moments.outputs, budget.inputs.moment_fraction_bits
    upper = np.triu_indices(d)
    A = _exactly(moments.xtx, 2 * moments.fraction_bits, bits)[upper]
    products = np.where(upper[0] == upper[1], A, 2 * A)
    doubled_b = _exactly(2 * vector, vector_fraction_bits, bits)
    width = len(products) + d
    matrix: Integers = np.full((k, k * width), 0, dtype=object)
    for output in range(k):
        matrix[output, output * width : (output + 1) * width] = np.concatenate([products, -doubled_b[:, output]])
    return matrix


def _validation_loss(
    prepared: Prepared, matrix: Integers, weights: EncryptedVector, n: int, engine: Engine
) -> EncryptedVector:
    budget, validation = prepared.budget, prepared.budget.validation
    if validation is None:
        raise Problem(Code.WRONG_STATE, "This job's plan has no evaluation.")
    nothing: Integers = np.full((len(matrix), 1), 0, dtype=object)
    return affine_matrix(
        matrix,
        validation.entry_bound,
        budget.inputs.moment_fraction_bits,
        weights,
        nothing,
        0,
        validation.answer_layout,
        n,
        engine,
        [validation.row_bound] * len(matrix),
    )


def _all_moments(moments: Moments, vector: Integers, vector_fraction_bits: int, budget: Budget) -> Integers:
    """A's upper triangle and b as one column at newton's scale, exactly. Raises CryptoError."""
    if budget.newton is None:
        raise ValueError("only the plan of newton has a message of all moments")
    bits = budget.newton.fraction_bits
    A = _exactly(moments.xtx, 2 * moments.fraction_bits, bits)
    b = _exactly(vector, vector_fraction_bits, bits)
    upper = A[np.triu_indices(moments.dimensions)]
    entries: Integers = np.concatenate([upper, b.ravel()]).reshape(-1, 1)
    check_magnitudes(entries, budget.newton.owner_bound)
    return entries


def packed(values: Integers, layout: SlotLayout, fraction_bits: int, bound: int, n: int) -> EncryptedVector:
    """An owner's own numbers with the trivial nonce: they must be re-randomised before they leave."""
    modulus = mpz(n)
    # g^m = 1 + m·n mod n² (Paillier 1999): the nonce comes with the re-randomiser, before it leaves.
    ciphertexts = tuple(1 + mpz(m) % modulus * modulus for m in pack(values, layout))
    return EncryptedVector(key_id(n), fraction_bits, bound, layout, ciphertexts)


def _exactly(values: Integers, from_bits: int, to_bits: int) -> Integers:
    """The same numbers at another scale, which must hold them: rounding would belong to one owner, and not to the sum.

    Raises Problem(PLAN_DIFFERS) where bits would be lost.
    """
    scaled = rescale(values, from_bits, to_bits)
    if from_bits > to_bits and not np.array_equal(rescale(scaled, to_bits, from_bits), values):
        raise Problem(
            Code.PLAN_DIFFERS,
            f"The moments were frozen at 2^−{from_bits}, and the plan has them at 2^−{to_bits}: deploy the job again.",
        )
    return scaled
