"""Sampling of records, and clipping of their gradients in integers, for sums that carry noise. Without PyTorch."""

from __future__ import annotations

import hashlib
import math
from fractions import Fraction
from typing import Final

import numpy as np
from numpy.typing import NDArray

_SAMPLE: Final = b"fedtrain/sample/1"
_WORD_BITS: Final = 64
#: Lengths are computed in float64: what this leaves of room is more than their last bits.
_BELOW_CLIP: Final = 1 - 2.0**-22


def sampled(rate: float, rows: int, seed: bytes) -> NDArray[np.bool_]:
    """Return which of the rows are in the sample, each by itself with probability ⌊rate·2^64⌋/2^64."""
    if rate >= 1:
        return np.ones(rows, dtype=bool)
    words = np.frombuffer(hashlib.shake_256(_SAMPLE + seed).digest(_WORD_BITS // 8 * rows), dtype=">u8")
    return words < np.uint64(math.floor(Fraction(rate) * (1 << _WORD_BITS)))


def clipped(gradients: NDArray[np.float64], clip: float, fraction_bits: int) -> NDArray[np.int64]:
    """Return gradients (examples, numbers) as integers at 2^−fraction_bits, no row longer than `clip` among them.

    What rounds to a longer one all the same, or is no finite number, is zeros.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        lengths = np.sqrt(np.square(gradients).sum(axis=1))
    finite = np.isfinite(lengths)
    factors = np.zeros(len(lengths))
    factors[finite] = np.minimum(1.0, clip * _BELOW_CLIP / np.maximum(lengths[finite], 1e-300))
    usable = np.where(finite[:, None], gradients, 0.0)
    whole = np.trunc(np.ldexp(usable * factors[:, None], fraction_bits)).astype(np.int64)
    # ⌊Δ²⌋: squared lengths are integers, and within 62 bits, as the plan's bound on `clip` sees to.
    longest = math.floor((Fraction(clip) * (1 << fraction_bits)) ** 2)
    whole[np.square(whole).sum(axis=1) > longest] = 0
    return whole
