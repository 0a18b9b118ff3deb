"""Ended jobs lose their ciphertexts by age, at every party; what proves that they were there is kept."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

from fedtrain.cli.main import app
from fedtrain.client.evidence import fetch_entries, fetch_log
from fedtrain.client.facilitator import FacilitatorClient
from fedtrain.data_owner.store.sql import OwnerStore
from fedtrain.protocol.documents.identity import sha256_hex
from fedtrain.protocol.evidence.pruned_log import verify_entries
from fedtrain.protocol.evidence.verification import Job
from fedtrain.protocol.messages.rounds import LogEntry, from_cbor, to_cbor
from fedtrain.service.store.database import sqlite_url
from fedtrain.service.store.pruning import prune_regularly
from fedtrain.service.vault.identity_file import load_or_create_identity
from fedtrain.simulation.federation import FACILITATOR, Federation
from fedtrain.spec.problems import Code, Problem
from tests.harness.facilitator.roomy import ROOMY
from tests.harness.interrupted import DESCENT, OWNERS, Site


@pytest.fixture(scope="module")
def pruned(tmp_path_factory: pytest.TempPathFactory) -> tuple[Site, str, str]:
    """A site with a finished job that every party has pruned, and a running one: (site, finished, running)."""
    site = Site(tmp_path_factory.mktemp("pruned"))
    finished = site.start(DESCENT, until_round=0)
    site.go_on(finished)
    running = site.start(DESCENT, until_round=3)
    for party, role in (("facilitator", "facilitator"), ("model-owner", "model-owner"), (OWNERS[0], "data-owner")):
        folder = str(site.folder / party)
        done = CliRunner().invoke(app, ["prune", "--older-than", "1", "--role", role, "--state-dir", folder, "--json"])
        assert '"jobs": 0' in done.output, done.output  # younger than a day
        done = CliRunner().invoke(app, ["prune", "--older-than", "0", "--role", role, "--state-dir", folder, "--json"])
        assert '"jobs": 1' in done.output, done.output
        done = CliRunner().invoke(app, ["prune", "--older-than", "0", "--role", role, "--state-dir", folder, "--json"])
        assert '"jobs": 0' in done.output, done.output  # nothing is left to delete
    return site, finished, running


UNNAMED = """SELECT count(*) FROM blobs WHERE hash NOT IN (SELECT hash FROM job_blobs
    UNION SELECT request_hash FROM tasks UNION SELECT result_hash FROM tasks WHERE result_hash NOT NULL)"""


def count(database: Path, query: str, *parameters: str) -> Any:
    connection = sqlite3.connect(database)
    try:
        return connection.execute(query, parameters).fetchone()[0]
    finally:
        connection.close()


async def open_log(parties: Federation, model_id: str) -> tuple[FacilitatorClient, Job]:
    identity = (await parties.model_owner.get("/identity"))["party_id"]
    transport = httpx.ASGITransport(parties.facilitator.app)
    client = FacilitatorClient(FACILITATOR, party_id=identity, transport=transport)
    facilitator = str((await client.identity())["party_id"])
    return client, Job.open(await client.manifest(model_id), await client.roster(model_id), facilitator)


def test_hashes_and_signatures_outlive_the_ciphertexts(pruned: tuple[Site, str, str]) -> None:
    site, finished, running = pruned

    async def look() -> None:
        async with site.running() as parties:
            client, job = await open_log(parties, finished)
            view = await parties.facilitator.get(f"/models/{finished}")
            assert view["pruned_at"] is not None
            assert (await parties.facilitator.get(f"/models/{running}"))["pruned_at"] is None
            with pytest.raises(Problem) as caught:
                await fetch_log(client, finished, ROOMY)
            assert caught.value.code is Code.EVIDENCE_PRUNED
            assert caught.value.code.status == 410
            entries = await fetch_entries(client, finished, ROOMY)
            assert len(entries) == 16
            assert verify_entries(job, entries) == sha256_hex(entries[-1])
            model = await parties.model_owner.get(f"/models/{finished}")
            assert model["coefficients"]
            _altered_entries_are_refused(job, entries)
            await client.aclose()

    asyncio.run(look())


def _altered_entries_are_refused(job: Job, entries: list[bytes]) -> None:
    last = from_cbor(entries[-1], LogEntry)
    record = last.answers[0].model_copy(update={"ciphertexts_hash": "0" * 64})
    forged = to_cbor(last.model_copy(update={"answers": (record, *last.answers[1:])}))
    with pytest.raises(Problem, match="Log entry 15") as caught:
        verify_entries(job, [*entries[:-1], forged])
    assert caught.value.code is Code.BAD_SIGNATURE
    fewer = to_cbor(last.model_copy(update={"answers": last.answers[1:]}))
    for wrong in ([*entries[:-1], fewer], [*entries[:5], *entries[6:]], entries[1:], []):
        with pytest.raises(Problem) as caught:
            verify_entries(job, wrong)
        assert caught.value.code is Code.LOG_INCONSISTENT


def test_what_was_deleted_is_gone_from_the_disk_and_no_more(pruned: tuple[Site, str, str]) -> None:
    site, finished, running = pruned
    facilitator = site.folder / "facilitator" / "state.sqlite3"
    assert count(facilitator, "SELECT count(*) FROM job_blobs WHERE job_id = ?", finished) == 0
    assert count(facilitator, "SELECT count(*) FROM job_blobs WHERE job_id = ?", running) > 0
    assert count(facilitator, UNNAMED) == 0
    assert count(facilitator, "SELECT count(*) FROM log_entries WHERE job_id = ?", finished) == 16
    owner = site.folder / OWNERS[0] / "state.sqlite3"
    assert count(owner, "SELECT sum(length(body)) FROM answers WHERE job_id = ?", finished) == 0
    assert count(owner, "SELECT count(*) FROM answers WHERE job_id = ?", finished) == 15
    assert count(owner, "SELECT count(*) FROM releases WHERE job_id = ?", finished) == 15
    assert not list((site.folder / OWNERS[0] / "moments").glob(f"{finished}*"))
    assert list((site.folder / OWNERS[0] / "moments").glob(f"{running}*"))
    model_owner = site.folder / "model-owner" / "state.sqlite3"
    assert count(model_owner, "SELECT count(*) FROM outbox WHERE job_id = ?", finished) == 0
    assert count(model_owner, "SELECT count(*) FROM outbox WHERE job_id = ?", running) > 0


@pytest.mark.slow
def test_the_running_job_goes_on_after_the_pruning(pruned: tuple[Site, str, str]) -> None:
    site, _, running = pruned
    assert site.go_on(running)["status"] == "FINISHED"


def test_a_folder_of_no_party_is_refused_in_one_line(tmp_path: Path) -> None:
    prune = ["prune", "--older-than", "0", "--role", "facilitator", "--state-dir", str(tmp_path)]
    done = CliRunner().invoke(app, prune)
    assert done.exit_code == 1
    assert not list(tmp_path.iterdir())
    load_or_create_identity(tmp_path)  # a party's, whose store is elsewhere: none is made here
    there = sorted(tmp_path.iterdir())
    done = CliRunner().invoke(app, prune)
    assert done.exit_code == 1
    assert sorted(tmp_path.iterdir()) == there


def test_another_party_s_store_is_refused_and_stays_what_it_is(tmp_path: Path) -> None:
    load_or_create_identity(tmp_path)
    path = tmp_path / "state.sqlite3"
    OwnerStore(sqlite_url(path)).close()
    before = tables_of(path)
    for role in ("facilitator", "model-owner"):
        done = CliRunner().invoke(app, ["prune", "--older-than", "0", "--role", role, "--state-dir", str(tmp_path)])
        assert done.exit_code == 1 and "is another party's: nothing was changed" in " ".join(done.output.split())
    assert tables_of(path) == before


def tables_of(path: Path) -> list[tuple[str, str]]:
    with closing(sqlite3.connect(path)) as connection:
        version = connection.execute("SELECT 'version', version_num FROM alembic_version").fetchall()
        return version + connection.execute("SELECT name, sql FROM sqlite_master ORDER BY name").fetchall()


class _Noon:
    def now(self) -> datetime:
        return datetime(2026, 1, 12, 12, tzinfo=UTC)

    def monotonic(self) -> float:
        return 0.0


def test_the_background_pass_prunes_what_is_older_than_the_setting_and_survives_failures() -> None:
    async def passes() -> list[datetime]:
        stop, asked = asyncio.Event(), list[datetime]()

        def prune(before: datetime) -> int:
            asked.append(before)
            if len(asked) == 1:
                raise OSError("the disk is away")
            loop.call_soon_threadsafe(stop.set)
            return 1

        loop = asyncio.get_running_loop()
        await prune_regularly(prune, None, _Noon(), stop)
        assert asked == []
        await prune_regularly(prune, 2.5, _Noon(), stop, interval_s=0.001)
        return asked

    assert asyncio.run(passes()) == [datetime(2026, 1, 10, 0, tzinfo=UTC)] * 2


def test_an_age_before_all_time_is_refused_by_the_options_name(tmp_path: Path) -> None:
    prune = ["prune", "--older-than", "1e6", "--role", "facilitator", "--state-dir", str(tmp_path)]
    done = CliRunner().invoke(app, prune)
    assert done.exit_code == 2
    assert "--older-than" in done.output and "36500" in done.output
