"""Parquet files, read by pages, in batches of no more memory than their headers account for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet

from fedtrain.tabular.reading.dialect import MOST_COLUMNS, refuse_too_many_columns
from fedtrain.tabular.reading.parquet_pages import PAGES_BYTES, check_footer, check_row_group, pages_of
from fedtrain.tabular.reading.thrift import too_much

BUFFER_BYTES: Final = 1 << 18
#: What the values of a batch come to at most, in bytes: a text of a dictionary is as long in each row that has it.
BATCH_BYTES: Final = 16 << 20
#: What a column's values come to at most in all: so much, so much more a row, and so much for each byte of the file.
COLUMN_BYTES: Final = 256 << 20
COLUMN_ROW_BYTES: Final = 1 << 10
COLUMN_RATIO: Final = 100


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
    check_footer(path)
    with _opened(path) as file:
        names = tuple(file.schema_arrow.names)
        refuse_too_many_columns(path, len(names))
        with path.open("rb") as content:
            for group in range(file.metadata.num_row_groups):
                check_row_group(path, content, file.metadata, group)
    return names


def _opened(path: Path) -> Any:
    try:
        return _open(path)
    except OSError as error:
        if "size limit" in str(error):  # Thrift's word for a list that is too long
            raise too_much(path, f"has more than {MOST_COLUMNS:,} columns or row groups") from None
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
                raise too_much(path, f"column {batch.schema.names[index]!r} unpacks to many times the file's size")
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
                    raise too_much(path, f"the lists of column {value.name!r} unpack to many times its size")
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
    pages = pages_of(path, content, chunk)
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
