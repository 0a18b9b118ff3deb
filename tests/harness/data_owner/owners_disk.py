"""A disk that is full for a while under a Data Owner's store, from any of its writes on."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from fedtrain.data_owner.store import tables
from fedtrain.data_owner.store.sql import OwnerStore
from fedtrain.spec.problems import Code, Problem

Rows = dict[str, list[tuple[Any, ...]]]

FULL = "The store cannot be used now: the disk is full."
#: How a write transaction begins.
BEGIN = "BEGIN IMMEDIATE"
#: What each write takes besides: more than any transaction frees before, so that without room none gets through.
TAKEN_BYTES = 1 << 16


class OwnersDisk:
    """Has no room from the first statement that `at` picks, until there is room again: SQLite's own limit and error.

    Room within the last page, or what a row left, would let a small write through, so each takes pages of its own.
    """

    def __init__(
        self, path: Path, at: Callable[[str, Any], bool], *stores: OwnerStore, for_one_write: bool = False
    ) -> None:
        """`for_one_write`: there is room again for the write transaction that comes next."""
        self._path = path
        self._at = at
        self._for_one_write = for_one_write
        self._full = False
        self._is_over = False
        #: What the store held when the disk was full first.
        self.rows_when_full: Rows | None = None
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("CREATE TABLE taken (content BLOB)")
            for table in tables.metadata.tables:
                for what in ("INSERT", "UPDATE", "DELETE"):
                    takes = f"INSERT INTO taken VALUES (zeroblob({TAKEN_BYTES}))"  # noqa: S608
                    connection.execute(f"CREATE TRIGGER {table}_{what} AFTER {what} ON {table} BEGIN {takes}; END")
            connection.commit()
        for store in stores:
            self.under(store)

    def under(self, store: OwnerStore) -> None:
        sa.event.listen(store.engine, "before_cursor_execute", self._limit)

    def _limit(self, _connection: Any, cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        if self._full and self._for_one_write and statement == BEGIN:
            self.make_room()
        if not self._full and not self._is_over and self._at(statement, parameters):
            self.rows_when_full = self.rows()
            self._full = True
        pages = 1 if self._full else 1 << 30  # no fewer than there are: SQLite takes the larger number
        cursor.execute(f"PRAGMA max_page_count = {pages}")

    def rows(self) -> Rows:
        """Every row that is kept, of every table of the owner's."""
        with closing(sqlite3.connect(self._path)) as connection:
            return {
                name: connection.execute(f"SELECT * FROM {name}").fetchall()  # noqa: S608
                for name in tables.metadata.tables
            }

    def make_room(self) -> None:
        self._full, self._is_over = False, True


def at_once(_statement: str, _values: Any) -> bool:
    return True


def nth(number: int, words: str, value: object = None) -> Callable[[str, Any], bool]:
    """At the nth statement with these words, and this value where one is given."""
    met = 0

    def at(statement: str, values: Any) -> bool:
        nonlocal met
        met += words in statement and (value is None or value in values)
        return met == number

    return at


def refused_for_want_of_room(disk: OwnersDisk, do: Callable[[], object]) -> None:
    with pytest.raises(Problem) as caught:
        do()
    assert (caught.value.code, caught.value.detail) == (Code.STORE_UNAVAILABLE, FULL)
    assert disk.rows() == disk.rows_when_full, "a write that failed left something"
