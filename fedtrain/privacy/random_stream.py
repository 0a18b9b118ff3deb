"""Randomness that is the same wherever the same secret seed is: a SHAKE256 stream, and exact draws from it.

Nothing here is rounded: a draw compares bits of the stream with a rational's, as many as it takes.
"""

from __future__ import annotations

import hashlib
import struct
from typing import Final

SEED_BYTES: Final = 32
_WORD_BITS: Final = 64
#: Words of the first block, and of those after it: a single draw takes some twenty.
_FIRST_WORDS, _WORDS = 64, 4096


class RandomStream:
    """SHAKE256(seed ‖ block as 8 bytes) for block 0, 1, …, in words of 64 bits.

    Raises ValueError for a seed that is not of 32 bytes.
    """

    def __init__(self, seed: bytes) -> None:
        if len(seed) != SEED_BYTES:
            raise ValueError(f"a seed has {SEED_BYTES} bytes, received {len(seed)}")
        self._seed = seed
        self._block = 0
        self._words: list[int] = []

    def word(self) -> int:
        """Return the next 64 bits."""
        if not self._words:
            count = _FIRST_WORDS if self._block == 0 else _WORDS
            content = hashlib.shake_256(self._seed + self._block.to_bytes(8, "big")).digest(8 * count)
            self._words = list(struct.unpack(f">{count}Q", content))
            self._words.reverse()
            self._block += 1
        return self._words.pop()

    def below(self, end: int) -> int:
        """Return an integer from 0 to end − 1, each as likely. Raises ValueError for an end below 1."""
        if end < 1:
            raise ValueError(f"there is no integer from 0 to below {end}")
        bits = (end - 1).bit_length()
        while True:
            value, drawn = 0, 0
            while drawn < bits:
                value, drawn = value << _WORD_BITS | self.word(), drawn + _WORD_BITS
            value >>= drawn - bits
            if value < end:
                return value

    def is_below(self, numerator: int, denominator: int) -> bool:
        """Return True with probability numerator/denominator, which is from 0 to 1.

        A uniform number in [0, 1) is compared with it 64 bits at a time, until they differ.
        """
        while numerator:
            digit, numerator = divmod(numerator << _WORD_BITS, denominator)
            word = self.word()
            if word != digit:
                return word < digit
        return False
