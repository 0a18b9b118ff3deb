"""Plaintexts added inside ciphertexts: with g = n + 1, g^m = 1 + m·n mod n² is one product (Paillier 1999)."""

from __future__ import annotations

from collections.abc import Sequence

import gmpy2
from gmpy2 import mpz


def add_plaintexts(ciphertexts: Sequence[mpz], plaintexts: Sequence[int], n: int) -> list[mpz]:
    """c·(1 + m·n) mod n² for each, which does not touch the nonce; r^n in the place of c makes a fresh ciphertext.

    In numbers of half the size: with c = a + b·n it is a + ((a·m + b) mod n)·n. Raises ValueError for other numbers of
    plaintexts than of ciphertexts.
    """
    modulus = mpz(n)
    halves = [(gmpy2.f_divmod(c, modulus), m) for c, m in zip(ciphertexts, plaintexts, strict=True)]
    return [low + (low * m + high) % modulus * modulus for (high, low), m in halves]
