"""Waking long polls: whoever changes something rings, whoever waits for it wakes.

with doorbell.listen(party_id) as bell:      # from here on no ring is missed
    while not (tasks := look()):
        if not await bell.wait(seconds_left, app.state.stop):
            break                            # time is up, or the service stops
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Hashable, Iterator
from contextlib import contextmanager, suppress


class Bell:
    """One listener's bell. It remembers a ring until the next `wait`."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._rung = asyncio.Event()

    def _ring(self) -> None:
        with suppress(RuntimeError):  # its event loop has closed, so nobody waits any more
            self._loop.call_soon_threadsafe(self._rung.set)

    async def wait(self, timeout_s: float, stop: asyncio.Event) -> bool:
        """Return True when it was rung since the last wait, False after `timeout_s` or as soon as `stop` is set."""
        if timeout_s > 0 and not stop.is_set() and not self._rung.is_set():
            waits = {asyncio.ensure_future(self._rung.wait()), asyncio.ensure_future(stop.wait())}
            try:
                await asyncio.wait(waits, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for wait in waits:
                    wait.cancel()
        rung = self._rung.is_set() and not stop.is_set()
        self._rung.clear()
        return rung


class Doorbell:
    """Bells by key. `ring` may be called from any thread, `listen` within an event loop."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._bells: dict[Hashable, set[Bell]] = {}

    def ring(self, key: Hashable) -> None:
        """Wake all who listen at `key`. Ring after the change is committed, or they look too early."""
        with self._lock:
            bells = tuple(self._bells.get(key, ()))
        for bell in bells:
            bell._ring()

    def ring_all(self) -> None:
        """Wake all who listen at any key: something may have changed that nobody rang for."""
        with self._lock:
            bells = [bell for listening in self._bells.values() for bell in listening]
        for bell in bells:
            bell._ring()

    @contextmanager
    def listen(self, key: Hashable) -> Iterator[Bell]:
        """Give a bell that hears every ring at `key` from now on. Take it before looking."""
        bell = Bell()
        with self._lock:
            self._bells.setdefault(key, set()).add(bell)
        try:
            yield bell
        finally:
            with self._lock:
                self._bells[key].discard(bell)
                if not self._bells[key]:
                    del self._bells[key]
