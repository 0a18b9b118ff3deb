"""A round of a network's updates under encryption, and the local training beside it.

python -m benchmarks.network [--json] [--quick] [--key-bits 3072]

Three owners and an MNIST net of 431,080 weights. Processor seconds of all threads together, which n cores share: each
owner's answer from its update to signed bytes, nonces included; the Facilitator's product; the Model Owner's checks,
product and decryption. Local training, by the clock, is half an epoch over 1,333 digits by PyTorch in its worker
process, for one owner, where PyTorch is installed.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from phe.paillier import PaillierPrivateKey
from rich.console import Console

from benchmarks.jobs import key_pair
from benchmarks.measure import Row, main, processor_seconds, wall_seconds
from fedtrain.crypto import Engine, FreshNoncePool, LocalEngine, decrypt_array, sum_vectors
from fedtrain.crypto.engine.native.engine import NativeEngine, why_not
from fedtrain.data_owner.data.examples import ExampleBatch, freeze_examples
from fedtrain.data_owner.methods import method_of
from fedtrain.data_owner.methods.answers import PreparedData
from fedtrain.data_owner.release.answer import AnsweringJob, compute_answer
from fedtrain.methods.network.plan import NetworkPlan, network_plan_of
from fedtrain.neural import EvaluationResult, EvaluationTask, ExamplesPart, Progress, TrainingResult, TrainingTask
from fedtrain.neural.initial import initial_weights
from fedtrain.neural.worker_process import WorkerProcess
from fedtrain.planning.plans import plan_spec
from fedtrain.protocol.documents.identity import Identity
from fedtrain.protocol.messages.rounds import RoundAnswer, RoundRequest, from_cbor
from fedtrain.protocol.messages.shared_weights import SealingContext, seal_weights_once
from fedtrain.spec.model_spec import ModelSpec, ModelType

OWNERS = 3
ROWS = 1333
HASH = "0" * 64


def mnist_layers(width: int) -> list[dict[str, Any]]:
    """PySyft's MNIST net, whose linear layer has `width` numbers: 431,080 weights for 500."""
    return [
        {
            "name": "conv1",
            "type": "Conv2d",
            "inputs": ["image"],
            "in_channels": 1,
            "out_channels": 20,
            "kernel_size": 5,
        },
        {"name": "relu1", "type": "ReLU", "inputs": ["conv1"]},
        {"name": "pool1", "type": "MaxPool2d", "inputs": ["relu1"], "kernel_size": 2},
        {
            "name": "conv2",
            "type": "Conv2d",
            "inputs": ["pool1"],
            "in_channels": 20,
            "out_channels": 50,
            "kernel_size": 5,
        },
        {"name": "relu2", "type": "ReLU", "inputs": ["conv2"]},
        {"name": "pool2", "type": "MaxPool2d", "inputs": ["relu2"], "kernel_size": 2},
        {"name": "flat", "type": "Flatten", "inputs": ["pool2"]},
        {"name": "fc1", "type": "Linear", "inputs": ["flat"], "in_features": 800, "out_features": width},
        {"name": "relu3", "type": "ReLU", "inputs": ["fc1"]},
        {"name": "fc2", "type": "Linear", "inputs": ["relu3"], "in_features": width, "out_features": 10},
    ]


def spec_of(width: int, key_bits: int) -> ModelSpec:
    return ModelSpec.model_validate(
        {
            "model_type": "NEURAL_NETWORK",
            "data_props": {
                "features": [{"name": "image", "type": "vector", "shape": [1, 28, 28], "range": [0, 255]}],
                "target": {"name": "digit", "categories": list(range(10))},
            },
            "network": {"layers": mnist_layers(width), "output": "fc2"},
            "training": {"key_bits": key_bits, "max_data_owners": OWNERS, "local_epochs": 0.5, "batch_size": 32},
        }
    )


@dataclass(frozen=True)
class _Examples:
    folder: Path
    training_rows: int
    validation_rows: int = 0


class _Drawn:
    """An update drawn at once: what is measured begins where training ends."""

    def train(self, task: TrainingTask, progress: Progress | None = None) -> TrainingResult:  # noqa: ARG002
        draw = np.random.default_rng(np.frombuffer(hashlib.sha256(task.seed).digest(), dtype=np.uint64))
        arrays = {name: draw.normal(size=shape).astype(np.float32) for name, shape in task.network.parameters.items()}
        norm = np.sqrt(sum(float(np.square(one.astype(np.float64)).sum()) for one in arrays.values()))
        scale = np.float32(task.settings.clip * 0.99 / norm)
        return TrainingResult({name: one * scale for name, one in arrays.items()}, 1.0, float(ROWS), 0, ROWS, 1)

    def evaluate(self, task: EvaluationTask) -> EvaluationResult:
        raise NotImplementedError(task)

    def cancel(self, folder: Path) -> None:
        raise NotImplementedError(folder)


class Bench:
    """A round on the bench: its request, and each owner's job."""

    def __init__(self, width: int, private_key: PaillierPrivateKey, engine: Engine) -> None:
        self.key, self.engine, self.n = private_key, engine, int(private_key.public_key.n)
        self.plan: NetworkPlan = network_plan_of(plan_spec(spec_of(width, self.n.bit_length())))
        self.identities = [Identity.generate() for _ in range(OWNERS)]
        self.masks = [X25519PrivateKey.generate() for _ in range(OWNERS)]
        self.sealing = [X25519PrivateKey.generate() for _ in range(OWNERS)]

    @cached_property
    def request(self) -> RoundRequest:
        keys = {
            one.party_id: key.public_key().public_bytes_raw().hex()
            for one, key in zip(self.identities, self.sealing, strict=True)
        }
        weights = initial_weights(self.plan.checked, 0)
        sealed = seal_weights_once(weights, keys, SealingContext(HASH, HASH, 1))
        return RoundRequest(
            manifest_hash=HASH,
            roster_hash=HASH,
            round=1,
            kind="update",
            log_head=HASH,
            rows_total=OWNERS * ROWS,
            sealed_weights=sealed.boxes,
            weights_blob=sealed.blob,
        )

    def job(self, owner: int) -> AnsweringJob:
        ids = [bytes.fromhex(one.party_id) for one in self.identities]
        peers = {ids[at]: self.masks[at].public_key().public_bytes_raw() for at in range(OWNERS) if at != owner}
        answers = self.plan.round("update").answer.layout.ciphertexts
        return AnsweringJob(
            manifest_hash=HASH,
            roster_hash=HASH,
            modulus=self.n,
            identity=self.identities[owner],
            mask_key=self.masks[owner],
            peers=peers,
            plan=self.plan,
            method=method_of(ModelType.NEURAL_NETWORK, shares_weights=True),
            data=PreparedData(self.plan, None, examples=_Examples(Path(), ROWS), trainer=_Drawn()),
            pool=FreshNoncePool(self.n, self.engine, answers),
            engine=self.engine,
            self_masked=False,
            sealing_key=self.sealing[owner],
        )

    def answers(self) -> list[bytes]:
        return [compute_answer(self.job(owner), self.request, HASH).body for owner in range(OWNERS)]

    def added(self, bodies: Sequence[bytes]) -> Any:
        vectors = [from_cbor(body, RoundAnswer).vector.open(self.n) for body in bodies]
        return sum_vectors(vectors, self.n, self.engine, self.plan.round("update").answer.sum_bound)

    def opened(self, bodies: Sequence[bytes]) -> Any:
        """The Model Owner's part: every answer opened and added again, then decrypted."""
        return decrypt_array(self.added(bodies), self.key, self.engine)


def measure(
    quick: bool, notes: Console, key_sizes: Sequence[int] | None = None, widths: Sequence[int] | None = None
) -> Iterable[Row]:
    cores = os.cpu_count() or 1
    with ThreadPoolExecutor(cores) as threads:
        engines: dict[str, Engine] = {} if why_not() is not None else {"kernel": NativeEngine(threads, cores)}
        if not quick or not engines:
            engines["gmpy2, one core"] = LocalEngine()
        for key_bits in key_sizes or (3072,):
            private_key = key_pair(key_bits)
            for width in widths or ((50,) if quick else (500,)):
                for name, engine in engines.items():
                    notes.print(f"a round by {name}")
                    yield from _round(Bench(width, private_key, engine), name, key_bits)
    if find_spec("torch") is not None:
        yield _training((widths or (500,))[0])


def _round(bench: Bench, engine: str, key_bits: int) -> Iterable[Row]:
    weights = bench.plan.checked.parameter_count
    encrypting_s, bodies = processor_seconds(bench.answers)
    adding_s, _ = processor_seconds(lambda: bench.added(bodies))
    opening_s, total = processor_seconds(lambda: bench.opened(bodies))
    if total.shape != (weights + 2, 1):
        raise AssertionError(f"a sum of {total.shape} came of {weights} weights")
    shape: dict[str, float | int | str] = {
        "weights": weights,
        "owners": OWNERS,
        "engine": engine,
        "bytes a weight": round(len(bodies[0]) / weights, 2),
    }
    yield Row(f"{OWNERS} owners' answers", shape, key_bits, encrypting_s)
    yield Row("adding them", shape, key_bits, adding_s)
    yield Row("checking, adding and decrypting", shape, key_bits, opening_s)
    yield Row("the round", shape, key_bits, encrypting_s + adding_s + opening_s)


def _training(width: int) -> Row:
    plan = network_plan_of(plan_spec(spec_of(width, 3072)))
    draw = np.random.default_rng(0)
    X = draw.uniform(-1, 1, (ROWS, 784))
    Y = np.eye(10)[draw.integers(0, 10, ROWS)]
    worker = WorkerProcess()
    try:
        with tempfile.TemporaryDirectory() as folder:
            examples = freeze_examples([ExampleBatch(X, Y)], Path(folder) / "examples", 784, 10)
            part = ExamplesPart(examples.folder, "training")
            task = TrainingTask(plan.checked, plan.local, initial_weights(plan.checked, 0), part, b"\0" * 32, 1)
            seconds, _ = wall_seconds(lambda: worker.train(task), 3)
    finally:
        worker.close()
    return Row(
        "local training, one owner",
        {"weights": plan.checked.parameter_count, "rows": ROWS // 2, "clock": "wall"},
        0,
        seconds,
    )


if __name__ == "__main__":
    main(__doc__, measure, takes_key_sizes=True)
