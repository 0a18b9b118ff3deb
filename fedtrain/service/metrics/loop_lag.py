"""Lag of the event loop behind what is due: what blocks it makes every caller wait."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from prometheus_client import CollectorRegistry, Histogram

SAMPLE_EVERY_S = 0.25
_BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)


class LoopLag:
    """Seconds by which a timer of the event loop comes late, looked at every SAMPLE_EVERY_S."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._seconds = Histogram(
            "fedtrain_event_loop_lag_seconds",
            "How late the event loop comes to a timer",
            buckets=_BUCKETS_S,
            registry=registry,
        )

    @asynccontextmanager
    async def watched(self) -> AsyncIterator[None]:
        """Watch the running loop within the block."""
        watching = asyncio.create_task(self._watch(), name="event loop lag")
        try:
            yield
        finally:
            watching.cancel()
            with suppress(asyncio.CancelledError):
                await watching

    async def _watch(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            due = loop.time() + SAMPLE_EVERY_S
            await asyncio.sleep(SAMPLE_EVERY_S)
            self._seconds.observe(max(0.0, loop.time() - due))
