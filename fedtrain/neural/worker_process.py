"""The service's side of a worker: a process of its own, started when it is needed and again once where it dies."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Lock
from typing import BinaryIO, Literal, cast

import numpy as np
from numpy.typing import NDArray

from fedtrain.neural.tasks import (
    EvaluationResult,
    EvaluationTask,
    GradientTask,
    Progress,
    ScoresTask,
    TrainingResult,
    TrainingTask,
)
from fedtrain.neural.worker.messages import (
    NO_MEMORY_STATUS,
    Head,
    Task,
    from_bytes,
    no_memory,
    receive,
    send,
    task_message,
)
from fedtrain.spec.problems import Code, Problem

Device = Literal["cpu", "cuda"]
_ENVIRONMENT = {"CUBLAS_WORKSPACE_CONFIG": ":4096:8"}  # without it cuBLAS is not repeatable
_ATTEMPTS = 2


@dataclass(frozen=True)
class WorkerSettings:
    """Limits of the process. `memory_mib`: None for no limit but the machine's. `threads`: in the place of a task's."""

    device: Device = "cpu"
    memory_mib: int | None = None
    threads: int | None = None


class WorkerProcess:
    """Implements `fedtrain.neural.Trainer`. May be used by several threads: tasks are done one after another."""

    def __init__(self, settings: WorkerSettings | None = None) -> None:
        self._settings = settings or WorkerSettings()
        self._busy = Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._closed = False
        self._cancelled: set[Path] = set()
        self._at_work_on: Path | None = None

    @property
    def pid(self) -> int | None:
        """The process id of the worker that runs now."""
        process = self._process
        return None if process is None else process.pid

    def train(self, task: TrainingTask, progress: Progress | None = None) -> TrainingResult:
        """Train, and tell how far it is; a worker that is killed meanwhile begins the same training afresh, once.

        Raises Problem: DIVERGED, TRAINING_OUT_OF_MEMORY, TRAINING_STOPPED, TRAINING_UNAVAILABLE.
        """
        if self._settings.threads is not None:
            task = replace(task, settings=replace(task.settings, threads=self._settings.threads))
        told, body = self._ask(task, progress)
        return TrainingResult(from_bytes(body, task.network.parameters), **told)

    def evaluate(self, task: EvaluationTask) -> EvaluationResult:
        """Return losses and hits of the weights on a part of the examples. Raises Problem as `train` does."""
        if self._settings.threads is not None:
            task = replace(task, threads=self._settings.threads)
        told, _ = self._ask(task)
        return EvaluationResult(**told)

    def scores(self, task: ScoresTask) -> NDArray[np.float32]:
        """Return (rows, outputs) scores of a part of the examples. Raises Problem as `train` does."""
        if self._settings.threads is not None:
            task = replace(task, threads=self._settings.threads)
        _, body = self._ask(task)
        return np.frombuffer(body, np.float32).reshape(-1, task.network.outputs)

    def gradients(self, task: GradientTask) -> NDArray[np.int64]:
        """Return the sum of a sample's gradients; the same after the worker was killed. Raises Problem as `train`."""
        if self._settings.threads is not None:
            task = replace(task, terms=replace(task.terms, threads=self._settings.threads))
        _, body = self._ask(task)
        return np.frombuffer(body, np.int64)

    def cancel(self, folder: Path) -> None:
        """End the work on the examples in that folder, whether it has begun or waits for its turn.

        It raises Problem(TRAINING_STOPPED) then; other tasks are done.
        """
        # Whoever is at work holds the lock, so it is done without: the mark first, which is looked at after each start.
        self._cancelled.add(folder)
        process = self._process
        if process is not None and self._at_work_on == folder:
            process.kill()

    def close(self) -> None:
        """End the process, in the middle of a task as well, which then raises Problem(TRAINING_STOPPED)."""
        self._closed = True
        if self._process is not None:
            self._process.kill()
        with self._busy:
            self._end()

    def _ask(self, task: Task, progress: Progress | None = None) -> tuple[Head, bytes]:
        head, body = task_message(task)
        with self._busy:
            self._at_work_on = task.examples.folder
            try:
                return self._tried(head, body, progress)
            finally:
                self._at_work_on = None

    def _tried(self, head: Head, body: bytes, progress: Progress | None) -> tuple[Head, bytes]:
        status = None
        for _ in range(_ATTEMPTS):
            self._check_goes_on()
            try:
                return self._answer(head, body, progress)
            except (EOFError, BrokenPipeError):
                status = self._end()
                if status == NO_MEMORY_STATUS:
                    raise no_memory() from None
        self._check_goes_on()
        raise Problem(
            Code.TRAINING_STOPPED,
            f"The process that trains ended twice ({_ending(status)}), and nothing of it is used. Where it was "
            "killed for its memory, a smaller batch_size helps, or a machine with more.",
        )

    def _check_goes_on(self) -> None:
        if self._closed:
            raise Problem(Code.TRAINING_STOPPED, "Training was stopped with its service.")
        if self._at_work_on in self._cancelled:
            raise Problem(Code.TRAINING_STOPPED, "Training was stopped: its job is over.")

    def _answer(self, head: Head, body: bytes, progress: Progress | None) -> tuple[Head, bytes]:
        process = self._process or self._start()
        self._check_goes_on()
        send(cast("BinaryIO", process.stdin), head, body)
        while True:
            answer, numbers = receive(cast("BinaryIO", process.stdout))
            if "step" in answer:
                if progress is not None:
                    progress(answer["step"], answer["steps"])
            elif "result" in answer:
                return answer["result"], numbers
            else:
                code = Code.from_slug(answer["problem"])
                if code is Code.TRAINING_OUT_OF_MEMORY:
                    self._end()  # what it holds goes back to the machine
                raise Problem(code, answer["detail"])

    def _start(self) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-P", "-m", "fedtrain.neural.worker", "--device", self._settings.device]
        if self._settings.memory_mib is not None:
            command += ["--memory-mib", str(self._settings.memory_mib)]
        self._process = process = subprocess.Popen(  # noqa: S603 - this interpreter, and settings of our own
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, **_ENVIRONMENT},
            start_new_session=True,  # an interrupt at the terminal is the service's to deal with
        )
        if self._closed:
            process.kill()
        answer, _ = receive(cast("BinaryIO", process.stdout))
        if "started" not in answer:
            self._end()
            raise _unavailable(answer)
        return process

    def _end(self) -> int | None:
        """End the process and return its status; None where there is none."""
        process, self._process = self._process, None
        if process is None:
            return None
        process.kill()
        status = process.wait()
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                _close(stream)
        return status


def _close(stream: object) -> None:
    try:
        cast("BinaryIO", stream).close()
    except BrokenPipeError:
        return  # what was left in it had nobody to go to


def _ending(status: int | None) -> str:
    return f"signal {-status}" if status is not None and status < 0 else f"status {status}"


def _unavailable(answer: Head) -> Problem:
    if answer["unavailable"] == "cuda":
        return Problem(
            Code.TRAINING_UNAVAILABLE, "PyTorch finds no graphics card here for the device cuda: take the device cpu."
        )
    return Problem(
        Code.TRAINING_UNAVAILABLE,
        f"Networks need PyTorch, which cannot be imported here ({answer['detail']}): install the extra `torch`, in a "
        "clone by ./scripts/install_extra.sh torch.",
    )
