"""The first stages: from a method's numbers to integers at the plan's scale, within the worst case it declares.

Nothing is clipped where sums are to be exact: a sum of clipped numbers would be a wrong one. What is beyond its bound
is refused here, before it is packed next to other numbers.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from fedtrain.crypto import CryptoError, EncodingOverflow, encode, rescale
from fedtrain.crypto.packing.slots import check_magnitudes
from fedtrain.data_owner.data.moments import Integers
from fedtrain.data_owner.methods.answers import Affine, Answer, OwnerMethod, Plain, PreparedData, Question
from fedtrain.methods.plan import Answer as PlannedAnswer
from fedtrain.methods.plan import Plan
from fedtrain.spec.problems import Code, Problem

_LARGEST_EXACT: Final = 2.0**53


def fixed_point(answer: Answer, planned: PlannedAnswer, seed: bytes = b"") -> Integers | Affine:
    """Return a plain answer's sum, or an affine answer, as integers at the plan's scale.

    `seed`: what stochastic rounding draws from. Secret, and of one answer alone: the difference of two roundings by the
    same numbers would show what was rounded.

    Raises Problem: DOES_NOT_FIT where a number is beyond the worst case, or none at all; PLAN_DIFFERS where integers
    would have to be rounded; INTERNAL for anything but a Plain or an Affine of the shape that the plan has.
    """
    try:
        if type(answer) is Plain and planned.applied is None:
            return _sum(answer, planned, seed)
        if type(answer) is Affine and (applied := planned.applied) is not None:
            matrix = _exactly(answer.matrix, answer.matrix_fraction_bits, applied.fraction_bits)
            vector = _exactly(answer.vector, answer.vector_fraction_bits, planned.fraction_bits)
            _check_shape(vector, (planned.layout.rows, planned.layout.columns))
            check_magnitudes(matrix, applied.entry_bound)
            _check_rows(matrix, applied.row_bounds)
            check_magnitudes(vector, applied.vector_bound)
            return Affine(matrix, applied.fraction_bits, vector, planned.fraction_bits)
    except CryptoError as error:
        raise Problem(
            Code.DOES_NOT_FIT, f"The table does not fit the job's plan: {error}. The job needs a larger max_rows."
        ) from None
    raise _refused(f"a {type(answer).__name__}")


def check_fits(method: OwnerMethod, data: PreparedData, plan: Plan) -> None:
    """Hold all that is known before the first round against the plan, so that a job is refused and no round of it.

    Raises Problem as `fixed_point`.
    """
    for kind in plan.kinds:
        if kind in method.answers and kind not in method.needs_weights:
            fixed_point(method.answers[kind](data, Question(kind)), plan.round(kind).answer)


def _sum(answer: Plain, planned: PlannedAnswer, seed: bytes) -> Integers:
    shape = (planned.layout.rows, planned.layout.columns)
    total: Integers = np.full(shape, 0, dtype=object)
    for index, part in enumerate(answer.parts):
        _check_shape(part, shape)
        if answer.stochastic:
            total = total + stochastically_rounded(part, planned.fraction_bits, seed + index.to_bytes(8, "big"))
            continue
        if answer.fraction_bits is not None:
            total = total + _exactly(part, answer.fraction_bits, planned.fraction_bits)
        elif part.dtype == np.float64:
            total = total + encode(part, planned.fraction_bits, planned.owner_bound)
        else:
            raise _refused(f"numbers of {part.dtype} without a scale")
    if planned.noise is None:  # what carries noise ends at its bound: whether it would have is not for others to know
        check_magnitudes(total, planned.owner_bound)
    return total


def stochastically_rounded(values: NDArray[np.float64], fraction_bits: int, seed: bytes) -> Integers:
    """v·2^fraction_bits, rounded up with the probability of its fraction, else down: right on average.

    Draws SHAKE256(seed), 53 bits a number. Raises EncodingOverflow, with the position in C order, where a number is
    not finite or comes to more than a double tells apart.
    """
    scaled = np.ldexp(values, fraction_bits)
    beyond = np.flatnonzero(~(np.abs(scaled) < _LARGEST_EXACT))
    if beyond.size:
        raise EncodingOverflow(f"entry {beyond[0]} is not finite, or beyond 53 bits at {fraction_bits} fraction bits")
    draws = np.frombuffer(hashlib.shake_256(seed).digest(8 * scaled.size), dtype=">u8") >> np.uint64(11)
    down = np.floor(scaled)
    # Both sides are multiples of 2^−53 below 1 where that decides anything, so that the comparison is exact.
    up = np.ldexp(draws.astype(np.float64), -53).reshape(scaled.shape) < scaled - down
    rounded: Integers = (down.astype(np.int64) + up).astype(object)
    return rounded


def _check_rows(matrix: Integers, bounds: Sequence[int]) -> None:
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
