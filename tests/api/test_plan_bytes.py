"""The plan's bytes beside a real run's messages, to the byte."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cli.in_process import federation
from protocol.costs import cost_of
from protocol.message_sizes import job_bytes
from protocol.messages import Compute, RoundAnswer, RoundRequest, Step, from_cbor
from protocol.planning import plan_spec, rounds_of
from protocol.spec import ModelSpec

OWNERS = ("alba", "bruma", "celta")
ROWS = 20


def make_spec(**training: Any) -> dict[str, Any]:
    return {
        "model_type": "LINEAR_REGRESSION",
        "data_props": {
            "features": [{"col_idx": j, "type": "continuous", "range": [-3, 5]} for j in range(3)],
            "target": {"col_idx": 3, "range": [-40, 60]},
        },
        "training": {"key_bits": 1024, "max_rows": 1000, "max_data_owners": 4, "tolerance": 0.0, **training},
    }


def write_table(path: Path, seed: int) -> Path:
    rng = np.random.default_rng(seed)
    X = rng.uniform(-3, 5, (ROWS, 3))
    y = X @ [3.1, -2.7, 1.9] + rng.normal(0, 2, ROWS)
    rows = [",".join(repr(float(value)) for value in (*row, target)) for row, target in zip(X, y, strict=True)]
    path.write_text("\n".join(["a,b,c,y", *rows]) + "\n")
    return path


def run(folder: Path, spec: dict[str, Any]) -> dict[str, Any]:
    async def job() -> dict[str, Any]:
        tables = {name: write_table(folder / f"{name}.csv", seed) for seed, name in enumerate(OWNERS)}
        async with federation(folder / "state", tables, allow_small_keys=True) as parties:
            model_id = await parties.deploy(spec)
            first = await parties.model_owner.get(f"/models/{model_id}")
            return {"deployed": first, "model": await parties.wait(model_id)}

    return asyncio.run(job())


def messages(folder: Path) -> list[tuple[str, str, bytes, bytes]]:
    """(kind, recipient, request, result) of every task that the Facilitator has kept."""
    query = """SELECT t.kind, t.recipient, q.content, r.content FROM tasks t
               JOIN blobs q ON q.hash = t.request_hash JOIN blobs r ON r.hash = t.result_hash ORDER BY t.sequence"""
    with sqlite3.connect(folder / "state" / "facilitator" / "state.sqlite3") as database:
        return database.execute(query).fetchall()


@pytest.mark.parametrize(
    "training",
    [
        {"optimizer": "gradient_descent", "rounds": 26},
        {"optimizer": "gradient_descent", "rounds": 26, "reencrypt_every": 4},
        {"optimizer": "momentum", "rounds": 7, "reencrypt_every": 3},
    ],
    ids=["plain", "windows", "windows with momentum"],
)
def test_every_message_of_a_run_has_the_planned_size(tmp_path: Path, training: dict[str, Any]) -> None:
    document = make_spec(**training)
    outcome = run(tmp_path, document)
    assert outcome["model"]["status"] == "FINISHED", outcome["model"]
    spec = ModelSpec.model_validate(document)
    planned = job_bytes(plan_spec(spec), len(OWNERS), rounds_of(spec), ROWS * len(OWNERS))
    tasks = messages(tmp_path)
    of_owner = {recipient for kind, recipient, _, _ in tasks if kind == "compute"}
    assert len(of_owner) == 3
    for owner in of_owner:
        own = [(request, result) for kind, to, request, result in tasks if (kind, to) == ("compute", owner)]
        assert sum(len(request) for request, _ in own) == planned.data_owner_received
        assert sum(len(result) for _, result in own) == planned.data_owner_sent
    steps = [(request, result) for kind, _, request, result in tasks if kind == "step"]
    assert sum(len(result) for _, result in steps) == planned.model_owner_sent
    roster = len(steps[0][0])
    assert outcome["model"]["bytes_received"] - roster == planned.model_owner_received
    assert planned.facilitator_received == 3 * planned.data_owner_sent + planned.model_owner_sent


@pytest.mark.parametrize("training", [{}, {"optimizer": "momentum", "rounds": 4, "reencrypt_every": 3}])
def test_ciphertext_bytes_of_a_round_are_those_of_its_messages(tmp_path: Path, training: dict[str, Any]) -> None:
    document = make_spec(**training)
    run(tmp_path, document)
    cost = cost_of(ModelSpec.model_validate(document), owners=3)
    tasks = messages(tmp_path)
    for kind, _, request, result in tasks:
        if kind == "compute":
            asked = from_cbor(from_cbor(request, Compute).request.body, RoundRequest)
            answered = from_cbor(result, RoundAnswer)
            if asked.round == 0:
                assert len(answered.vector.ciphertexts) == cost.counts_data_owner.sent_bytes
                continue
            vectors = [asked.weights, asked.previous_weights]
            carried = sum(len(vector.ciphertexts) for vector in vectors if vector is not None)
            assert carried == cost.data_owner.received_bytes
            assert len(answered.vector.ciphertexts) == cost.data_owner.sent_bytes
    last = [from_cbor(request, Step) for kind, _, request, _ in tasks if kind == "step"][-1]
    assert last.request is not None
