"""The store: no lost update, no half migration, private files."""

from __future__ import annotations

import stat
import threading
from pathlib import Path

import pytest
import sqlalchemy as sa

from fedtrain.service.store import database
from fedtrain.service.store.database import DatabaseError, edition_of, open_database, read, sqlite_url, write
from fedtrain.spec.problems import Code, Problem

ENV = """
import sqlalchemy as sa
from fedtrain.service.store.migrations_env import run_migrations

run_migrations(sa.MetaData())
"""

FIRST = """
import sqlalchemy as sa
from alembic import op

revision = "1"
down_revision = None


def upgrade():
    op.create_table("counter", sa.Column("id", sa.Integer, primary_key=True), sa.Column("n", sa.Integer))
    op.create_table("part", sa.Column("counter_id", sa.Integer, sa.ForeignKey("counter.id")))
    op.execute("INSERT INTO counter (id, n) VALUES (1, 0)")
"""


@pytest.fixture
def alembic_dir(tmp_path: Path) -> Path:
    folder = tmp_path / "alembic 100%"
    (folder / "versions").mkdir(parents=True)
    (folder / "env.py").write_text(ENV)
    (folder / "versions" / "first.py").write_text(FIRST)
    return folder


def add_revision(alembic_dir: Path, body: str) -> None:
    text = f'from alembic import op\nimport sqlalchemy as sa\nrevision = "2"\ndown_revision = "1"\n\n\n{body}'
    (alembic_dir / "versions" / "second.py").write_text(text)


def count(engine: sa.Engine) -> int:
    with read(engine) as connection:
        value: int = connection.execute(sa.text("SELECT n FROM counter")).scalar_one()
    return value


def add_one(engine: sa.Engine) -> None:
    with write(engine) as connection:
        n = connection.execute(sa.text("SELECT n FROM counter")).scalar_one()
        connection.execute(sa.text("UPDATE counter SET n = :n"), {"n": n + 1})


def run_all(threads: list[threading.Thread]) -> None:
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_500_concurrent_read_modify_writes_count_500(
    tmp_path: Path, alembic_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "BUSY_TIMEOUT_S", 3600)  # of 500 at once the last waits for all others' disk writes
    url = sqlite_url(tmp_path / "state.sqlite3")
    engines = [open_database(url, alembic_dir) for _ in range(2)]  # as two processes would have them
    run_all([threading.Thread(target=add_one, args=(engines[i % 2],)) for i in range(500)])
    assert count(engines[0]) == 500


def test_a_change_in_a_read_transaction_is_refused_once_another_has_written(tmp_path: Path, alembic_dir: Path) -> None:
    """Show what BEGIN IMMEDIATE is for: of two transactions that have both read, only one can write."""
    engine = open_database(sqlite_url(tmp_path / "state.sqlite3"), alembic_dir)
    with read(engine) as connection:
        n = connection.execute(sa.text("SELECT n FROM counter")).scalar_one()
        add_one(engine)
        with pytest.raises(sa.exc.OperationalError, match="locked"):
            connection.execute(sa.text("UPDATE counter SET n = :n"), {"n": n + 1})
    assert count(engine) == 1


def test_a_write_that_fails_leaves_nothing_behind(tmp_path: Path, alembic_dir: Path) -> None:
    engine = open_database(sqlite_url(tmp_path / "state.sqlite3"), alembic_dir)
    with pytest.raises(ZeroDivisionError), write(engine) as connection:
        connection.execute(sa.text("UPDATE counter SET n = 7"))
        _ = 1 / 0
    assert count(engine) == 0
    add_one(engine)
    assert count(engine) == 1


def test_an_error_tells_the_statement_and_nothing_that_it_was_given(tmp_path: Path, alembic_dir: Path) -> None:
    engine = open_database(sqlite_url(tmp_path / "state.sqlite3"), alembic_dir)
    with pytest.raises(sa.exc.OperationalError) as caught, write(engine) as connection:
        connection.execute(sa.text("UPDATE nowhere SET n = :n"), {"n": "weights of a model"})
    assert "UPDATE nowhere SET n = ?" in str(caught.value)
    assert "weights of a model" not in str(caught.value)


def test_a_file_that_is_no_database_is_told_in_one_line(tmp_path: Path, alembic_dir: Path) -> None:
    (tmp_path / "state.sqlite3").write_bytes(b"no database" * 1000)
    with pytest.raises(DatabaseError, match=r"cannot be opened: .*damaged.*restore it from a backup") as caught:
        open_database(sqlite_url(tmp_path / "state.sqlite3"), alembic_dir)
    assert "\n" not in str(caught.value)


def test_a_database_that_is_damaged_while_it_is_open_is_not_an_error_of_the_statement(
    tmp_path: Path, alembic_dir: Path
) -> None:
    path = tmp_path / "state.sqlite3"
    engine = open_database(sqlite_url(path), alembic_dir)
    with write(engine) as connection:
        connection.exec_driver_sql("PRAGMA writable_schema = ON")
        connection.exec_driver_sql("UPDATE sqlite_schema SET rootpage = 9999 WHERE name = 'counter'")
    engine.dispose()
    with pytest.raises(Problem, match="damaged") as caught:
        count(engine)
    assert caught.value.code is Code.STORE_UNAVAILABLE


def test_a_read_sees_one_moment_and_waits_for_no_writer(tmp_path: Path, alembic_dir: Path) -> None:
    engine = open_database(sqlite_url(tmp_path / "state.sqlite3"), alembic_dir)
    with read(engine) as connection:
        before = connection.execute(sa.text("SELECT n FROM counter")).scalar_one()
        add_one(engine)
        assert connection.execute(sa.text("SELECT n FROM counter")).scalar_one() == before
    assert count(engine) == before + 1


def test_every_connection_is_durable_and_holds_foreign_keys(tmp_path: Path, alembic_dir: Path) -> None:
    engine = open_database(sqlite_url(tmp_path / "state.sqlite3"), alembic_dir)
    with read(engine) as one, read(engine) as two:
        for connection in (one, two):
            values = [
                connection.exec_driver_sql(f"PRAGMA {name}").scalar_one()
                for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
            ]
            assert values == ["wal", 2, 1, 30_000]
    with pytest.raises(sa.exc.IntegrityError), write(engine) as connection:
        connection.execute(sa.text("INSERT INTO part VALUES (99)"))


def test_the_store_and_its_side_files_are_for_their_owner_only(tmp_path: Path, alembic_dir: Path) -> None:
    path = tmp_path / "state" / "state.sqlite3"
    engine = open_database(sqlite_url(path), alembic_dir)
    add_one(engine)
    modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()}
    assert modes == dict.fromkeys(["state.sqlite3", "state.sqlite3-wal", "state.sqlite3-shm"], 0o600)
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_a_store_is_upgraded_and_keeps_what_it_held(tmp_path: Path, alembic_dir: Path) -> None:
    url = sqlite_url(tmp_path / "state.sqlite3")
    engine = open_database(url, alembic_dir)
    with write(engine) as connection:
        connection.execute(sa.text("INSERT INTO part VALUES (1)"))
    engine.dispose()
    # In SQLite a batch operation drops the table and renames a copy, while `part` refers to it.
    body = (
        'def upgrade():\n    with op.batch_alter_table("counter") as t:\n        t.alter_column("n", nullable=False)\n'
    )
    add_revision(alembic_dir, body)
    engine = open_database(url, alembic_dir)
    assert count(engine) == 0
    with read(engine) as connection:
        assert connection.execute(sa.text("SELECT counter_id FROM part")).scalar_one() == 1
        assert connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalar_one() == "2"


def test_an_upgrade_that_fails_half_way_changes_nothing(tmp_path: Path, alembic_dir: Path) -> None:
    url = sqlite_url(tmp_path / "state.sqlite3")
    open_database(url, alembic_dir).dispose()
    add_revision(
        alembic_dir, 'def upgrade():\n    op.drop_table("part")\n    op.execute("INSERT INTO nowhere VALUES (1)")\n'
    )
    with pytest.raises(sa.exc.OperationalError, match="nowhere"):
        open_database(url, alembic_dir)
    (alembic_dir / "versions" / "second.py").unlink()
    engine = open_database(url, alembic_dir)
    assert sa.inspect(engine).has_table("part")


def test_an_upgrade_that_leaves_rows_that_refer_to_nothing_is_not_done(tmp_path: Path, alembic_dir: Path) -> None:
    url = sqlite_url(tmp_path / "state.sqlite3")
    open_database(url, alembic_dir).dispose()
    add_revision(alembic_dir, 'def upgrade():\n    op.execute("INSERT INTO part VALUES (99)")\n')
    with pytest.raises(DatabaseError, match="1 rows that refer to nothing"):
        open_database(url, alembic_dir)


def test_a_store_of_a_newer_version_is_refused(tmp_path: Path, alembic_dir: Path) -> None:
    url = sqlite_url(tmp_path / "state.sqlite3")
    add_revision(alembic_dir, "def upgrade():\n    return None\n")
    open_database(url, alembic_dir).dispose()
    (alembic_dir / "versions" / "second.py").unlink()
    with pytest.raises(DatabaseError, match="newer version"):
        open_database(url, alembic_dir)


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:", "sqlite:///file:x?mode=memory&uri=true"])
def test_a_store_in_memory_is_refused(url: str, alembic_dir: Path) -> None:
    with pytest.raises(DatabaseError, match="must be a file"):
        open_database(url, alembic_dir)


def test_migrations_outside_open_database_are_refused(alembic_dir: Path) -> None:
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(alembic_dir).replace("%", "%%"))
    with pytest.raises(LookupError, match="open_database"):
        command.upgrade(config, "head")


def test_a_write_makes_another_edition_and_so_does_a_restart(tmp_path: Path, alembic_dir: Path) -> None:
    url = sqlite_url(tmp_path / "store.db")
    engine = open_database(url, alembic_dir)
    first = edition_of(engine)
    with read(engine) as connection:
        connection.execute(sa.text("SELECT n FROM counter")).scalar_one()
    assert edition_of(engine) == first
    with write(engine) as connection:
        connection.execute(sa.text("UPDATE counter SET n = 1"))
    second = edition_of(engine)
    assert second not in (first, edition_of(open_database(url, alembic_dir)))
    assert edition_of(engine) == second
