"""Whole jobs whose requests, answers and sums are files at every party, and an attack on one of them."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import psycopg
import pytest

from fedtrain.cli.jobs.verify import _verify
from fedtrain.client.facilitator import FacilitatorClient
from fedtrain.protocol.documents.identity import sha256_hex
from fedtrain.service.store.body_files import Body, BodyFile, BodyFiles, OpenedBodies
from fedtrain.simulation.federation import FACILITATOR, Federation
from fedtrain.spec.problems import Code, Problem
from tests.harness.facilitator.roomy import ROOMY
from tests.harness.one_process import rows_of as rows_of_table
from tests.harness.one_process import run_job, split, training
from tests.harness.postgresql import PostgreSql
from tests.jobs.test_network_job import running, spec_of

ROUNDS = 4
OWNERS = ("owner-0", "owner-1", "owner-2")


@pytest.fixture(autouse=True)
def _small_bodies_are_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fedtrain.service.store.filing.BodyFiles", partial(BodyFiles, above_bytes=300))


def rows_of(folder: Path, query: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(folder / "state.sqlite3")) as connection:
        return list(connection.execute(query))


async def client_of(parties: Federation) -> FacilitatorClient:
    identity = (await parties.model_owner.get("/identity"))["party_id"]
    return FacilitatorClient(FACILITATOR, party_id=identity, transport=httpx.ASGITransport(parties.facilitator.app))


@pytest.mark.slow
def test_a_job_over_files_is_verified_and_its_old_rounds_go_with_their_files(tmp_path: Path) -> None:
    bodies = tmp_path / "facilitator" / "bodies"
    everywhere = [tmp_path / party / "bodies" for party in ("facilitator", "model-owner", *OWNERS)]
    for folder in everywhere:
        folder.mkdir(parents=True)
        for left in ("ab" * 32, ".left.part"):
            (folder / left).write_bytes(b"of a crash")

    async def run() -> dict[str, Any]:
        async with running(tmp_path) as parties:
            assert [path for folder in everywhere for path in folder.iterdir()] == []
            model_id = await parties.deploy(spec_of(rounds=ROUNDS, keep_rounds=2))
            model = await asyncio.wait_for(parties.wait(model_id), 300)
            assert model["status"] == "FINISHED", model["reason"]
            party = (await parties.model_owner.get("/identity"))["party_id"]
            return await _verify(await client_of(parties), model_id, party, tmp_path / "model-owner")

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
    for party in OWNERS:
        answers = rows_of(tmp_path / party, "SELECT round, file_hash, file_bytes FROM answers WHERE file_hash > ''")
        assert {number for number, *_ in answers} == {ROUNDS - 1, ROUNDS}, "of older rounds nothing is kept"
        in_files = {name: size for _, name, size in answers}
        assert {path.name: path.stat().st_size for path in (tmp_path / party / "bodies").iterdir()} == in_files
        assert in_files.keys() <= filed.keys()
        assert rows_of(tmp_path / party, "SELECT count(*) FROM answers WHERE length(body) > 300") == [(0,)]
    results = dict(rows_of(tmp_path / "model-owner", "SELECT file_hash, file_bytes FROM outbox WHERE file_hash > ''"))
    there = {path.name: path.stat().st_size for path in (tmp_path / "model-owner" / "bodies").iterdir()}
    assert there == results != {}


@pytest.mark.slow
def test_answers_of_parties_on_postgresql_are_files_in_their_state_folders(
    tmp_path: Path, postgresql: PostgreSql
) -> None:
    databases = {party: postgresql.new_database() for party in ("model-owner", *OWNERS)}

    async def run() -> None:
        async with running(tmp_path, database_urls=databases) as parties:
            model_id = await parties.deploy(spec_of(rounds=ROUNDS, keep_rounds=2))
            model = await asyncio.wait_for(parties.wait(model_id), 300)
            assert model["status"] == "FINISHED", model["reason"]

    asyncio.run(run())
    for party, url in databases.items():
        table = "outbox" if party == "model-owner" else "answers"
        with psycopg.connect(url) as connection:
            rows = connection.execute(f"SELECT file_hash, file_bytes, length(body) FROM {table}").fetchall()  # noqa: S608 - own names
        assert all(length <= 300 for *_, length in rows)
        filed = {name: size for name, size, _ in rows if name is not None}
        there = {path.name: path.read_bytes() for path in (tmp_path / party / "bodies").iterdir()}
        assert {name: len(content) for name, content in there.items()} == filed != {}
        assert all(sha256_hex(content) == name for name, content in there.items())


@pytest.mark.slow
def test_a_job_over_files_comes_to_the_same_numbers_to_the_last_bit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def coefficients(folder: Path) -> object:
        folder.mkdir()
        X = np.random.default_rng(7).uniform(-1, 1, (46, 2))
        rows = rows_of_table(X, (X @ [3.0, -2.0] + 1.0).tolist())
        features = [{"col_idx": column, "type": "continuous", "range": [-1, 1]} for column in range(2)]
        spec = {
            "model_type": "LINEAR_REGRESSION",
            "data_props": {"features": features, "target": {"col_idx": 2, "range": [-10, 10]}},
            "training": training(2, optimizer="gradient_descent", rounds=2, tolerance=0.0),
        }
        return run_job(folder, spec, split(rows[:40], (20, 20)), rows[40:])["model"]["coefficients"]

    over_files = coefficients(tmp_path / "files")
    for party in ("facilitator", "model-owner", "owner-0", "owner-1"):
        assert any((tmp_path / "files" / party / "bodies").iterdir())
    monkeypatch.setattr("fedtrain.service.store.filing.BodyFiles", BodyFiles)
    assert coefficients(tmp_path / "rows") == over_files
    assert not list((tmp_path / "rows").glob("*/bodies"))


@pytest.mark.slow
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
            return await asyncio.wait_for(parties.wait(model_id), 300), refused.value

    model, refused = asyncio.run(run())
    assert model["status"] == "FINISHED", model["reason"]
    assert refused.code is Code.BODY_DAMAGED and attempts[0].hash[:16] in refused.detail
    assert attempts[0] == attempts[1] == attempts[2] != attempts[3]
