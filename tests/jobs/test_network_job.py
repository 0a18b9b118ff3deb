"""Whole jobs of networks, all parties in one process, with a small trainer in the place of PyTorch."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from safetensors.numpy import load, save_file

from fedtrain.model_owner.arithmetic.arrays import binary_from_json
from fedtrain.model_owner.jobs.initial_weights import beginning
from fedtrain.neural import EvaluationResult, EvaluationTask
from fedtrain.neural.initial import initial_weights
from fedtrain.planning.plans import plan_spec
from fedtrain.simulation.federation import Federation, federation
from fedtrain.spec.model_spec import ModelSpec
from fedtrain.spec.problems import Code, Problem
from tests.harness.networks.small_trainer import DrawnTrainer, LinearTrainer, descended
from tests.harness.one_process import give_salts, write_table

ROWS = (40, 25, 70)
RATE, STEPS, CLIP = 0.1, 3, 0.15
#: What an owner rounds a loss to: its bound, 64, is within 2^9 clips, and a clip's numbers have 16 bits.
LOSS_GRAIN = 2.0 ** (9 - 16)


def tables(seed: int = 4) -> list[NDArray[np.float64]]:
    draw = np.random.default_rng(seed)
    found = []
    for rows in ROWS:
        X = draw.uniform(0, 10, (rows, 3))
        found.append(np.column_stack([X, X @ [2.0, -1.0, 0.5] + 3]))
    return found


def spec_of(**training: Any) -> dict[str, Any]:
    layers = [
        {"name": "all", "type": "Concat", "inputs": ["column 0", "column 1", "column 2"]},
        {"name": "scores", "type": "Linear", "inputs": ["all"], "in_features": 3, "out_features": 1},
    ]
    return {
        "model_type": "NEURAL_NETWORK",
        "data_props": {
            "features": [{"col_idx": j, "type": "continuous", "range": [0, 10]} for j in range(3)],
            "target": {"col_idx": 3, "range": [-10, 30]},
        },
        "network": {"layers": layers, "output": "scores"},
        "training": {
            "key_bits": 512,
            "max_rows": 1000,
            "min_data_owners": 3,
            "max_data_owners": 3,
            "rounds": 4,
            "learning_rate": RATE,
            "local_steps": STEPS,
            "clip": CLIP,
            **training,
        },
    }


def running(folder: Path, **more: Any) -> AbstractAsyncContextManager[Federation]:
    named = {f"owner-{at}": write_table(folder / f"{at}.csv", table.tolist()) for at, table in enumerate(tables())}
    settings = {"least_roster": 1, "share_weights": True}
    return federation(
        folder, named, allow_small_keys=True, owner_settings=settings, **{"trainer": LinearTrainer(), **more}
    )


def train(folder: Path, spec: Mapping[str, Any], **more: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return what GET /models/{id} says at the end, and the export as JSON."""

    async def run() -> tuple[dict[str, Any], dict[str, Any]]:
        async with running(folder, **more) as parties:
            model_id = await parties.deploy(spec)
            model = await asyncio.wait_for(parties.wait(model_id), 300)
            assert model["status"] == "FINISHED", model["reason"]
            export = await parties.model_owner.get_bytes(f"/models/{model_id}/export", format="json")
            return model, json.loads(export)

    return asyncio.run(run())


def in_the_open(rounds: int, bits: int = 16) -> tuple[dict[str, NDArray[np.float32]], float]:
    """The same schedule by one party that has all tables; and how far rounding can have led an honest job from it."""
    spec = ModelSpec.model_validate(spec_of())
    weights: Any = initial_weights(plan_spec(spec).checked, 0)  # type: ignore[attr-defined]
    for _ in range(rounds):
        mean: Any = {name: np.zeros(values.shape) for name, values in weights.items()}
        for table in tables():
            X, Y = (table[:, :3] - 5) / 5, table[:, 3:] / 20
            X, Y = (one.astype(np.float32).astype(np.float64) for one in (X, Y))
            update = descended(weights, X, Y, RATE, STEPS, CLIP).update
            mean = {name: mean[name] + len(X) / sum(ROWS) * update[name].astype(np.float64) for name in mean}
        weights = {
            name: (values.astype(np.float64) + mean[name]).astype(np.float32) for name, values in weights.items()
        }
    return weights, rounds * len(ROWS) * 2.0**-bits


def weights_of(export: Mapping[str, Any]) -> dict[str, NDArray[np.float32]]:
    return {name: binary_from_json(stored) for name, stored in export["weights"].items()}


def test_a_network_is_trained_as_one_party_with_all_rows_would_by_the_same_schedule(tmp_path: Path) -> None:
    trainer = LinearTrainer()
    model, export = train(tmp_path, spec_of(), trainer=trainer)
    expected, close = in_the_open(4)
    found = weights_of(export)
    assert found.keys() == expected.keys()
    for name, values in found.items():
        np.testing.assert_allclose(values, expected[name], atol=2 * close, rtol=0)
    assert [row["round"] for row in model["history"]] == [1, 2, 3, 4]
    trained = [sum(one.loss_sum for one in trainer.results[at : at + 3]) for at in range(0, 12, 3)]
    losses = [row["loss"] for row in model["history"]]
    np.testing.assert_allclose(losses, np.divide(trained, STEPS * sum(ROWS)), atol=len(ROWS) * LOSS_GRAIN, rtol=0)
    assert model["history"][0]["gradient"] <= CLIP * (1 + 1e-5)
    assert model["rows_total"] == sum(ROWS)
    assert model["leak"]["numbers_decrypted"] == model["leak"]["of"] == 4 * (4 + 2)
    assert "the leakage theorem does not hold" in model["leak"]["holds"]
    assert model["parameters"] == {"scores.weight": [1, 3], "scores.bias": [1]}


@pytest.mark.slow
def test_rounds_are_evaluated_on_what_owners_hold_out_and_the_best_weights_are_kept(tmp_path: Path) -> None:
    model, export = train(tmp_path, spec_of(rounds=5, evaluate_every=2, server_optimizer="momentum"))
    told = {row["round"]: row["validation_loss"] for row in model["history"]}
    assert told.keys() == {1, 2, 3, 4, 5}
    assert told[1] is told[3] is None
    best = min((2, 4, 5), key=lambda number: told[number])
    assert model["best_round"] == best
    assert f"the weights are those of round {best}" in model["reason"]
    assert weights_of(export)["scores.weight"].shape == (1, 3)
    assert 0 < model["rows_total"] < sum(ROWS), "rows that are held out are in no training sum"


@pytest.mark.slow
def test_rounds_that_are_evaluated_are_so_on_the_test_set_too(tmp_path: Path) -> None:
    test = tables(seed=5)[0]
    path = write_table(tmp_path / "test.csv", test.tolist())
    give_salts(tmp_path, len(ROWS))
    model, export = train(tmp_path, spec_of(rounds=5, evaluate_every=2), test_data=path)
    told = {row["round"]: row["test_loss"] for row in model["history"]}
    assert told[1] is told[3] is None
    weights = weights_of(export)
    X, Y = (test[:, :3] - 5) / 5, test[:, 3:] / 20
    error = X @ weights["scores.weight"].astype(np.float64).T + weights["scores.bias"] - Y
    assert told[model["best_round"]] == pytest.approx(np.square(error).mean(), rel=1e-5)
    assert told[2] > told[4] > told[5], "the schedule's own losses are far enough apart for any rounding"
    assert all(row["test_accuracy"] is None for row in model["history"]), "targets with a range have no hits"
    assert not list((tmp_path / "model-owner" / "tests").iterdir()), "the job is over"


def test_a_test_set_that_does_not_fit_holds_no_training_up_and_is_told_of(tmp_path: Path) -> None:
    path = write_table(tmp_path / "test.csv", [[1.0, 2.0, 3.0, 4.0]])

    def spoil() -> None:
        path.write_text(path.read_text() + "5.0,6.0,7.0,8.0\n")

    async def run() -> dict[str, Any]:
        async with running(tmp_path, test_data=path) as parties:
            spoil()
            model_id = await parties.deploy(spec_of(rounds=2, evaluate_every=2))
            return await asyncio.wait_for(parties.wait(model_id), 300)

    model = asyncio.run(run())
    assert model["status"] == "FINISHED", model["reason"]
    assert model["history"][-1]["validation_loss"] is not None
    assert model["history"][-1]["test_loss"] is None
    assert "has changed since it was registered" in model["test_set_problem"]


class Killed(LinearTrainer):
    """A worker that is killed twice whenever it evaluates the Model Owner's test set."""

    def evaluate(self, task: EvaluationTask) -> EvaluationResult:
        if task.examples.folder.parent.name == "tests":
            raise Problem(Code.TRAINING_STOPPED, "The process that trains ended twice (signal 9).")
        return super().evaluate(task)


def test_a_worker_that_is_killed_whenever_it_evaluates_holds_no_training_up(tmp_path: Path) -> None:
    path = write_table(tmp_path / "test.csv", tables(seed=5)[0].tolist())
    give_salts(tmp_path, len(ROWS))
    model, _ = train(tmp_path, spec_of(rounds=2, evaluate_every=2), test_data=path, trainer=Killed())
    assert model["history"][-1]["validation_loss"] is not None
    assert model["history"][-1]["test_loss"] is None
    assert "ended twice" in model["test_set_problem"]


class Stopped(LinearTrainer):
    """A worker that is at work on the test set until it is closed. `begun`: set once it is."""

    def __init__(self) -> None:
        super().__init__()
        self.begun, self.closed = Event(), Event()

    def evaluate(self, task: EvaluationTask) -> EvaluationResult:
        if task.examples.folder.parent.name == "tests":
            self.begun.set()
            self.closed.wait()
            raise Problem(Code.TRAINING_STOPPED, "Training was stopped with its service.")
        return super().evaluate(task)

    def close(self) -> None:
        self.closed.set()


@pytest.mark.slow
def test_a_round_that_a_stop_finds_in_evaluation_is_evaluated_at_the_next_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_table(tmp_path / "test.csv", tables(seed=5)[0].tolist())
    give_salts(tmp_path, len(ROWS))
    stopped = Stopped()
    left = tmp_path / "model-owner" / "tests" / f".{'ab' * 16}-{'cd' * 8}.examples"

    async def stop_in_evaluation() -> str:
        with monkeypatch.context() as patched:
            patched.setattr("fedtrain.model_owner.app.WorkerProcess", lambda: stopped)
            async with running(tmp_path, test_data=path, trainer=stopped) as parties:
                model_id = await parties.deploy(spec_of(rounds=2, evaluate_every=2))
                assert await asyncio.to_thread(stopped.begun.wait, 60)
        return model_id

    async def go_on(model_id: str) -> dict[str, Any]:
        async with running(tmp_path, test_data=path) as parties:
            assert not left.exists(), "what a crash left half written is deleted at the start"
            return await asyncio.wait_for(parties.wait(model_id), 300)

    model_id = asyncio.run(stop_in_evaluation())
    left.mkdir()
    (left / "validation-x.npy").write_bytes(b"half")
    model = asyncio.run(go_on(model_id))
    assert model["status"] == "FINISHED", model["reason"]
    assert (model["history"][-1]["test_loss"] is not None, model["test_set_problem"]) == (True, None)


def test_a_job_that_runs_away_fails_as_diverged(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="a weight is beyond 2, weight_bound"):
        train(tmp_path, spec_of(weight_bound=2.0, clip=5.0, server_learning_rate=10.0, learning_rate=3.0))


def test_an_owner_whose_training_diverges_leaves_and_says_so_without_training_again(tmp_path: Path) -> None:
    trainer = DrawnTrainer(rows=25, spoil=float("nan"))
    with pytest.raises(AssertionError, match=r"left the job \(diverged\)"):
        train(tmp_path, spec_of(), trainer=trainer)
    assert len({task.seed for task in trainer.tasks}) == len(trainer.tasks), "no draws are tried twice"


def test_training_goes_on_from_a_file_of_weights_and_is_exported_as_one(tmp_path: Path) -> None:
    given = {"scores.weight": np.array([[0.25, -0.5, 0.125]], np.float32), "scores.bias": np.array([0.5], np.float32)}
    folder = tmp_path / "model-owner" / "data"
    folder.mkdir(parents=True)
    save_file(given, folder / "before.safetensors")

    async def run() -> bytes:
        async with running(tmp_path) as parties:
            with pytest.raises(Problem, match=r"other\.safetensors"):
                await parties.deploy(spec_of(initial_weights="other.safetensors"))
            model_id = await parties.deploy(spec_of(rounds=1, clip=1e-6, initial_weights="before.safetensors"))
            model = await asyncio.wait_for(parties.wait(model_id), 300)
            assert model["status"] == "FINISHED", model["reason"]
            return await parties.model_owner.get_bytes(f"/models/{model_id}/export", format="safetensors")

    found = load(asyncio.run(run()))
    for name, values in given.items():
        np.testing.assert_allclose(found[name], values, atol=1e-4)


@pytest.mark.parametrize(
    ("weights", "told"),
    [
        ({"scores.weight": np.zeros((1, 3), np.float32)}, "scores.bias"),
        ({"scores.weight": np.zeros((3, 1), np.float32), "scores.bias": np.zeros(1, np.float32)}, "scores.weight"),
        ({"scores.weight": np.full((1, 3), np.nan, np.float32), "scores.bias": np.zeros(1, np.float32)}, "not finite"),
        ({"scores.weight": np.full((1, 3), 2e6, np.float32), "scores.bias": np.zeros(1, np.float32)}, "weight_bound"),
    ],
)
def test_weights_of_another_network_are_refused_before_a_job_is_kept(
    tmp_path: Path, weights: dict[str, NDArray[np.float32]], told: str
) -> None:
    save_file(weights, tmp_path / "before.safetensors")
    spec = ModelSpec.model_validate(spec_of(initial_weights="before.safetensors"))
    with pytest.raises(Problem, match=told) as refused:
        beginning(tmp_path, spec, plan_spec(spec))
    assert refused.value.code is Code.INVALID_SPEC
    assert "training.initial_weights" in refused.value.detail
