"""An owner's people can follow a network's training: in the log, and at GET /metrics; and no owner joins in vain."""

from __future__ import annotations

import asyncio
import json
import threading
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fastapi import FastAPI
from structlog.testing import capture_logs

from fedtrain.data_owner.agent.training import ObservedTrainer, TrainingStep
from fedtrain.neural import EvaluationResult, EvaluationTask, ExamplesPart, Progress, TrainingResult, TrainingTask
from fedtrain.spec.problems import Code, Problem
from tests.harness.networks.small_trainer import LinearTrainer
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
            assert self.observed.on(TASK.examples.folder) == TrainingStep(TASK.examples.folder, 7, step, 4)
            assert self.observed.on(Path("another job's")) is None
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


class HeldAtAStep(LinearTrainer):
    """Tells that one of four steps is done, and goes on only when it is let go."""

    def __init__(self) -> None:
        super().__init__()
        self.let_go = threading.Event()

    def train(self, task: TrainingTask, progress: Progress | None = None) -> TrainingResult:
        assert progress is not None
        progress(1, 4)
        self.let_go.wait()
        return super().train(task)


@pytest.mark.slow
def test_an_owners_people_see_each_step_in_the_jobs_events_and_where_it_stands(tmp_path: Path) -> None:
    trainer = HeldAtAStep()

    async def job() -> tuple[dict[str, Any], list[str]]:
        async with running(tmp_path, trainer=trainer) as parties:
            owner = parties.data_owners[0]
            model_id = await parties.deploy(spec_of(rounds=1))
            try:
                async with asyncio.timeout(60):
                    while (held := await _detail(owner, model_id))["training_now"] is None:
                        await asyncio.sleep(0.02)
                    heard = await _told_of(owner.app, model_id, b"event: training")
            finally:
                trainer.let_go.set()
            assert (await asyncio.wait_for(parties.wait(model_id), 300))["status"] == "FINISHED"
            assert (await _detail(owner, model_id))["training_now"] is None
            return held["training_now"], heard

    step, heard = asyncio.run(job())
    assert step == {"round": 1, "step": 1, "steps": 4}
    (told,) = [json.loads(line.removeprefix("data: ")) for line in heard if '"training"' in line]
    assert told["training"] == step


async def _detail(owner: Any, model_id: str) -> dict[str, Any]:
    found = await owner.http.get(f"/models/{model_id}")
    return {"training_now": None} if found.is_error else dict(found.json())


async def _told_of(app: FastAPI, model_id: str, wanted: bytes) -> list[str]:
    """Read a job's events until one is as wanted; httpx would wait for the end of the stream, which is the job's."""
    body, came, gone = bytearray(), asyncio.Event(), asyncio.Event()
    asked = False

    async def receive() -> dict[str, Any]:
        nonlocal asked
        if asked:
            await gone.wait()
            return {"type": "http.disconnect"}
        asked = True
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        body.extend(message.get("body", b""))
        if wanted in body:
            came.set()

    path = f"/models/{model_id}/events"
    scope = {
        "type": "http", "method": "GET", "path": path, "raw_path": path.encode(), "query_string": b"",
        "headers": [(b"host", b"127.0.0.1")], "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 80),
        "scheme": "http", "root_path": "", "asgi": {"spec_version": "2.3"},
    }  # fmt: skip
    reading = asyncio.create_task(app(scope, receive, send))  # type: ignore[arg-type]
    coming = asyncio.create_task(came.wait())
    await asyncio.wait({coming, reading}, return_when=asyncio.FIRST_COMPLETED)
    gone.set()
    await reading
    coming.cancel()
    assert wanted in body, body
    return body.decode().splitlines()


def test_an_owner_without_pytorch_declines_and_says_why_to_its_own_people(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lacking(name: str) -> Any:
        return None if name == "torch" else find_spec(name)

    monkeypatch.setattr("fedtrain.data_owner.running.workshop.find_spec", lacking)

    async def job() -> tuple[dict[str, Any], dict[str, Any]]:
        async with running(tmp_path, trainer=None) as parties:
            model_id = await parties.deploy(spec_of())
            model = await asyncio.wait_for(parties.wait(model_id), 300)
            (own,) = await parties.data_owners[0].get("/models")
            return model, own

    model, own = asyncio.run(job())
    assert model["status"] == "FAILED" and "training-unavailable" in model["reason"]
    assert "install_extra.sh torch" in own["reason"]
