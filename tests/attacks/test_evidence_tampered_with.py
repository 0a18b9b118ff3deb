"""`fedtrain verify` over whole jobs: it holds for every example, and one altered byte fails and says where."""

from __future__ import annotations

import asyncio
import importlib
import json
import random
import sqlite3
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from fedtrain.client.evidence import fetch_log
from fedtrain.client.facilitator import FacilitatorClient
from fedtrain.crypto import LocalEngine
from fedtrain.facilitator.app import create_app
from fedtrain.facilitator.settings import FacilitatorSettings
from fedtrain.protocol.documents.identity import Identity
from fedtrain.protocol.evidence.verification import Job, verify_log
from fedtrain.protocol.messages.rounds import LogEntry, from_cbor
from fedtrain.service.runtime.system_clock import SystemClock
from fedtrain.simulation.federation import FACILITATOR, Party, federation
from fedtrain.spec.problems import Code, Problem
from tests.harness.attackers.job_material import props, rows, write_table
from tests.harness.facilitator.roomy import ROOMY

AUDITOR = Identity.from_private_bytes(b"\5" * 32).party_id


def is_played_here(spec: Mapping[str, Any]) -> bool:
    """Return False for what trains for minutes (tests/jobs/test_network_evidence.py) or waits for people to sign."""
    return spec["model_type"] != "NEURAL_NETWORK" and "release" not in spec


EXAMPLES = sorted(
    path
    for path in (Path(__file__).parents[2] / "examples").glob("*/model*.json")
    if is_played_here(json.loads(path.read_text()))
)
ENGINE = LocalEngine()
EXECUTOR = ThreadPoolExecutor(2)


async def verify(transport: httpx.AsyncBaseTransport, model_id: str, party: str) -> int:
    """Return what `fedtrain verify` does; the number of entries that hold."""
    client = FacilitatorClient(FACILITATOR, party_id=party, transport=transport)
    try:
        me = await client.identity()
        job = Job.open(await client.manifest(model_id), await client.roster(model_id), str(me["party_id"]))
        return verify_log(job, await fetch_log(client, model_id, ROOMY), ENGINE).length
    finally:
        await client.aclose()


def line_to(party: Party) -> httpx.ASGITransport:
    return httpx.ASGITransport(party.app)


async def run_job(folder: Path, tables: dict[str, Path], spec: dict[str, Any], then: Callable[..., Any]) -> Any:
    sharing = {"share_weights": True}
    async with federation(folder, tables, allow_small_keys=True, engine=ENGINE, owner_settings=sharing) as parties:
        model_id = await parties.deploy(spec)
        model = await parties.wait(model_id)
        assert model["status"] == "FINISHED", model
        return await then(parties, model_id)


@pytest.mark.slow
@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_verify_holds_for_the_examples(tmp_path: Path, example: Path) -> None:
    spec = json.loads(example.read_text())
    training = spec.get("training", {})
    # Small keys, for speed, hold fewer updates: shorter windows, and fewer of them.
    training |= {"key_bits": 1024, "min_data_owners": 3}
    if training.get("reencrypt_every", 1) > 1:
        training |= {"reencrypt_every": 3, "rounds": 6}
    if training.get("weights") == "shared_with_owners":
        training |= {"rounds": 3}
    spec["training"] = training
    example_data = importlib.import_module(f"examples.{example.parent.name}.make_data")
    tables = {path.stem: path for path in example_data.write_data(tmp_path / "data") if path.stem != "test"}

    async def then(parties: Any, model_id: str) -> int:
        party = json.loads((await parties.facilitator.http.get(f"/models/{model_id}/manifest")).text)["signer"]
        return await verify(line_to(parties.facilitator), model_id, party)

    assert asyncio.run(run_job(tmp_path / "state", tables, spec, then)) >= 3


# One job, and its Facilitator's store


@dataclass
class Kept:
    """A finished job's Facilitator, stopped: its state folder."""

    folder: Path
    model_id: str
    entries: int

    async def _verify(self, party: str = AUDITOR) -> int:
        settings = FacilitatorSettings(name="facilitator", state_dir=self.folder, allow_small_keys=True)
        app = create_app(settings, clock=SystemClock(), executor=EXECUTOR, engine=ENGINE)
        async with app.router.lifespan_context(app):
            return await verify(httpx.ASGITransport(app), self.model_id, party)

    def verify(self, party: str = AUDITOR) -> int:
        return asyncio.run(self._verify(party))

    @property
    def database(self) -> Path:
        return self.folder / "state.sqlite3"

    def change(self, statement: str, *values: object) -> None:
        connection = sqlite3.connect(self.database)
        connection.execute("PRAGMA foreign_keys = OFF")
        with connection:
            assert connection.execute(statement, values).rowcount == 1
        connection.close()

    def read(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        connection = sqlite3.connect(self.database)
        found = connection.execute(statement, values).fetchall()
        connection.close()
        return found


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Kept:
    folder = tmp_path_factory.mktemp("evidence")
    tables = {name: write_table(folder / f"{name}.csv", rows(40, seed)) for seed, name in enumerate("abc")}
    spec = {
        "model_type": "LINEAR_REGRESSION",
        "data_props": props(),
        "auditors": [AUDITOR],
        "training": {"key_bits": 512, "max_rows": 1000, "max_data_owners": 3, "rounds": 20},
    }

    async def then(parties: Any, model_id: str) -> tuple[str, int]:
        return model_id, await verify(line_to(parties.facilitator), model_id, AUDITOR)

    model_id, entries = asyncio.run(run_job(folder / "state", tables, spec, then))
    return Kept(folder / "state" / "facilitator", model_id, entries)


def test_an_auditor_that_the_spec_names_verifies_and_a_stranger_is_refused(kept: Kept) -> None:
    assert kept.verify() == kept.entries > 3
    with pytest.raises(Problem) as caught:
        kept.verify("ab" * 32)
    assert caught.value.code is Code.FORBIDDEN


def flipped(content: bytes, place: int, bit: int) -> bytes:
    return content[:place] + bytes([content[place] ^ (1 << bit)]) + content[place + 1 :]


@pytest.mark.parametrize("seed", range(8))
def test_one_altered_byte_of_a_log_entry_fails_and_names_the_entry(kept: Kept, seed: int) -> None:
    choose = random.Random(seed)
    index = seed % kept.entries
    where = 'WHERE job_id = ? AND "index" = ?'
    ((content,),) = kept.read(f"SELECT entry FROM log_entries {where}", kept.model_id, index)  # noqa: S608
    update = f"UPDATE log_entries SET entry = ? {where}"  # noqa: S608
    kept.change(update, flipped(content, choose.randrange(len(content)), choose.randrange(8)), kept.model_id, index)
    try:
        with pytest.raises(Problem) as caught:
            kept.verify()
        # The hash chain breaks where the next entry, or its request, names the one that was altered.
        assert f"Log entry {index}:" in caught.value.detail or f"Log entry {index + 1}:" in caught.value.detail
    finally:
        kept.change(update, content, kept.model_id, index)
    assert kept.verify() == kept.entries


@pytest.mark.parametrize("what", ["answer", "product", "request"])
def test_one_altered_byte_of_the_evidence_fails_and_names_the_entry(kept: Kept, what: str) -> None:
    index = 2
    ((entry_bytes, request_hash),) = kept.read(
        'SELECT entry, signed_request_hash FROM log_entries WHERE job_id = ? AND "index" = ?', kept.model_id, index
    )
    entry = from_cbor(entry_bytes, LogEntry)
    name = {"answer": entry.answers[1].answer_hash, "product": entry.product_hash, "request": request_hash}[what]
    ((content,),) = kept.read("SELECT content FROM blobs WHERE hash = ?", name)
    kept.change("UPDATE blobs SET content = ? WHERE hash = ?", flipped(content, len(content) // 2, 3), name)
    try:
        with pytest.raises(Problem, match=rf"Log entry {index}:"):
            kept.verify()
    finally:
        kept.change("UPDATE blobs SET content = ? WHERE hash = ?", content, name)
    assert kept.verify() == kept.entries


@pytest.mark.parametrize("column", ["manifest", "roster"])
def test_one_altered_byte_of_manifest_or_roster_fails_by_its_name(kept: Kept, column: str) -> None:
    ((text,),) = kept.read(f"SELECT {column} FROM jobs WHERE id = ?", kept.model_id)  # noqa: S608
    altered = text.replace("protocol", "protocoL", 1)
    kept.change(f"UPDATE jobs SET {column} = ? WHERE id = ?", altered, kept.model_id)  # noqa: S608
    try:
        with pytest.raises(Problem) as caught:
            kept.verify()
        assert caught.value.code is Code.BAD_SIGNATURE
    finally:
        kept.change(f"UPDATE jobs SET {column} = ? WHERE id = ?", text, kept.model_id)  # noqa: S608


def test_one_altered_byte_on_the_wire_fails_and_names_the_entry(kept: Kept) -> None:
    async def run() -> None:
        settings = FacilitatorSettings(name="facilitator", state_dir=kept.folder, allow_small_keys=True)
        app = create_app(settings, clock=SystemClock(), executor=EXECUTOR, engine=ENGINE)

        class OneByte(httpx.ASGITransport):
            async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
                response = await super().handle_async_request(request)
                if not request.url.path.endswith("/log/1"):
                    return response
                content = await response.aread()
                return httpx.Response(200, headers=response.headers, content=flipped(content, len(content) - 9, 0))

        async with app.router.lifespan_context(app):
            with pytest.raises(Problem, match=r"Log entry [12]:"):
                await verify(OneByte(app), kept.model_id, AUDITOR)

    asyncio.run(run())
