"""Full-width re-randomisers: what an owner multiplies into a ciphertext that came from someone else's.

rⁿ with r uniform in Z_n*: a shorter exponent, or powers of one base, would let a malicious key holder with
smooth p − 1 and nonces of its own choice read an owner's scalars out of the resulting nonce.
"""

from __future__ import annotations

import os
import secrets
import threading
from collections.abc import Sequence
from typing import NoReturn
from weakref import WeakSet

import gmpy2
from gmpy2 import mpz

from fedtrain.crypto.engine import Engine


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


class RerandomiserPool:
    """rⁿ mod n², computed ahead of need, for one modulus in one process.

    In memory only: cannot be pickled, and a forked child starts with an empty pool, so that no factor is
    ever used twice. Safe to share between threads; `fill` is meant for a background thread in idle time.
    """

    def __init__(self, n: int, engine: Engine, target: int) -> None:
        if target < 0:
            raise ValueError(f"target must be at least 0, received {target}")
        self._n = int(n)
        self._engine = engine
        self.target = target
        self._start_empty()
        _POOLS.add(self)

    def _start_empty(self) -> None:
        self._lock = threading.Lock()
        self._factors: list[mpz] = []

    def empty(self) -> None:
        """Throw away what is ready: after a restore of a saved process or machine, which would use it twice."""
        with self._lock:
            self._factors.clear()

    @property
    def level(self) -> int:
        """Factors ready now."""
        return len(self._factors)

    def take(self, count: int) -> list[mpz]:
        """`count` factors, each handed out once; those that are not ready are computed here and now."""
        if count < 0:
            raise ValueError(f"count must be at least 0, received {count}")
        with self._lock:
            ready = self._factors[:count]
            del self._factors[:count]
        return ready + self._compute(count - len(ready))

    def fill(self, max_count: int) -> int:
        """Compute up to `max_count` factors, not beyond the target; how many were added."""
        factors = self._compute(max(0, min(max_count, self.target - self.level)))
        with self._lock:
            added = factors[: max(0, self.target - len(self._factors))]
            self._factors.extend(added)
        return len(added)

    def _compute(self, count: int) -> list[mpz]:
        if count <= 0:
            return []
        units = [draw_unit(self._n) for _ in range(count)]
        # The exponent n is public, and the base is uniform.
        return self._engine.powers(units, self._n, mpz(self._n) * self._n)

    def __repr__(self) -> str:
        return f"<RerandomiserPool level={self.level} target={self.target}>"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a pool of re-randomisers stays in its process: a copy would use each of them twice")


_POOLS: WeakSet[RerandomiserPool] = WeakSet()


def _empty_every_pool() -> None:
    for pool in list(_POOLS):
        pool._start_empty()


if hasattr(os, "register_at_fork"):
    # The child has one thread at this point, and may have inherited a lock that another thread held.
    os.register_at_fork(after_in_child=_empty_every_pool)
