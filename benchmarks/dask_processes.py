"""A real Dask scheduler and its workers, each a process of its own, on loopback."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import psutil

ROOT = Path(__file__).resolve().parents[1]
ONE_CORE: Final = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}


class DaskProcesses:
    """Starts and kills them; `address` is what a Data Owner's --engine takes."""

    def __init__(self, folder: Path, port: int) -> None:
        self._folder = folder
        self._port = port
        self.address = f"dask://127.0.0.1:{port}"
        self.scheduler: subprocess.Popen[bytes] | None = None
        self.workers: list[subprocess.Popen[bytes]] = []

    def start_scheduler(self) -> None:
        options = ("--host", "127.0.0.1", "--port", str(self._port), "--dashboard-address", "127.0.0.1:0")
        self.scheduler = self._start("scheduler", *options, "--no-dashboard")

    def start_worker(self, root: Path = ROOT) -> subprocess.Popen[bytes]:
        """`root`: the checkout whose code it runs."""
        options = ("--nthreads", "1", "--no-nanny", "--no-dashboard", "--local-directory", str(self._folder))
        worker = self._start("worker", f"tcp://127.0.0.1:{self._port}", *options, root=root)
        self.workers.append(worker)
        return worker

    def processor_seconds(self) -> float:
        """Processor seconds of all workers so far, their start included."""
        times = [psutil.Process(worker.pid).cpu_times() for worker in self.workers]
        return round(sum(one.user + one.system for one in times), 2)

    def kill(self, process: subprocess.Popen[bytes]) -> None:
        """End a process at once, as by kill -9."""
        process.kill()
        process.wait()

    def stop(self) -> None:
        for process in (*self.workers, *([self.scheduler] if self.scheduler else [])):
            self.kill(process)

    def _start(self, *command: str, root: Path = ROOT) -> subprocess.Popen[bytes]:
        log = (self._folder / "dask.log").open("ab")
        return subprocess.Popen(  # noqa: S603 - our own
            [sys.executable, "-m", "dask", *command],
            cwd=root,
            # As Dask's own nanny has it: libraries that start threads for every core wait for one another.
            env={**os.environ, **ONE_CORE, "PYTHONPATH": str(root)},
            stdout=log,
            stderr=log,
        )


@contextmanager
def dask_processes(folder: Path, port: int, workers: int = 2) -> Iterator[DaskProcesses]:
    """A scheduler on `port` and so many workers, stopped when the context is left."""
    processes = DaskProcesses(folder, port)
    try:
        processes.start_scheduler()
        for _ in range(workers):
            processes.start_worker()
        yield processes
    finally:
        processes.stop()
