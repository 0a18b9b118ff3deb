"""The plan's bytes beside a real run's messages, to the byte."""

from __future__ import annotations

import asyncio
import sqlite3
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gmpy2 import mpz

from fedtrain.crypto import Engine, LocalEngine
from fedtrain.methods import schedule_of
from fedtrain.methods.regression.kinds import RoundKind
from fedtrain.planning.costs import cost_of
from fedtrain.planning.plans import plan_spec
from fedtrain.protocol.messages.forecast import forecast
from fedtrain.protocol.messages.rounds import Compute, RoundAnswer, RoundRequest, Step, from_cbor
from fedtrain.protocol.messages.sizes import job_bytes
from fedtrain.simulation.federation import federation
from fedtrain.spec.model_spec import ModelSpec

OWNERS = ("alba", "bruma", "celta")
# So many that no owner's secret fifth of them is empty.
ROWS = 150


def make_spec(targets: int = 1, **training: Any) -> dict[str, Any]:
    return {
        "model_type": "LINEAR_REGRESSION",
        "data_props": {
            "features": [{"col_idx": j, "type": "continuous", "range": [-3, 5]} for j in range(3)],
            "targets": [{"col_idx": 3 + j, "range": [-40, 60]} for j in range(targets)],
        },
        "training": {"key_bits": 1024, "max_rows": 1000, "max_data_owners": 4, "tolerance": 0.0, **training},
    }


def write_table(path: Path, seed: int) -> Path:
    rng = np.random.default_rng(seed)
    X = rng.uniform(-3, 5, (ROWS, 3))
    Y = X @ [[3.1, 0.4], [-2.7, 1.1], [1.9, -2.5]] + rng.normal(0, 2, (ROWS, 2))
    rows = [",".join(repr(float(value)) for value in row) for row in np.hstack([X, Y])]
    path.write_text("\n".join(["a,b,c,y,z", *rows]) + "\n")
    return path


def run(folder: Path, spec: dict[str, Any], engine: Engine | None = None) -> dict[str, Any]:
    async def job() -> dict[str, Any]:
        tables = {name: write_table(folder / f"{name}.csv", seed) for seed, name in enumerate(OWNERS)}
        async with federation(folder / "state", tables, allow_small_keys=True, engine=engine) as parties:
            model_id = await parties.deploy(spec)
            first = await parties.model_owner.get(f"/models/{model_id}")
            model = await parties.wait(model_id)
            # The Model Owner has finished before its last answer, which is counted too, is with the Facilitator.
            while (await parties.facilitator.get(f"/models/{model_id}"))["ended_at"] is None:
                await asyncio.sleep(0.02)
            return {"deployed": first, "model": model}

    return asyncio.run(job())


def messages(folder: Path) -> list[tuple[str, str, bytes, bytes]]:
    """(kind, recipient, request, result) of every task that the Facilitator has kept."""
    query = """SELECT t.kind, t.recipient, q.content, r.content FROM tasks t
               JOIN blobs q ON q.hash = t.request_hash JOIN blobs r ON r.hash = t.result_hash ORDER BY t.sequence"""
    with sqlite3.connect(folder / "state" / "facilitator" / "state.sqlite3") as database:
        return database.execute(query).fetchall()


@pytest.mark.slow
@pytest.mark.parametrize(
    "training",
    [
        {"optimizer": "gradient_descent", "rounds": 26},
        {"optimizer": "gradient_descent", "rounds": 26, "reencrypt_every": 4},
        {"optimizer": "momentum", "rounds": 7, "reencrypt_every": 3},
        # Three evaluations: training may stop early after the fourth.
        {"optimizer": "gradient_descent", "rounds": 26, "evaluate_every": 8},
        {"optimizer": "momentum", "rounds": 6, "evaluate_every": 2, "targets": 2},
        {"optimizer": "gradient_descent", "rounds": 4, "evaluate_every": 4},
    ],
    ids=["plain", "windows", "windows with momentum", "evaluated", "evaluated, two targets", "evaluated after its end"],
)
def test_every_message_of_a_run_has_the_planned_size(tmp_path: Path, training: dict[str, Any]) -> None:
    document = make_spec(**training)
    outcome = run(tmp_path, document)
    assert outcome["model"]["status"] == "FINISHED", outcome["model"]
    spec = ModelSpec.model_validate(document)
    # Of the training parts, where owners keep others for validation: drawn by a salt of each owner's own.
    rows, every = outcome["model"]["rows_total"], spec.training.evaluate_every
    assert rows < ROWS * len(OWNERS) if every else rows == ROWS * len(OWNERS)
    planned = job_bytes(plan_spec(spec), schedule_of(spec), len(OWNERS), rows)
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
    told = forecast(spec, len(OWNERS), rows)["bytes"]
    assert (told["data_owner"]["received"], told["data_owner"]["sent"]) == (
        planned.data_owner_received,
        planned.data_owner_sent,
    )
    assert told["model_owner"]["received"] == planned.model_owner_received


@pytest.mark.slow
@pytest.mark.parametrize(
    "training",
    [
        {},
        {"optimizer": "momentum", "rounds": 4, "reencrypt_every": 3},
        {"optimizer": "gradient_descent", "rounds": 7, "evaluate_every": 2, "targets": 2},
    ],
)
def test_ciphertext_bytes_of_a_round_are_those_of_its_messages(tmp_path: Path, training: dict[str, Any]) -> None:
    document = make_spec(**training)
    run(tmp_path, document)
    cost = cost_of(ModelSpec.model_validate(document), owners=3)
    tasks, evaluations = messages(tmp_path), 0
    for kind, _, request, result in tasks:
        if kind == "compute":
            asked = from_cbor(from_cbor(request, Compute).request.body, RoundRequest)
            answered = from_cbor(result, RoundAnswer)
            if asked.round == 0:
                assert len(answered.vector.ciphertexts) == cost.counts_data_owner.sent_bytes
                continue
            vectors = [asked.weights, asked.previous_weights]
            carried = sum(len(vector.ciphertexts) for vector in vectors if vector is not None)
            evaluated = asked.kind == RoundKind.VALIDATION_LOSS
            evaluations += evaluated
            owner = cost.evaluation_data_owner if evaluated else cost.data_owner
            assert (carried, len(answered.vector.ciphertexts)) == (owner.received_bytes, owner.sent_bytes)
    assert evaluations == 3 * cost.evaluations
    last = [from_cbor(request, Step) for kind, _, request, _ in tasks if kind == "step"][-1]
    assert last.request is not None


class Products(LocalEngine):
    """Counts the matrices that are applied to encrypted vectors by (bases, rows, exponent bits)."""

    def __init__(self) -> None:
        self.made: Counter[tuple[int, int, int]] = Counter()

    def multi_exponentiate_packed(
        self,
        bases: Sequence[mpz],
        rows: Sequence[Sequence[int]],
        exponent_bits: int,
        modulus: mpz,
        rows_per_group: int,
        shift_bits: int,
    ) -> list[mpz]:
        self.made[len(bases), len(rows), exponent_bits] += 1
        return super().multi_exponentiate_packed(bases, rows, exponent_bits, modulus, rows_per_group, shift_bits)


@pytest.mark.slow
def test_the_products_that_are_counted_are_those_that_owners_make(tmp_path: Path) -> None:
    document = make_spec(optimizer="gradient_descent", rounds=7, evaluate_every=2, targets=2)
    engine = Products()
    rows_total = run(tmp_path, document, engine)["model"]["rows_total"]
    counted: list[tuple[int, int, int]] = []

    def count(*matrix: int) -> float:
        counted.append((matrix[0], matrix[1], matrix[2]))
        return 0.0

    cost_of(ModelSpec.model_validate(document), len(OWNERS), count, rows_total)
    gradient, evaluation = sorted(counted)
    assert engine.made == {gradient: 7 * len(OWNERS), evaluation: 3 * len(OWNERS)}
