"""A PostgreSQL database that is queried: by a cursor, which takes a SELECT alone, in a transaction that only reads.

What the account may read, and which functions it may call, is for the database to say: a superuser's SELECT reads
files.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from typing import Any, Final

from sqlalchemy.engine import URL

from fedtrain.service.runtime.extras import how_to_install
from fedtrain.service.store.database_url import reaching
from fedtrain.spec.problems import Code, Problem

#: For this transaction: texts that depend on nothing else, and every digit of a float, on old servers too.
_SETTINGS: Final = (
    "SELECT set_config('statement_timeout', %s, true), set_config('TimeZone', 'UTC', true), "
    "set_config('extra_float_digits', '3', true)"
)
_ROWS_AT_ONCE: Final = 1_000
_FETCH: Final = f"FETCH FORWARD {_ROWS_AT_ONCE} FROM result".encode()
_CANCEL_WITHIN_S: Final = 5.0


class PostgresqlConnection:
    """A connection of one thread, which alone may call it; but `stop` anybody may."""

    def __init__(self, url: URL, most_s: float) -> None:
        """`most_s`: seconds that the server gives a statement. Raises Problem(QUERY_FAILED) where none is made."""
        if find_spec("psycopg") is None:
            raise Problem(Code.QUERY_FAILED, f"{how_to_install('psycopg')}.")
        import psycopg

        self._password = None if url.password is None else str(url.password)
        _, given = url.get_dialect()().create_connect_args(url)
        with self._told():
            self._connection = psycopg.connect(**{"client_encoding": "utf8", **reaching(url), **given})
            self._connection.read_only = True
            self._connection.execute(_SETTINGS, [str(max(1, round(most_s * 1000)))])

    def select(self, sql: str) -> tuple[tuple[str, ...], Generator[tuple[Any, ...]]]:
        """Return the names of the columns, and the rows as they come. Raises Problem(QUERY_FAILED)."""
        with self._told():
            # Asked for in binary form, a statement goes by the protocol that takes one alone, and no second behind a
            # semicolon, which could end the transaction. Of the rows it says nothing: these come as text.
            self._connection.execute(f"DECLARE result NO SCROLL CURSOR FOR {sql}".encode(), binary=True)
            described = self._connection.execute("FETCH FORWARD 0 FROM result").description
        return tuple(column.name for column in described or ()), self._rows()

    def stop(self) -> None:
        """Have the server give the query up."""
        import psycopg

        with suppress(psycopg.Error):  # it is over, or the server is away: either way nothing goes on here
            self._connection.cancel_safe(timeout=_CANCEL_WITHIN_S)

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def _rows(self) -> Generator[tuple[Any, ...]]:
        cursor = self._connection.cursor()
        with self._told():
            came = _ROWS_AT_ONCE
            while came == _ROWS_AT_ONCE:
                came = 0
                # Of these the server keeps all until it sends the first; here is one at a time, however large it is.
                for row in cursor.stream(_FETCH):
                    yield row
                    came += 1  # noqa: SIM113 - over again with each fetch

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Raise Problem(QUERY_FAILED) in the server's words, or the driver's, without the password."""
        import psycopg

        try:
            yield
        except (psycopg.Error, UnicodeError) as error:
            said = getattr(getattr(error, "diag", None), "message_primary", None) or str(error)
            why = " ".join(said.split())
            if self._password:
                why = why.replace(self._password, "***")
            raise Problem(Code.QUERY_FAILED, f"The database refuses: {why}.") from None
