"""A disk that is full for a while, under an SQLite store."""

from __future__ import annotations

import itertools
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
        self._numbers = itertools.count()
        sa.event.listen(engine, "begin", self._limit)

    def _limit(self, connection: Any) -> None:
        pages = 1 if self._full else 1 << 30  # no fewer than there are: SQLite takes the larger number
        connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")

    def fill(self) -> None:
        """To the last page, and within it to the last few bytes."""
        self._full = True
        self._until_full(self._another_row)
        # A row that needed two pages leaves one behind, which were room for something else. An empty table takes one.
        self._until_full(lambda: sa.text(f"CREATE TABLE room_{next(self._numbers)} (byte)"))
        with read(self._engine) as connection:
            assert connection.exec_driver_sql("PRAGMA freelist_count").scalar() == 0

    def _until_full(self, statement: Callable[[], sa.Executable]) -> None:
        with pytest.raises(Problem, match="the disk is full"):
            while True:
                with write(self._engine) as connection:
                    connection.execute(statement())

    def make_room(self) -> None:
        self._full = False
