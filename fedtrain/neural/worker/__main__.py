"""The process in which PyTorch runs: takes tasks from its standard input, one at a time, until that ends."""

from __future__ import annotations

import argparse
import os
import sys
import threading
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from queue import SimpleQueue
from typing import BinaryIO

from fedtrain.neural.tasks import GradientTask, Progress, ScoresTask, TrainingTask
from fedtrain.neural.worker.messages import NO_MEMORY_STATUS, Head, Task, no_memory, receive, send, task_of, to_bytes
from fedtrain.spec.problems import Code, Problem

_PROGRESS_EVERY_S = 0.25
_NO_MEMORY = ("can't allocate memory", "not enough memory", "out of memory", "bad_alloc", "mmap failed")


def main() -> None:
    """Serve until the service that started this process is gone, however it went."""
    options = argparse.ArgumentParser()
    options.add_argument("--device", default="cpu")
    options.add_argument("--memory-mib", type=int, default=None)
    chosen = options.parse_args()
    # What a library prints must not get between messages.
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    tasks: SimpleQueue[tuple[Head, bytes]] = SimpleQueue()
    threading.Thread(target=_read, args=(sys.stdin.buffer, tasks), daemon=True).start()
    send(answers, _started(chosen.device, chosen.memory_mib))
    while True:
        answer, body = _answered(*tasks.get(), answers, chosen.device)
        send(answers, answer, body)


def _read(stream: BinaryIO, tasks: SimpleQueue[tuple[Head, bytes]]) -> None:
    try:
        while True:
            tasks.put(receive(stream))
    except EOFError:
        os._exit(0)  # in the middle of a training as well: nobody waits for it any more
    except MemoryError:
        os._exit(NO_MEMORY_STATUS)  # a task that cannot be held cannot be answered: the rest of it is still to come


def _started(device: str, memory_mib: int | None) -> Head:
    try:
        import torch
    except ImportError as error:
        return {"unavailable": "torch", "detail": str(error)}
    if device == "cuda" and not torch.cuda.is_available():
        return {"unavailable": "cuda", "detail": ""}
    torch.set_num_interop_threads(1)
    if memory_mib is not None:
        # PyTorch loads much of itself with the first optimiser. An import that meets the limit may never end.
        torch.optim.SGD([torch.zeros(1)], lr=1.0)
        _limit_memory(memory_mib)
    return {"started": os.getpid()}


def _limit_memory(mib: int) -> None:
    import resource

    # Of what a process writes to: PyTorch reserves far more addresses than it uses.
    resource.setrlimit(resource.RLIMIT_DATA, (mib << 20, mib << 20))


def _answered(head: Head, body: bytes, answers: BinaryIO, device: str) -> tuple[Head, bytes]:
    try:
        with _named_memory():
            return _done(task_of(head, body), answers, device)
    except Problem as problem:
        return {"problem": problem.code.slug, "detail": problem.detail}, b""
    except Exception as error:  # noqa: BLE001 - the service gets a name for it, its log the rest
        traceback.print_exc()
        return {"problem": Code.INTERNAL.slug, "detail": f"Local training failed with {type(error).__name__}."}, b""


def _done(task: Task, answers: BinaryIO, device: str) -> tuple[Head, bytes]:
    from fedtrain.neural.evaluation import evaluate, scores_of
    from fedtrain.neural.examples_files import open_examples
    from fedtrain.neural.local_training import train
    from fedtrain.neural.sampling.sampled_gradients import summed_gradients

    if isinstance(task, TrainingTask):
        result = train(task, _telling(answers), device)
        told = {name: getattr(result, name) for name in ("norm_before_clip", "loss_sum", "hits", "rows", "steps")}
        return {"result": told}, to_bytes(task.network, result.update)
    if isinstance(task, GradientTask):
        return {"result": {}}, summed_gradients(task, device).tobytes()
    if isinstance(task, ScoresTask):
        X, _ = open_examples(task.examples)
        return {"result": {}}, scores_of(task.network, task.weights, X, task.threads, device).tobytes()
    return {"result": asdict(evaluate(task, device))}, b""


def _telling(answers: BinaryIO) -> Progress:
    told = [0.0]

    def progress(step: int, steps: int) -> None:
        if step == steps or time.monotonic() - told[0] >= _PROGRESS_EVERY_S:
            told[0] = time.monotonic()
            send(answers, {"step": step, "steps": steps})

    return progress


@contextmanager
def _named_memory() -> Iterator[None]:
    try:
        yield
    except MemoryError:
        raise no_memory() from None
    except RuntimeError as error:
        if any(words in str(error).lower() for words in _NO_MEMORY):
            raise no_memory() from None
        raise


if __name__ == "__main__":
    main()
