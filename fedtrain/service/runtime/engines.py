"""The engine that a service computes with, while it runs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager

import structlog

from fedtrain.crypto import Engine
from fedtrain.crypto.engine.native.engine import NativeEngine, why_not
from fedtrain.service.runtime.workers import WorkerEngine

log = structlog.get_logger("arithmetic")

#: By how much the kernel was ahead of gmpy2 on one core, at keys of 2,048 and 3,072 bits.
TIMES_FASTER = "5 to 10 times"


@asynccontextmanager
async def engine_of(workers: int, given: Engine | None, choice: str = "auto") -> AsyncIterator[Engine]:
    """The engine of a service while it runs: the one it was given, else the kernel over `workers` threads, or gmpy2
    with as many processes."""
    if given is not None:
        yield given
        return
    reason = "gmpy2 was asked for" if choice == "gmpy2" else why_not()
    if reason is None:
        with ThreadPoolExecutor(workers, thread_name_prefix="kernel") as threads:
            yield NativeEngine(threads, workers)
        return
    log.warning("the compiled kernel is not used", why=reason, arithmetic_takes=f"{TIMES_FASTER} as long")
    engine = WorkerEngine(workers)
    try:
        yield engine
    finally:
        await asyncio.to_thread(engine.close)
