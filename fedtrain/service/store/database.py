"""A party's store: an SQLAlchemy engine whose write transactions cannot lose an update.

SQLite's default transaction takes its write lock at the first write. Two that have both read then cannot both write,
and the driver's own BEGIN hides it: of 500 concurrent read-modify-writes, 489 were lost without an error. Here the
driver's BEGIN is off, `write` starts with BEGIN IMMEDIATE, and a second writer waits. On PostgreSQL, whose default
loses updates just the same, `write` takes one advisory lock first, which comes to the same.

A database that is away, full or restarting is a Problem(STORE_UNAVAILABLE) of the call that needed it: callers are told
503, and the next call connects anew. Nothing that was committed is lost, and what was not has not happened.

What a statement was given is never in an error's text, and so in no log: it may be a model, or counts of rows.

Reads and writes block, so call them from a thread: a `def` route, or `asyncio.to_thread`.
"""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import sqlalchemy as sa
import structlog
from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy.engine import URL, Connection, Engine
from sqlalchemy.pool import NullPool

from fedtrain.service.runtime.extras import how_to_install
from fedtrain.service.store.database_trouble import driver_words, trouble
from fedtrain.service.store.database_url import POSTGRESQL, SQLITE, DatabaseError, reaching, read_url, shown
from fedtrain.spec.problems import Code, Problem

__all__ = ["DatabaseError", "connect", "open_database", "read", "shown", "sqlite_url", "state_of", "upgrade", "write"]

log = structlog.get_logger("protocol.server")

BUSY_TIMEOUT_S = 30
_WRITE = "fedtrain_write"
_observers: WeakKeyDictionary[Engine, Callable[[float], None]] = WeakKeyDictionary()
_editions: WeakKeyDictionary[Engine, str] = WeakKeyDictionary()
_POSTGRESQL_LOCK = {"product": 0x66656474, "lock": 1}


def sqlite_url(path: Path) -> str:
    """Return the URL of an SQLite store at `path`."""
    return URL.create("sqlite", database=str(path)).render_as_string(hide_password=False)


def open_database(url: str, alembic_dir: Path, *, own_table: str | None = None) -> Engine:
    """Return an engine on the store at `url`, upgraded to the newest revision in `alembic_dir`.

    `url` names an SQLite file (made 0600 when it is not there) or a PostgreSQL database that is there and holds no
    other party's store. `own_table` is one that every store of this kind has had since its first revision, and no store
    of another kind has: parties number their revisions alike, and one's upgrade would spoil another's store. Raises
    DatabaseError when it is neither, cannot be reached, was written by a newer version or another party, or is in
    memory.
    """
    parsed = read_url(url)
    if parsed.get_backend_name() == SQLITE:
        _make_private_file(parsed)
        upgrader = sa.create_engine(parsed, poolclass=NullPool, hide_parameters=True)
        _prepare_sqlite(upgrader, foreign_keys=False)  # a batch migration drops and renames tables others refer to
        engine = _sqlite(parsed)
    else:
        engine = upgrader = _postgresql(parsed)
    try:
        upgrade(upgrader, alembic_dir, own_table=own_table)
    except Problem as problem:
        engine.dispose()
        why = driver_words(problem.__cause__)
        raise DatabaseError(f"The store {shown(parsed)} cannot be opened: {why}. {problem.detail}") from None
    except BaseException:
        engine.dispose()
        raise
    finally:
        if upgrader is not engine:
            upgrader.dispose()
    return engine


def connect(url: str, table: str) -> Engine:
    """Return an engine on a store that is there, a running service's too, as it is.

    Raises DatabaseError where none is, or one without that table, which a newer version brings.
    """
    parsed = read_url(url)
    is_file = parsed.get_backend_name() == SQLITE
    if is_file and not Path(parsed.database or "").is_file():
        raise DatabaseError(f"There is no store {shown(parsed)}: start the service once.")
    engine = _sqlite(parsed) if is_file else _postgresql(parsed)
    try:
        with read(engine) as connection:
            if sa.inspect(connection).has_table(table):
                return engine
    except Problem as problem:
        engine.dispose()
        why = driver_words(problem.__cause__)
        raise DatabaseError(f"The store {shown(parsed)} cannot be opened: {why}. {problem.detail}") from None
    engine.dispose()
    raise DatabaseError(f"The store {shown(parsed)} is an earlier version's: start the service of this one once.")


def upgrade(engine: Engine, alembic_dir: Path, *, own_table: str | None = None) -> None:
    """Bring the store to the newest revision, in one write transaction. Raises DatabaseError."""
    config = Config()
    config.set_main_option("script_location", str(alembic_dir).replace("%", "%%"))
    with write(engine) as connection:
        if own_table is not None and is_anothers(connection, own_table):
            raise DatabaseError(
                f"The store {shown(engine.url)} is another party's: nothing was changed. Name this party's own state "
                "folder, and give each party a database of its own."
            )
        config.attributes["connection"] = connection
        try:
            command.upgrade(config, "head")
        except CommandError as error:
            raise DatabaseError(
                f"The store {shown(engine.url)} cannot be brought to this version: {error}. "
                "If a newer version wrote it, start that one; if another party keeps its store there, give this one a "
                "database of its own."
            ) from error
        if engine.dialect.name == SQLITE:
            dangling = connection.execute(sa.text("PRAGMA foreign_key_check")).all()
            if dangling:
                raise DatabaseError(f"The upgrade would leave {len(dangling)} rows that refer to nothing: not done.")


def is_anothers(connection: Connection, own_table: str) -> bool:
    """Say whether a store is there, and not of the kind that has this table."""
    there = sa.inspect(connection)
    return there.has_table("alembic_version") and not there.has_table(own_table)


@contextmanager
def write(engine: Engine) -> Iterator[Connection]:
    """One write transaction: committed at the end, rolled back when an exception leaves the block.

    It holds the store's only write lock from its first moment: keep it short, and never open one inside another.
    Raises Problem(STORE_UNAVAILABLE); where the connection broke at the very end it may have been committed all the
    same, so whoever asks again has to find what it did.
    """
    with (
        _observed(engine),
        _trouble_named(),
        engine.connect().execution_options(**{_WRITE: True}) as connection,
        connection.begin(),
    ):
        if connection.dialect.name == POSTGRESQL:
            # Two keys: the first is this product's, the second the lock's. Statements after it see what the holder
            # before committed, since at READ COMMITTED each takes its own snapshot.
            connection.execute(sa.text("SELECT pg_advisory_xact_lock(:product, :lock)"), _POSTGRESQL_LOCK)
        yield connection


def observe_writes(engine: Engine, observe: Callable[[float], None]) -> None:
    """Tell `observe` of each write transaction how many seconds it took, from asking for the lock to the commit."""
    _observers[engine] = observe


def edition_of(engine: Engine) -> str:
    """Return a text that is another one after each write transaction of this process, and after a restart."""
    return _editions.setdefault(engine, secrets.token_hex(8))


@contextmanager
def _observed(engine: Engine) -> Iterator[None]:
    began = time.perf_counter()
    try:
        yield
    finally:
        _editions[engine] = secrets.token_hex(8)
        if (observe := _observers.get(engine)) is not None:
            observe(time.perf_counter() - began)


@contextmanager
def read(engine: Engine) -> Iterator[Connection]:
    """One read transaction: a view of one moment, which no writer waits for. Rolled back at the end.

    Raises Problem(STORE_UNAVAILABLE).
    """
    with _trouble_named(), engine.connect() as connection:
        if connection.dialect.name == POSTGRESQL:
            connection.execution_options(isolation_level="REPEATABLE READ")
        yield connection


def state_of(check: Callable[[], None]) -> str:
    """Return "ok", or for GET /readyz what keeps `check`, which reads the store, from doing so."""
    try:
        check()
    except Problem as problem:
        return problem.detail.rstrip(".")
    except sa.exc.SQLAlchemyError as error:
        log.exception("store not readable")
        return f"cannot be read: {type(error).__name__}"
    return "ok"


@contextmanager
def _trouble_named() -> Iterator[None]:
    """Turn what the database's state causes, and no statement of ours, into a Problem that names it."""
    try:
        yield
    except (sa.exc.DBAPIError, sa.exc.TimeoutError) as error:
        kind = trouble(error)
        if kind is None:
            raise
        log.warning("the store cannot be used", why=kind, driver=driver_words(error))
        raise Problem(Code.STORE_UNAVAILABLE, f"The store cannot be used now: {kind}.") from error


def _sqlite(url: URL) -> Engine:
    engine = sa.create_engine(url, pool_size=10, max_overflow=10, pool_timeout=2 * BUSY_TIMEOUT_S, hide_parameters=True)
    _prepare_sqlite(engine, foreign_keys=True)
    return engine


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


def _postgresql(url: URL) -> Engine:
    """Return an engine on a PostgreSQL database. Raises DatabaseError where its driver is not installed."""
    try:
        engine = sa.create_engine(
            url,
            connect_args=reaching(url),
            pool_pre_ping=True,  # a connection that broke while it lay in the pool is replaced unseen
            pool_size=10,
            max_overflow=10,
            pool_timeout=BUSY_TIMEOUT_S,
            hide_parameters=True,
        )
    except ModuleNotFoundError as error:
        how = how_to_install(error.name)
        if how is None:
            raise
        raise DatabaseError(f"A postgresql:// store: {how}.") from None

    @sa.event.listens_for(engine, "connect")
    def _on_connect(driver_connection: Any, _record: object) -> None:
        # Set for the session, outside any transaction: what is set within one ends with its rollback.
        driver_connection.autocommit = True
        # A writer that stalls in the middle of a transaction must not hold the others for ever.
        driver_connection.execute(f"SET idle_in_transaction_session_timeout = '{2 * BUSY_TIMEOUT_S}s'")
        driver_connection.execute(f"SET lock_timeout = '{BUSY_TIMEOUT_S}s'")
        driver_connection.autocommit = False

    return engine


def _make_private_file(url: URL) -> None:
    if not url.database or url.database == ":memory:" or url.database.startswith("file:"):
        raise DatabaseError("The store must be a file: in memory, every connection would see a store of its own.")
    path = Path(url.database)
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    # SQLite gives the -wal and -shm files beside it the same permissions.
    os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
