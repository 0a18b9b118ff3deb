"""Messages between a service and its worker, over pipes: a JSON head and a body of float32 numbers, no pickles."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from fedtrain.neural.tasks import (
    EvaluationTask,
    ExamplesPart,
    GradientTask,
    LocalSettings,
    SampledGradients,
    ScoresTask,
    TrainingTask,
    Weights,
)
from fedtrain.spec.network import CheckedNetwork, Network, Shape, numbers
from fedtrain.spec.problems import Code, Problem
from fedtrain.spec.training import LocalOptimizer, Loss

_LENGTHS = struct.Struct(">IQ")
#: Of a worker that cannot hold the task that it is sent.
NO_MEMORY_STATUS = 75
Head = dict[str, Any]


Task = TrainingTask | GradientTask | EvaluationTask | ScoresTask


def send(stream: BinaryIO, head: Head, body: bytes = b"") -> None:
    """Write one message."""
    text = json.dumps(head).encode()
    stream.write(_LENGTHS.pack(len(text), len(body)) + text)
    stream.write(body)
    stream.flush()


def receive(stream: BinaryIO) -> tuple[Head, bytes]:
    """Read one message. Raises EOFError where the other side is gone."""
    head_length, body_length = _LENGTHS.unpack(_exactly(stream, _LENGTHS.size))
    head: Head = json.loads(_exactly(stream, head_length))
    return head, _exactly(stream, body_length)


def _exactly(stream: BinaryIO, length: int) -> bytes:
    found = stream.read(length)
    if len(found) != length:
        raise EOFError
    return found


def task_message(task: Task) -> tuple[Head, bytes]:
    """Return head and body of a task."""
    body, head = to_bytes(task.network, task.weights), _network_head(task.network)
    head |= {"folder": str(task.examples.folder.absolute()), "part": task.examples.part}
    if isinstance(task, EvaluationTask):
        return head | {"kind": "evaluate", "loss": task.loss, "threads": task.threads}, body
    if isinstance(task, ScoresTask):
        return head | {"kind": "scores", "threads": task.threads}, body
    if isinstance(task, GradientTask):
        return head | {"kind": "gradients", "terms": asdict(task.terms), "seed": task.seed.hex()}, body
    settings = asdict(task.settings)
    return head | {"kind": "train", "settings": settings, "seed": task.seed.hex(), "round": task.round}, body


def task_of(head: Head, body: bytes) -> Task:
    """Return the task that a message holds."""
    network = Network.model_validate(head["network"]).checked(
        {label: tuple(shape) for label, shape in head["inputs"]}, head["outputs"]
    )
    weights = from_bytes(body, network.parameters)
    examples = ExamplesPart(Path(head["folder"]), head["part"])
    if head["kind"] == "evaluate":
        return EvaluationTask(network, Loss(head["loss"]), weights, examples, head["threads"])
    if head["kind"] == "scores":
        return ScoresTask(network, weights, examples, head["threads"])
    if head["kind"] == "gradients":
        terms = SampledGradients(**{**head["terms"], "loss": Loss(head["terms"]["loss"])})
        return GradientTask(network, terms, weights, examples, bytes.fromhex(head["seed"]))
    given = head["settings"]
    settings = LocalSettings(**{**given, "loss": Loss(given["loss"]), "optimizer": LocalOptimizer(given["optimizer"])})
    return TrainingTask(network, settings, weights, examples, bytes.fromhex(head["seed"]), head["round"])


def to_bytes(network: CheckedNetwork, weights: Weights) -> bytes:
    """Return all arrays' numbers, in the network's order."""
    return b"".join(np.ascontiguousarray(weights[name], dtype=np.float32).tobytes() for name in network.parameters)


def from_bytes(body: bytes, shapes: Mapping[str, Shape]) -> dict[str, NDArray[np.float32]]:
    """Return the arrays that `to_bytes` wrote."""
    found, start = {}, 0
    for name, shape in shapes.items():
        found[name] = np.frombuffer(body, np.float32, numbers(shape), start).reshape(shape)
        start += 4 * numbers(shape)
    return found


def _network_head(network: CheckedNetwork) -> Head:
    return {
        "network": network.network.model_dump(mode="json"),
        "inputs": [[label, list(shape)] for label, shape in network.inputs.items()],
        "outputs": network.outputs,
    }


def no_memory() -> Problem:
    """Return the problem of a task that needs more memory than the process may have."""
    return Problem(
        Code.TRAINING_OUT_OF_MEMORY,
        "Training this network needs more memory than its process has: take a smaller batch_size, or raise the "
        "owner's memory limit.",
    )
