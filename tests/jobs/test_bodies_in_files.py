"""Whole jobs whose requests, answers and sums are files at the Facilitator, and an attack on one of them."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest

from fedtrain.cli.jobs.verify import _verify
from fedtrain.client.facilitator import FacilitatorClient
from fedtrain.protocol.documents.identity import sha256_hex
from fedtrain.service.store.body_files import Body, BodyFile, BodyFiles, OpenedBodies
from fedtrain.simulation.federation import FACILITATOR, Federation
from fedtrain.spec.problems import Code, Problem
from tests.harness.facilitator.roomy import ROOMY
from tests.jobs.test_network_job import running, spec_of

ROUNDS = 4


@pytest.fixture(autouse=True)
def _small_bodies_are_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fedtrain.facilitator.store.sql.BodyFiles", partial(BodyFiles, above_bytes=300))


def rows_of(folder: Path, query: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(folder / "state.sqlite3")) as connection:
        return list(connection.execute(query))


async def client_of(parties: Federation) -> FacilitatorClient:
    identity = (await parties.model_owner.get("/identity"))["party_id"]
    return FacilitatorClient(FACILITATOR, party_id=identity, transport=httpx.ASGITransport(parties.facilitator.app))


def test_a_job_over_files_is_verified_and_its_old_rounds_go_with_their_files(tmp_path: Path) -> None:
    bodies = tmp_path / "facilitator" / "bodies"
    bodies.mkdir(parents=True)
    for left in ("ab" * 32, ".left.part"):
        (bodies / left).write_bytes(b"of a crash")

    async def run() -> dict[str, Any]:
        async with running(tmp_path) as parties:
            assert [*bodies.iterdir()] == []
            model_id = await parties.deploy(spec_of(rounds=ROUNDS, keep_rounds=2))
            model = await asyncio.wait_for(parties.wait(model_id), 60)
            assert model["status"] == "FINISHED", model["reason"]
            return await _verify(await client_of(parties), model_id, tmp_path / "model-owner")

    found = asyncio.run(run())
    assert (found["sums"], found["recomputed"]) == (ROUNDS + 1, 2)
    folder = tmp_path / "facilitator"
    filed = dict(rows_of(folder, "SELECT hash, file_bytes FROM blobs WHERE file_bytes IS NOT NULL"))
    assert {path.name: path.stat().st_size for path in bodies.iterdir()} == filed
    assert all(sha256_hex(path.read_bytes()) == path.name for path in bodies.iterdir())
    assert rows_of(folder, "SELECT count(*) FROM blobs WHERE length(content) > 300") == [(0,)]
    carried = rows_of(folder, "SELECT kind, key, request_hash, result_hash FROM tasks")
    last = [row for row in carried if f"/{ROUNDS}/" in row[1] or row[1].endswith(f"/{ROUNDS + 1}")]
    assert {kind for kind, *_ in last} == {"compute", "step"}
    assert all(request in filed for kind, _, request, _ in last)
    assert all(result in filed for kind, _, _, result in last if kind == "compute")


def test_an_answer_whose_file_is_altered_is_not_added_and_the_job_goes_on_once_it_is_put_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file is altered between the check of the answer and the sum; the first two attempts to add find it so."""
    attempts: list[BodyFile] = []
    contents: list[bytes] = []

    class Attacked(OpenedBodies):
        def __init__(self, bodies: Sequence[Body]) -> None:
            super().__init__(bodies)
            victim = bodies[1]
            assert isinstance(victim, BodyFile)
            attempts.append(victim)
            if len(attempts) == 1:
                contents.append(victim.path.read_bytes())
                victim.path.write_bytes(contents[0][:-1] + bytes([contents[0][-1] ^ 1]))
            elif len(attempts) == 3:
                victim.path.write_bytes(contents[0])

    monkeypatch.setattr("fedtrain.facilitator.runner.OpenedBodies", Attacked)
    monkeypatch.setattr("fedtrain.facilitator.runner._RETRY_SUM_AFTER_S", 0.05)

    async def run() -> tuple[dict[str, Any], Problem]:
        async with running(tmp_path) as parties:
            model_id = await parties.deploy(spec_of(rounds=2))
            while not attempts:
                await asyncio.sleep(0.01)
            with pytest.raises(Problem) as refused:
                await (await client_of(parties)).blob(model_id, attempts[0].hash, ROOMY)
            return await asyncio.wait_for(parties.wait(model_id), 60), refused.value

    model, refused = asyncio.run(run())
    assert model["status"] == "FINISHED", model["reason"]
    assert refused.code is Code.BODY_DAMAGED and attempts[0].hash[:16] in refused.detail
    assert attempts[0] == attempts[1] == attempts[2] != attempts[3]
