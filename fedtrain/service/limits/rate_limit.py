"""Limit on a caller's calls: a token bucket each, refilled steadily."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

#: Buckets that are kept; the one used longest ago makes room, and would have been full again anyway.
_KEPT_BUCKETS = 10_000


@dataclass(frozen=True)
class RateLimit:
    """`per_s` requests a second in the long run, `burst` at once."""

    per_s: float
    burst: int


class TokenBuckets:
    """A bucket for each key that is seen."""

    def __init__(self, limit: RateLimit, monotonic: Callable[[], float]) -> None:
        self._limit = limit
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()  # key → what is left, and when

    def take(self, key: str) -> float:
        """Take one request from the key's bucket. Returns 0.0, or the seconds until there is one to take."""
        now = self._monotonic()
        with self._lock:
            left, at = self._buckets.pop(key, (float(self._limit.burst), now))
            left = min(float(self._limit.burst), left + (now - at) * self._limit.per_s)
            wait_s = 0.0 if left >= 1 else (1 - left) / self._limit.per_s
            self._buckets[key] = (left if wait_s else left - 1, now)
            while len(self._buckets) > _KEPT_BUCKETS:
                self._buckets.popitem(last=False)
        return wait_s
