"""The store on PostgreSQL: the same promises, and what it says when the server is away."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa

from fedtrain.service.store import database
from fedtrain.service.store.database import DatabaseError, open_database, read, state_of, write
from fedtrain.service.store.database_url import read_url, shown
from fedtrain.spec.problems import Code, Problem

if TYPE_CHECKING:
    from tests.harness.postgresql import PostgreSql

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
    op.create_table("counter", sa.Column("n", sa.Integer))
    op.execute("INSERT INTO counter (n) VALUES (0)")
"""


@pytest.fixture
def alembic_dir(tmp_path: Path) -> Path:
    (tmp_path / "alembic" / "versions").mkdir(parents=True)
    (tmp_path / "alembic" / "env.py").write_text(ENV)
    (tmp_path / "alembic" / "versions" / "first.py").write_text(FIRST)
    return tmp_path / "alembic"


@pytest.fixture
def engine(postgresql: PostgreSql, alembic_dir: Path) -> Iterator[sa.Engine]:
    url = postgresql.new_database()
    engine = open_database(url, alembic_dir)
    open_database(url, alembic_dir).dispose()  # to open it again changes nothing
    yield engine
    engine.dispose()


def count(connection: sa.Connection) -> int:
    value: int = connection.execute(sa.text("SELECT n FROM counter")).scalar_one()
    return value


def add_one(engine: sa.Engine) -> None:
    with write(engine) as connection:
        connection.execute(sa.text("UPDATE counter SET n = :n"), {"n": count(connection) + 1})


@pytest.mark.slow
def test_500_concurrent_read_modify_writes_count_500(
    postgresql: PostgreSql, alembic_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "BUSY_TIMEOUT_S", 3600)  # of 500 at once the last waits for all others
    engine = open_database(postgresql.new_database(), alembic_dir)
    threads = [threading.Thread(target=add_one, args=(engine,)) for _ in range(500)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with read(engine) as connection:
        assert count(connection) == 500
    engine.dispose()


@pytest.mark.slow
def test_a_write_that_fails_leaves_nothing_behind_and_no_lock(engine: sa.Engine) -> None:
    with pytest.raises(ZeroDivisionError), write(engine) as connection:
        connection.execute(sa.text("UPDATE counter SET n = 7"))
        _ = 1 / 0
    add_one(engine)
    with read(engine) as connection:
        assert count(connection) == 1


@pytest.mark.slow
def test_a_read_sees_one_moment_and_waits_for_no_writer(engine: sa.Engine) -> None:
    with read(engine) as connection:
        assert count(connection) == 0
        add_one(engine)
        assert count(connection) == 0
    with read(engine) as connection:
        assert count(connection) == 1


@pytest.mark.slow
def test_a_server_that_restarts_is_a_named_problem_of_the_call_and_the_next_one_connects(
    postgresql: PostgreSql, engine: sa.Engine
) -> None:
    add_one(engine)
    with pytest.raises(Problem) as lost, write(engine) as connection:
        connection.execute(sa.text("UPDATE counter SET n = 7"))
        postgresql.stop()
        connection.execute(sa.text("UPDATE counter SET n = 8"))
    with pytest.raises(Problem) as away:
        add_one(engine)
    check = lambda: add_one(engine)  # noqa: E731 - what a store reads is its own
    assert state_of(check) == "The store cannot be used now: the connection to it broke, or cannot be made"
    postgresql.start()
    assert {lost.value.code, away.value.code} == {Code.STORE_UNAVAILABLE}
    assert state_of(check) == "ok"
    with read(engine) as connection:
        assert count(connection) == 2


@pytest.mark.slow
def test_a_wrong_statement_is_a_mistake_and_no_trouble_with_the_server(engine: sa.Engine) -> None:
    with pytest.raises(sa.exc.ProgrammingError), read(engine) as connection:
        connection.execute(sa.text("SELECT n FROM nowhere"))


@pytest.fixture
def impatient(
    postgresql: PostgreSql, alembic_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[sa.Engine, str]]:
    """A store whose writers wait for three seconds, and may stall for six; and its database."""
    url = postgresql.new_database()
    engine = open_database(url, alembic_dir)
    # From the next connection on, which is given it: the upgrade, which runs Python between statements, has its time.
    engine.dispose()
    monkeypatch.setattr(database, "BUSY_TIMEOUT_S", 3)
    yield engine, str(read_url(url).database)
    engine.dispose()


@pytest.mark.slow
def test_a_writer_waits_for_another_one_so_long_and_no_longer(impatient: tuple[sa.Engine, str]) -> None:
    engine, _ = impatient
    with write(engine) as connection:
        connection.execute(sa.text("SET LOCAL idle_in_transaction_session_timeout = 0"))
        with pytest.raises(Problem, match="another writer held it too long"):
            add_one(engine)
    add_one(engine)


@pytest.mark.slow
def test_a_writer_that_stalls_loses_its_transaction_and_holds_nobody_for_ever(
    postgresql: PostgreSql, impatient: tuple[sa.Engine, str]
) -> None:
    engine, name = impatient
    idle = f"SELECT 1 FROM pg_stat_activity WHERE datname = '{name}' AND state LIKE 'idle in transaction%'"  # noqa: S608 - a name of our own
    with pytest.raises(Problem) as stalled, write(engine) as connection:
        connection.execute(sa.text("UPDATE counter SET n = 7"))
        while postgresql.execute(idle):
            pass
        add_one(engine)
        count(connection)
    assert stalled.value.code is Code.STORE_UNAVAILABLE
    with read(engine) as connection:
        assert count(connection) == 1


@pytest.mark.slow
def test_processes_that_start_together_on_an_empty_database_make_its_tables_once(
    postgresql: PostgreSql, alembic_dir: Path
) -> None:
    url = postgresql.new_database()
    with ThreadPoolExecutor(4) as pool:
        engines = list(pool.map(lambda _: open_database(url, alembic_dir), range(4)))
    for engine in engines:
        add_one(engine)
    with read(engines[0]) as connection:
        assert count(connection) == 4
    for engine in engines:
        engine.dispose()


@pytest.mark.slow
def test_a_database_that_is_not_there_is_told_in_one_line(postgresql: PostgreSql, alembic_dir: Path) -> None:
    with pytest.raises(DatabaseError, match='database "nowhere" does not exist'):
        open_database(postgresql.url("nowhere"), alembic_dir)


@pytest.mark.slow
def test_another_partys_database_is_refused(postgresql: PostgreSql, alembic_dir: Path) -> None:
    url = postgresql.new_database()
    open_database(url, alembic_dir).dispose()
    with write(sa.create_engine(read_url(url))) as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = 'another'"))
    with pytest.raises(DatabaseError, match="database of its own"):
        open_database(url, alembic_dir)


def test_a_server_that_is_away_is_told_in_one_line_without_the_password(tmp_path: Path, alembic_dir: Path) -> None:
    url = f"postgresql://alice:hunter2@/jobs?host={tmp_path}"
    with pytest.raises(DatabaseError) as caught:
        open_database(url, alembic_dir)
    told = str(caught.value)
    assert "postgresql+psycopg://alice:***@/jobs" in told and "cannot be opened: " in told
    assert "hunter2" not in told and "\n" not in told


def test_without_psycopg_the_reason_says_what_to_install(monkeypatch: pytest.MonkeyPatch, alembic_dir: Path) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(DatabaseError, match=r"install_extra.sh postgres, elsewhere by pip install 'psycopg\[binary\]"):
        open_database("postgresql://alice@db/jobs", alembic_dir)


@pytest.mark.parametrize("name", ["postgres", "postgresql", "postgresql+psycopg"])
def test_a_postgresql_url_is_taken_as_people_write_it(name: str) -> None:
    url = read_url(f"{name}://alice:p%40ss@db:5433/jobs?sslmode=require")
    assert (url.drivername, url.host, url.port, url.database) == ("postgresql+psycopg", "db", 5433, "jobs")
    assert (url.password, dict(url.query)) == ("p@ss", {"sslmode": "require"})


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("mysql://alice:hunter2@db/jobs", "begins with mysql://"),
        ("postgresql+asyncpg://alice:hunter2@db/jobs", "begins with postgresql"),
        ("hunter2", "database URL is none"),
        ("postgresql://alice:hunter2@db:port/jobs", "database URL is none"),
    ],
)
def test_another_database_and_what_is_no_url_are_refused_without_the_password(url: str, said: str) -> None:
    with pytest.raises(DatabaseError) as caught:
        read_url(url)
    assert said in str(caught.value) and "hunter2" not in str(caught.value)


def test_a_shown_url_hides_every_secret() -> None:
    url = "postgresql://alice:hunter2@db/jobs?password=hunter3&sslpassword=hunter4&sslmode=require"
    assert shown(url) == "postgresql://alice:***@db/jobs?password=***&sslmode=require&sslpassword=***"
