"""Moduli as the kernel needs them, and numbers on their way to it and back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache

import gmpy2
from gmpy2 import mpz

LANES = 8
DIGIT_BITS = 52
# R must be 16 times m at least (montgomery.h), so that residues may stay below 2m between products.
_SPARE_BITS = 4
LEAST_DIGITS, MOST_DIGITS, MOST_WHOLE_DIGITS = 4, 79, 159


def digits_of(modulus: mpz) -> int:
    """Digits of 52 bits for residues modulo this number."""
    return -(-(int(modulus).bit_length() + _SPARE_BITS) // DIGIT_BITS)


def has_root_of(bits: int) -> bool:
    """Return whether the kernel has squares of odd numbers of so many bits."""
    return LEAST_DIGITS <= -(-(bits + _SPARE_BITS) // DIGIT_BITS) <= MOST_DIGITS


def width_bytes(digits: int) -> int:
    """Bytes a number takes: whole 64-bit words."""
    return -(-digits * DIGIT_BITS // 64) * 8


@dataclass(frozen=True)
class Ring:
    """Residues modulo m² for each m of `roots`, one or two of as many digits.

    Number i of an array belongs to root i mod their count. `numbers`: what `kernel.h` has as those of a ring.
    """

    roots: tuple[mpz, ...] = field(repr=False)
    digits: int
    numbers: bytes = field(repr=False)

    @classmethod
    def of(cls, *roots: mpz) -> Ring:
        digits = max(map(digits_of, roots))
        width, shift = width_bytes(digits), mpz(1) << (DIGIT_BITS * digits)
        numbers = []
        for m in roots:
            numbers += [m, -shift % m, *_pair(shift % m**2, m), *_pair(shift**2 % m**2, m)]
        return cls(tuple(roots), digits, b"".join(number.to_bytes(width, "little") for number in numbers))

    @property
    def parameters(self) -> tuple[int, int, bytes]:
        """The first arguments of the kernel's functions."""
        return len(self.roots), self.digits, self.numbers

    def bytes_of(self, values: Sequence[mpz]) -> bytes:
        """Values from 0 up, each below the square of its root, as pairs."""
        width, roots = width_bytes(self.digits), self.roots
        parts = []
        for i, value in enumerate(values):
            x0, x1 = _pair(value, roots[i % len(roots)])
            parts += [x0.to_bytes(width, "little"), x1.to_bytes(width, "little")]
        return b"".join(parts)

    def values_of(self, pairs: bytes) -> list[mpz]:
        """The residues that pairs stand for."""
        width, count = width_bytes(self.digits), len(self.roots)
        squares = [m * m for m in self.roots]
        values = []
        for i in range(len(pairs) // (2 * width)):
            at = 2 * width * i
            x0 = mpz.from_bytes(pairs[at : at + width], "little")
            x1 = mpz.from_bytes(pairs[at + width : at + 2 * width], "little")
            values.append((x0 + x1 * self.roots[i % count]) % squares[i % count])
        return values


def square_ring(modulus: mpz) -> Ring | None:
    """The ring of a modulus that is the square of an odd number of a size that the kernel has; None for others."""
    root, remainder = gmpy2.isqrt_rem(modulus)
    if remainder or root % 2 == 0 or not has_root_of(root.bit_length()):
        return None
    return Ring.of(root)


@lru_cache(maxsize=16)
def ring_modulo(modulus: mpz) -> Ring | None:
    """As square_ring, remembered: for public moduli, since what is remembered stays in memory."""
    return square_ring(modulus)


def _pair(value: mpz, root: mpz) -> tuple[mpz, mpz]:
    x1, x0 = gmpy2.f_divmod(value, root)
    return x0, x1
