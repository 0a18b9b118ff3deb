"""An owner's people can follow a network's training: in the log, and at GET /metrics; and no owner joins in vain."""

from __future__ import annotations

import asyncio
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from structlog.testing import capture_logs

from fedtrain.data_owner.agent.training import ObservedTrainer
from fedtrain.neural import EvaluationResult, EvaluationTask, ExamplesPart, Progress, TrainingResult, TrainingTask
from fedtrain.spec.problems import Code, Problem
from tests.jobs.test_network_job import running, spec_of
from tests.neural.tasks import SETTINGS, classifier

TASK = TrainingTask(classifier(), SETTINGS, {}, ExamplesPart(Path(), "training"), b"", round=7)
RESULT = TrainingResult({"w": np.zeros(1, np.float32)}, 0.0, 0.0, 0, 10, 4)


class Steps:
    """A trainer of four steps, each of which takes 20 seconds of a clock that it has itself."""

    def __init__(self, fails: bool = False) -> None:
        self.now, self.fails, self.seen = 0.0, fails, list[tuple[int, int]]()

    def train(self, task: TrainingTask, progress: Progress | None = None) -> TrainingResult:
        assert task is TASK and progress is not None
        for step in range(1, 5):
            self.now += 20
            progress(step, 4)
            self.seen.append((self.observed.step, self.observed.steps))
            if self.fails:
                raise Problem(Code.DIVERGED, "it did")
        return RESULT

    def evaluate(self, task: EvaluationTask) -> EvaluationResult:
        return EvaluationResult(1.0, 2, 3)

    def cancel(self, folder: Path) -> None:
        self.cancelled = folder

    @property
    def observed(self) -> ObservedTrainer:
        return self._observed

    def watch(self) -> ObservedTrainer:
        self._observed = ObservedTrainer(self, lambda: self.now)
        return self._observed


def test_steps_are_told_while_it_runs_and_in_the_log_every_half_a_minute() -> None:
    steps, told = Steps(), list[tuple[int, int]]()
    observed = steps.watch()
    with capture_logs() as logged:
        assert observed.train(TASK, lambda step, of: told.append((step, of))) is RESULT
    assert steps.seen == told == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert (observed.step, observed.steps) == (0, 0)
    lines: list[dict[str, Any]] = [dict(line) for line in logged]
    assert [(line["event"], line.get("step")) for line in lines] == [
        ("training", 2),
        ("training", 4),
        ("trained", None),
    ]
    assert (lines[-1]["round"], lines[-1]["steps"], lines[-1]["seconds"]) == (7, 4, 80.0)


def test_what_is_to_end_is_told_to_what_trains() -> None:
    steps = Steps()
    steps.watch().cancel(Path("a job"))
    assert steps.cancelled == Path("a job")


def test_a_training_that_ends_with_a_problem_leaves_no_step_behind() -> None:
    observed = Steps(fails=True).watch()
    with pytest.raises(Problem, match="it did"):
        observed.train(TASK)
    assert (observed.step, observed.steps) == (0, 0)


def test_an_owner_without_pytorch_declines_and_says_why_to_its_own_people(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lacking(name: str) -> Any:
        return None if name == "torch" else find_spec(name)

    monkeypatch.setattr("fedtrain.data_owner.app.find_spec", lacking)

    async def job() -> tuple[dict[str, Any], dict[str, Any]]:
        async with running(tmp_path, trainer=None) as parties:
            model_id = await parties.deploy(spec_of())
            model = await asyncio.wait_for(parties.wait(model_id), 60)
            (own,) = await parties.data_owners[0].get("/models")
            return model, own

    model, own = asyncio.run(job())
    assert model["status"] == "FAILED" and "training-unavailable" in model["reason"]
    assert "install_extra.sh torch" in own["reason"]
