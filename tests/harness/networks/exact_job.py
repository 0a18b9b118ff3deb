"""A network's job in which every number is a sum of few powers of two: rounding changes nothing, whoever draws it.

So all ways to run it come to the same bits, and to those of one party with all rows.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save_file

from tests.harness.networks.small_trainer import descended

#: Shares of 1/4, 1/4 and 1/2, each of a power of two of rows.
ROWS = {"clinic-a": 32, "clinic-b": 32, "clinic-c": 64}
ROUNDS = 3
RATE = 1.0
CLIP = 8.0
BEGIN = {"scores.weight": np.array([[0.25, -0.5]], np.float32), "scores.bias": np.array([0.5], np.float32)}
BEGIN_FILE = "begin.safetensors"


def tables() -> dict[str, NDArray[np.float64]]:
    draw = np.random.default_rng(8)
    found = {}
    for name, rows in ROWS.items():
        X = draw.choice([-1.0, 1.0], (rows, 2))
        found[name] = np.column_stack([X, 2 * X[:, 0] - X[:, 1] + draw.choice([-1.0, 0.0, 1.0], rows)])
    return found


def write_tables(folder: Path) -> dict[str, Path]:
    paths = {}
    for name, table in tables().items():
        paths[name] = folder / f"{name}.csv"
        lines = [",".join(f"{value:g}" for value in row) for row in table]
        paths[name].write_text("\n".join(["x0,x1,y", *lines]) + "\n")
    return paths


def write_begin(data_folder: Path) -> None:
    data_folder.mkdir(parents=True, exist_ok=True)
    save_file(BEGIN, data_folder / BEGIN_FILE)


def spec(**training: Any) -> dict[str, Any]:
    """One gradient of all rows in each round, from the weights in `BEGIN_FILE`."""
    layers = [
        {"name": "both", "type": "Concat", "inputs": ["x0", "x1"]},
        {"name": "scores", "type": "Linear", "inputs": ["both"], "in_features": 2, "out_features": 1},
    ]
    return {
        "model_type": "NEURAL_NETWORK",
        "data_props": {
            "features": [{"name": name, "type": "continuous", "range": [-1, 1]} for name in ("x0", "x1")],
            "target": {"name": "y", "range": [-4, 4]},
        },
        "network": {"layers": layers, "output": "scores"},
        "training": {
            "optimizer": "fedsgd",
            "rounds": ROUNDS,
            "learning_rate": RATE,
            "clip": CLIP,
            "update_bits": 30,
            "initial_weights": BEGIN_FILE,
            "key_bits": 512,
            "max_rows": 1000,
            "min_data_owners": 3,
            "max_data_owners": 3,
            **training,
        },
    }


def in_the_open() -> Mapping[str, NDArray[np.float32]]:
    """The weights after all rounds, by one party that has every table."""
    weights: Mapping[str, NDArray[np.float32]] = BEGIN
    for _ in range(ROUNDS):
        updates = [descended(weights, one[:, :2], one[:, 2:] / 4, RATE, 1, CLIP).update for one in tables().values()]
        mean = {
            name: sum(
                rows / sum(ROWS.values()) * update[name].astype(np.float64)
                for rows, update in zip(ROWS.values(), updates, strict=True)
            )
            for name in weights
        }
        weights = {name: (values + mean[name]).astype(np.float32) for name, values in weights.items()}
    return weights
