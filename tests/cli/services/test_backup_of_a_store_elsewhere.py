"""A backup of a party whose SQLite store has another name or place than the default one."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from fedtrain.cli.main import app
from fedtrain.service.store.database import sqlite_url
from fedtrain.service.vault.identity_file import load_or_create_identity

SECOND = "a job, in the log of writes alone"


def fedtrain(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture
def party(tmp_path: Path) -> Path:
    load_or_create_identity(tmp_path / "party")
    return tmp_path / "party"


@pytest.fixture(params=["inside", "outside"])
def store(request: pytest.FixtureRequest, party: Path, tmp_path: Path) -> Iterator[Path]:
    """A store at work, whose latest rows are not in its main file yet."""
    folder = party if request.param == "inside" else tmp_path
    path = folder / "jobs.db"
    (party / "party.toml").write_text(f"database_url = {json.dumps(sqlite_url(path))}\n")
    (party / "party.toml").chmod(0o600)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA wal_autocheckpoint = 0")
        connection.execute("CREATE TABLE jobs (id TEXT)")
        connection.execute("INSERT INTO jobs VALUES (?)", (SECOND,))
        connection.commit()
        yield path


def rows(path: Path) -> list[tuple[str]]:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute("SELECT id FROM jobs").fetchall()


def test_the_store_is_copied_once_as_of_one_moment(store: Path, party: Path, tmp_path: Path) -> None:
    made = fedtrain("backup", tmp_path / "b.bak", "--state-dir", party, "--json")
    assert made.exit_code == 0, made.output
    place = "jobs.db" if store.parent == party else "state.sqlite3"
    assert sorted(json.loads(made.stdout)["files"]) == sorted(["identity.key", "party.toml", place])
    restored = fedtrain("restore", tmp_path / "b.bak", "--state-dir", tmp_path / "again")
    assert restored.exit_code == 0, restored.output
    assert rows(tmp_path / "again" / place) == [(SECOND,)]


def test_a_restore_says_where_the_settings_look_for_the_store(
    store: Path, party: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert fedtrain("backup", tmp_path / "b.bak", "--state-dir", party).exit_code == 0
    told = fedtrain("restore", tmp_path / "b.bak", "--state-dir", tmp_path / "again").stdout
    told = " ".join(told.split())
    assert f"Its settings name the store {store}: move" in told and f" to {store}.bodies, before" in told
    place = "jobs.db" if store.parent == party else "state.sqlite3"
    monkeypatch.setenv("FEDTRAIN_DATABASE_URL", sqlite_url(tmp_path / "third" / place))
    told = fedtrain("restore", tmp_path / "b.bak", "--state-dir", tmp_path / "third").stdout
    assert "Its settings name" not in told


def test_a_store_that_is_damaged_is_told_in_one_line_and_leaves_no_archive(party: Path, tmp_path: Path) -> None:
    (party / "state.sqlite3").write_bytes(b"no database" * 1000)
    refused = fedtrain("backup", tmp_path / "b.bak", "--state-dir", party)
    assert (refused.exit_code, refused.stderr.count("\n")) == (1, 1)
    assert "cannot be copied: file is not a database. See `fedtrain doctor`" in refused.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["party"]
