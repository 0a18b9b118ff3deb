"""An array of numbers under encryption, with everything that the arithmetic must know about it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import gmpy2
from gmpy2 import mpz

from fedtrain.crypto.errors import CapacityExceeded, LayoutMismatch, MalformedCiphertext
from fedtrain.crypto.packing.slots import SlotLayout
from fedtrain.crypto.paillier.keys import ciphertext_width_bytes


@dataclass(frozen=True)
class EncryptedVector:
    """A (layout.rows, layout.columns) array of fixed-point numbers, encrypted.

    `fraction_bits`: a real v is held as round(v·2^fraction_bits). `bound`: the largest magnitude that any
    held integer can have, worst case, whatever the data. Raises CapacityExceeded where the bound and its
    sign do not fit a slot, LayoutMismatch for another number of ciphertexts.
    """

    key_id: str
    fraction_bits: int
    bound: int
    layout: SlotLayout
    ciphertexts: tuple[mpz, ...] = field(repr=False)

    def __post_init__(self) -> None:
        if self.bound < 0:
            raise ValueError(f"a bound is a magnitude, received {self.bound}")
        if self.bound_bits + 1 > self.layout.slot_bits:
            raise CapacityExceeded(self.bound_bits + 1, self.layout.slot_bits)
        if len(self.ciphertexts) != self.layout.ciphertexts:
            raise LayoutMismatch(f"{self.layout.ciphertexts} ciphertexts", f"{len(self.ciphertexts)} ciphertexts")

    @property
    def bound_bits(self) -> int:
        """β: the bits of the worst-case magnitude, the sign not counted."""
        return self.bound.bit_length()


def ciphertexts_to_bytes(ciphertexts: Sequence[mpz], n: int) -> bytes:
    """Fixed-width big-endian numbers, each as wide as n², one after another."""
    width = ciphertext_width_bytes(n)
    return b"".join(int(ciphertext).to_bytes(width, "big") for ciphertext in ciphertexts)


def ciphertexts_from_bytes(data: bytes, n: int, count: int) -> tuple[mpz, ...]:
    """The inverse of `ciphertexts_to_bytes`, for bytes from outside.

    Raises MalformedCiphertext for any length but count × width, and for a number c that is not
    0 < c < n² and prime to n; it names the first such index.
    """
    width = ciphertext_width_bytes(n)
    if len(data) != width * count:
        raise MalformedCiphertext(
            min(len(data) // width, count), f"expected {count} × {width} bytes, received {len(data)}"
        )
    ciphertexts = tuple(
        mpz(int.from_bytes(data[start : start + width], "big")) for start in range(0, width * count, width)
    )
    check_ciphertexts(ciphertexts, n)
    return ciphertexts


def check_ciphertexts(ciphertexts: Sequence[mpz], n: int) -> None:
    """Raise MalformedCiphertext, with the index, unless every c has 0 < c < n² and gcd(c, n) = 1."""
    modulus = mpz(n)
    square = modulus * modulus
    product = mpz(1)
    for index, ciphertext in enumerate(ciphertexts):
        if not 0 < ciphertext < square:
            raise MalformedCiphertext(index, "not between 1 and n² − 1")
        # One gcd for all of them: a factor of n in any one is in the product.
        product = product * ciphertext % modulus
    if gmpy2.gcd(product, modulus) != 1:
        for index, ciphertext in enumerate(ciphertexts):
            if gmpy2.gcd(ciphertext, modulus) != 1:
                raise MalformedCiphertext(index, "shares a factor with n")
