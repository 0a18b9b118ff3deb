"""Local training that an owner's people can follow: in the log, and at GET /metrics."""

from __future__ import annotations

from collections.abc import Callable
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
    Trainer,
    TrainingResult,
    TrainingTask,
)

log = structlog.get_logger("data_owner.training")

#: Between two lines of one training; most are over before the first.
TOLD_EVERY_S: Final = 30.0


class ObservedTrainer:
    """Has `trainer` do the work, and says how far it is. `step` of `steps`: of the training that runs, else 0.

    `monotonic`: seconds since some fixed moment.
    """

    def __init__(self, trainer: Trainer, monotonic: Callable[[], float]) -> None:
        self._trainer, self._monotonic = trainer, monotonic
        self.step = self.steps = 0

    def train(self, task: TrainingTask, progress: Progress | None = None) -> TrainingResult:
        begun = told = self._monotonic()

        def step(done: int, steps: int) -> None:
            nonlocal told
            self.step, self.steps = done, steps
            if self._monotonic() - told >= TOLD_EVERY_S:
                told = self._monotonic()
                log.info("training", round=task.round, step=done, steps=steps)
            if progress is not None:
                progress(done, steps)

        try:
            result = self._trainer.train(task, step)
        finally:
            self.step = self.steps = 0
        log.info("trained", round=task.round, steps=result.steps, seconds=round(self._monotonic() - begun, 3))
        return result

    def evaluate(self, task: EvaluationTask) -> EvaluationResult:
        return self._trainer.evaluate(task)

    def cancel(self, folder: Path) -> None:
        self._trainer.cancel(folder)

    def gradients(self, task: GradientTask) -> NDArray[np.int64]:
        # Neither how many examples are in the sample nor how long it took is for a log that others may see.
        return self._trainer.gradients(task)
