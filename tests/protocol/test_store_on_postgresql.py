"""The store on PostgreSQL: the same promises. Runs where a PostgreSQL server and psycopg are installed."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from protocol.server.database import open_database, read, write

pytest.importorskip("psycopg")
PG_CTL, INITDB = (
    shutil.which(name) or next(map(str, Path("/usr/lib/postgresql").glob(f"*/bin/{name}")), None)
    for name in ("pg_ctl", "initdb")
)
pytestmark = pytest.mark.skipif(PG_CTL is None or INITDB is None, reason="no PostgreSQL server here")

ENV = """
import sqlalchemy as sa
from protocol.server.migrations_env import run_migrations

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


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    account: dict[str, object] = {}
    # A folder of its own: pytest's are for the account alone that runs the tests, and PostgreSQL does not run as root.
    folder = Path(tempfile.mkdtemp(prefix="fedtrain-pg-"))
    if os.geteuid() == 0:
        try:
            who = pwd.getpwnam("postgres")
        except KeyError:
            pytest.skip("root without an account for PostgreSQL")
        os.chown(folder, who.pw_uid, who.pw_gid)
        account = {"user": who.pw_uid, "group": who.pw_gid, "extra_groups": []}

    def run(*command: str) -> None:
        subprocess.run(command, check=True, cwd=folder, stdout=subprocess.DEVNULL, env={"LC_ALL": "C"}, **account)

    data = folder / "data"
    run(str(INITDB), "-D", str(data), "-U", "fedtrain", "-A", "trust", "-N", "-E", "UTF8")
    # Only by a socket in its own folder: no port that could be taken.
    run(
        str(PG_CTL),
        "-D",
        str(data),
        "-o",
        f"-k {folder} -c listen_addresses=''",
        "-l",
        str(folder / "log"),
        "-w",
        "start",
    )
    try:
        yield f"postgresql+psycopg://fedtrain@/postgres?host={folder}"
    finally:
        run(str(PG_CTL), "-D", str(data), "-m", "immediate", "stop")
        shutil.rmtree(folder)


@pytest.fixture
def engine(url: str, tmp_path: Path) -> Iterator[sa.Engine]:
    (tmp_path / "alembic" / "versions").mkdir(parents=True)
    (tmp_path / "alembic" / "env.py").write_text(ENV)
    (tmp_path / "alembic" / "versions" / "first.py").write_text(FIRST)
    engine = open_database(url, tmp_path / "alembic")
    open_database(url, tmp_path / "alembic").dispose()  # to open it again changes nothing
    yield engine
    with write(engine) as connection:
        connection.execute(sa.text("UPDATE counter SET n = 0"))
    engine.dispose()


def count(connection: sa.Connection) -> int:
    value: int = connection.execute(sa.text("SELECT n FROM counter")).scalar_one()
    return value


def add_one(engine: sa.Engine) -> None:
    with write(engine) as connection:
        connection.execute(sa.text("UPDATE counter SET n = :n"), {"n": count(connection) + 1})


def test_500_concurrent_read_modify_writes_count_500(engine: sa.Engine) -> None:
    threads = [threading.Thread(target=add_one, args=(engine,)) for _ in range(500)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with read(engine) as connection:
        assert count(connection) == 500


def test_a_write_that_fails_leaves_nothing_behind_and_no_lock(engine: sa.Engine) -> None:
    with pytest.raises(ZeroDivisionError), write(engine) as connection:
        connection.execute(sa.text("UPDATE counter SET n = 7"))
        _ = 1 / 0
    add_one(engine)
    with read(engine) as connection:
        assert count(connection) == 1


def test_a_read_sees_one_moment_and_waits_for_no_writer(engine: sa.Engine) -> None:
    with read(engine) as connection:
        assert count(connection) == 0
        add_one(engine)
        assert count(connection) == 0
    with read(engine) as connection:
        assert count(connection) == 1
