"""`fedtrain backup` of a party at work, `fedtrain restore` elsewhere, and everything that is refused."""

from __future__ import annotations

import asyncio
import io
import json
import os
import shutil
import stat
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from fedtrain.cli.main import app
from fedtrain.data_owner.data.rows.ids import RowIds
from fedtrain.data_owner.policy.summed_table import SummedTable
from fedtrain.data_owner.policy.told import Told
from fedtrain.data_owner.release.told_files import RowFiles, ToldSums
from fedtrain.data_owner.scoring.kept_scores import KeptScores
from fedtrain.data_owner.store.sql import OwnerStore
from fedtrain.facilitator import round as rounds
from fedtrain.facilitator.store import Store
from fedtrain.protocol.documents.identity import sha256_hex
from fedtrain.protocol.messages.tasks import CBOR_TYPE
from fedtrain.service.store.body_files import BodyFile, BodyFiles, bytes_of
from fedtrain.service.store.database import sqlite_url
from fedtrain.service.vault import backup
from fedtrain.service.vault.identity_file import load_or_create_identity
from fedtrain.service.vault.key_files import KeyFiles
from fedtrain.service.vault.secret_files import write_secret
from tests.harness.facilitator.machine_bench import JOB_ID, START, MachineBench
from tests.harness.interrupted import DESCENT, OWNERS, Site, reached, spec
from tests.harness.model_owner import killed_outbox

#: The Facilitator last: what the others have forgotten is in its log.
PARTIES = (*OWNERS, "model-owner", "facilitator")
Tampering = Callable[[list[tuple[str, bytes]]], list[tuple[str, bytes]]]


def fedtrain(*arguments: object) -> str:
    done = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert done.exit_code == 0, done.output
    return done.stdout


def refused(*arguments: object) -> str:
    """The line with which the command refuses."""
    done = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert done.exit_code == 1, done.output
    return done.stderr


@pytest.fixture
def party(tmp_path: Path) -> Path:
    """A small state folder with a store: a Facilitator that was started once."""
    folder = tmp_path / "facilitator"
    load_or_create_identity(folder)
    Store(sqlite_url(folder / "state.sqlite3")).close()
    (folder / "keys").mkdir(mode=0o700)
    (folder / "keys" / "job.json").write_bytes(b"secret")
    (folder / "data").mkdir()
    (folder / "data" / "records.csv").write_text("a,b\n1,2\n")
    (folder / "moments" / "job.examples").mkdir(parents=True)
    (folder / "moments" / "job.examples" / "training-x.npy").write_bytes(b"records that a network trains on")
    return folder


@pytest.mark.slow
def test_a_job_goes_on_with_every_party_restored_from_backups_taken_while_it_ran(tmp_path: Path) -> None:
    site = Site(tmp_path)

    async def run() -> str:
        async with site.running() as parties:
            model_id = await parties.deploy(spec(**{**DESCENT, "rounds": 80}))
            for number, name in enumerate(PARTIES):  # one after the other, while the rounds go on
                await reached(parties, model_id, lambda state, least=number + 1: (state["round"] or 0) >= least)
                await asyncio.to_thread(fedtrain, "backup", tmp_path / f"{name}.bak", "--state-dir", tmp_path / name)
            return model_id

    model_id = asyncio.run(run())
    for name in PARTIES:
        assert stat.S_IMODE((tmp_path / f"{name}.bak").stat().st_mode) == 0o600
        shutil.rmtree(tmp_path / name)
        fedtrain("restore", tmp_path / f"{name}.bak", "--state-dir", tmp_path / name)
        modes = {stat.S_IMODE(path.stat().st_mode) & 0o077 for path in [tmp_path / name, *(tmp_path / name).rglob("*")]}
        assert modes == {0}
    state = site.go_on(model_id)
    assert state["status"] == "FINISHED", state


def test_what_is_in_a_backup_and_what_is_not(party: Path, tmp_path: Path) -> None:
    archive = tmp_path / "one.bak"
    (party / ".backup-killed").mkdir()
    (party / ".backup-killed" / "archive").write_bytes(b"what a backup that was killed here has left")
    listing = json.loads(fedtrain("backup", archive, "--state-dir", party, "--json"))
    assert set(listing["files"]) == {"identity.key", "keys/job.json", "state.sqlite3"}
    assert listing["store"] == "sqlite"
    with tarfile.open(archive) as tar:
        assert {member.mode for member in tar} == {0o600}
    restored = tmp_path / "elsewhere" / "facilitator"
    fedtrain("restore", archive, "--state-dir", restored)
    assert (restored / "identity.key").read_bytes() == (party / "identity.key").read_bytes()
    assert (restored / "keys" / "job.json").read_bytes() == b"secret"
    assert not (restored / "data").exists()


def test_what_a_data_owner_told_and_was_told_is_in_it_and_never_older_than_the_store(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, restored = tmp_path / "clinic-a", tmp_path / "elsewhere"
    load_or_create_identity(folder)
    OwnerStore(sqlite_url(folder / "state.sqlite3")).close()
    rows = RowFiles(folder, KeyFiles(folder), lambda count: b"\7" * count)
    rows.key()  # made, as when a table is registered
    name = rows.put(RowIds.of(np.array([5, 3], dtype=np.uint64)))
    ToldSums(folder).tell(told("ab" * 16))
    KeptScores(folder / "scores").add("ee" * 16, "0f" * 32, {"11" * 32: [0.25]})

    def copied(store: Path, copy: Path) -> Path:
        """The store's copy, and then a job that is told of before the keys are read again."""
        done = copy_store(store, copy)
        ToldSums(folder).tell(told("cd" * 16))
        return done

    copy_store = backup._copy_store
    monkeypatch.setattr(backup, "_copy_store", copied)
    fedtrain("backup", tmp_path / "a.bak", "--state-dir", folder)
    fedtrain("restore", tmp_path / "a.bak", "--state-dir", restored)
    again = RowFiles(restored, KeyFiles(restored), lambda count: b"\0" * count)
    kept = again.get(name)
    assert again.key() == rows.key() and kept is not None and kept.name == name
    assert [one.job_id for one in ToldSums(restored).sums()] == ["ab" * 16, "cd" * 16]
    assert KeptScores(restored / "scores").of("ee" * 16, "0f" * 32) == {"11" * 32: [0.25]}


def told(job_id: str) -> Told:
    table = SummedTable(dataset="default", version="da" * 32, rows=200, encoding="2c" * 32)
    return Told(job_id=job_id, told_at="2026-03-02T08:30:00+00:00", table=table, roster=("ab" * 32,), names=("ana",))


def test_a_store_on_postgresql_is_left_to_pg_dump(party: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FEDTRAIN_DATABASE_URL", "postgresql://fedtrain:hidden@db.example/fedtrain")
    (party / "bodies").mkdir()
    (party / "bodies" / ("ab" * 32)).write_bytes(b"an answer")
    (party / "bodies" / ".cd.part").write_bytes(b"one that is being written")
    said = fedtrain("backup", tmp_path / "one.bak", "--state-dir", party)
    assert "pg_dump" in said
    assert "hidden" not in said
    said = fedtrain("restore", tmp_path / "one.bak", "--state-dir", tmp_path / "elsewhere")
    assert "database of its own" in said
    assert not (tmp_path / "elsewhere" / "state.sqlite3").exists()
    kept = {path.name: path.read_bytes() for path in (tmp_path / "elsewhere" / "bodies").iterdir()}
    assert kept == {"ab" * 32: b"an answer"}


def test_no_backup_replaces_another_and_no_restore_a_state(party: Path, tmp_path: Path) -> None:
    archive = tmp_path / "one.bak"
    fedtrain("backup", archive, "--state-dir", party)
    before = archive.read_bytes()
    assert "is there already" in refused("backup", archive, "--state-dir", party)
    assert archive.read_bytes() == before
    assert "is not empty" in refused("restore", archive, "--state-dir", party)
    assert "not the state folder" in refused("backup", tmp_path / "two.bak", "--state-dir", tmp_path)
    assert not (tmp_path / "two.bak").exists()


def test_a_folder_that_is_not_there_is_named_and_not_what_was_to_be_written_in_it(party: Path, tmp_path: Path) -> None:
    said = refused("backup", tmp_path / "nosuch" / "one.bak", "--state-dir", party)
    assert f"{tmp_path / 'nosuch'} is not a folder" in said
    assert ".backup-" not in said
    assert not (tmp_path / "nosuch").exists()


def rewritten(archive: Path, change: Tampering) -> Path:
    """A copy of the archive with other members."""
    with tarfile.open(archive) as tar:
        members = [(member.name, _content(tar, member)) for member in tar]
    path = archive.with_name("altered.bak")
    with tarfile.open(path, "w") as tar:
        for name, content in change(members):
            header = tarfile.TarInfo(name)
            header.size = len(content)
            tar.addfile(header, io.BytesIO(content))
    path.chmod(0o600)
    return path


def _content(tar: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    file = tar.extractfile(member)
    assert file is not None
    return file.read()


def relisted(change: Callable[[Any], Any]) -> Tampering:
    def rewrite(members: list[tuple[str, bytes]]) -> list[tuple[str, bytes]]:
        (name, text), *others = members
        return [(name, json.dumps(change(json.loads(text))).encode()), *others]

    return rewrite


def with_outsider(listing: Any) -> Any:
    listing["files"]["../outside"] = {"sha256": "0" * 64, "size_bytes": 0}
    return listing


ALTERED: dict[str, tuple[Tampering, str]] = {
    "a key": (lambda m: [(n, b"other!" if n == "keys/job.json" else c) for n, c in m], "'keys/job.json' is not what"),
    "a long key": (lambda m: [(n, c * 9 if n == "keys/job.json" else c) for n, c in m], "'keys/job.json' is not what"),
    "a file less": (lambda m: [one for one in m if one[0] != "identity.key"], "'identity.key' is missing"),
    "a file more": (lambda m: [*m, ("more", b"")], "'more' is not on its list"),
    "a file twice": (lambda m: [*m, m[-1]], "is not on its list"),
    "no list": (lambda m: m[1:], "does not begin with backup.json"),
    "nothing": (lambda _: [], "is empty"),
    "another major version": (relisted(lambda one: {**one, "version": "77.1"}), "made by version 77.1"),
    "another format": (relisted(lambda one: {**one, "format": 2}), "format"),
    "outside": (lambda m: [*relisted(with_outsider)(m), ("../outside", b"")], "'../outside' is not on its list"),
}


@pytest.mark.parametrize("what", ALTERED)
def test_an_altered_archive_is_refused_by_name_and_leaves_nothing(what: str, party: Path, tmp_path: Path) -> None:
    fedtrain("backup", tmp_path / "one.bak", "--state-dir", party)
    change, said = ALTERED[what]
    there = {path.name for path in tmp_path.iterdir()}
    altered = rewritten(tmp_path / "one.bak", change)
    assert said in refused("restore", altered, "--state-dir", tmp_path / "elsewhere")
    assert {path.name for path in tmp_path.iterdir()} == there | {"altered.bak"}


def test_half_an_archive_and_one_that_others_may_read_are_refused(party: Path, tmp_path: Path) -> None:
    archive = tmp_path / "one.bak"
    fedtrain("backup", archive, "--state-dir", party)
    archive.chmod(0o640)
    assert "chmod 600" in refused("restore", archive, "--state-dir", tmp_path / "elsewhere")
    archive.chmod(0o600)
    archive.write_bytes(archive.read_bytes()[:5000])
    assert refused("restore", archive, "--state-dir", tmp_path / "elsewhere").count("\n") == 1
    assert not (tmp_path / "elsewhere").exists()


def test_large_bodies_beside_the_store_are_in_it_and_never_fewer_than_its_rows_name(
    party: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One body goes while the backup is taken, once the store is copied, and one comes just before."""
    bench = MachineBench(owners=3)
    early, late = b"e" * 4000, b"l" * 5000

    def opened(folder: Path) -> Store:
        return Store(sqlite_url(folder / "state.sqlite3"), BodyFiles(folder / "bodies", above_bytes=1000))

    store = opened(party)
    with store.write() as tx:
        tx.add_job(rounds.open_job(bench.context, START), bench.context.signed_manifest)
        tx.put_blob(JOB_ID, early, CBOR_TYPE)
    assert store.bodies is not None
    store.bodies.write((b"half an answer",))

    def copied(source: Path, copy: Path) -> Path:
        with store.write() as tx:
            tx.put_blob(JOB_ID, late, CBOR_TYPE)
        done = copy_store(source, copy)
        (party / "bodies" / sha256_hex(early)).unlink()
        return done

    copy_store = backup._copy_store
    monkeypatch.setattr(backup, "_copy_store", copied)
    listing = json.loads(fedtrain("backup", tmp_path / "one.bak", "--state-dir", party, "--json"))
    bodies = {f"bodies/{sha256_hex(content)}" for content in (early, late)}
    assert set(listing["files"]) == {"identity.key", "keys/job.json", "state.sqlite3", *bodies}
    assert [path for path in tmp_path.iterdir() if path.name.startswith(".backup-")] == []
    store.close()
    fedtrain("restore", tmp_path / "one.bak", "--state-dir", tmp_path / "again")
    store = opened(tmp_path / "again")
    store.remove_unnamed_bodies()
    with store.read() as tx:
        found = [tx.job_blob(JOB_ID, sha256_hex(content)) for content in (early, late)]
        assert [one is not None and bytes_of(one.content) for one in found] == [early, late]
    store.close()


def test_large_answers_of_a_party_are_put_back_with_its_store(party: Path, tmp_path: Path) -> None:
    (party / "state.sqlite3").unlink()
    store = killed_outbox.opened(party)
    store.open_job(killed_outbox.BEFORE)
    killed_outbox.keep(store)
    store.close()
    listing = json.loads(fedtrain("backup", tmp_path / "one.bak", "--state-dir", party, "--json"))
    assert f"bodies/{sha256_hex(killed_outbox.ANSWER)}" in listing["files"]
    fedtrain("restore", tmp_path / "one.bak", "--state-dir", tmp_path / "again")
    store = killed_outbox.opened(tmp_path / "again")
    store.remove_unnamed_bodies()
    kept = store.result(killed_outbox.BEFORE.job_id, 0)
    assert isinstance(kept, BodyFile) and kept.read() == killed_outbox.ANSWER
    store.close()


@pytest.mark.parametrize("earlier", [False, True], ids=["its own folder", "the folder of earlier versions"])
def test_large_answers_beside_a_store_of_another_name_are_put_back(party: Path, tmp_path: Path, earlier: bool) -> None:
    (party / "state.sqlite3").unlink()
    settings = f"database_url = {json.dumps(sqlite_url(party / 'mo.sqlite3'))}\n"
    write_secret(party / "party.toml", settings.encode())
    store = killed_outbox.opened(party, "mo.sqlite3")
    store.open_job(killed_outbox.BEFORE)
    killed_outbox.keep(store)
    store.close()
    own = party / "mo.sqlite3.bodies"
    if earlier:
        own = own.rename(party / "bodies")
    (own / ("ab" * 32)).mkdir()
    os.mkfifo(own / ("cd" * 32))
    listing = json.loads(fedtrain("backup", tmp_path / "one.bak", "--state-dir", party, "--json"))
    body = f"mo.sqlite3.bodies/{sha256_hex(killed_outbox.ANSWER)}"
    assert set(listing["files"]) == {"identity.key", "keys/job.json", "party.toml", "mo.sqlite3", body}
    fedtrain("restore", tmp_path / "one.bak", "--state-dir", tmp_path / "again")
    store = killed_outbox.opened(tmp_path / "again", "mo.sqlite3")
    store.remove_unnamed_bodies()
    kept = store.result(killed_outbox.BEFORE.job_id, 0)
    assert isinstance(kept, BodyFile) and kept.read() == killed_outbox.ANSWER
    store.close()


def test_a_body_that_is_altered_in_the_archive_is_named(party: Path, tmp_path: Path) -> None:
    name = sha256_hex(b"a body")
    (party / "bodies").mkdir()
    (party / "bodies" / name).write_bytes(b"a body")
    fedtrain("backup", tmp_path / "one.bak", "--state-dir", party)
    altered = rewritten(
        tmp_path / "one.bak",
        lambda members: [(at, b"a b0dy" if at.startswith("bodies/") else content) for at, content in members],
    )
    assert f"bodies/{name}" in refused("restore", altered, "--state-dir", tmp_path / "again")
    assert not (tmp_path / "again").exists()
