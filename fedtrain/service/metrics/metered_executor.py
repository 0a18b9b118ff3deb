"""The executor of a service's arithmetic, with its queue in view and the log's context carried along.

`run_in_executor` leaves context variables behind, so a line written in a thread would not say which job it is about.
"""

from __future__ import annotations

import contextvars
import threading
import time
from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import Any, TypeVar

from prometheus_client import CollectorRegistry, Gauge, Histogram

_T = TypeVar("_T")
WAITING, RUNNING = "waiting", "running"


class MeteredExecutor(Executor):
    """Hands everything to `inner`, which its owner shuts down; `fedtrain_executor_*` tell how it gets along."""

    def __init__(self, inner: Executor, registry: CollectorRegistry) -> None:
        self._inner = inner
        self._lock = threading.Lock()
        self._counts = {WAITING: 0, RUNNING: 0}
        tasks = Gauge("fedtrain_executor_tasks", "Arithmetic that waits or runs", ("state",), registry=registry)
        tasks.labels(WAITING).set_function(lambda: self._counts[WAITING])
        tasks.labels(RUNNING).set_function(lambda: self._counts[RUNNING])
        self._wait_seconds = Histogram(
            "fedtrain_executor_wait_seconds", "Time from asking for arithmetic to its start", registry=registry
        )

    def submit(self, fn: Callable[..., _T], /, *args: Any, **kwargs: Any) -> Future[_T]:
        """As Executor.submit."""
        context = contextvars.copy_context()
        asked_at = time.perf_counter()
        begun = threading.Event()

        # What is to be done stays an argument, so that an executor still sees what it is given.
        def run(fn: Callable[..., _T], /, *args: Any, **kwargs: Any) -> _T:
            begun.set()
            self._wait_seconds.observe(time.perf_counter() - asked_at)
            self._count(WAITING, -1)
            self._count(RUNNING, 1)
            try:
                return context.run(fn, *args, **kwargs)
            finally:
                self._count(RUNNING, -1)

        def ended(_future: Future[_T]) -> None:
            if not begun.is_set():  # it was cancelled in the queue
                self._count(WAITING, -1)

        self._count(WAITING, 1)
        try:
            future = self._inner.submit(run, fn, *args, **kwargs)
        except BaseException:
            self._count(WAITING, -1)
            raise
        future.add_done_callback(ended)
        return future

    def _count(self, state: str, change: int) -> None:
        with self._lock:
            self._counts[state] += change
