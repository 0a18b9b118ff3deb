"""A trainer of linear scores in numpy, in the place of PyTorch: for tests of all that is around a training."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, current_thread

import numpy as np
from numpy.typing import NDArray

from fedtrain.neural import (
    EvaluationResult,
    EvaluationTask,
    GradientTask,
    Progress,
    ScoresTask,
    TrainingResult,
    TrainingTask,
    Weights,
)
from fedtrain.neural.sampling.clipped_sample import clipped, sampled
from fedtrain.spec.problems import Code, Problem


@dataclass(frozen=True)
class ArrayExamples:
    """Examples of a test, as the owner's method sees them."""

    folder: Path
    training_rows: int
    validation_rows: int = 0


@dataclass
class DrawnTrainer:
    """An update drawn from the task's seed, and clipped: no training, but the same bits for the same task.

    `tasks`: those that it was given. `spoil`: puts this number into the first weight of an update.
    `gradient`: what each number of a sum of gradients is.
    """

    rows: int
    hits: int = 0
    length: float = 20.0
    spoil: float | None = None
    tasks: list[TrainingTask | EvaluationTask | GradientTask] = field(default_factory=list)
    gradient: int = 0

    def train(self, task: TrainingTask, progress: Progress | None = None) -> TrainingResult:
        self.tasks.append(task)
        draw = np.random.default_rng(np.frombuffer(hashlib.sha256(task.seed).digest(), dtype=np.uint64))
        arrays = {name: draw.normal(size=shape) for name, shape in task.network.parameters.items()}
        norm = float(np.sqrt(sum(float(np.square(one).sum()) for one in arrays.values())))
        scale = self.length / norm * min(1.0, task.settings.clip / self.length)
        update = {name: (one * scale).astype(np.float32) for name, one in arrays.items()}
        if self.spoil is not None:
            next(iter(update.values())).flat[0] = self.spoil
        return TrainingResult(update, self.length, 0.5 * self.rows, self.hits, self.rows, 1)

    def scores(self, task: ScoresTask) -> NDArray[np.float32]:
        return np.zeros((len(_arrays(task)[0]), task.network.outputs), np.float32)

    def evaluate(self, task: EvaluationTask) -> EvaluationResult:
        self.tasks.append(task)
        return EvaluationResult(0.25 * self.rows, self.hits, self.rows)

    def cancel(self, folder: Path) -> None:
        """There is nothing to end: it is done at once."""

    def gradients(self, task: GradientTask) -> NDArray[np.int64]:
        self.tasks.append(task)
        return np.full(task.network.parameter_count, self.gradient, dtype=np.int64)


def flat(arrays: dict[str, NDArray[np.float32]]) -> NDArray[np.float64]:
    return np.concatenate([one.astype(np.float64).ravel() for one in arrays.values()])


class LinearTrainer:
    """Gradient descent on the mean squared error of one Linear layer, on all rows of the frozen examples in each step.

    It draws nothing, so that a test can do the same in the open.
    """

    def __init__(self) -> None:
        self.results: list[TrainingResult] = []

    def train(self, task: TrainingTask, progress: Progress | None = None) -> TrainingResult:
        X, Y = _arrays(task)
        result = descended(
            task.weights, X, Y, task.settings.learning_rate, task.settings.steps or 1, task.settings.clip
        )
        self.results.append(result)
        return result

    def scores(self, task: ScoresTask) -> NDArray[np.float32]:
        weight, bias = task.weights.values()
        return (_arrays(task)[0] @ weight.astype(np.float64).T + bias).astype(np.float32)

    def evaluate(self, task: EvaluationTask) -> EvaluationResult:
        X, Y = _arrays(task)
        weight, bias = (one.astype(np.float64) for one in task.weights.values())
        return EvaluationResult(float(np.square(X @ weight.T + bias - Y).mean(axis=1).sum()), 0, len(X))

    def cancel(self, folder: Path) -> None:
        """There is nothing to end: it is done at once."""

    def gradients(self, task: GradientTask) -> NDArray[np.int64]:
        X, Y = _arrays(task)
        weight, bias = (one.astype(np.float64) for one in task.weights.values())
        residuals = 2 * (X @ weight.T + bias - Y) / Y.shape[1]
        slopes = (residuals[:, :, None] * X[:, None, :]).reshape(len(X), -1)
        inside = sampled(task.terms.rate, len(X), task.seed)
        each = np.concatenate([slopes, residuals], axis=1)[inside]
        total: NDArray[np.int64] = clipped(each, task.terms.clip, task.terms.fraction_bits).sum(axis=0)
        return total


class HeldTrainer(LinearTrainer):
    """A training that takes for ever, until it is cancelled. `begun`: set once one has."""

    def __init__(self) -> None:
        super().__init__()
        self.begun = Event()
        self.threads: list[str] = []
        self._ended: defaultdict[Path, Event] = defaultdict(Event)

    def train(self, task: TrainingTask, progress: Progress | None = None) -> TrainingResult:
        self.threads.append(current_thread().name)
        self.begun.set()
        self._ended[task.examples.folder].wait()
        raise Problem(Code.TRAINING_STOPPED, "Training was stopped: its job is over.")

    def cancel(self, folder: Path) -> None:
        self._ended[folder].set()

    def let_go(self) -> None:
        for ended in self._ended.values():
            ended.set()


def descended(
    weights: Weights, X: NDArray[np.float64], Y: NDArray[np.float64], rate: float, steps: int, clip: float
) -> TrainingResult:
    """Return the clipped update of one Linear layer by `steps` of gradient descent, in float64."""
    (weight_name, given), (bias_name, given_bias) = weights.items()
    weight, bias, loss_sum = given.astype(np.float64), given_bias.astype(np.float64), 0.0
    for _ in range(steps):
        residuals = X @ weight.T + bias - Y
        loss_sum += float(np.square(residuals).mean(axis=1).sum())
        slope = 2 * residuals / residuals.size
        weight, bias = weight - rate * slope.T @ X, bias - rate * slope.sum(axis=0)
    update = {weight_name: weight - given, bias_name: bias - given_bias}
    norm = float(np.sqrt(sum(float(np.square(one).sum()) for one in update.values())))
    scale = min(1.0, clip / norm) if norm else 1.0
    clipped = {name: (one * scale).astype(np.float32) for name, one in update.items()}
    return TrainingResult(clipped, norm, loss_sum, 0, steps * len(X), steps)


def _arrays(
    task: TrainingTask | EvaluationTask | GradientTask | ScoresTask,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    folder, part = task.examples.folder, task.examples.part
    X, Y = (np.load(folder / f"{part}-{name}.npy").astype(np.float64) for name in "xy")
    return X, Y
