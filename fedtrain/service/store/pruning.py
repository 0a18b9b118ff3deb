"""The background pass by which every party forgets, by age, the ciphertexts of jobs that have ended."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta

import structlog

from fedtrain.protocol.clock import Clock

log = structlog.get_logger("protocol.server")

INTERVAL_S = 3600.0

#: Forgets what ended before a moment, and returns how many jobs that was. Blocks.
Prune = Callable[[datetime], int]


async def prune_regularly(
    prune: Prune, after_days: float | None, clock: Clock, stop: asyncio.Event, interval_s: float = INTERVAL_S
) -> None:
    """Prune at once and every `interval_s` until `stop` is set; with `after_days` None, never.

    A pass that fails is logged, and the next one tries again.
    """
    if after_days is None:
        return
    while not stop.is_set():
        try:
            pruned = await asyncio.to_thread(prune, clock.now() - timedelta(days=after_days))
            if pruned:
                log.info("ciphertexts of ended jobs deleted", jobs=pruned, older_than_days=after_days)
        except Exception:
            log.exception("pruning failed and will be tried again")
        try:
            await asyncio.wait_for(stop.wait(), interval_s)
        except TimeoutError:
            continue
