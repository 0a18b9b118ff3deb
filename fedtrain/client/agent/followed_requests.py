"""News in a party's requests, waited for at the Facilitator for as long as somebody here looks at them."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Final

from fedtrain.client.retry import asked_s, backoff_s
from fedtrain.spec.problems import Problem

WAIT_S: Final = 20.0
#: Between two times of asking: a thread in which many write at once is told of once.
APART_S: Final = 0.5


class FollowedRequests:
    """The edition of a party's requests: one wait at the Facilitator, however many look here. For one event loop."""

    def __init__(self, ask: Callable[[str, float], Awaitable[str]]) -> None:
        """`ask` is given the edition that is known and the seconds to wait for another one, and raises Problem."""
        self._ask = ask
        self._edition: str | None = None
        self._followers = 0
        self._following: asyncio.Task[None] | None = None

    async def edition(self) -> str | None:
        """Return the edition, None while it is not known.

        It is another one each time that the Facilitator could not be asked: who then asks for requests is told why, or
        has them of one that knows no editions.
        """
        return self._edition

    @contextmanager
    def followed(self) -> Iterator[None]:
        """Keep the edition up to date within the block."""
        self._followers += 1
        if self._following is None:
            self._following = asyncio.create_task(self._follow(), name="requests followed")
        try:
            yield
        finally:
            self._followers -= 1
            if self._followers == 0:
                self._following.cancel()
                self._following = None

    async def _follow(self) -> None:
        failures = 0
        while True:
            try:
                self._edition = await self._ask(self._edition or "", WAIT_S)
                failures, pause_s = 0, APART_S
            except Problem as problem:
                failures += 1
                self._edition = f"not known, {failures}"
                pause_s = max(asked_s(problem), backoff_s(failures, random.random()))  # noqa: S311
            await asyncio.sleep(pause_s)
