"""Numbers cut into window digits, many at once."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray


def window_digits(numbers: Iterable[int], positions: int, window_bits: int) -> NDArray[np.uint16]:
    """(numbers, positions) digits of `window_bits` bits each, 16 at most, the lowest position first.

    Numbers must be at least 0 and below 2^(positions·window_bits): OverflowError for a negative or a far larger one;
    what is beyond the last position within its byte is cut off, so that the caller must have looked.
    """
    width_bytes = (positions * window_bits + 7) // 8
    raw = b"".join(int(number).to_bytes(width_bytes, "little") for number in numbers)
    data = np.frombuffer(raw, dtype=np.uint8).reshape(-1, width_bytes)
    bits = np.unpackbits(data, axis=1, bitorder="little")[:, : positions * window_bits]
    windows = bits.reshape(-1, positions, window_bits)
    digits = windows[:, :, 0].astype(np.uint16)
    for bit in range(1, window_bits):
        digits |= windows[:, :, bit].astype(np.uint16) << np.uint16(bit)
    return digits
