"""A walk over Thrift's compact protocol, in which a Parquet file's footer and page headers are, building nothing.

Source: apache/thrift, doc/specs/thrift-compact-protocol.md.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from fedtrain.tabular.errors import UnreadableTable

#: Structures of a footer; pyarrow takes up to 0.8 kB for one of the outer ones, such as a column chunk.
MOST_STRUCTS: Final = 1_000_000
MOST_OUTER_STRUCTS: Final = 200_000
_OUTER_DEPTH: Final = 2
_MOST_DEPTH: Final = 16


def too_much(path: Path, why: str) -> UnreadableTable:
    """Return what says that a file would take more memory than it may."""
    advice = "write it again with fewer columns, or with row groups and pages as pyarrow makes them"
    return UnreadableTable("unreadable-file", f"{path}: {why}; {advice}")


def damaged(path: Path) -> UnreadableTable:
    """Return what says that a file cannot be read."""
    return UnreadableTable("unreadable-file", f"{path}: is damaged, or no Parquet file")


class ThriftWalk:
    """One walk; `place` is how far it has come, in bytes."""

    def __init__(self, path: Path, content: bytes) -> None:
        self.place = 0
        self._path = path
        self._content = content
        self._structs = 0
        self._outer = 0

    def skip_footer(self) -> None:
        """Go past a footer. Raises UnreadableTable where it is damaged, or more than a footer may have."""
        try:
            self._skip_struct(0)
        except IndexError:
            raise damaged(self._path) from None

    def numbers(self) -> dict[tuple[int, int], int]:
        """Whole numbers of a structure by (field, 0), and of those within it by (field, field within).

        A structure within it counts as 1 at (field, 0). Raises IndexError where it does not end.
        """
        found: dict[tuple[int, int], int] = {}
        for field, kind in self._fields():
            if kind in _NUMBERS:
                found[field, 0] = self._signed()
            elif kind == _STRUCT:
                found[field, 0] = 1
                for inner, inner_kind in self._fields():
                    if inner_kind in _NUMBERS:
                        found[field, inner] = self._signed()
                    else:
                        self._skip(inner_kind, _OUTER_DEPTH)
            else:
                self._skip(kind, _OUTER_DEPTH)
        return found

    def _skip_struct(self, depth: int) -> None:
        self._structs += 1
        self._outer += depth <= _OUTER_DEPTH
        if self._structs > MOST_STRUCTS or self._outer > MOST_OUTER_STRUCTS:
            raise too_much(self._path, "it has too many columns times row groups")
        if depth > _MOST_DEPTH:
            raise damaged(self._path)
        for _, kind in self._fields():
            self._skip(kind, depth + 1)

    def _fields(self) -> Iterator[tuple[int, int]]:
        """Yield each field's number and kind; who asks goes past its value."""
        field = 0
        while head := self._byte():
            field = field + (head >> 4) if head >> 4 else self._signed()
            yield field, head & 15

    def _skip(self, kind: int, depth: int) -> None:
        if kind in _NUMBERS:
            self._unsigned()
        elif kind == _BINARY:
            size = self._unsigned()
            self.place += size
        elif kind in _LISTS:
            self._skip_list(depth)
        elif kind == _STRUCT:
            self._skip_struct(depth)
        elif kind in _SIZES:
            self.place += _SIZES[kind]
        else:  # maps, which Parquet has none of
            raise damaged(self._path)

    def _skip_list(self, depth: int) -> None:
        head = self._byte()
        size, kind = head >> 4, head & 15
        if size == 15:
            size = self._unsigned()
        for _ in range(size):
            if kind in (1, 2):
                self._byte()
            else:
                self._skip(kind, depth)

    def _byte(self) -> int:
        byte = self._content[self.place]
        self.place += 1
        return byte

    def _unsigned(self) -> int:
        number = shift = 0
        while True:
            byte = self._byte()
            number |= (byte & 127) << shift
            if byte < 128:
                return number
            shift += 7
            if shift > 63:
                raise damaged(self._path)

    def _signed(self) -> int:
        number = self._unsigned()
        return (number >> 1) ^ -(number & 1)


_NUMBERS: Final = (4, 5, 6)
_BINARY: Final = 8
_LISTS: Final = (9, 10)
_STRUCT: Final = 12
#: Bytes of what has a fixed size: true and false, which are in the field's head, a byte, a double, a UUID.
_SIZES: Final = {1: 0, 2: 0, 3: 1, 7: 8, 13: 16}
