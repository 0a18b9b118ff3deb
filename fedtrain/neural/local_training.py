"""An owner's turn of training: the same task gives the same bits, in any process on the same machine."""

from __future__ import annotations

import copy
import hashlib
import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from fedtrain.neural.examples_files import open_examples
from fedtrain.neural.losses import hits, losses
from fedtrain.neural.module import NetworkModule, build, features_of, weights_of
from fedtrain.neural.tasks import LocalSettings, Progress, TrainingResult, TrainingTask, Weights
from fedtrain.spec.network import CheckedNetwork, numbers
from fedtrain.spec.problems import Code, Problem
from fedtrain.spec.training import LocalOptimizer

_BATCHES, _DROPOUT = b"fedtrain/batches/1", b"fedtrain/dropout/1"
#: Numbers that the layers may hold at a time, forwards; 256 MB.
_MOST_AT_ONCE = 1 << 26
#: Rounding a number to float32 makes it longer by 2^−24 at most.
_BELOW_CLIP = 1 - 2.0**-22


def train(task: TrainingTask, progress: Progress | None = None, device: str = "cpu") -> TrainingResult:
    """Train from the task's weights and return what changed, clipped to the settings' L2 norm.

    Raises Problem(DIVERGED) where the loss or the update is no finite number, ValueError for weights or examples that
    are not the network's.
    """
    settings = task.settings
    be_repeatable(settings.threads)
    torch.manual_seed(dropout_seed(task.seed))
    X, Y = open_examples(task.examples)
    if not len(X):
        raise ValueError("there are no examples to train on")
    module = build(task.network, task.weights).to(device).train()
    given = copy.deepcopy(list(module.parameters())) if settings.proximal else []
    optimizer = _OPTIMIZERS[settings.optimizer](module.parameters(), lr=settings.learning_rate)
    steps, seen, loss_sum, right = step_count(settings, len(X)), 0, 0.0, 0
    for step, rows in enumerate(batches(settings, len(X), task.seed), start=1):
        optimizer.zero_grad()
        lost, hit = _add_gradient(task, module, X, Y, rows, device)
        if not np.isfinite(lost):
            raise _diverged("the loss")
        if given:
            for parameter, start in zip(module.parameters(), given, strict=True):
                parameter.grad.add_(parameter.detach() - start.detach(), alpha=settings.proximal)
        optimizer.step()
        seen, loss_sum, right = seen + len(rows), loss_sum + lost, right + hit
        if progress is not None:
            progress(step, steps)
    update, norm = clipped_update(task.weights, weights_of(module), settings.clip)
    return TrainingResult(update, norm, loss_sum, right, seen, steps)


def be_repeatable(threads: int) -> None:
    """Have PyTorch compute the same bits again; how many threads it has decides how sums are split."""
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(True)
    torch.backends.cudnn.benchmark = False


def clipped_update(given: Weights, trained: Weights, clip: float) -> tuple[dict[str, NDArray[np.float32]], float]:
    """Return trained − given as float32, no longer than `clip` over all arrays, and its norm before, in float64.

    Raises Problem(DIVERGED) for one that is not finite.
    """
    update = {name: trained[name].astype(np.float64) - values for name, values in given.items()}
    norm = float(np.sqrt(sum(float(np.vdot(values, values)) for values in update.values())))
    if not np.isfinite(norm):
        raise _diverged("the update")
    factor = 1.0 if norm <= clip * _BELOW_CLIP else clip / norm * _BELOW_CLIP
    return {name: (values * factor).astype(np.float32) for name, values in update.items()}, norm


def step_count(settings: LocalSettings, rows: int) -> int:
    """Return how many steps a round has: `steps`, or `epochs` times the batches of an epoch, at least 1."""
    if settings.steps is not None:
        return settings.steps
    return max(1, math.floor((settings.epochs or 0) * _batches(settings, rows) + 0.5))


def batches(settings: LocalSettings, rows: int, seed: bytes) -> Iterator[NDArray[np.int64]]:
    """Yield the rows of each step. Every epoch goes through all rows once, in an order of its own."""
    draws = np.random.Generator(np.random.Philox(key=_number(_BATCHES, seed, 16)))
    size = settings.batch_size or rows
    left = step_count(settings, rows)
    while left:
        order = np.arange(rows) if size >= rows else draws.permutation(rows)
        for start in range(0, rows, size):
            if not left:
                return
            left -= 1
            yield order[start : start + size]


def dropout_seed(seed: bytes) -> int:
    """Return what dropout draws from, apart from the order of batches."""
    return _number(_DROPOUT, seed, 8) >> 1


def rows_at_once(network: CheckedNetwork) -> int:
    """Return of how many records the layers' numbers are held at a time, at least one."""
    return max(1, _MOST_AT_ONCE // sum(numbers(shape) for shape in network.shapes.values()))


def _batches(settings: LocalSettings, rows: int) -> int:
    return -(-rows // (settings.batch_size or rows))


def _number(tag: bytes, seed: bytes, length: int) -> int:
    return int.from_bytes(hashlib.shake_256(tag + seed).digest(length))


def _add_gradient(
    task: TrainingTask,
    module: NetworkModule,
    X: NDArray[np.float32],
    Y: NDArray[np.float32],
    rows: NDArray[np.int64],
    device: str,
) -> tuple[float, int]:
    """Add the gradient of the rows' mean loss, some rows at a time. Returns the sum of their losses, and hits."""
    loss_sum, right, most = 0.0, 0, rows_at_once(task.network)
    for start in range(0, len(rows), most):
        part = rows[start : start + most]
        scores = module(*features_of(task.network, X[part], device))
        targets = torch.from_numpy(Y[part]).to(device)
        total = losses(task.settings.loss, scores, targets).sum()
        (total / len(rows)).backward()
        loss_sum += float(total.detach())
        right += hits(task.settings.loss, scores.detach(), targets)
    return loss_sum, right


def _diverged(what: str) -> Problem:
    return Problem(
        Code.DIVERGED,
        f"In local training {what} became no finite number, and nothing of it is used: take a smaller learning_rate.",
    )


_OPTIMIZERS: dict[LocalOptimizer, Any] = {LocalOptimizer.SGD: torch.optim.SGD, LocalOptimizer.ADAM: torch.optim.Adam}
