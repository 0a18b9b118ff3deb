"""A disk that is full for a while, under an SQLite store."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa

from fedtrain.service.store.database import read, write
from fedtrain.spec.problems import Problem


class SqliteDisk:
    """Takes the room away from an SQLite store, and gives it back: SQLite's own limit, and its own error.

    `another_row`: a statement that adds a few bytes to the table whose rows are to find no room. Its last page has room
    when the file has none, and so has what other rows leave behind: such rows take all of that first.
    """

    def __init__(self, engine: sa.Engine, another_row: Callable[[], sa.Insert]) -> None:
        self._engine = engine
        self._another_row = another_row
        self._full = False
        sa.event.listen(engine, "begin", self._limit)

    def _limit(self, connection: Any) -> None:
        pages = 1 if self._full else 1 << 30  # no fewer than there are: SQLite takes the larger number
        connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")

    def fill(self) -> None:
        """To the last page, and within it to the last few bytes."""
        # A page each, and a few beforehand: the first ones need a page for the tree above them as well.
        a_page = sa.text("INSERT INTO room VALUES (zeroblob(3000))")
        with write(self._engine) as connection:
            connection.execute(sa.text("CREATE TABLE IF NOT EXISTS room (bytes)"))
            for _ in range(4):
                connection.execute(a_page)
        self._full = True
        self._until_full(self._another_row)
        # A row that needed two pages leaves one behind, which were room for something else.
        self._until_full(lambda: a_page)
        with read(self._engine) as connection:
            assert connection.exec_driver_sql("PRAGMA freelist_count").scalar() == 0

    def _until_full(self, statement: Callable[[], sa.Executable]) -> None:
        with pytest.raises(Problem, match="the disk is full"):
            while True:
                with write(self._engine) as connection:
                    connection.execute(statement())

    def make_room(self) -> None:
        self._full = False
