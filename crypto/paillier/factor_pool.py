"""Factors of nonces made before they are needed: what is left then is one product a ciphertext."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import NoReturn
from weakref import WeakSet

from gmpy2 import mpz


class FactorPool:
    """Factors of nonces, computed ahead of need, for one modulus in one process.

    In memory only: cannot be pickled, and a forked child starts with an empty pool, so that no factor is
    ever used twice. Safe to share between threads; `fill` is meant for a background thread in idle time.
    """

    def __init__(self, compute: Callable[[int], list[mpz]], target: int, at_once: int | None = None) -> None:
        """`compute`: returns as many fresh factors as it is asked for, 1 or more. `at_once`: how many take no time."""
        if target < 0:
            raise ValueError(f"target must be at least 0, received {target}")
        self._compute = compute
        self.at_once = at_once
        self.target = target
        self._start_empty()
        _POOLS.add(self)

    def _start_empty(self) -> None:
        self._lock = threading.Lock()
        self._factors: list[mpz] = []

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
        missing = count - len(ready)
        return ready + self._compute(missing) if missing else ready

    def fill(self, max_count: int) -> int:
        """Compute up to `max_count` factors, not beyond the target; how many were added."""
        count = min(max_count, self.target - self.level)
        if count <= 0:
            return 0
        factors = self._compute(count)
        with self._lock:
            added = factors[: max(0, self.target - len(self._factors))]
            self._factors.extend(added)
        return len(added)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} level={self.level} target={self.target}>"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a pool of nonces stays in its process: a copy would use each of them twice")


_POOLS: WeakSet[FactorPool] = WeakSet()


def _empty_every_pool() -> None:
    for pool in list(_POOLS):
        pool._start_empty()


if hasattr(os, "register_at_fork"):
    # The child has one thread at this point, and may have inherited a lock that another thread held.
    os.register_at_fork(after_in_child=_empty_every_pool)
