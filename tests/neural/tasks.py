"""Small tasks, with examples frozen in a folder."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from fedtrain.neural.examples_files import x_file, y_file
from fedtrain.neural.initial import initial_weights
from fedtrain.neural.tasks import ExamplesPart, LocalSettings, TrainingTask
from fedtrain.spec.network import CheckedNetwork, Network
from fedtrain.spec.training import LocalOptimizer, Loss

SETTINGS = LocalSettings(
    loss=Loss.CROSS_ENTROPY,
    optimizer=LocalOptimizer.SGD,
    learning_rate=0.1,
    epochs=1.0,
    steps=None,
    batch_size=8,
    proximal=0.0,
    clip=1e6,
)


def classifier(features: int = 6, hidden: int = 5, classes: int = 3, dropout: float = 0.0) -> CheckedNetwork:
    layers = [
        {"name": "fc1", "type": "Linear", "inputs": ["x"], "in_features": features, "out_features": hidden},
        {"name": "tanh", "type": "Tanh", "inputs": ["fc1"]},
        {"name": "drop", "type": "Dropout", "inputs": ["tanh"], "p": dropout},
        {"name": "fc2", "type": "Linear", "inputs": ["drop"], "in_features": hidden, "out_features": classes},
    ]
    return Network.model_validate({"layers": layers, "output": "fc2"}).checked({"x": (features,)}, classes)


def frozen(folder: Path, rows: int = 30, features: int = 6, classes: int = 3) -> ExamplesPart:
    draws = np.random.default_rng(7)
    examples = ExamplesPart(folder, "training")
    np.save(x_file(examples), draws.standard_normal((rows, features)).astype(np.float32))
    np.save(y_file(examples), np.eye(classes, dtype=np.float32)[draws.integers(0, classes, rows)])
    return examples


def task(folder: Path, network: CheckedNetwork | None = None, rows: int = 30, **settings: Any) -> TrainingTask:
    network = network or classifier()
    (features,) = network.inputs["x"]
    return TrainingTask(
        network,
        replace(SETTINGS, **settings),
        initial_weights(network, 1),
        frozen(folder, rows, features, network.outputs),
        seed=b"a secret of this owner and round",
        round=1,
    )
