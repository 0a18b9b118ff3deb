"""Reals as signed integers at a scale that the job fixes: v travels as round(v·2^f), half to even."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from fedtrain.crypto.errors import EncodingOverflow


def encode(values: NDArray[np.float64], fraction_bits: int, bound: int) -> NDArray[np.object_]:
    """Python integers round(v·2^fraction_bits), half to even, exactly, in an object array of the same shape.

    `bound`: the largest magnitude of the encoded integer. Raises EncodingOverflow for a value that is not
    finite or encodes beyond the bound; the error gives the position in C order, never the value.
    """
    flat = np.asarray(values, dtype=np.float64).ravel()
    if fraction_bits < 0:
        raise ValueError(f"fraction_bits must be at least 0, received {fraction_bits}")
    if not np.isfinite(flat).all():
        position = int(np.flatnonzero(~np.isfinite(flat))[0])
        raise EncodingOverflow(f"entry {position} is not a finite number")
    with np.errstate(over="ignore"):
        # A power of two changes only the exponent, so that ldexp and rint are exact unless they overflow.
        scaled = np.rint(np.ldexp(flat, fraction_bits))
    encoded = [
        int(rounded) if math.isfinite(rounded) else _round_scaled(value, fraction_bits)
        for rounded, value in zip(scaled.tolist(), flat.tolist(), strict=True)
    ]
    for position, integer in enumerate(encoded):
        if abs(integer) > bound:
            raise EncodingOverflow(
                f"entry {position} encodes beyond {bound.bit_length()} bits at {fraction_bits} fraction bits"
            )
    return _object_array(encoded, np.shape(values))


def decode(integers: NDArray[np.object_], fraction_bits: int) -> NDArray[np.float64]:
    """integer / 2^fraction_bits, each correctly rounded to float64, in an array of the same shape.

    Raises EncodingOverflow where the quotient is beyond float64.
    """
    if fraction_bits < 0:
        raise ValueError(f"fraction_bits must be at least 0, received {fraction_bits}")
    denominator = 1 << fraction_bits
    try:
        # Division of Python integers is correctly rounded, whatever their size.
        quotients = [int(integer) / denominator for integer in integers.ravel()]
    except OverflowError:
        raise EncodingOverflow(f"an entry at {fraction_bits} fraction bits is beyond float64") from None
    return np.array(quotients, dtype=np.float64).reshape(integers.shape)


def rescale(integers: NDArray[np.object_], from_bits: int, to_bits: int) -> NDArray[np.object_]:
    """The same numbers at another scale; half to even where fraction bits are dropped."""
    return _object_array([shift_half_even(int(v), to_bits - from_bits) for v in integers.ravel()], integers.shape)


def shift_half_even(integer: int, shift: int) -> int:
    """round(integer·2^shift), half to even, exactly."""
    if shift >= 0:
        return integer << shift
    quotient, half = integer >> -shift, 1 << (-shift - 1)
    remainder = integer & ((half << 1) - 1)
    return quotient + (remainder > half or (remainder == half and quotient & 1 == 1))


def _round_scaled(value: float, fraction_bits: int) -> int:
    numerator, denominator = value.as_integer_ratio()
    return shift_half_even(numerator, fraction_bits - (denominator.bit_length() - 1))


def _object_array(integers: list[int], shape: tuple[int, ...]) -> NDArray[np.object_]:
    array = np.empty(len(integers), dtype=object)
    array[:] = integers
    return array.reshape(shape)
