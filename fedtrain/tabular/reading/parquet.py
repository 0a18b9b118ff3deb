"""Parquet files, read by pages; and what their headers say of memory, before any of it is taken.

A footer of 3 bytes a column chunk comes to hundreds of times its size once it is parsed, and a page to whatever its
header says: both are walked here, in Thrift's compact protocol, without building anything.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet

from fedtrain.tabular.errors import UnreadableTable
from fedtrain.tabular.reading.dialect import MOST_COLUMNS, refuse_too_many_columns

MAGIC: Final = b"PAR1"
BUFFER_BYTES: Final = 1 << 18
MOST_FOOTER_BYTES: Final = 32 << 20
#: Structures of a footer; pyarrow takes up to 0.8 kB for one of the outer ones, such as a column chunk.
MOST_STRUCTS: Final = 1_000_000
MOST_OUTER_STRUCTS: Final = 200_000
_FEW_STRUCTS: Final = 100_000
_OUTER_DEPTH: Final = 2
_MOST_DEPTH: Final = 16
#: What the pages that are open at once, one or two a column, may come to; and so much more for each byte of the file.
PAGES_BYTES: Final = 256 << 20
PAGES_RATIO: Final = 4
#: Values of lists in a column chunk, for each byte of it; a null in a list takes next to nothing in the file.
LIST_VALUES_FREE: Final = 1 << 20
LIST_VALUES_RATIO: Final = 64
#: What the values of a batch come to at most, in bytes: a text of a dictionary is as long in each row that has it.
BATCH_BYTES: Final = 16 << 20
#: What a column's values come to at most in all: so much, so much more a row, and so much for each byte of the file.
COLUMN_BYTES: Final = 256 << 20
COLUMN_ROW_BYTES: Final = 1 << 10
COLUMN_RATIO: Final = 100
#: Encodings of a page whose values are a dictionary's. Source: apache/parquet-format, Encodings.md.
_DICTIONARY_ENCODINGS: Final = (2, 8)
#: Each value begins as the one before it: one page can hold as many as it likes of nearly its own length.
_DELTA_BYTE_ARRAY: Final = 7
_HEADER_BYTES: Final = 1 << 10
_MOST_HEADER_BYTES: Final = 1 << 20


def _open(path: Path, read_dictionary: list[str] | None = None) -> Any:
    """Open a file that is no bomb, as a pyarrow ParquetFile. Raises ArrowException, OSError."""
    # Without pre-buffering, memory is bounded by pages; with it, by row groups (77 MB against 316 MB measured
    # at 10^6 rows of 30 columns in one row group), which other programs write as large as they like.
    return pa.parquet.ParquetFile(
        str(path),
        buffer_size=BUFFER_BYTES,
        pre_buffer=False,
        read_dictionary=read_dictionary,
        page_checksum_verification=True,
        # A list is made as long as it says before an element of it is read. A schema has one more than columns.
        thrift_container_size_limit=MOST_COLUMNS + 1,
    )


def parquet_names(path: Path) -> tuple[str, ...]:
    """Names of the columns, after a look at every page's header.

    Raises UnreadableTable for a bomb, ArrowException and OSError for a damaged file.
    """
    _check_footer(path)
    with _opened(path) as file:
        names = tuple(file.schema_arrow.names)
        refuse_too_many_columns(path, len(names))
        with path.open("rb") as content:
            for group in range(file.metadata.num_row_groups):
                _check_row_group(path, content, file.metadata, group)
    return names


def _opened(path: Path) -> Any:
    try:
        return _open(path)
    except OSError as error:
        if "size limit" in str(error):  # Thrift's word for a list that is too long
            raise _too_much(path, f"has more than {MOST_COLUMNS:,} columns or row groups") from None
        raise


def parquet_batches(
    path: Path, positions: tuple[int, ...], batch_rows: int, groups: Sequence[int] | None = None
) -> Iterator[Any]:
    """Record batches of these columns, of a file that `parquet_names` has let pass. `groups`: row groups, None for all.

    Raises UnreadableTable for a column that comes to more than the file accounts for, ArrowException, OSError.
    """
    size = path.stat().st_size
    with _open(path) as file:
        names = list(file.schema_arrow.names)
        asked = [names[position] for position in positions]
        # A name may occur twice, and a file's columns are asked for by name: which of its namesakes each one is.
        namesakes = [names[:position].count(names[position]) for position in positions]
        groups = range(file.metadata.num_row_groups) if groups is None else groups
        rows_at_once = _rows_at_once(path, file, set(asked), batch_rows, groups)
        read = file.iter_batches(
            rows_at_once, row_groups=list(groups), columns=list(dict.fromkeys(asked)), use_threads=False
        )
        for batch in _regrouped(_accounted(path, size, read), batch_rows):
            found = [[i for i, other in enumerate(batch.schema.names) if other == name] for name in asked]
            yield batch.select([places[which] for places, which in zip(found, namesakes, strict=True)])


def _accounted(path: Path, size: int, batches: Iterator[Any]) -> Iterator[Any]:
    """Pass batches on, decoded.

    Raises UnreadableTable where a column comes to more than a file of `size` bytes accounts for.
    """
    rows = 0
    totals: dict[int, int] = {}
    for encoded in batches:
        batch = _decoded(encoded)
        rows += batch.num_rows
        for index, column in enumerate(batch.columns):
            totals[index] = totals.get(index, 0) + column.nbytes
            if totals[index] > COLUMN_BYTES + COLUMN_ROW_BYTES * rows + COLUMN_RATIO * size:
                raise _too_much(path, f"column {batch.schema.names[index]!r} unpacks to many times the file's size")
        yield batch


def _decoded(batch: Any) -> Any:
    """A batch with values in place of a dictionary's indices, which joined would come to more than they seem to."""
    if not any(pa.types.is_dictionary(kind) for kind in batch.schema.types):
        return batch
    arrays = [array.dictionary_decode() if pa.types.is_dictionary(array.type) else array for array in batch.columns]
    return pa.RecordBatch.from_arrays(arrays, names=batch.schema.names)


def _regrouped(batches: Iterator[Any], batch_rows: int) -> Iterator[Any]:
    """Join small batches, to at most `batch_rows` rows and no more than one beyond BATCH_BYTES."""
    waiting: list[Any] = []
    rows = size = 0
    for batch in batches:
        if waiting and (rows + batch.num_rows > batch_rows or size + batch.nbytes > BATCH_BYTES):
            yield _joined(waiting)
            waiting, rows, size = [], 0, 0
        waiting.append(batch)
        rows, size = rows + batch.num_rows, size + batch.nbytes
    if waiting:
        yield _joined(waiting)


def _joined(batches: list[Any]) -> Any:
    return batches[0] if len(batches) == 1 else pa.concat_batches(batches)


def _rows_at_once(path: Path, file: Any, asked: set[str], batch_rows: int, groups: Sequence[int]) -> int:
    """Rows that come to no more than BATCH_BYTES with the longest value in each, at least 1 and at most `batch_rows`.

    Raises UnreadableTable for lists of which a single row may come to more.
    """
    metadata, names, fewest = file.metadata, file.schema_arrow.names, batch_rows
    flat = metadata.num_columns == len(names)  # a leaf for each column, in their order
    leaves = [leaf for leaf in range(metadata.num_columns) if not flat or names[leaf] in asked]
    with path.open("rb") as content:
        for group in groups:
            row_bytes = 0
            for leaf in leaves:
                value = _longest(path, content, metadata, group, leaf, batch_rows)
                row_bytes += value.longest
                if value.is_list and value.longest * value.values > BATCH_BYTES + PAGES_BYTES:
                    raise _too_much(path, f"the lists of column {value.name!r} unpack to many times its size")
            if row_bytes:
                fewest = min(fewest, BATCH_BYTES // row_bytes)
    return max(fewest, 1)


@dataclass(frozen=True)
class _Values:
    """Values of a column chunk. `longest`: bytes of the longest that takes less than that in the file, 0 for few."""

    name: str
    longest: int
    values: int
    is_list: bool


def _longest(path: Path, content: BinaryIO, metadata: Any, group: int, leaf: int, batch_rows: int) -> _Values:
    column, chunk = metadata.schema.column(leaf), metadata.row_group(group).column(leaf)
    is_list = column.max_repetition_level > 0
    fixed, texts = column.physical_type == "FIXED_LEN_BYTE_ARRAY", column.physical_type == "BYTE_ARRAY"
    if not fixed and not texts:
        return _Values(column.path, 0, chunk.num_values, is_list)
    pages = _pages(path, content, chunk)
    values = pages.values if is_list else batch_rows
    longest = column.length if fixed else pages.dictionary
    if texts and longest * values > BATCH_BYTES and pages.begins_with_dictionary:
        longest = _longest_of_dictionary(path, column.path, group, longest)
    elif not texts:
        return _Values(column.path, longest, pages.values, is_list)
    longest = max(longest, pages.values_alike)
    if not is_list:  # of lists, all that is in the pages is held as it is
        longest = max(longest, pages.value_bytes)
    return _Values(column.path, longest, pages.values, is_list)


def _longest_of_dictionary(path: Path, leaf: str, group: int, at_most: int) -> int:
    """Bytes of the longest value in a chunk's dictionary, which its first row is read with."""
    with _open(path, read_dictionary=[leaf]) as file:
        batch = next(file.iter_batches(1, row_groups=[group], columns=[leaf], use_threads=False), None)
    array = None if batch is None or batch.num_columns != 1 else batch.column(0)
    while array is not None and not pa.types.is_dictionary(array.type):
        if pa.types.is_struct(array.type):
            array = array.field(0)
        elif pa.types.is_list(array.type) or pa.types.is_large_list(array.type):
            array = array.values
        else:
            return at_most
    longest = None if array is None else pc.max(pc.binary_length(array.dictionary)).as_py()
    return at_most if longest is None else int(longest)


def _check_footer(path: Path) -> None:
    with path.open("rb") as content:
        size = content.seek(0, 2)
        content.seek(max(size - 8, 0))
        length, magic = int.from_bytes(content.read(4), "little"), content.read(4)
        if magic != MAGIC or length > size - 8:
            return  # pyarrow says what is wrong with it
        if length > MOST_FOOTER_BYTES:
            raise _too_much(path, f"its footer has more than {MOST_FOOTER_BYTES >> 20} MB")
        content.seek(size - 8 - length)
        footer = content.read(length)
    if footer.count(0) > _FEW_STRUCTS:  # each ends with a zero byte
        _Compact(path, footer).skip_footer()


def _check_row_group(path: Path, content: BinaryIO, metadata: Any, group: int) -> None:
    """Raise UnreadableTable where the pages of a row group come to more memory than the file accounts for."""
    size = content.seek(0, 2)
    open_at_once = 0
    columns = metadata.row_group(group)
    for index in range(metadata.num_columns):
        chunk = columns.column(index)
        pages = _pages(path, content, chunk)
        open_at_once += pages.dictionary + pages.largest
        if open_at_once > PAGES_BYTES + PAGES_RATIO * size:
            raise _too_much(path, "its pages unpack to many times its size")
        is_list = metadata.schema.column(index).max_repetition_level > 0
        if is_list and pages.values > LIST_VALUES_FREE + LIST_VALUES_RATIO * min(chunk.total_compressed_size, size):
            raise _too_much(path, "its lists unpack to many times its size")


@dataclass
class _Pages:
    """Pages of a column chunk: bytes of the largest dictionary and the largest other page, unpacked; all values.

    `value_bytes`: bytes a value takes in the page where it takes most. `values_alike`: bytes of the largest page whose
    values begin like one another. `begins_with_dictionary`: the first page's values are a dictionary's.
    """

    dictionary: int = 0
    largest: int = 0
    values: int = 0
    value_bytes: int = 0
    values_alike: int = 0
    begins_with_dictionary: bool | None = None


def _pages(path: Path, content: BinaryIO, chunk: Any) -> _Pages:
    start, dictionary = chunk.data_page_offset, chunk.dictionary_page_offset
    place = dictionary if chunk.has_dictionary_page and dictionary and dictionary < start else start
    end = place + chunk.total_compressed_size
    pages = _Pages()
    while place < end and pages.values < chunk.num_values:
        header, length = _page_header(path, content, place)
        unpacked, packed = header.get((2, 0), -1), header.get((3, 0), -1)
        if unpacked < 0 or packed < 0:
            raise _damaged(path)
        if (7, 0) in header:
            pages.dictionary = max(pages.dictionary, unpacked)
        else:
            values = max(header.get((5, 1), 0), header.get((8, 1), 0))
            encodings = {header.get((5, 2)), header.get((8, 4))}
            pages.largest = max(pages.largest, unpacked)
            pages.values += values
            pages.value_bytes = max(pages.value_bytes, -(-unpacked // max(values, 1)))
            if _DELTA_BYTE_ARRAY in encodings:
                pages.values_alike = max(pages.values_alike, unpacked)
            if pages.begins_with_dictionary is None:
                pages.begins_with_dictionary = not encodings.isdisjoint(_DICTIONARY_ENCODINGS)
        place += length + packed
    return pages


def _page_header(path: Path, content: BinaryIO, place: int) -> tuple[dict[tuple[int, int], int], int]:
    """Whole numbers of a page's header by field and field within it, as `_Compact.numbers`; and its length in bytes."""
    room = _HEADER_BYTES
    while True:
        content.seek(place)
        head = content.read(room)
        walk = _Compact(path, head)
        try:
            return walk.numbers(), walk.place
        except IndexError:
            if len(head) < room or room >= _MOST_HEADER_BYTES:
                raise _damaged(path) from None
            room *= 16


def _too_much(path: Path, why: str) -> UnreadableTable:
    advice = "write it again with fewer columns, or with row groups and pages as pyarrow makes them"
    return UnreadableTable("unreadable-file", f"{path}: {why}; {advice}")


def _damaged(path: Path) -> UnreadableTable:
    return UnreadableTable("unreadable-file", f"{path}: is damaged, or no Parquet file")


class _Compact:
    """A walk over Thrift's compact protocol. Source: apache/thrift, doc/specs/thrift-compact-protocol.md."""

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
            raise _damaged(self._path) from None

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
            raise _too_much(self._path, "it has too many columns times row groups")
        if depth > _MOST_DEPTH:
            raise _damaged(self._path)
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
            raise _damaged(self._path)

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
                raise _damaged(self._path)

    def _signed(self) -> int:
        number = self._unsigned()
        return (number >> 1) ^ -(number & 1)


_NUMBERS: Final = (4, 5, 6)
_BINARY: Final = 8
_LISTS: Final = (9, 10)
_STRUCT: Final = 12
#: Bytes of what has a fixed size: true and false, which are in the field's head, a byte, a double, a UUID.
_SIZES: Final = {1: 0, 2: 0, 3: 1, 7: 8, 13: 16}
