"""Worker processes: started when first needed, replaced when they die, ended with the service."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import BrokenExecutor, Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest
from gmpy2 import mpz

from fedtrain.crypto import LocalEngine
from fedtrain.service.runtime import workers as module
from fedtrain.service.runtime.workers import ATTEMPTS, WorkerEngine, Workers

ROOT = Path(__file__).parents[3]


@pytest.fixture
def workers() -> Iterator[Workers]:
    pool = Workers(2)
    yield pool
    pool.shutdown()


def test_tasks_run_in_other_processes_that_stay(workers: Workers) -> None:
    pids = {workers.submit(os.getpid).result() for _ in range(6)}
    assert os.getpid() not in pids
    assert len(pids) <= 2
    assert workers.submit(int, "12", base=8).result() == 10


def test_what_a_task_raises_comes_back(workers: Workers) -> None:
    with pytest.raises(ValueError, match="invalid literal"):
        workers.submit(int, "twelve").result()
    assert workers.restarts == 0


def test_a_task_whose_worker_was_killed_is_computed_again(workers: Workers, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    waiting = workers.submit(os.open, pipe, os.O_RDONLY)  # until somebody writes
    os.kill(workers.submit(os.getpid).result(), signal.SIGKILL)
    while workers.restarts == 0:
        workers.submit(os.getpid).result()
    assert not waiting.done()
    while not waiting.done():
        with suppress(OSError):  # nobody has it open for reading yet
            os.close(os.open(pipe, os.O_WRONLY | os.O_NONBLOCK))
    assert isinstance(waiting.result(), int)
    assert workers.restarts == 1
    assert workers.submit(abs, -3).result() == 3


def test_a_task_given_after_a_worker_died_idle_is_computed(workers: Workers) -> None:
    pid = workers.submit(os.getpid).result()
    os.kill(pid, signal.SIGKILL)
    for _ in range(20):
        assert workers.submit(abs, -4).result() == 4
    assert workers.submit(os.getpid).result() != pid


def test_a_task_that_kills_every_worker_is_given_up(workers: Workers) -> None:
    with pytest.raises(BrokenExecutor):
        workers.submit(os._exit, 9).result()
    assert workers.restarts == ATTEMPTS - 1
    assert workers.submit(abs, -5).result() == 5, "and the next task has workers again"


class LostTask(Future[int]):
    """Knows when somebody waits for it."""

    def __init__(self) -> None:
        super().__init__()
        self.awaited = threading.Event()

    def add_done_callback(self, fn: Callable[[Future[int]], object]) -> None:
        super().add_done_callback(fn)
        self.awaited.set()


class BreakingPool:
    """A pool that breaks while it is given its first task, and loses it: as told by `how`."""

    def __init__(self, how: str) -> None:
        self._broken: str | bool = False
        self._how = how
        self._lock = threading.Lock()

    def submit(self, *_call: object) -> Future[int]:
        lost = LostTask()
        if self._how == "its thread holds the lock of its shutdown":
            threading.Thread(target=self._end, args=(lost,), daemon=True).start()
            return lost
        if self._how != "it is not broken":
            self._broken = "a worker was killed"
        if self._how == "nobody is told":
            return lost
        raise OSError("handle is closed")

    def _end(self, lost: LostTask) -> None:
        lost.awaited.wait()
        with self._lock:
            self._broken = "a worker was killed"
            lost.set_exception(BrokenExecutor(self._broken))

    def shutdown(self, *, wait: bool) -> None:
        with self._lock:
            assert not wait


@pytest.mark.parametrize("how", ["nobody is told", "an error", "its thread holds the lock of its shutdown"])
def test_a_task_given_at_the_moment_when_a_worker_dies_is_computed(monkeypatch: pytest.MonkeyPatch, how: str) -> None:
    """Told wrong, this waits for ever."""
    pools = iter([BreakingPool(how), ThreadPoolExecutor(1)])
    monkeypatch.setattr(module, "_started", lambda _count: next(pools))
    workers = Workers(1)
    assert workers.submit(abs, -6).result() == 6
    assert workers.restarts == 1
    workers.shutdown()


def test_an_error_of_a_pool_that_is_not_broken_is_the_callers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_started", lambda _count: BreakingPool("it is not broken"))
    workers = Workers(1)
    with pytest.raises(OSError, match="handle is closed"):
        workers.submit(abs, -6)
    assert workers.restarts == 0


def test_after_the_shutdown_nothing_is_accepted() -> None:
    workers = Workers(1)
    assert workers.submit(abs, -1).result() == 1
    workers.shutdown()
    with pytest.raises(RuntimeError, match="shut down"):
        workers.submit(abs, -1)
    with pytest.raises(ValueError, match="at least 1"):
        Workers(0)


def test_an_engine_with_workers_gives_what_one_without_gives() -> None:
    modulus = (mpz(1) << 4096) - 17
    bases = [mpz(base) for base in range(2, 12)]
    engine = WorkerEngine(2)
    try:
        started = engine.powers(bases, 1 << 1200, modulus)
        assert started == LocalEngine().powers(bases, 1 << 1200, modulus)
    finally:
        engine.close()


def test_small_work_and_a_single_worker_start_no_process(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(count: int) -> None:
        raise AssertionError(f"{count} processes were started")

    monkeypatch.setattr(module, "_started", refuse)
    modulus = (mpz(1) << 4096) - 17
    assert WorkerEngine(2).powers([mpz(2), mpz(3)], 4, modulus) == [16, 81]
    large = [mpz(base) for base in range(2, 12)]
    assert len(WorkerEngine(1).powers(large, 1 << 1200, modulus)) == 10
    with pytest.raises(AssertionError, match="2 processes"):
        WorkerEngine(2).powers(large, 1 << 1200, modulus)


ABANDONED = """
import os
from fedtrain.service.runtime.workers import Workers

if __name__ == "__main__":
    workers = Workers(1)
    print(workers.submit(os.getpid).result(), flush=True)
    os.kill(os.getpid(), 9)
"""


def test_workers_end_with_a_service_that_is_killed(tmp_path: Path) -> None:
    script = tmp_path / "abandoned.py"
    script.write_text(ABANDONED)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    # Their output is this pipe: it closes when the last of them has ended.
    ended = subprocess.run([sys.executable, str(script)], stdout=subprocess.PIPE, env=environment, check=False)
    assert ended.returncode == -signal.SIGKILL
    # Where nobody inherits orphans, what has ended stays listed as a zombie; its pipe closes a little before.
    listed = ["ps", "-o", "stat=", "-p", ended.stdout.decode().strip()]
    while subprocess.run(listed, capture_output=True, check=False).stdout.decode().strip()[:1] not in ("", "Z", "X"):
        time.sleep(0.01)
