"""A round of networks' updates under encryption, party by party, and what it comes on top of.

python -m benchmarks.network [--json] [--quick] [--key-bits 3072]

Three owners and MNIST nets of 431,080, 1.25 and 3.49 million weights (the last two as large as those that NVFlare's
example of CKKS trains). Each party's part runs in a process of its own: processor seconds of all threads together,
which n cores share, and the most memory that the process had. Owners: from the update to signed bytes, nonces included,
one owner after the other; the Facilitator's files, product and message to the Model Owner; the Model Owner's checks,
product and decryption. Beside it local training, by the clock, half an epoch over 1,333 digits by PyTorch in its worker
process, for one owner, where PyTorch is installed; and the floor: the same three updates by Flower's FedAvg, from
arrays to bytes, averaged and back, where FEDTRAIN_FLOWER_PYTHON names the Python of an environment that has it (its
pins exclude ours):

    python3 -m venv build/flower && build/flower/bin/pip install flwr
    FEDTRAIN_FLOWER_PYTHON=build/flower/bin/python python -m benchmarks.network
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import subprocess
import tempfile
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from importlib.util import find_spec
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from phe.paillier import PaillierPrivateKey
from rich.console import Console

from benchmarks.fixtures.jobs import key_pair
from benchmarks.rows.measure import Row, main, processor_seconds, wall_seconds
from benchmarks.scaling import peak_mib
from fedtrain.crypto import Engine, FreshNoncePool, LocalEngine, decrypt_array, sum_vectors
from fedtrain.crypto.engine.native.engine import NativeEngine, why_not
from fedtrain.data_owner.data.frozen.examples_folder import ExampleBatch, freeze_examples
from fedtrain.data_owner.methods import method_of
from fedtrain.data_owner.methods.answers import PreparedData
from fedtrain.data_owner.release.answer import AnsweringJob, compute_answer
from fedtrain.facilitator.methods.adding import add_answers
from fedtrain.methods.network.plan import NetworkPlan, network_plan_of
from fedtrain.neural import EvaluationResult, EvaluationTask, ExamplesPart, Progress, TrainingResult, TrainingTask
from fedtrain.neural.initial import initial_weights
from fedtrain.neural.worker_process import WorkerProcess
from fedtrain.planning.plans import plan_spec
from fedtrain.protocol.documents.identity import Identity
from fedtrain.protocol.messages.pieces import step_pieces
from fedtrain.protocol.messages.rounds import (
    REQUEST_TAG,
    RoundAnswer,
    RoundRequest,
    SignedBytes,
    Step,
    from_cbor,
    to_cbor,
)
from fedtrain.protocol.messages.shared_weights import SealingContext, seal_weights_once
from fedtrain.service.store.body_files import Body, BodyFile, BodyFiles, OpenedBodies
from fedtrain.spec.model_spec import ModelSpec, ModelType

OWNERS = 3
ROWS = 1333
HASH = "0" * 64
#: Of the first linear layer: 1,250,000 and 3,490,000 weights are those of NVFlare's example, to a thousandth.
WIDTHS = (50, 500, 1510, 4272)
KERNEL, GMPY2 = "kernel", "gmpy2, one core"


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
        raise AssertionError(f"nothing is evaluated in a round of updates, received {task}")

    def cancel(self, folder: Path) -> None:
        """Nothing to end: an update is drawn at once."""


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

    def answer(self, owner: int) -> bytes:
        return compute_answer(self.job(owner), self.request, HASH).body

    def added(self, bodies: Sequence[bytes]) -> Any:
        vectors = [from_cbor(body, RoundAnswer).vector.open(self.n) for body in bodies]
        return sum_vectors(vectors, self.n, self.engine, self.plan.round("update").answer.sum_bound)

    def handed_on(self, folder: Path) -> BodyFile:
        """The Facilitator's part: answers written as they come, added one by one, and passed on with the sum."""
        files = BodyFiles(folder / "bodies")
        answers = [asyncio.run(_received(files, folder / str(owner))) for owner in range(OWNERS)]
        request = to_cbor(self.request)
        total, _, _ = add_answers(self.n, self.plan, request, OpenedBodies(answers), self.engine)
        signed = SignedBytes.sign(request, REQUEST_TAG, self.identities[0])
        pieces = step_pieces(Step(job_id=HASH[:32], step=1, log_entry=b"", request=signed, sum=total), answers)
        return files.write((pieces,) if isinstance(pieces, bytes) else pieces)

    def opened(self, bodies: Sequence[bytes]) -> Any:
        """The Model Owner's part: every answer opened and added again, then decrypted."""
        return decrypt_array(self.added(bodies), self.key, self.engine)


async def _received(files: BodyFiles, path: Path) -> Body:
    async def chunks() -> AsyncIterator[bytes]:
        with path.open("rb") as file:
            while chunk := file.read(1 << 16):
                yield chunk

    body = await files.receive(chunks())
    if isinstance(body, bytes):
        return body
    files.place(body)
    return files.at(body.hash, body.size_bytes)


@dataclass(frozen=True)
class Spent:
    """Cost of a party's part: processor seconds, and the process' memory at most, of which `before` at its start."""

    seconds: float
    peak_mib: int
    before_mib: int


def measure(
    quick: bool, notes: Console, key_sizes: Sequence[int] | None = None, widths: Sequence[int] | None = None
) -> Iterable[Row]:
    engines = [KERNEL] if why_not() is None else [GMPY2]
    widths = widths or (WIDTHS[:1] if quick else WIDTHS[1:])
    for key_bits in key_sizes or (3072,):
        private_key = key_pair(key_bits)
        for width in widths:
            # By gmpy2 a minute and more for the smallest.
            for engine in (*engines, *((GMPY2,) if width == WIDTHS[1] and engines == [KERNEL] and not quick else ())):
                notes.print(f"a round by {engine}")
                yield from _round(width, private_key, engine)
    for width in widths:
        floor = _by_flower(width)
        if floor is not None:
            yield floor
    if find_spec("torch") is not None:
        yield _training(widths[-1] if quick else WIDTHS[1])


def _round(width: int, private_key: PaillierPrivateKey, engine: str) -> Iterable[Row]:
    key_bits = int(private_key.public_key.n).bit_length()
    weights = network_plan_of(plan_spec(spec_of(width, key_bits))).checked.parameter_count
    parts = {
        "owners' answers": _answer_all,
        "taking in, adding and passing on": _add,
        "checking, adding and decrypting": _open,
    }
    in_all = 0.0
    with tempfile.TemporaryDirectory() as folder:
        for name, part in parts.items():
            # One after the other, each in a process that did nothing before.
            with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
                spent = process.submit(part, width, private_key, engine, Path(folder)).result()
            bytes_each = (Path(folder) / "0").stat().st_size
            shape: dict[str, float | int | str] = {
                "weights": weights,
                "owners": OWNERS,
                "engine": engine,
                "bytes a weight": round(bytes_each / weights, 2),
            }
            in_all += spent.seconds
            memory = {"peak_mib": spent.peak_mib, "before_mib": spent.before_mib}
            yield Row(name, shape | memory, key_bits, spent.seconds)
    yield Row("the round", shape, key_bits, in_all)


def _answer_all(width: int, key: PaillierPrivateKey, engine: str, folder: Path) -> Spent:
    def part(bench: Bench) -> None:
        for owner in range(OWNERS):
            (folder / str(owner)).write_bytes(bench.answer(owner))

    return _spent(width, key, engine, part)


def _add(width: int, key: PaillierPrivateKey, engine: str, folder: Path) -> Spent:
    return _spent(width, key, engine, lambda bench: bench.handed_on(folder))


def _open(width: int, key: PaillierPrivateKey, engine: str, folder: Path) -> Spent:
    def part(bench: Bench) -> None:
        total = bench.opened(_bodies(folder))
        if total.shape != (bench.plan.checked.parameter_count + 2, 1):
            raise AssertionError(f"a sum of {total.shape} came of {bench.plan.checked.parameter_count} weights")

    return _spent(width, key, engine, part)


def _bodies(folder: Path) -> list[bytes]:
    return [(folder / str(owner)).read_bytes() for owner in range(OWNERS)]


def _spent(width: int, key: PaillierPrivateKey, engine: str, part: Callable[[Bench], object]) -> Spent:
    cores = os.cpu_count() or 1
    with ThreadPoolExecutor(cores) as threads:
        by = NativeEngine(threads, cores) if engine == KERNEL else LocalEngine()
        bench = Bench(width, key, by)
        before = peak_mib()
        seconds, _ = processor_seconds(lambda: part(bench))
    return Spent(seconds, peak_mib(), before)


def _by_flower(width: int) -> Row | None:
    """The same updates by Flower's FedAvg, in the Python that has it; None without one."""
    python = os.environ.get("FEDTRAIN_FLOWER_PYTHON")
    if not python:
        return None
    shapes = network_plan_of(plan_spec(spec_of(width, 3072))).checked.parameters.values()
    given = json.dumps({"shapes": list(map(list, shapes)), "owners": OWNERS, "rows": ROWS})
    ran = subprocess.run([python, "-c", _FLOWER, given], stdout=subprocess.PIPE, check=True, text=True)  # noqa: S603
    told = json.loads(ran.stdout)
    sizes = {"weights": told["weights"], "owners": OWNERS, "flwr": told["version"], "peak_mib": told["peak_mib"]}
    return Row("Flower's FedAvg, unencrypted", sizes, 0, told["seconds"])


#: Runs where nothing of ours can be imported.
_FLOWER = """
import json, pathlib, sys, time
import flwr, numpy as np
from flwr.common import Code, FitRes, Status, ndarrays_to_parameters, parameters_to_ndarrays
from flwr.server.strategy import FedAvg

given = json.loads(sys.argv[1])
draw = np.random.default_rng(0)
updates = [[draw.normal(size=s).astype(np.float32) for s in given["shapes"]] for _ in range(given["owners"])]
began = time.process_time()
results = [
    (None, FitRes(Status(Code.OK, ""), ndarrays_to_parameters(one), given["rows"], {})) for one in updates
]
found, _ = FedAvg(inplace=False).aggregate_fit(1, results, [])
arrays = parameters_to_ndarrays(found)
seconds = time.process_time() - began
np.testing.assert_allclose(arrays[0], np.mean([one[0] for one in updates], axis=0), atol=1e-6)
status = pathlib.Path("/proc/self/status").read_text() if pathlib.Path("/proc/self/status").exists() else ""
peak = [int(line.split()[1]) >> 10 for line in status.splitlines() if line.startswith("VmHWM:")]
weights = sum(int(np.prod(s)) for s in given["shapes"])
print(json.dumps({"seconds": seconds, "version": flwr.__version__, "weights": weights, "peak_mib": (peak or [0])[0]}))
"""


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
