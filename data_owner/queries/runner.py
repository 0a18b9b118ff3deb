"""Queries on the databases that the service's settings name, one at a time, each within its time."""

from __future__ import annotations

import asyncio
from collections.abc import Generator, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from threading import Timer
from typing import Any, Final, Protocol

from fedtrain.data_owner.queries.postgresql import PostgresqlConnection
from fedtrain.data_owner.queries.result import Result, Row, write_result
from fedtrain.data_owner.queries.sqlite import SqliteConnection
from fedtrain.service.store.database_url import SQLITE, read_url
from fedtrain.service.vault.secret_files import read_secret
from fedtrain.spec.problems import Code, Problem
from fedtrain.spec.setup_error import SetupError

_AGAIN_S: Final = 5


class Connection(Protocol):
    """A connection to a database, of one thread; but `stop` may be called from any."""

    def select(self, sql: str) -> tuple[tuple[str, ...], Generator[tuple[Any, ...]]]: ...
    def stop(self) -> None: ...
    def close(self) -> None: ...


class Queries:
    """Runs queries, in threads, and writes what they give."""

    def __init__(self, databases: Mapping[str, Path], folder: Path, most_bytes: int, most_s: float) -> None:
        """`databases`: of each name, the file that holds its URL. `folder`: for the tables, of `most_bytes` each."""
        self._databases = databases
        self._folder = folder
        self._most_bytes = most_bytes
        self._most_s = most_s
        self._one = asyncio.Lock()

    @property
    def databases(self) -> tuple[str, ...]:
        """Names of the databases."""
        return tuple(sorted(self._databases))

    async def run(self, database: str, sql: str) -> Result:
        """Return the table that a query gives, as it was written.

        Raises Problem: INVALID_REQUEST for a database that has no such name, RATE_LIMITED while another query runs,
        QUERY_FAILED.
        """
        url_file = self._databases.get(database)
        if url_file is None:
            there = ", ".join(self.databases) or "none"
            why = f"no database goes by this name here; the service's settings name {there}"
            errors = [{"field": "database", "message": why, "value": database}]
            raise Problem(Code.INVALID_REQUEST, f"database: {why}.", errors=errors)
        if self._one.locked():
            raise Problem(Code.RATE_LIMITED, "Another query runs here, and one at a time does.", retry_after_s=_AGAIN_S)
        async with self._one:
            query = _Query(sql, self._folder, self._most_bytes, self._most_s)
            try:
                return await asyncio.to_thread(query.run, url_file)
            except asyncio.CancelledError:
                asyncio.get_running_loop().run_in_executor(None, query.stop, "the service stops")
                raise


class _Query:
    """One query on its way; it runs in one thread, and is stopped from any."""

    def __init__(self, sql: str, folder: Path, most_bytes: int, most_s: float) -> None:
        self._sql = sql
        self._folder = folder
        self._most_bytes = most_bytes
        self._most_s = most_s
        self._connection: Connection | None = None
        self._stopped: str | None = None

    def stop(self, why: str) -> None:
        self._stopped = self._stopped or why
        if self._connection is not None:
            self._connection.stop()

    def run(self, url_file: Path) -> Result:
        connection = self._connection = _connected(url_file, self._most_s)
        timer = Timer(self._most_s, self.stop, [f"it takes longer than {self._most_s:g} s (query_timeout_s)"])
        timer.daemon = True
        timer.start()
        try:
            self._check()
            names, rows = connection.select(self._sql)
            with closing(rows):  # in this thread, whoever still holds the error that it ended with
                return write_result(names, self._until_stopped(rows), self._folder, self._most_bytes)
        except Problem:
            if self._stopped is None:
                raise
            raise Problem(Code.QUERY_FAILED, f"The query was stopped: {self._stopped}.") from None
        finally:
            timer.cancel()
            connection.close()

    def _until_stopped(self, rows: Iterator[Row]) -> Iterator[Row]:
        for row in rows:
            self._check()
            yield row

    def _check(self) -> None:
        """Raise Problem(QUERY_FAILED) where this was stopped: a connection that was between two statements, or not made
        yet, has not heard of it."""
        if self._stopped is not None:
            raise Problem(Code.QUERY_FAILED, self._stopped)


def _connected(url_file: Path, most_s: float) -> Connection:
    """Connect to the database whose URL is in a file. Raises Problem(QUERY_FAILED), without anything of the URL."""
    try:
        url = read_url(read_secret(url_file).decode().strip())
    except (SetupError, UnicodeError) as error:
        raise Problem(Code.QUERY_FAILED, f"The URL in {url_file} cannot be used: {error}") from None
    except OSError as error:
        raise Problem(Code.QUERY_FAILED, f"The file {url_file} cannot be read: {error.strerror}.") from None
    if url.get_backend_name() == SQLITE:
        return SqliteConnection(url)
    if "@" in (url.host or ""):  # then the rest of the password stands in the host's place
        raise Problem(Code.QUERY_FAILED, f"The URL in {url_file} has an @ too many: write %40 for that in a password.")
    return PostgresqlConnection(url, most_s)
