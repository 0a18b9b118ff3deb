"""The first stages: from a method's numbers to integers at the plan's scale, within the worst case it declares.

Nothing is clipped where sums are to be exact: a sum of clipped numbers would be a wrong one. What is beyond its bound
is refused here, before it is packed next to other numbers.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fedtrain.crypto import CryptoError, EncodingOverflow, encode, rescale
from fedtrain.crypto.paillier.encryption import check_magnitudes
from fedtrain.data_owner.data.moments import Integers
from fedtrain.data_owner.methods.answers import Affine, Answer, OwnerMethod, Plain, PreparedData, Question
from fedtrain.data_owner.release.worst_case import WorstCase, is_planned, worst_case
from fedtrain.planning.budget import Budget
from fedtrain.protocol.messages.rounds import RoundKind
from fedtrain.spec.problems import Code, Problem


def fixed_point(answer: Answer, worst: WorstCase) -> Integers | Affine:
    """Return a plain answer's sum, or an affine answer, as integers at the plan's scale.

    Raises Problem: DOES_NOT_FIT where a number is beyond the worst case, or none at all; PLAN_DIFFERS where integers
    would have to be rounded; INTERNAL for anything but a Plain or an Affine of the shape that the plan has.
    """
    try:
        if type(answer) is Plain and worst.matrix is None:
            return _sum(answer, worst)
        if type(answer) is Affine and worst.matrix is not None:
            matrix = _exactly(answer.matrix, answer.matrix_fraction_bits, worst.matrix.fraction_bits)
            vector = _exactly(answer.vector, answer.vector_fraction_bits, worst.fraction_bits)
            _check_shape(vector, (worst.layout.rows, worst.layout.columns))
            check_magnitudes(matrix, worst.matrix.entry)
            _check_rows(matrix, worst.matrix.rows)
            check_magnitudes(vector, worst.bound)
            return Affine(matrix, worst.matrix.fraction_bits, vector, worst.fraction_bits)
    except CryptoError as error:
        raise Problem(
            Code.DOES_NOT_FIT, f"The table does not fit the job's plan: {error}. The job needs a larger max_rows."
        ) from None
    raise _refused(f"a {type(answer).__name__}")


def check_fits(method: OwnerMethod, data: PreparedData, budget: Budget) -> None:
    """Hold all that is known before the first round against the plan, so that a job is refused and no round of it.

    Raises Problem as `fixed_point`.
    """
    for kind in map(RoundKind, method.answers):
        if kind not in method.needs_weights and is_planned(budget, kind):
            fixed_point(method.answers[kind](data, Question(kind)), worst_case(budget, kind))


def _sum(answer: Plain, worst: WorstCase) -> Integers:
    shape = (worst.layout.rows, worst.layout.columns)
    total: Integers = np.full(shape, 0, dtype=object)
    for part in answer.parts:
        _check_shape(part, shape)
        if answer.fraction_bits is not None:
            total = total + _exactly(part, answer.fraction_bits, worst.fraction_bits)
        elif part.dtype == np.float64:
            total = total + encode(part, worst.fraction_bits, worst.bound)
        else:
            raise _refused(f"numbers of {part.dtype} without a scale")
    check_magnitudes(total, worst.bound)
    return total


def _check_rows(matrix: Integers, bounds: tuple[int, ...]) -> None:
    if len(matrix) != len(bounds):
        raise _refused(f"a matrix of {len(matrix)} rows, where the plan has {len(bounds)}")
    for index, (row, bound) in enumerate(zip(matrix, bounds, strict=True)):
        if sum(map(abs, row)) > bound:
            raise EncodingOverflow(f"row {index} is beyond the {bound.bit_length()} bits planned for it")


def _check_shape(values: NDArray[Any], shape: tuple[int, ...]) -> None:
    if values.shape != shape:
        raise _refused(f"numbers of shape {values.shape}, where the plan has {shape}")


def _exactly(values: Integers, from_bits: int, to_bits: int) -> Integers:
    """The same numbers at another scale, which must hold them: rounding would belong to one owner, and not to the sum.

    Raises Problem(PLAN_DIFFERS) where bits would be lost.
    """
    if any(type(value) is not int for value in values.ravel()):
        raise _refused("numbers that are no integers")
    if from_bits == to_bits:
        return values
    scaled = rescale(values, from_bits, to_bits)
    if from_bits > to_bits and not np.array_equal(rescale(scaled, to_bits, from_bits), values):
        raise Problem(
            Code.PLAN_DIFFERS,
            f"The moments were frozen at 2^−{from_bits}, and the plan has them at 2^−{to_bits}: deploy the job again.",
        )
    return scaled


def _refused(what: str) -> Problem:
    return Problem(Code.INTERNAL, f"This owner's method gave {what}: nothing of it leaves.")
