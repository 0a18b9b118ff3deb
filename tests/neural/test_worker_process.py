"""The worker process: the same bits as within a process, however often it is killed, and problems by name."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from threading import Event
from typing import Any

import pytest
import torch  # noqa: F401 - what the worker needs

from fedtrain.neural.evaluation import evaluate, scores_of
from fedtrain.neural.examples_files import open_examples
from fedtrain.neural.local_training import train
from fedtrain.neural.tasks import EvaluationTask, ScoresTask, TrainingResult
from fedtrain.neural.worker_process import WorkerProcess, WorkerSettings
from fedtrain.spec.network import Network
from fedtrain.spec.problems import Code, Problem
from fedtrain.spec.training import Loss
from tests.neural.tasks import classifier, task


@pytest.fixture(scope="module")
def worker() -> Iterator[WorkerProcess]:
    process = WorkerProcess()
    yield process
    process.close()


def bits(result: TrainingResult) -> bytes:
    return b"".join(values.tobytes() for values in result.update.values())


@pytest.mark.slow
def test_a_worker_gives_what_the_process_itself_would(worker: WorkerProcess, tmp_path: Path) -> None:
    asked = task(tmp_path, classifier(dropout=0.5), epochs=3.0)
    told: list[tuple[int, int]] = []
    found, here = worker.train(asked, lambda step, steps: told.append((step, steps))), train(asked)
    assert bits(found) == bits(here)
    assert (found.norm_before_clip, found.loss_sum) == (here.norm_before_clip, here.loss_sum)
    assert (found.hits, found.rows, found.steps) == (here.hits, here.rows, 12)
    assert told[-1] == (12, 12)
    evaluation = EvaluationTask(asked.network, Loss.CROSS_ENTROPY, asked.weights, asked.examples)
    assert worker.evaluate(evaluation) == evaluate(evaluation)


@pytest.mark.slow
def test_one_that_is_killed_in_mid_epoch_starts_again_and_gives_the_same_bits(
    worker: WorkerProcess, tmp_path: Path
) -> None:
    asked = task(tmp_path, classifier(dropout=0.5), epochs=300.0)
    pids = []

    def kill_once(step: int, _steps: int) -> None:
        if not pids and step > 1:
            pids.append(worker.pid)
            os.kill(worker.pid or 0, signal.SIGKILL)

    killed = worker.train(asked, kill_once)
    assert pids and worker.pid not in pids
    assert bits(killed) == bits(worker.train(asked))


@pytest.mark.slow
def test_one_that_is_killed_twice_is_a_named_problem_and_the_next_task_is_done(
    worker: WorkerProcess, tmp_path: Path
) -> None:
    def kill(_step: int, _steps: int) -> None:
        os.kill(worker.pid or 0, signal.SIGKILL)

    with pytest.raises(Problem, match=r"ended twice \(signal 9\)") as caught:
        worker.train(task(tmp_path, epochs=300.0), kill)
    assert caught.value.code is Code.TRAINING_STOPPED
    assert worker.train(task(tmp_path)).steps == 4


def test_problems_of_a_training_come_through_by_name(worker: WorkerProcess, tmp_path: Path) -> None:
    with pytest.raises(Problem) as caught:
        worker.train(task(tmp_path, loss=Loss.MEAN_SQUARED_ERROR, learning_rate=1e6, epochs=20.0))
    assert caught.value.code is Code.DIVERGED
    before = worker.pid
    assert worker.train(task(tmp_path)).steps == 4 and worker.pid == before


def test_a_fault_within_is_told_by_its_kind_alone(worker: WorkerProcess, tmp_path: Path) -> None:
    asked = task(tmp_path)
    (tmp_path / "training-x.npy").unlink()
    with pytest.raises(Problem) as caught:
        worker.train(asked)
    assert (caught.value.code, caught.value.detail) == (Code.INTERNAL, "Local training failed with FileNotFoundError.")


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="macOS does not hold a process to RLIMIT_DATA")
def test_memory_beyond_the_limit_is_a_named_problem_and_is_given_back(tmp_path: Path) -> None:
    worker = WorkerProcess(WorkerSettings(memory_mib=900))
    wide = {"name": "a", "type": "Linear", "inputs": ["x"], "in_features": 6, "out_features": 3_000_000}
    last = {"name": "out", "type": "Linear", "inputs": ["a"], "in_features": 3_000_000, "out_features": 3}
    network = Network.model_validate({"layers": [wide, last], "output": "out"}).checked({"x": (6,)}, 3)
    with pytest.raises(Problem, match="smaller batch_size") as caught:
        worker.train(task(tmp_path, network, batch_size=None))
    assert caught.value.code is Code.TRAINING_OUT_OF_MEMORY
    assert worker.pid is None


@pytest.mark.slow
def test_closing_ends_a_training_by_name_and_the_process_with_it(tmp_path: Path) -> None:
    worker, begun, pids = WorkerProcess(), Event(), []

    def note(_step: int, _steps: int) -> None:
        pids.append(worker.pid)
        begun.set()

    with ThreadPoolExecutor(1) as pool:
        training = pool.submit(worker.train, task(tmp_path, epochs=1e6), note)
        assert begun.wait(60)
        worker.close()
        with pytest.raises(Problem, match="stopped with its service") as caught:
            training.result()
    assert caught.value.code is Code.TRAINING_STOPPED
    with pytest.raises(ProcessLookupError):
        os.kill(pids[0] or 0, 0)


@pytest.mark.slow
def test_a_training_that_is_cancelled_ends_and_one_that_waits_for_it_is_done(tmp_path: Path) -> None:
    worker, begun = WorkerProcess(), Event()
    for name in ("over", "waits", "queued"):
        (tmp_path / name).mkdir()
    with ThreadPoolExecutor(3) as pool:
        training = pool.submit(worker.train, task(tmp_path / "over", epochs=1e6), lambda *_: begun.set())
        assert begun.wait(60)
        waits = pool.submit(worker.train, task(tmp_path / "waits"))
        queued = pool.submit(worker.train, task(tmp_path / "queued"))
        worker.cancel(tmp_path / "queued")
        worker.cancel(tmp_path / "elsewhere")
        assert not training.done(), "what others are told to end goes on"
        worker.cancel(tmp_path / "over")
        for ended in (training, queued):
            with pytest.raises(Problem, match="its job is over") as caught:
                ended.result(60)
            assert caught.value.code is Code.TRAINING_STOPPED
        assert waits.result(60).steps == 4
    before = worker.pid
    worker.cancel(tmp_path / "waits")  # which is over
    (tmp_path / "next").mkdir()
    assert worker.train(task(tmp_path / "next")).steps == 4 and worker.pid == before
    with pytest.raises(Problem, match="its job is over"):
        worker.train(task(tmp_path / "over"))
    worker.close()


@pytest.mark.slow
def test_a_worker_does_not_outlive_a_service_that_was_killed(tmp_path: Path) -> None:
    script = f"""
        import sys
        from pathlib import Path
        from fedtrain.neural.worker_process import WorkerProcess
        from tests.neural.tasks import task
        worker = WorkerProcess()
        worker.train(task(Path({str(tmp_path)!r}), epochs=1e6), lambda *_: print(worker.pid, flush=True))
    """
    root = Path(__file__).resolve().parents[2]
    service = subprocess.Popen([sys.executable, "-c", textwrap.dedent(script)], stdout=subprocess.PIPE, cwd=root)
    assert service.stdout is not None
    pid = int(service.stdout.readline())
    os.kill(pid, 0)
    service.kill()
    service.wait()
    # The worker had its end of the pipe: what it leaves behind is an end of the file.
    service.stdout.close()
    watched = f"/proc/{pid}"
    if Path("/proc").is_dir():
        subprocess.run(["tail", f"--pid={pid}", "-f", "/dev/null"], timeout=300, check=True)
        assert not Path(watched).exists() or "State:\tZ" in Path(watched, "status").read_text()


def test_threads_of_the_settings_stand_in_for_a_task_s(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = task(tmp_path)
    evaluation = EvaluationTask(asked.network, Loss.CROSS_ENTROPY, asked.weights, asked.examples)
    for threads, expected in ((None, 1), (3, 3)):
        worker, seen = WorkerProcess(WorkerSettings(threads=threads)), []

        def note(task: Any, *_: object, seen: list[int] = seen) -> Any:
            seen.append(getattr(task, "settings", task).threads)
            raise EOFError

        monkeypatch.setattr(worker, "_ask", note)
        with pytest.raises(EOFError):
            worker.train(asked)
        with pytest.raises(EOFError):
            worker.evaluate(evaluation)
        assert seen == [expected, expected]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("settings", "broken", "said"),
    [
        (WorkerSettings(), "torch", r"install_extra\.sh torch"),
        (WorkerSettings(device="cuda"), None, "no graphics card"),
    ],
)
def test_what_a_worker_cannot_start_without_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: WorkerSettings, broken: str | None, said: str
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    if broken is not None:
        (tmp_path / "torch.py").write_text("raise ImportError('No module named torch')")
        monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    worker = WorkerProcess(settings)
    with pytest.raises(Problem, match=said) as caught:
        worker.train(replace(task(tmp_path)))
    assert caught.value.code is Code.TRAINING_UNAVAILABLE
    assert worker.pid is None


def test_scores_are_those_of_the_module(worker: WorkerProcess, tmp_path: Path) -> None:
    asked = task(tmp_path)
    scores = worker.scores(ScoresTask(asked.network, asked.weights, asked.examples))
    X, _ = open_examples(asked.examples)
    assert scores.tobytes() == scores_of(asked.network, asked.weights, X).tobytes()
    assert scores.shape == (len(X), asked.network.outputs)
