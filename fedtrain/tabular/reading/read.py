"""Tables as people have them, streamed in batches: CSV of any common dialect, and Parquet.

Memory is bounded by a block of the file, whatever its size, and only the columns asked for are read.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final, TypeGuard

import pyarrow as pa
import pyarrow.csv

from fedtrain.spec.model_spec import (
    ARRAYS,
    Column,
    DataProps,
    DecimalMark,
    Feature,
    FeatureType,
    ThousandsMark,
    plain_text,
)
from fedtrain.tabular.arrays.images import files_of, most_bytes
from fedtrain.tabular.errors import ColumnMismatch, UnreadableTable
from fedtrain.tabular.mapping.apply import lined_up, replaced
from fedtrain.tabular.mapping.file import ColumnMapping
from fedtrain.tabular.mapping.file import Mapping as MappingFile
from fedtrain.tabular.reading.convert import trimmed_text
from fedtrain.tabular.reading.dialect import Dialect, sniff
from fedtrain.tabular.reading.marks import NumberMarks
from fedtrain.tabular.reading.parquet import parquet_batches, parquet_names
from fedtrain.tabular.reading.parquet_pages import MAGIC
from fedtrain.tabular.reading.row_groups import RowGroup
from fedtrain.tabular.reading.source import Utf8Blocks, open_bytes

BATCH_ROWS: Final = 8192
BLOCK_BYTES: Final = 4 << 20
MOST_BATCH_BYTES: Final = 256 << 20
#: It is a matter of one block; who waits in vain has at worst a process that is aborted as it ends.
_LET_GO_WITHIN_S: Final = 10.0


@dataclass(frozen=True)
class TableBatch:
    """Consecutive records. `arrays` are pyarrow arrays, in the order of the columns asked for, as the file has them.

    `first_row` is the number of the first record, from 1, the header not counted. `marks`: of each array's numbers,
    where it holds texts; without them a decimal point and nothing else. `counted`: (rows,) bool, the records that
    may be used, where whoever read them left some out; None for all.
    """

    arrays: tuple[Any, ...]
    rows: int
    first_row: int
    marks: tuple[NumberMarks, ...] = ()
    counted: Any = None

    @property
    def cells(self) -> tuple[tuple[Any, NumberMarks], ...]:
        """Each array and its marks."""
        marks = self.marks or tuple(NumberMarks(".", "") for _ in self.arrays)
        return tuple(zip(self.arrays, marks, strict=True))


@dataclass(frozen=True)
class Table:
    """A table on disk. `columns` are its column names in order, or "column 0", "column 1", … without a header.

    `decimal`, `thousands`: the marks declared for its numbers, as in DataProps. `rules`: an owner's mapping, by
    position; `columns` are then the dictionary's names.
    """

    path: Path
    columns: tuple[str, ...]
    dialect: Dialect | None
    header: bool
    decimal: DecimalMark | None = None
    thousands: ThousandsMark | None = None
    rules: Mapping[int, ColumnMapping] = field(default_factory=dict)

    def resolve(self, column: Column) -> int:
        """Position of a declared column. Raises ColumnMismatch."""
        if column.col_idx is not None:
            if column.col_idx >= len(self.columns):
                message = f"col_idx {column.col_idx}: the table has {len(self.columns)} columns, counted from 0"
                raise ColumnMismatch("column-not-in-file", f"{self.path}: {message}", column=column.label)
            return column.col_idx
        name = plain_text(column.name or "")
        found = [index for index, other in enumerate(self.columns) if other == name]
        if len(found) > 1:
            message = f"{self.path}: column {name!r} occurs {len(found)} times; give col_idx, one of {found}"
            raise ColumnMismatch("column-ambiguous", message, column=column.label)
        if not found:
            near = difflib.get_close_matches(name, self.columns, n=3) or list(self.columns[:20])
            message = f"{self.path}: there is no column {name!r}; there is {', '.join(map(repr, near))}"
            raise ColumnMismatch("column-not-in-file", message, column=column.label)
        return found[0]

    def positions(self, columns: Sequence[Column]) -> tuple[int, ...]:
        """Positions of declared columns, all different. Raises ColumnMismatch."""
        positions: dict[int, Column] = {}
        for column in columns:
            position = self.resolve(column)
            if position in positions:
                other = positions[position].label
                message = f"{self.path}: {other} and {column.label} are the same column; declare it once"
                raise ColumnMismatch("column-used-twice", message, column=column.label)
            positions[position] = column
        return tuple(positions)

    def batches(
        self, columns: Sequence[Column], batch_rows: int | None = None, groups: Sequence[RowGroup] | None = None
    ) -> Iterator[TableBatch]:
        """Stream the given columns in batches of at most `batch_rows` records.

        By default BATCH_ROWS of them, and fewer where a record has large arrays. Paths of images come as the bytes of
        the files. `groups`: these row groups of a Parquet file alone, which follow each other. Raises ColumnMismatch at
        once, and UnreadableTable where the file turns out damaged.
        """
        if batch_rows is None:
            batch_rows = _rows_of(columns)
        if batch_rows < 1:
            raise ValueError(f"batch_rows {batch_rows}: at least 1 is needed")
        positions = self.positions(columns)
        marks = tuple(self._marks(position, column.range) for position, column in zip(positions, columns, strict=True))
        first_row = groups[0].first_row if groups else 1
        batches = _sliced(self._read(positions, batch_rows, groups), batch_rows, marks, first_row)
        rules = [self.rules.get(position) for position in positions]
        batches = _mapped(batches, rules) if any(rules) else batches
        return self._with_images(batches, columns) if any(map(_is_image, columns)) else batches

    def _marks(self, position: int, declared_range: tuple[float, float] | None) -> NumberMarks:
        rule = self.rules.get(position)
        if rule is None:
            return NumberMarks(self.decimal, self.thousands, self._texts(position), declared_range)
        if rule.date is not None:
            return NumberMarks(".", "")
        factor, offset = (1.0 if rule.factor is None else rule.factor), rule.offset or 0.0
        if declared_range is not None:
            low, high = sorted((end - offset) / factor for end in declared_range)
            declared_range = (low, high)
        own = (rule.decimal, rule.thousands)
        marks = own if any(own) else (self.decimal, self.thousands)
        return NumberMarks(*marks, self._texts(position), declared_range, factor=factor, offset=offset)

    def _with_images(self, batches: Iterator[TableBatch], columns: Sequence[Column]) -> Iterator[TableBatch]:
        for batch in batches:
            arrays = (
                files_of(array.cast("string"), column, self.path.parent, batch.first_row)
                if _is_image(column) and _holds_texts(array.type)
                else array
                for column, array in zip(columns, batch.arrays, strict=True)
            )
            yield replace(batch, arrays=tuple(arrays))

    def _read(
        self, positions: tuple[int, ...], batch_rows: int, groups: Sequence[RowGroup] | None = None
    ) -> Iterator[Any]:
        """Record batches of these columns."""
        if self.dialect is None:
            numbers = None if groups is None else [group.number for group in groups]
            return _parquet_batches(self.path, positions, batch_rows, numbers)
        return iter(()) if self.dialect.names_alone else _csv_batches(self, self.dialect, positions)

    def _texts(self, position: int) -> Callable[[], Iterator[Any]]:
        """A way to read one column's texts from the table's start."""

        rule = self.rules.get(position)

        def read() -> Iterator[Any]:
            for batch in self._read((position,), BATCH_ROWS):
                values = batch.column(0)
                yield trimmed_text((values if rule is None else replaced(values, rule)).cast("string"))

        return read


def _is_image(column: Column) -> TypeGuard[Feature]:
    return isinstance(column, Feature) and column.type is FeatureType.IMAGE


def _holds_texts(kind: Any) -> bool:
    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _rows_of(columns: Sequence[Column]) -> int:
    """Records of a batch whose arrays, and images' files, take no more memory than MOST_BATCH_BYTES."""
    arrays = [column for column in columns if isinstance(column, Feature) and column.type in ARRAYS]
    row_bytes = sum(most_bytes(column) if _is_image(column) else 8 * column.width for column in arrays)
    return max(1, min(BATCH_ROWS, MOST_BATCH_BYTES // max(row_bytes, 1)))


def open_declared_table(path: str | Path, props: DataProps, mapping: MappingFile | None = None) -> Table:
    """Open a table as a schema or a spec declares it, and its owner's mapping. Raises as `open_mapped_table`."""
    return open_mapped_table(path, mapping, props.header, props.decimal, props.thousands)


def open_mapped_table(
    path: str | Path,
    mapping: MappingFile | None,
    header: bool = True,
    decimal: DecimalMark | None = None,
    thousands: ThousandsMark | None = None,
) -> Table:
    """Open a table as `open_table` does, its columns named and their values made as a mapping says, if there is one.

    What the mapping says of the header and of marks counts in place of what is given. Raises UnreadableTable, and
    ColumnMismatch where the table lacks a column of the mapping.
    """
    if mapping is None:
        return open_table(path, header, decimal, thousands)
    if mapping.decimal is not None or mapping.thousands is not None:
        decimal, thousands = mapping.decimal, mapping.thousands
    table = open_table(path, header if mapping.header is None else mapping.header, decimal, thousands)
    columns = lined_up(mapping, table.columns, path)
    return replace(table, columns=columns.names, rules=columns.rules)


def open_table(
    path: str | Path,
    header: bool = True,
    decimal: DecimalMark | None = None,
    thousands: ThousandsMark | None = None,
) -> Table:
    """Open a table: Parquet by its first bytes, otherwise CSV; CSV also compressed by gzip, bzip2 or zstd.

    `header` says whether the first record of a CSV file names the columns; Parquet always has names. `decimal`,
    `thousands`: as in DataProps. Raises UnreadableTable.
    """
    path = Path(path)
    if path.is_dir():
        raise UnreadableTable("unreadable-file", f"{path}: is a folder; give one file")
    if path.exists() and not path.is_file():  # a pipe would be empty at the second reading
        raise UnreadableTable("unreadable-file", f"{path}: is a pipe or a device; save the table as a file")
    with open_bytes(path) as stream, _reading(path):
        magic = stream.read(len(MAGIC))
    if magic == MAGIC or path.suffix.lower() in (".parquet", ".pq"):
        with _reading(path):
            names = tuple(plain_text(name) for name in parquet_names(path))
        return Table(path, names, None, True, decimal, thousands)
    with _reading(path):
        dialect = sniff(path, header)
    names = dialect.names if header else tuple(f"column {index}" for index in range(len(dialect.names)))
    return Table(path, names, dialect, header, decimal, thousands)


@contextmanager
def _reading(path: Path, field_counts: list[tuple[int | None, int, int]] | None = None) -> Iterator[None]:
    """Turn what pyarrow raises on a damaged file into UnreadableTable."""
    try:
        yield
    except (pa.ArrowException, OSError, UnicodeError, EOFError) as error:
        if field_counts:
            row, expected, received = field_counts[0]
            where = f"record {row}: " if row is not None else ""
            message = f"{path}: {where}{received} fields, {expected} are expected"
            raise UnreadableTable("wrong-field-count", message, rows=None if row is None else (row,)) from None
        if "straddling object" in str(error):  # pyarrow's word for a record that fits in no block
            why = f"a record is longer than {BLOCK_BYTES >> 20} MB, as where a quote is never closed"
            raise UnreadableTable("unreadable-file", f"{path}: {why}") from None
        raise UnreadableTable("unreadable-file", f"{path}: cannot be read: {error}") from error


def _csv_batches(table: Table, dialect: Dialect, positions: tuple[int, ...]) -> Iterator[Any]:
    """Record batches of string columns. Numbers are converted later, so that errors can name the value."""
    names = [str(index) for index in range(len(table.columns))]
    asked = [names[position] for position in positions]
    field_counts: list[tuple[int | None, int, int]] = []

    def invalid(row: Any) -> str:
        number = None if row.number is None else row.number - int(table.header)
        field_counts.append((number, row.expected_columns, row.actual_columns))
        return "error"

    with _reading(table.path, field_counts), _utf8_blocks(table.path, dialect.encoding) as given:
        reader = pa.csv.open_csv(
            given.pop(),
            read_options=pa.csv.ReadOptions(
                # One thread numbers the rows, and leaves the other cores to the arithmetic.
                use_threads=False,
                block_size=BLOCK_BYTES,
                column_names=names,
                skip_rows_after_names=int(table.header),
            ),
            parse_options=pa.csv.ParseOptions(
                delimiter=dialect.delimiter, newlines_in_values=dialect.quoted, invalid_row_handler=invalid
            ),
            convert_options=pa.csv.ConvertOptions(
                include_columns=asked, column_types=dict.fromkeys(asked, pa.string()), strings_can_be_null=False
            ),
        )
        try:
            yield from reader
        finally:
            reader.close()
            del reader


@contextmanager
def _utf8_blocks(path: Path, encoding: str) -> Iterator[list[Utf8Blocks]]:
    """Give the file's blocks in a list, out of which they are to be taken; at the end wait until nobody has them.

    Raises what went wrong when they were read, which comes before whatever pyarrow made of the end that it met there.
    """
    with open_bytes(path) as stream:
        given = [Utf8Blocks(stream, encoding)]
        errors, let_go = given[0].errors, given[0].let_go
        try:
            yield given
        finally:
            given.clear()
            let_go.wait(_LET_GO_WITHIN_S)
            if errors:
                raise errors[0]


def _parquet_batches(
    path: Path, positions: tuple[int, ...], batch_rows: int, groups: Sequence[int] | None
) -> Iterator[Any]:
    with _reading(path):
        yield from parquet_batches(path, positions, batch_rows, groups)


def _mapped(batches: Iterator[TableBatch], rules: Sequence[ColumnMapping | None]) -> Iterator[TableBatch]:
    for batch in batches:
        arrays = zip(batch.arrays, rules, strict=True)
        yield replace(batch, arrays=tuple(array if rule is None else replaced(array, rule) for array, rule in arrays))


def _sliced(
    batches: Iterator[Any], batch_rows: int, marks: tuple[NumberMarks, ...], first_row: int
) -> Iterator[TableBatch]:
    for batch in batches:
        for start in range(0, batch.num_rows, batch_rows):
            piece = batch.slice(start, batch_rows)
            yield TableBatch(tuple(piece.columns), piece.num_rows, first_row, marks)
            first_row += piece.num_rows
