"""A disk that is full for a while, under an SQLite store."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from fedtrain.service.store.database import write

#: What each write takes besides: more than any transaction frees before it.
TAKEN_BYTES = 1 << 16


class SqliteDisk:
    """Takes the room away from an SQLite store, and gives it back: SQLite's own limit, and its own error.

    Within a table's pages there is room when the file has none, so that each write takes pages of its own besides.
    """

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine
        self._full = False
        sa.event.listen(engine, "begin", self._limit)

    def _limit(self, connection: Any) -> None:
        pages = 1 if self._full else 1 << 30  # no fewer than there are: SQLite takes the larger number
        connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")

    def fill(self) -> None:
        with write(self._engine) as connection:
            connection.execute(sa.text("CREATE TABLE IF NOT EXISTS taken (content)"))
            for name, table, event in self._triggers(connection):
                takes = f"INSERT INTO taken VALUES (zeroblob({TAKEN_BYTES}))"  # noqa: S608 - own names
                connection.execute(sa.text(f"CREATE TRIGGER {name} AFTER {event} ON {table} BEGIN {takes}; END"))
        self._full = True

    def make_room(self) -> None:
        self._full = False
        with write(self._engine) as connection:
            for name, *_ in self._triggers(connection):
                connection.execute(sa.text(f"DROP TRIGGER {name}"))

    def _triggers(self, connection: Connection) -> list[tuple[str, str, str]]:
        """Return the name of each, its table and its event, for all tables but those of words, which take none."""
        tables = set(sa.inspect(connection).get_table_names()) - {"taken"}
        kept = sorted(table for table in tables if not table.startswith("card_text"))
        return [(f"taken_{table}_{event}", table, event) for table in kept for event in ("INSERT", "UPDATE", "DELETE")]
