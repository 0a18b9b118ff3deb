"""Requests that stay open, such as event streams and long polls: counted, so that no caller can fill a service."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from fedtrain.spec.problems import Code, Problem

_RETRY_AFTER_S = 5


class HeldRequests:
    """Count of requests of one kind that each caller has open.

    `what`: their name in the plural; `instead`: what a refused caller can do. `most`: of all callers together, None
    where the service's connections are limit enough.
    """

    def __init__(self, what: str, instead: str, most_of_a_caller: int, most: int | None = None) -> None:
        self._what, self._instead = what, instead
        self._most_of_a_caller, self._most = most_of_a_caller, most
        self._open: Counter[str] = Counter()

    @property
    def total(self) -> int:
        """Return how many all callers have open."""
        return self._open.total()

    @contextmanager
    def held(self, caller: str) -> Iterator[None]:
        """Count one for as long as the context lasts. Raises Problem as `take`."""
        self.take(caller)
        try:
            yield
        finally:
            self.release(caller)

    def take(self, caller: str) -> None:
        """Count one more. Raises Problem(RATE_LIMITED) where there are as many as there may be."""
        own = self._open[caller]
        of_all = self._most is not None and self.total >= self._most
        if own >= self._most_of_a_caller or of_all:
            whose = f"{self.total} {self._what} are" if of_all else f"{own} {self._what} of this caller are"
            raise Problem(
                Code.RATE_LIMITED,
                f"{whose} open, as many as there may be: {self._instead}.",
                retry_after_s=_RETRY_AFTER_S,
            )
        self._open[caller] += 1

    def release(self, caller: str) -> None:
        """Count one less."""
        self._open[caller] -= 1
        self._open += Counter()  # forget callers that have none
