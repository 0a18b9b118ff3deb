"""One thread that fills pools of factors while nothing else is to be computed."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from typing import Generic, TypeVar

from fedtrain.crypto.engine import Engine
from fedtrain.crypto.engine.native.engine import NativeEngine
from fedtrain.crypto.engine.native.ring import LANES
from fedtrain.crypto.paillier.factor_pool import FactorPool

log = logging.getLogger("crypto.pools")

Key = TypeVar("Key", bound=Hashable)


class PoolFiller(Generic[Key]):
    """The pools of the jobs in progress, by key, and the thread that fills them."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        # Factors at a time: what is computed meanwhile waits for no more than these. A single power is not worth a
        # worker: it releases the GIL and stays in the filling thread. By the kernel eight take as long as five.
        self._chunk = LANES if isinstance(engine, NativeEngine) else 1
        self._pools: dict[Key, FactorPool] = {}
        #: Pools that could not be filled the last time: they are tried again once anything has changed.
        self._failed: set[FactorPool] = set()
        self._changed = threading.Condition()
        self._busy = 0
        self._stopped = True
        self._thread: threading.Thread | None = None

    def raised(self, key: Key, make: Callable[[], FactorPool], target: int) -> FactorPool:
        """Return the pool of that key, made if there is none, its target at least `target`."""
        with self._changed:
            pool = self._pools.get(key)
            if pool is None:
                pool = self._pools[key] = make()
            pool.target = max(pool.target, target)
            self._try_again()
        return pool

    def drop(self, key: Key) -> None:
        """Forget the pool of a job that ended."""
        with self._changed:
            self._pools.pop(key, None)
            self._failed.clear()

    @property
    def level(self) -> int:
        """Factors ready, over all pools."""
        with self._changed:
            return sum(pool.level for pool in self._pools.values())

    @property
    def target(self) -> int:
        """Factors that the pools aim at, over all of them."""
        with self._changed:
            return sum(pool.target for pool in self._pools.values())

    @contextmanager
    def resting(self) -> Iterator[None]:
        """While somebody waits for what is computed, the filling rests."""
        with self._changed:
            self._busy += 1
        try:
            yield
        finally:
            with self._changed:
                self._busy -= 1
                self._try_again()

    def _try_again(self) -> None:
        self._failed.clear()
        self._changed.notify_all()

    def start(self) -> None:
        """Start filling."""
        self._stopped = False
        self._thread = threading.Thread(target=self._fill, name="pool filler", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop filling; returns once the chunk in work is done."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join()

    def _fill(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._stopped or self._next() is not None)
                if self._stopped:
                    return
                pool = self._next()
            if pool is not None:
                self._fill_one(pool)

    def _fill_one(self, pool: FactorPool) -> None:
        try:
            pool.fill(pool.at_once or self._chunk)
        except Exception:
            # Factors that are missing are made when they are needed, and what is wrong is then raised there.
            log.exception("filling a pool failed")
            with self._changed:
                self._failed.add(pool)

    def _next(self) -> FactorPool | None:
        if self._busy:
            return None
        due = (pool for pool in self._pools.values() if pool not in self._failed)
        return next((pool for pool in due if pool.level < pool.target), None)
