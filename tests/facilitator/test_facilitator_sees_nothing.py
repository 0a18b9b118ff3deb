"""All that the Facilitator received and stored in a whole run, searched byte by byte for what it must not see.

Of random bytes it received hundreds of thousands: what is short stands somewhere in them by chance, once in some
thousand runs. So there are two runs, over the same tables and with other keys: what leaks is there in both.
"""

from __future__ import annotations

import asyncio
import json
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from fedtrain.data_owner.data.moments import Moments, MomentsAccumulator
from fedtrain.methods.regression.from_spec import RECORD_FRACTION_BITS
from fedtrain.planning.plans import plan_spec
from fedtrain.simulation.federation import Federation, federation
from fedtrain.spec.model_spec import ModelSpec

pytestmark = pytest.mark.slow

Floats = NDArray[np.float64]
#: Bytes, or hexadecimal digits. One that is not short is found by chance once in 10^10 runs.
SHORT = 16
LOW, HIGH = -3.0, 5.0
TARGET = (-40.0, 60.0)
OWNERS = ("alba", "bruma", "celta")


def make_spec() -> dict[str, Any]:
    return {
        "model_type": "LINEAR_REGRESSION",
        "data_props": {
            "features": [{"col_idx": j, "type": "continuous", "range": [LOW, HIGH]} for j in range(3)],
            "target": {"col_idx": 3, "range": list(TARGET)},
        },
        "training": {"key_bits": 512, "max_rows": 1000, "max_data_owners": 3, "tolerance": 1e-12},
    }


def make_table(seed: int) -> Floats:
    """(20, 4): three features and a target, none of them a round number."""
    rng = np.random.default_rng(seed)
    X = rng.uniform(LOW, HIGH, (20, 3))
    return np.column_stack([X, X @ [3.1, -2.7, 1.9] + rng.normal(0, 2, 20)])


def scaled(table: Floats) -> tuple[Floats, Floats]:
    """Design matrix (rows, 4) and targets (rows, 1) as owners scale them."""
    X = (table[:, :3] - (LOW + HIGH) / 2) / ((HIGH - LOW) / 2)
    return np.column_stack([X, np.ones(len(X))]), table[:, 3:] / ((TARGET[1] - TARGET[0]) / 2)


def moments(table: Floats) -> Moments:
    accumulator = MomentsAccumulator(4, 1, np.array([1.0, 1.0, 1.0, 1.0, 1.3]))
    accumulator.add(*scaled(table))
    return accumulator.result()


def of_float(value: float) -> Iterator[bytes]:
    """The ways in which a double would stand in a file or a message."""
    yield struct.pack("<d", value)
    yield struct.pack(">d", value)
    yield repr(value).encode()
    yield value.hex().encode()
    yield f"{value:.10g}".encode()


def of_integer(value: int) -> Iterator[bytes]:
    """The ways in which a large integer would."""
    size = (abs(value).bit_length() + 7) // 8
    if size < 5:
        return  # so few bytes are found by chance in every other run
    yield abs(value).to_bytes(size, "big")
    yield abs(value).to_bytes(size, "little")
    yield str(abs(value)).encode()
    yield f"{abs(value):x}".encode()


@dataclass
class Seen:
    """Traces that one whole run left at the Facilitator and elsewhere."""

    model: dict[str, Any]
    facilitator: bytes
    model_owner_during: bytes
    data_owner_during: bytes
    private_key: dict[str, Any]
    tables: list[Floats] = field(repr=False)


def read_all(folder: Path) -> bytes:
    return b"\n".join(path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file())


async def run_job(folder: Path) -> Seen:
    tables = [make_table(seed) for seed in range(len(OWNERS))]
    files = {}
    for name, table in zip(OWNERS, tables, strict=True):
        files[name] = folder / f"{name}.csv"
        rows = [",".join(repr(float(value)) for value in row) for row in table]
        files[name].write_text("\n".join(["a,b,c,y", *rows]) + "\n")
    heard = bytearray()
    async with federation(folder / "state", files, allow_small_keys=True, wiretap=heard.extend) as parties:
        model_id = await parties.deploy(make_spec())
        key_file = parties.model_owner.state_dir / "keys" / f"{model_id}.json"
        await _until_training(parties, model_id)
        private_key = json.loads(key_file.read_text())
        at_model_owner = read_all(parties.model_owner.state_dir)
        at_data_owner = read_all(parties.data_owners[0].state_dir)
        model = await parties.wait(model_id)
    at_facilitator = bytes(heard) + read_all(folder / "state" / "facilitator")
    return Seen(model, at_facilitator, at_model_owner, at_data_owner, private_key, tables)


async def _until_training(parties: Federation, model_id: str) -> None:
    while (await parties.model_owner.get(f"/models/{model_id}"))["round"] < 1:
        await asyncio.sleep(0)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Seen, Seen]:
    """Two runs over the same tables, to the same model."""
    first, again = (asyncio.run(run_job(tmp_path_factory.mktemp("wiretap"))) for _ in range(2))
    for run in (first, again):
        assert run.model["status"] == "FINISHED", run.model
    assert first.model["coefficients"] == again.model["coefficients"]
    return first, again


@pytest.fixture(scope="module")
def seen(runs: tuple[Seen, Seen]) -> Seen:
    return runs[0]


def found(needles: Iterable[bytes], haystack: bytes) -> list[bytes]:
    return [needle for needle in needles if needle in haystack]


def leaked(needles: Iterable[bytes], runs: tuple[Seen, Seen]) -> list[bytes]:
    """Return what the Facilitator saw in either run; of what is so short that chance puts it there, what it saw in
    both.
    """
    return [
        needle for needle in needles if (all if len(needle) < SHORT else any)(needle in run.facilitator for run in runs)
    ]


def test_the_run_did_pass_the_facilitator(seen: Seen) -> None:
    assert len(seen.facilitator) > 20_000
    assert seen.model["id"].encode() in seen.facilitator
    assert b"LINEAR_REGRESSION" in seen.facilitator


def test_no_private_key(seen: Seen) -> None:
    def needles() -> Iterator[bytes]:
        for text in seen.private_key.values():
            if isinstance(text, str):
                yield text.encode()
        for prime in primes(seen.private_key):
            yield from of_integer(prime)

    assert found(needles(), seen.facilitator) == []
    assert found(needles(), seen.model_owner_during) != []


def primes(document: dict[str, Any]) -> list[int]:
    """The two factors, as numbers, out of the Model Owner's key file."""
    return [int(str(document[name]), 16) for name in ("p", "q")]


def test_no_feature_and_no_target(runs: tuple[Seen, Seen], seen: Seen) -> None:
    def needles() -> Iterator[bytes]:
        for table in seen.tables:
            X, Y = scaled(table)
            for value in (*table.ravel(), *X[:, :3].ravel(), *Y.ravel()):
                yield from of_float(float(value))
                yield from of_integer(round(float(value) * 2**RECORD_FRACTION_BITS))

    assert leaked(needles(), runs) == []
    in_own_file = "\n".join(repr(float(value)) for value in seen.tables[0].ravel()).encode()
    assert found(needles(), in_own_file) != []


def test_no_second_moments_and_no_gradient_of_one_owner_or_all(runs: tuple[Seen, Seen], seen: Seen) -> None:
    each = [moments(table) for table in seen.tables]
    total = each[0] + each[1] + each[2]

    def needles(of: Iterable[Moments]) -> Iterator[bytes]:
        for owner in of:
            # b is the gradient at the start, where the weights are 0.
            for value in (*owner.xtx.ravel(), *owner.xty.ravel(), *owner.yty.ravel()):
                if value == owner.rows << (2 * owner.fraction_bits):
                    continue  # 2 in a power is no secret, and N is public in the job
                yield from of_integer(int(value))
                yield from of_float(float(value) / 4.0**owner.fraction_bits)

    assert leaked(needles([*each, total]), runs) == []
    assert found(needles([each[0]]), seen.data_owner_during) != []


def test_no_weight_and_no_loss(runs: tuple[Seen, Seen], seen: Seen) -> None:
    fraction_bits = plan_spec(ModelSpec.model_validate_json(json.dumps(make_spec()))).steps[0].weight_fraction_bits
    coefficients = [float(value) for value in seen.model["coefficients"].values()]
    slopes = [value * ((HIGH - LOW) / 2) / ((TARGET[1] - TARGET[0]) / 2) for value in coefficients[:3]]
    losses = [row["loss"] for row in seen.model["history"]]

    def needles() -> Iterator[bytes]:
        for value in (*coefficients, *slopes, *losses):
            yield from of_float(value)
            yield from of_integer(round(value * 2**fraction_bits))

    assert leaked(needles(), runs) == []
    assert found(needles(), json.dumps(seen.model).encode()) != []
