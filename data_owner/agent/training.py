"""Local training that an owner's people can follow: in the log, at GET /metrics, and in the job's events."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import structlog
from numpy.typing import NDArray

from fedtrain.neural import (
    EvaluationResult,
    EvaluationTask,
    GradientTask,
    Progress,
    ScoresTask,
    Trainer,
    TrainingResult,
    TrainingTask,
)

log = structlog.get_logger("data_owner.training")

#: Between two lines of one training; most are over before the first.
TOLD_EVERY_S: Final = 30.0


@dataclass(frozen=True)
class TrainingStep:
    """`step` batches of `steps` are done of the training in `round`, on the examples in `folder`."""

    folder: Path
    round: int
    step: int = 0
    steps: int = 0


_IDLE: Final = TrainingStep(Path(), 0)


class ObservedTrainer:
    """Has `trainer` do the work, and says how far it is.

    `monotonic`: seconds since some fixed moment.
    """

    def __init__(self, trainer: Trainer, monotonic: Callable[[], float]) -> None:
        self._trainer, self._monotonic = trainer, monotonic
        self._at = _IDLE

    @property
    def step(self) -> int:
        """Steps that are done of the training that runs, 0 where none does."""
        return self._at.step

    @property
    def steps(self) -> int:
        """Steps of the training that runs, 0 where none does, or none is done."""
        return self._at.steps

    def on(self, folder: Path) -> TrainingStep | None:
        """Return how far the training on the examples in that folder is, None where none runs."""
        at = self._at
        return at if at.steps and at.folder == folder else None

    def train(self, task: TrainingTask, progress: Progress | None = None) -> TrainingResult:
        begun = told = self._monotonic()

        def step(done: int, steps: int) -> None:
            nonlocal told
            self._at = TrainingStep(task.examples.folder, task.round, done, steps)
            if self._monotonic() - told >= TOLD_EVERY_S:
                told = self._monotonic()
                log.info("training", round=task.round, step=done, steps=steps)
            if progress is not None:
                progress(done, steps)

        try:
            result = self._trainer.train(task, step)
        finally:
            self._at = _IDLE
        log.info("trained", round=task.round, steps=result.steps, seconds=round(self._monotonic() - begun, 3))
        return result

    def evaluate(self, task: EvaluationTask) -> EvaluationResult:
        return self._trainer.evaluate(task)

    def scores(self, task: ScoresTask) -> NDArray[np.float32]:
        return self._trainer.scores(task)

    def cancel(self, folder: Path) -> None:
        self._trainer.cancel(folder)

    def gradients(self, task: GradientTask) -> NDArray[np.int64]:
        # Neither how many examples are in the sample nor how long it took is for a log that others may see.
        return self._trainer.gradients(task)
