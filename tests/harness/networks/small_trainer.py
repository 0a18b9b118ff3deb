"""A trainer of linear scores in numpy, in the place of PyTorch: for tests of all that is around a training."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fedtrain.neural import EvaluationResult, EvaluationTask, Progress, TrainingResult, TrainingTask


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
    """

    rows: int
    hits: int = 0
    length: float = 20.0
    spoil: float | None = None
    tasks: list[TrainingTask | EvaluationTask] = field(default_factory=list)

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

    def evaluate(self, task: EvaluationTask) -> EvaluationResult:
        self.tasks.append(task)
        return EvaluationResult(0.25 * self.rows, self.hits, self.rows)


def flat(arrays: dict[str, NDArray[np.float32]]) -> NDArray[np.float64]:
    return np.concatenate([one.astype(np.float64).ravel() for one in arrays.values()])
