"""A party's store: an SQLAlchemy engine whose write transactions cannot lose an update.

SQLite's default transaction takes its write lock at the first write. Two that have both read then cannot both write,
and the driver's own BEGIN hides it: of 500 concurrent read-modify-writes, 489 were lost without an error. Here the
driver's BEGIN is off, `write` starts with BEGIN IMMEDIATE, and a second writer waits. On PostgreSQL, whose default
loses updates just the same, `write` takes one advisory lock first, which comes to the same.

Reads and writes block, so call them from a thread: a `def` route, or `asyncio.to_thread`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy.engine import URL, Connection, Engine, make_url
from sqlalchemy.pool import NullPool

BUSY_TIMEOUT_S = 30
_WRITE = "fedtrain_write"
_POSTGRESQL_LOCK = {"product": 0x66656474, "lock": 1}


class DatabaseError(Exception):
    """The store cannot be opened; the message says what to do."""


def sqlite_url(path: Path) -> str:
    """Return the URL of an SQLite store at `path`."""
    return URL.create("sqlite", database=str(path)).render_as_string(hide_password=False)


def open_database(url: str, alembic_dir: Path) -> Engine:
    """Return an engine on the store at `url`, upgraded to the newest revision in `alembic_dir`.

    `url` names an SQLite file (made 0600 when it is not there) or another database SQLAlchemy knows, such as
    `postgresql+psycopg://…`. Raises DatabaseError when the store was written by a newer version, or is in memory.
    """
    parsed = make_url(url)
    if parsed.get_backend_name() == "sqlite":
        _make_private_file(parsed)
        upgrader = sa.create_engine(parsed, poolclass=NullPool)
        _prepare_sqlite(upgrader, foreign_keys=False)  # a batch migration drops and renames tables others refer to
        engine = sa.create_engine(parsed, pool_size=10, max_overflow=10, pool_timeout=2 * BUSY_TIMEOUT_S)
        _prepare_sqlite(engine, foreign_keys=True)
    else:
        engine = sa.create_engine(parsed, pool_pre_ping=True)
        upgrader = engine
    try:
        upgrade(upgrader, alembic_dir)
    except BaseException:
        engine.dispose()
        raise
    finally:
        if upgrader is not engine:
            upgrader.dispose()
    return engine


def upgrade(engine: Engine, alembic_dir: Path) -> None:
    """Bring the store to the newest revision, in one write transaction. Raises DatabaseError."""
    config = Config()
    config.set_main_option("script_location", str(alembic_dir).replace("%", "%%"))
    with write(engine) as connection:
        config.attributes["connection"] = connection
        try:
            command.upgrade(config, "head")
        except CommandError as error:
            raise DatabaseError(
                f"The store {engine.url.render_as_string()} cannot be brought to this version: {error}. "
                "If a newer version wrote it, start that one, or start with an empty state folder."
            ) from error
        if engine.dialect.name == "sqlite":
            dangling = connection.execute(sa.text("PRAGMA foreign_key_check")).all()
            if dangling:
                raise DatabaseError(f"The upgrade would leave {len(dangling)} rows that refer to nothing: not done.")


@contextmanager
def write(engine: Engine) -> Iterator[Connection]:
    """One write transaction: committed at the end, rolled back when an exception leaves the block.

    It holds the store's only write lock from its first moment: keep it short, and never open one inside another.
    """
    with engine.connect().execution_options(**{_WRITE: True}) as connection, connection.begin():
        if connection.dialect.name == "postgresql":
            # Two keys: the first is this product's, the second the lock's. Statements after it see what the holder
            # before committed, since at READ COMMITTED each takes its own snapshot.
            connection.execute(sa.text("SELECT pg_advisory_xact_lock(:product, :lock)"), _POSTGRESQL_LOCK)
        yield connection


@contextmanager
def read(engine: Engine) -> Iterator[Connection]:
    """One read transaction: a view of one moment, which no writer waits for. Rolled back at the end."""
    with engine.connect() as connection:
        if connection.dialect.name == "postgresql":
            connection.execution_options(isolation_level="REPEATABLE READ")
        yield connection


def _prepare_sqlite(engine: Engine, *, foreign_keys: bool) -> None:
    @sa.event.listens_for(engine, "connect")
    def _on_connect(driver_connection: Any, _record: object) -> None:
        driver_connection.isolation_level = None  # the driver begins nothing by itself; see _on_begin
        cursor = driver_connection.cursor()
        cursor.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_S * 1000}")
        cursor.execute("PRAGMA journal_mode = WAL")
        cursor.execute("PRAGMA synchronous = FULL")  # an answer that was confirmed is on the disk
        cursor.execute(f"PRAGMA foreign_keys = {'ON' if foreign_keys else 'OFF'}")
        cursor.close()

    @sa.event.listens_for(engine, "begin")
    def _on_begin(connection: Connection) -> None:
        writes = connection.get_execution_options().get(_WRITE, False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _make_private_file(url: URL) -> None:
    if not url.database or url.database == ":memory:" or url.database.startswith("file:"):
        raise DatabaseError("The store must be a file: in memory, every connection would see a store of its own.")
    path = Path(url.database)
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    # SQLite gives the -wal and -shm files beside it the same permissions.
    os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
