"""The processes that do a service's large arithmetic, started once, and replaced if they die.

gmpy2 holds the GIL in multiply loops: only other processes leave the event loop its core, and use the others.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable
from concurrent.futures import BrokenExecutor, Executor, Future, ProcessPoolExecutor
from typing import Any, TypeVar

import structlog

from fedtrain.crypto import Engine, LocalEngine, ProcessEngine, SizedEngine

log = structlog.get_logger("workers")

_T = TypeVar("_T")

#: A task that is lost with its worker so often is the likely cause itself, of want of memory for instance.
ATTEMPTS = 3


class Workers(Executor):
    """A pool of `count` spawned processes. A task that is lost with a worker is computed again.

    The processes start with the first task; a service that never has large work has none. They end with the
    service, even if that is killed. Any thread may share it.
    """

    def __init__(self, count: int) -> None:
        if count < 1:
            raise ValueError(f"workers must be at least 1, received {count}")
        self._count = count
        self._lock = threading.Lock()
        self._closed = False
        self._pool: ProcessPoolExecutor | None = None
        self.restarts = 0

    def submit(self, fn: Callable[..., _T], /, *args: Any, **kwargs: Any) -> Future[_T]:
        """As Executor.submit. The future raises BrokenExecutor for a task that was lost with its worker ATTEMPTS times.

        Raises RuntimeError after a shutdown.
        """
        task: Future[_T] = Future()
        task.set_running_or_notify_cancel()
        self._attempt(task, 1, lambda pool: pool.submit(fn, *args, **kwargs))
        return task

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """End the processes; what is being computed is finished first."""
        with self._lock:
            self._closed = True
            pool = self._pool
        if pool is not None:
            pool.shutdown(wait=wait, cancel_futures=cancel_futures)

    def _attempt(self, task: Future[_T], number: int, send: Callable[[ProcessPoolExecutor], Future[_T]]) -> None:
        pool, sent = self._send(send)

        def done(attempt: Future[_T]) -> None:
            if attempt.cancelled():
                task.set_exception(RuntimeError("the service is stopping: the task was not computed"))
                return
            error = attempt.exception()
            if error is None:
                task.set_result(attempt.result())
            elif isinstance(error, BrokenExecutor) and number < ATTEMPTS:
                # Not here: this is the broken pool's own thread, which in some Pythons holds what its shutdown takes.
                again = threading.Thread(target=self._again, args=(task, pool, number + 1, send), daemon=True)
                try:
                    again.start()
                except RuntimeError as ending:  # the interpreter, or the threads that there may be
                    task.set_exception(ending)
            else:
                task.set_exception(error)

        sent.add_done_callback(done)

    def _send(self, send: Callable[[ProcessPoolExecutor], Future[_T]]) -> tuple[ProcessPoolExecutor, Future[_T]]:
        for _ in range(ATTEMPTS):
            with self._lock:
                if self._closed:
                    raise RuntimeError("the workers have been shut down")
                pool = self._pool = self._pool or _started(self._count)
            # A pool that breaks while it is given a task may lose it (in Python 3.11 it marks what it has as lost, and
            # may have done so by then), or raise what its closed queues do. Told in time, it says that it is broken.
            try:
                sent = send(pool)
            except Exception:
                if not pool._broken:
                    raise
            else:
                if sent.done() or not pool._broken:
                    return pool, sent
            self._replace(pool)
        raise BrokenExecutor(f"worker processes ended {ATTEMPTS} times before they could be given a task")

    def _again(
        self,
        task: Future[_T],
        broken: ProcessPoolExecutor,
        number: int,
        send: Callable[[ProcessPoolExecutor], Future[_T]],
    ) -> None:
        self._replace(broken)
        try:
            self._attempt(task, number, send)
        except Exception as error:  # noqa: BLE001 - whoever waits for the task hears it
            task.set_exception(error)

    def _replace(self, broken: ProcessPoolExecutor) -> None:
        with self._lock:
            if self._pool is not broken:
                return  # another task that was lost has seen to it
            self._pool = None
            self.restarts += 1
        log.warning("a worker process ended; starting new ones", workers=self._count, restarts=self.restarts)
        broken.shutdown(wait=False)


def _started(count: int) -> ProcessPoolExecutor:
    # Forking a process that has threads copies their locks as they happen to be.
    context = multiprocessing.get_context("spawn")
    return ProcessPoolExecutor(count, mp_context=context, initializer=_prepare_worker)


def _prepare_worker() -> None:
    """The service decides when its workers stop: on its shutdown, or with its end whatever that was."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    service = multiprocessing.parent_process()
    if service is not None:
        threading.Thread(target=_end_with, args=(service,), name="service watch", daemon=True).start()


def _end_with(service: Any) -> None:
    service.join()
    os._exit(0)


class WorkerEngine(SizedEngine):
    """Engine of a service: in the calling thread what is small, in `workers` processes what is large.

    With one worker there is nothing to divide, and no process is started.
    """

    def __init__(self, workers: int) -> None:
        local = LocalEngine()
        self._workers = Workers(workers)
        large: Engine = local if workers == 1 else ProcessEngine(self._workers, workers)
        super().__init__(local, large)

    @property
    def restarts(self) -> int:
        """Count of times that worker processes had to be replaced."""
        return self._workers.restarts

    def close(self) -> None:
        """End the processes. What has not begun is given up; blocks until what has begun is finished."""
        self._workers.shutdown(cancel_futures=True)
