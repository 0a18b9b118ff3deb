"""Rows of a query's result, written as a table: read once, in bounded memory, and typed by all of their values."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final

import pyarrow as pa

from fedtrain.data_owner.queries.cells import array_of, as_floats, joined_type
from fedtrain.spec.problems import Code, Problem
from fedtrain.tabular.writing import write_table

_CHUNK_ROWS: Final = 16_384
#: Of a wide result fewer rows are held: each value is an object of its own until it is typed.
_CHUNK_CELLS: Final = 1 << 19
_CHUNK_BYTES: Final = 16 << 20
#: Bytes of a row's texts and bytes at most, as of a record of a CSV file.
MOST_ROW_BYTES: Final = 4 << 20

Row = Sequence[object]


@dataclass(frozen=True)
class Result:
    """A table as it was written; `path` ends in its SHA-256."""

    path: Path
    rows: int

    @property
    def version(self) -> str:
        """SHA-256 of the file, in hex."""
        return self.path.stem


def write_result(names: Sequence[str], rows: Iterator[Row], folder: Path, most_bytes: int) -> Result:
    """Write rows as a Parquet file in `folder`, and return where it is.

    A column's type is known after its last value alone: until then rows lie in a file without a name.

    Raises Problem(QUERY_FAILED) for names that occur twice, no column, no rows, more than `most_bytes`, and as
    `fedtrain.data_owner.queries.cells.array_of`; OSError; and what `rows` raises.
    """
    _check_names(names)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    with tempfile.TemporaryFile(dir=folder) as spool:
        types, count = _spooled(names, rows, spool, most_bytes)
        schema = pa.schema(list(zip(names, types, strict=True)))
        return Result(write_table(folder, schema, _typed(spool, schema)), count)


def _check_names(names: Sequence[str]) -> None:
    if not names:
        raise Problem(Code.QUERY_FAILED, "The query gives no column: name those that it is to give after SELECT.")
    twice = [name for name, times in Counter(names).items() if times > 1]
    if twice:
        raise Problem(Code.QUERY_FAILED, f"Two columns go by the name {twice[0]!r}: give one another name, with AS.")
    if "" in names:
        raise Problem(Code.QUERY_FAILED, f"Column {names.index('') + 1} has no name: give it one, with AS.")


def _spooled(names: Sequence[str], rows: Iterator[Row], spool: IO[bytes], most_bytes: int) -> tuple[list[Any], int]:
    """Write the rows to `spool`, a stream of their own for each chunk; return the columns' types, and their number."""
    types, count = [pa.null()] * len(names), 0
    for chunk in _chunks(rows, min(_CHUNK_ROWS, max(1, _CHUNK_CELLS // len(names)))):
        first_row = count + 1
        columns = zip(*chunk, strict=True)
        arrays = [array_of(name, column, first_row) for name, column in zip(names, columns, strict=True)]
        types = [
            joined_type(name, before, array, first_row)
            for name, before, array in zip(names, types, arrays, strict=True)
        ]
        batch = pa.RecordBatch.from_arrays(arrays, names=list(names))
        with pa.ipc.new_stream(spool, batch.schema) as writer:
            writer.write_batch(batch)
        count += len(chunk)
        if spool.tell() > most_bytes:
            raise Problem(
                Code.QUERY_FAILED,
                f"The first {count:,} rows come to more than the {most_bytes:,} bytes that a table may have here "
                "(upload_limit_bytes): ask for fewer rows or columns.",
            )
    if count == 0:
        raise Problem(Code.QUERY_FAILED, "The query gives no rows: there is no table without any.")
    return types, count


def _chunks(rows: Iterator[Row], most: int) -> Iterator[list[Row]]:
    chunk: list[Row] = []
    size = 0
    for number, row in enumerate(rows, 1):
        row_bytes = sum(len(value) for value in row if isinstance(value, str | bytes))
        if row_bytes > MOST_ROW_BYTES:
            raise Problem(
                Code.QUERY_FAILED,
                f"Row {number:,} has {row_bytes:,} bytes of text or binary values, and {MOST_ROW_BYTES:,} is the most.",
            )
        chunk.append(row)
        size += row_bytes
        if len(chunk) == most or size >= _CHUNK_BYTES:
            yield chunk
            chunk, size = [], 0
    if chunk:
        yield chunk


def _typed(spool: IO[bytes], schema: Any) -> Iterator[Any]:
    """Read the chunks back, of the types that their columns have in the end."""
    end, first_row = spool.tell(), 1
    spool.seek(0)
    while spool.tell() < end:
        with pa.ipc.open_stream(spool) as stream:
            for batch in stream:
                arrays = [
                    as_floats(field.name, array.to_pylist(), first_row)
                    if pa.types.is_integer(array.type) and pa.types.is_floating(field.type)
                    else array.cast(field.type)
                    for array, field in zip(batch.columns, schema, strict=True)
                ]
                yield pa.RecordBatch.from_arrays(arrays, schema=schema)
                first_row += batch.num_rows
