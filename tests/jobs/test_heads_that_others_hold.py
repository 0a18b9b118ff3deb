"""A job's end, signed by all its parties, and what it finds when a chain is rewritten afterwards."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
from collections.abc import Awaitable, Callable
from pathlib import Path

import httpx
import numpy as np
import pytest
from typer.testing import CliRunner, Result

from fedtrain.cli.main import app
from fedtrain.client.evidence import fetch_log
from fedtrain.client.facilitator import FacilitatorClient
from fedtrain.crypto import LocalEngine
from fedtrain.data_owner.release.audit import NO_RECORD, ReleaseRecord, chained, verify_records
from fedtrain.data_owner.store.records import Release
from fedtrain.data_owner.store.sql import OwnerStore
from fedtrain.protocol.documents.identity import Identity
from fedtrain.protocol.documents.signed import sign_document
from fedtrain.protocol.evidence.heads import (
    AuditHead,
    HeadStatement,
    check_audit_passes,
    check_log_end,
    open_statement,
)
from fedtrain.protocol.evidence.verification import Job, verify_log
from fedtrain.service.store.database import sqlite_url
from fedtrain.service.vault.head_files import HeadFiles
from fedtrain.service.vault.identity_file import load_identity
from fedtrain.simulation.federation import Federation, federation
from fedtrain.spec.problems import Code, Problem

BANKS = ("bank-a", "bank-b", "bank-c")
PARTIES = ("model-owner", *BANKS)
SPEC = {
    "model_type": "LINEAR_REGRESSION",
    "data_props": {
        "features": [{"name": "income", "type": "continuous", "range": [-1, 1]}],
        "target": {"name": "loss", "range": [-4, 4]},
    },
    "training": {"optimizer": "newton", "key_bits": 512, "max_rows": 1000, "max_data_owners": 8},
}


def tables(folder: Path) -> dict[str, Path]:
    rng = np.random.default_rng(7)
    made = {}
    for name in BANKS:
        rows = [f"{x!r},{2 * x + 0.5!r}" for x in rng.uniform(-1, 1, 60).tolist()]
        made[name] = folder / f"{name}.csv"
        made[name].write_text("\n".join(["income,loss", *rows]) + "\n")
    return made


async def all_have(folder: Path, job_id: str, names: tuple[str, ...] = PARTIES) -> None:
    """Wait until each party keeps what all of them signed, owners' countersignatures with it."""

    def whole(name: str) -> bool:
        kept = HeadFiles(folder / name).statements(job_id)
        owners = [one for one in kept if one.audit_head is not None]
        return len(kept) == len(PARTIES) + 1 and all(len(one.countersigned) == len(BANKS) - 1 for one in owners)

    async with asyncio.timeout(60):
        while not all(whole(name) for name in names):
            await asyncio.sleep(0.05)


def client_of(parties: Federation, identity: Identity) -> FacilitatorClient:
    transport = httpx.ASGITransport(parties.facilitator.app)
    return FacilitatorClient("http://127.0.0.1:8080", party_id=identity.party_id, transport=transport)


Then = Callable[[Federation, str, FacilitatorClient], Awaitable[None]]


def finished_job(folder: Path, then: Then | None = None) -> str:
    """Run a job until all have signed its end; `then` looks at it as bank-b."""

    async def job() -> str:
        async with federation(folder / "parties", tables(folder), allow_small_keys=True) as parties:
            model = await parties.wait(await parties.deploy(SPEC))
            assert model["status"] == "FINISHED", model
            await all_have(folder / "parties", model["id"])
            if then is not None:
                client = client_of(parties, load_identity(folder / "parties" / "bank-b"))
                try:
                    await then(parties, model["id"], client)
                finally:
                    await client.aclose()
            return str(model["id"])

    return asyncio.run(job())


async def opened(client: FacilitatorClient, job_id: str) -> tuple[Job, str, int]:
    job = Job.open(
        await client.manifest(job_id), await client.roster(job_id), str((await client.identity())["party_id"])
    )
    verifier = verify_log(job, await fetch_log(client, job_id, job.evidence_limits), LocalEngine())
    return job, verifier.head, verifier.length


@pytest.mark.slow
def test_every_party_signs_the_logs_end_and_every_owner_the_others_audits(tmp_path: Path) -> None:
    async def looked_at(parties: Federation, job_id: str, client: FacilitatorClient) -> None:
        job, head, entries = await opened(client, job_id)
        statements = [open_statement(one, job_id) for one in (await client.heads(job_id)).statements]
        assert {one.name for one in statements} == {"facilitator", *PARTIES}
        check_log_end(statements, job.manifest_hash, head, entries)
        with pytest.raises(Problem, match="was rewritten since"):  # by whoever holds the log, the Facilitator
            check_log_end(statements, job.manifest_hash, "0d" * 32, entries)
        for owner in parties.data_owners:
            audit = await owner.get("/audit")
            listed = await owner.get("/audit/heads")
            assert [one["job_id"] for one in listed] == [job_id] and len(listed[0]["statements"]) == len(PARTIES) + 1
            hashes = [record["hash"] for record in audit["records"]]
            assert check_audit_passes(statements, (await owner.get("/identity"))["party_id"], hashes) == len(BANKS)

    finished_job(tmp_path, looked_at)


def rewrite(folder: Path, numbers: int) -> str:
    """Let an owner say that it released fewer numbers, in a chain that holds by itself; return its new head."""
    database = folder / "state.sqlite3"
    store = OwnerStore(sqlite_url(database))
    records, previous, rewritten = store.audit(), NO_RECORD, []
    store.close()
    for index, record in enumerate(records):
        assert isinstance(record, ReleaseRecord)
        entry = Release.model_validate(record.model_dump(exclude={"index", "previous", "hash"}) | {"numbers": numbers})
        rewritten.append(chained(entry, index, previous))
        previous = rewritten[-1].hash
    with sqlite3.connect(database) as connection:
        for one in rewritten:
            connection.execute(
                'UPDATE releases SET numbers = ?, previous = ?, hash = ? WHERE "index" = ?',
                (numbers, one.previous, one.hash, one.index),
            )
    connection.close()
    assert verify_records(rewritten) == previous  # the chain alone finds nothing
    return previous


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    folder = tmp_path_factory.mktemp("finished")
    return folder, finished_job(folder)


@pytest.fixture
def copied(finished: tuple[Path, str], tmp_path: Path) -> tuple[Path, str]:
    """Return parties' folders after a job, which a test may alter, and the job's id."""
    shutil.copytree(finished[0] / "parties", tmp_path / "parties")
    return tmp_path / "parties", finished[1]


def test_an_owner_that_rewrites_its_audit_contradicts_the_others_by_name_whatever_it_deletes(
    copied: tuple[Path, str],
) -> None:
    parties, job_id = copied
    folder = parties / "bank-a"
    owner = load_identity(folder).party_id
    head = rewrite(folder, 1)
    kept = HeadFiles(folder).statements(job_id)
    with pytest.raises(Problem, match="signed, at the end of job") as caught:
        check_audit_passes(kept, owner, [NO_RECORD, head])
    assert caught.value.code is Code.LOG_INCONSISTENT
    # It deletes what it kept, and its own word with it; every other owner still holds it.
    (folder / "heads" / f"{job_id}.json").unlink()
    for other in ("bank-b", "bank-c"):
        held = [one for one in HeadFiles(parties / other).statements(job_id) if one.name == other]
        with pytest.raises(Problem, match=f"{other} .* the audit stood at"):
            check_audit_passes(held, owner, [NO_RECORD, head])


def test_the_command_names_whose_signature_a_rewritten_audit_contradicts(
    copied: tuple[Path, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    parties, job_id = copied
    folder = parties / "bank-a"
    answers = {"/identity": {"party_id": load_identity(folder).party_id}}

    def audited(*more: object) -> Result:
        store = OwnerStore(sqlite_url(folder / "state.sqlite3"))
        records = [one.model_dump(mode="json") for one in store.audit()]
        store.close()
        heads = [
            {"job_id": job, "statements": [one.model_dump() for one in HeadFiles(folder).of(job)]}
            for job in HeadFiles(folder).jobs()
        ]
        said = answers | {"/audit": {"records": records}, "/audit/heads": heads}
        monkeypatch.setattr("fedtrain.cli.jobs.client.Service.get", lambda _self, path: said[path])
        return CliRunner().invoke(app, ["audit", "--data-owner", "http://127.0.0.1:1", *map(str, more)])

    fine = audited()
    assert fine.exit_code == 0 and "passes through 3 heads that parties signed" in " ".join(fine.stdout.split())
    rewrite(folder, 1)
    found = audited()
    assert found.exit_code == 1 and "the audit stood at" in found.stderr and "bank-" in found.stderr
    (folder / "heads" / f"{job_id}.json").unlink()
    assert audited().exit_code == 0  # nothing here remembers; but others do
    held = parties / "bank-c" / "heads" / f"{job_id}.json"
    found = audited("--held", held)
    assert found.exit_code == 1 and "the audit stood at" in found.stderr


@pytest.mark.slow
def test_the_facilitator_keeps_no_statement_that_is_not_true_here(tmp_path: Path) -> None:
    async def attacked(parties: Federation, job_id: str, client: FacilitatorClient) -> None:
        identity = load_identity(tmp_path / "parties" / "bank-b")
        before = (await client.heads(job_id)).statements
        own = next(open_statement(one, job_id) for one in before if one.signer == identity.party_id)
        other = own.countersigned[0]

        async def refused(statement: HeadStatement, code: Code, signer: Identity = identity) -> None:
            with pytest.raises(Problem) as caught:
                await client.sign_heads(job_id, sign_document(statement, signer))
            assert caught.value.code is code, caught.value.detail

        await refused(own.model_copy(update={"log_head": "0d" * 32}), Code.LOG_INCONSISTENT)
        await refused(own.model_copy(update={"entries": own.entries + 1}), Code.LOG_INCONSISTENT)
        await refused(own.model_copy(update={"audit_head": "0d" * 32}), Code.ANSWER_CONFLICT)
        await refused(own.model_copy(update={"party": other.party}), Code.BAD_SIGNATURE)
        lie = AuditHead(party=other.party, head="0d" * 32)
        await refused(own.model_copy(update={"countersigned": (lie,)}), Code.ANSWER_CONFLICT)
        stranger = Identity.generate()
        await refused(own.model_copy(update={"party": stranger.party_id}), Code.FORBIDDEN, stranger)
        with pytest.raises(Problem) as caught:
            await client.heads("ab" * 16)
        assert caught.value.code is Code.MODEL_NOT_FOUND
        outsider = client_of(parties, stranger)
        with pytest.raises(Problem) as caught:
            await outsider.sign_heads(
                job_id, sign_document(own.model_copy(update={"party": stranger.party_id}), stranger)
            )
        assert caught.value.code is Code.FORBIDDEN
        await outsider.aclose()
        await client.sign_heads(job_id, sign_document(own, identity))  # the same again
        assert (await client.heads(job_id)).statements == before

    finished_job(tmp_path, attacked)


@pytest.mark.slow
def test_a_party_that_is_away_is_waited_for_by_nobody_and_signs_when_it_is_back(tmp_path: Path) -> None:
    folder = tmp_path / "parties"

    async def job() -> str:
        async with federation(folder, tables(tmp_path), allow_small_keys=True) as parties:
            # As one that does not know of heads: nothing tells its keeper that jobs end.
            away = next(one for one in parties.data_owners if one.name == "bank-c")
            away.app.state.parts.jobs.ended = lambda _job_id: None
            model = await parties.wait(await parties.deploy(SPEC))
            assert model["status"] == "FINISHED"
            there = {"facilitator", "model-owner", "bank-a", "bank-b"}
            async with asyncio.timeout(60):
                while {one.name for one in HeadFiles(folder / "bank-b").statements(model["id"])} != there:
                    await asyncio.sleep(0.05)
            return str(model["id"])

    async def back(job_id: str) -> None:
        async with federation(folder, tables(tmp_path), allow_small_keys=True):
            await all_have(folder, job_id)

    job_id = asyncio.run(job())
    assert len(HeadFiles(folder / "bank-c").of(job_id)) == 0
    asyncio.run(back(job_id))
