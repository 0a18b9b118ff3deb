"""Accuracy of a network trained under encryption against the same schedule without, with the same draws of batches.

python -m benchmarks.same_draws [--seeds 1 2 3] [--rounds N] [--key-bits 3072] [--json]

The network and the three unlike owners of examples/mnist, by whole jobs in one process. What an owner trains on, and
with what secret seed, is noted and played again in the open afterwards: its update as it is, the mean by rows and the
server's step in float64. Both networks are then asked about the same 1,000 digits. What lies between them is rounding
to the fixed point, and what that makes of later rounds. A small key (`--key-bits 1024`) protects nothing and gives the
same sums, sooner. Needs PyTorch.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib
import json
import logging
import shutil
import statistics
import sys
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import structlog
import torch
from safetensors.numpy import load

from fedtrain.methods.network.plan import NetworkPlan, network_plan
from fedtrain.methods.network.settings import server_settings
from fedtrain.model_owner.methods.network.server_optimizer import server_step
from fedtrain.neural.examples_files import open_examples
from fedtrain.neural.initial import initial_weights
from fedtrain.neural.local_training import train
from fedtrain.neural.module import build, features_of
from fedtrain.neural.tasks import Progress, TrainingResult, TrainingTask, Weights
from fedtrain.neural.worker_process import WorkerProcess
from fedtrain.simulation.federation import federation
from fedtrain.spec.model_spec import ModelSpec

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"


class Noting(WorkerProcess):
    """A worker that keeps each task it is given, and the examples that it is on. `tasks`: by round."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._folder = folder
        self.tasks: dict[int, list[TrainingTask]] = {}

    def train(self, task: TrainingTask, progress: Progress | None = None) -> TrainingResult:
        # In the state folder of its owner, by whose name it is kept.
        kept = self._folder / task.examples.folder.parent.parent.name
        if not kept.exists():
            shutil.copytree(task.examples.folder, kept)
        result = super().train(task, progress)
        examples = replace(task.examples, folder=kept)
        self.tasks.setdefault(task.round, []).append(replace(task, examples=examples, weights={}))
        return result


@dataclass(frozen=True)
class Compared:
    """One seed's accuracies on the digits that nobody trained on. `furthest`: of two weights of the same name."""

    seed: int
    encrypted: float
    in_the_open: float
    furthest: float


def in_the_open(plan: NetworkPlan, spec: ModelSpec, tasks: dict[int, list[TrainingTask]]) -> Weights:
    """Return the weights after all rounds, by the tasks' own draws."""
    settings, names = server_settings(spec.training), list(plan.checked.parameters)
    weights = initial_weights(plan.checked, spec.training.seed or 0)
    first = second = None
    for number in sorted(tasks):
        mean, rows = np.zeros(sum(one.size for one in weights.values())), 0
        for task in tasks[number]:
            update = train(replace(task, weights=weights)).update
            own = len(open_examples(task.examples)[1])
            mean += own * np.concatenate([np.asarray(update[name], np.float64).ravel() for name in names])
            rows += own
        flat = np.concatenate([np.asarray(weights[name], np.float64).ravel() for name in names])
        stepped = server_step(settings, flat, mean / rows, first, second)
        first, second = stepped.first, stepped.second
        ends = np.cumsum([weights[name].size for name in names])[:-1]
        parts = np.split(stepped.weights.astype(np.float32), ends)
        weights = {name: part.reshape(weights[name].shape) for name, part in zip(names, parts, strict=True)}
    return weights


def accuracy(plan: NetworkPlan, weights: Weights, test: Any) -> float:
    """Return the share of digits that are read rightly."""
    with torch.inference_mode():
        scores = build(plan.checked, weights).eval()(*features_of(plan.checked, test.X))
    return float(np.mean(scores.argmax(1).numpy() == test.y))


def compared(seed: int, rounds: int | None, key_bits: int) -> Compared:
    """Train twice, and compare."""
    sys.path.insert(0, str(EXAMPLES))
    sys.path.insert(0, str(EXAMPLES / "mnist"))
    data: Any = importlib.import_module("make_data")
    reading: Any = importlib.import_module("network_comparison")
    document = json.loads((EXAMPLES / "mnist" / "model.json").read_text())
    document["training"] |= {"seed": seed, "key_bits": key_bits, **({} if rounds is None else {"rounds": rounds})}
    spec = ModelSpec.model_validate(document)
    plan = network_plan(spec)
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        data.write_data(folder / "data")
        tables = {path.stem: path for path in sorted((folder / "data").glob("owner-*.parquet"))}
        (folder / "kept").mkdir()
        worker = Noting(folder / "kept")

        async def job() -> bytes:
            owners = {"share_weights": True}
            async with federation(
                folder / "parties", tables, allow_small_keys=True, owner_settings=owners, trainer=worker
            ) as parties:
                model_id = await parties.deploy(document)
                model = await parties.wait(model_id)
                if model["status"] != "FINISHED":
                    raise RuntimeError(model["reason"])
                return await parties.model_owner.get_bytes(f"/models/{model_id}/export", format="safetensors")

        try:
            found = load(asyncio.run(job()))
        finally:
            worker.close()
        expected = in_the_open(plan, spec, worker.tasks)
        test = reading.read_records(folder / "data" / "test.parquet", spec)
    furthest = max(float(np.abs(found[name] - expected[name]).max()) for name in expected)
    return Compared(seed, accuracy(plan, found, test), accuracy(plan, expected, test), furthest)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description="Compare training with and without encryption, by the same draws.")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--rounds", type=int, help="in the place of the example's 100")
    parser.add_argument("--key-bits", type=int, default=3072)
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    rows = []
    if not asked.json:
        print("| seed | encrypted | in the open | largest difference of a weight |\n|---:|---:|---:|---:|")
    for seed in asked.seeds:
        row = compared(seed, asked.rounds, asked.key_bits)
        told = f"| {row.seed} | {row.encrypted:.4f} | {row.in_the_open:.4f} | {row.furthest:.2e} |"
        print(json.dumps(vars(row)) if asked.json else told, flush=True)
        rows.append(row)
    if asked.json:
        return
    medians = (statistics.median(row.encrypted for row in rows), statistics.median(row.in_the_open for row in rows))
    print(f"\nMedians: {medians[0]:.4f} encrypted, {medians[1]:.4f} in the open.")


if __name__ == "__main__":
    main()
