"""Full-width re-randomisers: what an owner multiplies into a ciphertext that came from someone else's.

rⁿ with r uniform in Z_n*: a shorter exponent, or powers of one base, would let a malicious key holder with
smooth p − 1 and nonces of its own choice read an owner's scalars out of the resulting nonce.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence

import gmpy2
from gmpy2 import mpz

from fedtrain.crypto.engine import Engine
from fedtrain.crypto.paillier.factor_pool import FactorPool


def rerandomise(ciphertexts: Sequence[mpz], n: int, factors: Sequence[mpz]) -> list[mpz]:
    """c·rⁿ mod n² for each, one factor from the pool for each. Raises ValueError for another count."""
    square = mpz(n) * n
    return [c * factor % square for c, factor in zip(ciphertexts, factors, strict=True)]


def draw_unit(n: int) -> mpz:
    """Uniform in Z_n*."""
    while True:
        unit = mpz(1 + secrets.randbelow(n - 1))
        if gmpy2.gcd(unit, n) == 1:
            return unit


class RerandomiserPool(FactorPool):
    """rⁿ mod n² for one modulus n, r uniform in Z_n*."""

    def __init__(self, n: int, engine: Engine, target: int) -> None:
        def compute(count: int) -> list[mpz]:
            # The exponent n is public, and the base is uniform.
            return engine.powers([draw_unit(int(n)) for _ in range(count)], int(n), mpz(n) * n)

        super().__init__(compute, target)
