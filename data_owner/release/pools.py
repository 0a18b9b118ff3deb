"""Re-randomisers made ahead of need, a pool a modulus, by one thread that works while nothing else does."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from fedtrain.crypto import FreshNoncePool, RerandomiserPool
from fedtrain.crypto.engine import Engine
from fedtrain.crypto.engine.native.engine import NativeEngine
from fedtrain.crypto.engine.native.ring import LANES
from fedtrain.methods.plan import Plan

ROUNDS_AHEAD = 2
LARGEST_POOL = 512
#: For an owner's own plaintexts a fixed-base table makes factors some twenty times faster; 12 MB at 3,072 bits.
LARGEST_FRESH_POOL = 1 << 14
_FRESH_CHUNK = 64


class Pools:
    """The pools of the jobs in progress, and the thread that fills them."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        # Factors at a time: an answer that comes in meanwhile waits for no more than these. A single power is not worth
        # a worker: it releases the GIL and stays in the filling thread. By the kernel eight take as long as five.
        self._chunk = LANES if isinstance(engine, NativeEngine) else 1
        self._pools: dict[int, RerandomiserPool] = {}
        self._changed = threading.Condition()
        self._answering = 0
        self._stopped = True
        self._thread: threading.Thread | None = None

    def of(self, modulus: int, ciphertexts: int) -> RerandomiserPool:
        """The pool of that modulus, large enough for answers of so many ciphertexts."""
        target = min(LARGEST_POOL, ROUNDS_AHEAD * ciphertexts)
        with self._changed:
            pool = self._pools.get(modulus)
            if pool is None:
                pool = self._pools[modulus] = RerandomiserPool(modulus, self._engine, target)
            pool.target = max(pool.target, target)
            self._changed.notify_all()
        return pool

    def of_plan(self, modulus: int, plan: Plan) -> RerandomiserPool:
        """The pool of that modulus, large enough for the answers of a job by this plan.

        Where they are plain ones of many ciphertexts it holds fresh nonces, and not re-randomisers.
        """
        answers = [plan.round(kind).answer for kind in plan.kinds]
        most = max(answer.layout.ciphertexts for answer in answers)
        if ROUNDS_AHEAD * most <= LARGEST_POOL or any(answer.applied is not None for answer in answers):
            return self.of(modulus, most)
        with self._changed:
            if modulus not in self._pools:
                self._pools[modulus] = FreshNoncePool(modulus, self._engine, min(LARGEST_FRESH_POOL, most))
            self._changed.notify_all()
            return self._pools[modulus]

    def drop(self, modulus: int) -> None:
        """Forget the pool of a job that ended."""
        with self._changed:
            self._pools.pop(modulus, None)

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
    def answering(self) -> Iterator[None]:
        """While an answer is computed the filling rests: the answer is what somebody waits for."""
        with self._changed:
            self._answering += 1
        try:
            yield
        finally:
            with self._changed:
                self._answering -= 1
                self._changed.notify_all()

    def start(self) -> None:
        """Start filling."""
        self._stopped = False
        self._thread = threading.Thread(target=self._fill, name="rerandomisers", daemon=True)
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
                pool.fill(_FRESH_CHUNK if isinstance(pool, FreshNoncePool) else self._chunk)

    def _next(self) -> RerandomiserPool | None:
        if self._answering:
            return None
        return next((pool for pool in self._pools.values() if pool.level < pool.target), None)
