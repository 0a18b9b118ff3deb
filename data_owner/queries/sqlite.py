"""An SQLite file that is queried: opened to be read, and kept by SQLite itself from anything but a SELECT."""

from __future__ import annotations

import sqlite3
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from sqlalchemy.engine import URL

from fedtrain.data_owner.queries.result import MOST_ROW_BYTES
from fedtrain.spec.problems import Code, Problem

_READING: Final = frozenset(
    {sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION, sqlite3.SQLITE_RECURSIVE}
)
#: Steps of SQLite's machine between two looks at whether it is to stop: a few thousandths of a second at most.
_STEPS: Final = 10_000
_BUSY_S: Final = 5.0


class SqliteConnection:
    """A connection of one thread, which alone may call it; but `stop` anybody may."""

    def __init__(self, url: URL) -> None:
        """Raises Problem(QUERY_FAILED) where there is no such file."""
        self._stopped = False
        if not url.database or url.database == ":memory:" or url.query:
            raise Problem(Code.QUERY_FAILED, "The database is to be named as sqlite:////path/to/file, and no more.")
        uri = f"{Path(url.database).absolute().as_uri()}?mode=ro"
        with _told():
            self._connection = sqlite3.connect(uri, uri=True, isolation_level=None, timeout=_BUSY_S)
            self._connection.execute("PRAGMA query_only = ON")
        self._connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, MOST_ROW_BYTES)
        self._connection.set_progress_handler(lambda: self._stopped, _STEPS)
        self._connection.set_authorizer(_authorised)

    def select(self, sql: str) -> tuple[tuple[str, ...], Generator[tuple[Any, ...]]]:
        """Return the names of the columns, and the rows as they come. Raises Problem(QUERY_FAILED)."""
        with _told():
            cursor = self._connection.execute(sql)
        if cursor.description is None:
            raise Problem(Code.QUERY_FAILED, "The statement gives no table: write a SELECT.")
        return tuple(column[0] for column in cursor.description), _rows(cursor)

    def stop(self) -> None:
        """Have the query fail, soon."""
        self._stopped = True

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


def _authorised(action: int, *_of: str | None) -> int:
    """Say what a statement may do, before it runs: ATTACH, PRAGMA and whatever writes is none of it."""
    return sqlite3.SQLITE_OK if action in _READING else sqlite3.SQLITE_DENY


def _rows(cursor: sqlite3.Cursor) -> Generator[tuple[Any, ...]]:
    with _told():
        yield from cursor


@contextmanager
def _told() -> Iterator[None]:
    """Raise Problem(QUERY_FAILED) in SQLite's words."""
    try:
        yield
    except (sqlite3.Error, sqlite3.Warning, UnicodeError) as error:
        if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_AUTH:
            why = "a query reads and does nothing else: write a SELECT"
        else:
            why = " ".join(str(error).split())
        raise Problem(Code.QUERY_FAILED, f"The database refuses: {why}.") from None
