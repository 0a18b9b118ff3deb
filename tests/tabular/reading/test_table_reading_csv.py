"""CSV in the dialects that spreadsheets, R, pandas and databases write."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import pytest

from fedtrain.spec.model_spec import Column
from fedtrain.tabular.errors import ColumnMismatch, TableError, UnreadableTable
from fedtrain.tabular.reading.read import Table, open_table

Written = Callable[[bytes], Path]


@pytest.fixture
def written(tmp_path: Path) -> Written:
    def write(content: bytes) -> Path:
        path = tmp_path / "table.csv"
        path.write_bytes(content)
        return path

    return write


def texts(table: Table, *columns: str | int, batch_rows: int = 8192) -> list[list[str]]:
    declared = [Column(name=column) if isinstance(column, str) else Column(col_idx=column) for column in columns]
    batches = list(table.batches(declared, batch_rows))
    return [[text for batch in batches for text in batch.arrays[place].to_pylist()] for place in range(len(columns))]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_each_delimiter_is_found(written: Written, delimiter: str) -> None:
    rows = [["age", "city"], ["1", "Oslo"], ["2", "Rome"]]
    table = open_table(written("\n".join(delimiter.join(row) for row in rows).encode()))
    assert table.columns == ("age", "city")
    assert texts(table, "city", "age") == [["Oslo", "Rome"], ["1", "2"]]


def test_semicolons_win_over_decimal_commas(written: Written) -> None:
    table = open_table(written(b"a;b;c\n1,5;2,5;3,5\n4,5;5,5;6,5\n"))
    assert table.columns == ("a", "b", "c")
    assert texts(table, "b") == [["2,5", "5,5"]]


def test_semicolons_inside_quoted_fields_of_a_comma_file_do_not_cut(written: Written) -> None:
    table = open_table(written(b'a,b\n1,"x;y"\n2,"z;w"\n'))
    assert texts(table, "b") == [["x;y", "z;w"]]


def test_quoted_delimiters_quotes_and_newlines(written: Written) -> None:
    table = open_table(written(b'"a","the\nnote"\n1,"x, ""y""\nz"\n2,plain\n'))
    assert table.columns == ("a", "the\nnote")
    assert texts(table, 0, 1) == [["1", "2"], ['x, "y"\nz', "plain"]]


def test_a_byte_order_mark_is_no_part_of_the_first_name(written: Written) -> None:
    table = open_table(written(b"\xef\xbb\xbfage,y\n1,2\n"))
    assert texts(table, "age") == [["1"]]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "latin-1", "utf-16"])
def test_each_encoding_is_found(written: Written, encoding: str) -> None:
    table = open_table(written("größe,y\nklein,1\nmäßig,2\n".encode(encoding)))
    assert texts(table, "größe") == [["klein", "mäßig"]]


def test_a_windows_byte_is_read_as_windows_means_it(written: Written) -> None:
    assert texts(open_table(written(b"a,y\n\x80,1\n")), "a") == [["€"]]


def test_a_latin_byte_far_beyond_the_sample_is_found(written: Written) -> None:
    table = open_table(written(b"a,y\n" + b"x,1\n" * 600_000 + b"\xe9,1\n"))
    assert texts(table, "a")[0][-1] == "é"


def test_without_a_header_columns_are_positions(written: Written) -> None:
    table = open_table(written(b"1,2\n3,4\n"), header=False)
    assert table.columns == ("column 0", "column 1")
    assert texts(table, 1) == [["2", "4"]]


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_each_line_end_is_read(written: Written, newline: str) -> None:
    assert texts(open_table(written(newline.join(["a,b", "1,2", "3,4"]).encode())), "b") == [["2", "4"]]


def test_blank_lines_are_no_records(written: Written) -> None:
    assert texts(open_table(written(b"a,b\n\n1,2\n\n3,4\n\n")), "a") == [["1", "3"]]


def test_a_compressed_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "table.csv.gz"
    path.write_bytes(gzip.compress(b"a,b\n1,2\n"))
    assert texts(open_table(path), "b") == [["2"]]


@pytest.mark.parametrize("batch_rows", [1, 7, 1000])
def test_batches_are_of_the_size_asked_for_and_numbered(written: Written, batch_rows: int) -> None:
    table = open_table(written(b"a,b\n" + b"".join(b"%d,0\n" % row for row in range(1, 101))))
    batches = list(table.batches([Column(name="a")], batch_rows))
    assert max(batch.rows for batch in batches) == min(batch_rows, 100)
    assert all(batch.arrays[0][0].as_py() == str(batch.first_row) for batch in batches)
    assert sum(batch.rows for batch in batches) == 100


def test_a_table_of_many_blocks_keeps_every_record(written: Written) -> None:
    rows = 400_000
    table = open_table(written(b"a,b\n" + b"".join(b"%d,xxxxxxxxxx\n" % row for row in range(rows))))
    assert texts(table, "a")[0] == [str(row) for row in range(rows)]


def test_batches_of_no_rows_are_refused(written: Written) -> None:
    with pytest.raises(ValueError, match="batch_rows 0"):
        open_table(written(b"a,b\n1,2\n")).batches([Column(name="a")], 0)


def test_a_column_that_is_not_there_is_named_with_its_likeness(written: Written) -> None:
    table = open_table(written(b"age,income\n1,2\n"))
    with pytest.raises(ColumnMismatch, match="no column 'incme'; there is 'income'") as caught:
        table.batches([Column(name="incme")])
    assert (caught.value.code, caught.value.column) == ("column-not-in-file", "incme")


def test_a_position_beyond_the_table_is_refused(written: Written) -> None:
    with pytest.raises(ColumnMismatch, match="col_idx 2: the table has 2 columns") as caught:
        open_table(written(b"a,b\n1,2\n")).batches([Column(col_idx=2)])
    assert caught.value.code == "column-not-in-file"


def test_a_name_that_occurs_twice_needs_a_position(written: Written) -> None:
    table = open_table(written(b"a,a\n1,2\n"))
    with pytest.raises(ColumnMismatch, match="give col_idx") as caught:
        table.batches([Column(name="a")])
    assert caught.value.code == "column-ambiguous"
    assert texts(table, 1) == [["2"]]


def test_one_column_by_name_and_by_position_is_refused(written: Written) -> None:
    with pytest.raises(ColumnMismatch, match="b and column 1 are the same") as caught:
        open_table(written(b"a,b\n1,2\n")).batches([Column(name="b"), Column(col_idx=1)])
    assert caught.value.code == "column-used-twice"


def test_a_record_with_too_few_fields_is_named(written: Written) -> None:
    table = open_table(written(b"a,b\n1,2\n3,4\n5\n"))
    with pytest.raises(UnreadableTable, match="record 3: 1 fields, 2 are expected") as caught:
        texts(table, "a")
    assert (caught.value.code, caught.value.rows) == ("wrong-field-count", (3,))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"PK\x03\x04rest", "Excel"),
        (b"SQLite format 3\0", "SQLite"),
        (b"a,b\n1,\0\n", "zero bytes"),
        (b"PAR1 and no more", "cannot be read"),
    ],
)
def test_other_formats_are_refused_with_what_they_are(written: Written, content: bytes, reason: str) -> None:
    with pytest.raises(UnreadableTable, match=reason) as caught:
        open_table(written(content))
    assert caught.value.code == "unreadable-file"


def test_an_empty_file_has_no_rows(written: Written) -> None:
    with pytest.raises(UnreadableTable, match="empty") as caught:
        open_table(written(b""))
    assert caught.value.code == "no-rows"


def test_a_file_that_is_not_there_and_a_folder_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UnreadableTable, match="no such file"):
        open_table(tmp_path / "absent.csv")
    with pytest.raises(UnreadableTable, match="folder"):
        open_table(tmp_path)


def test_a_code_outside_the_catalogue_is_a_mistake_of_the_program() -> None:
    with pytest.raises(ValueError, match="not in the catalogue"):
        TableError("too-bad", "…")
