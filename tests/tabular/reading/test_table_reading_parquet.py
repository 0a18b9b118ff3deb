"""Parquet: found by its first bytes, read column by column, typed as it comes."""

from __future__ import annotations

import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from fedtrain.spec.model_spec import Column
from fedtrain.tabular.errors import UnreadableTable
from fedtrain.tabular.reading import parquet_pages
from fedtrain.tabular.reading.convert import to_numbers
from fedtrain.tabular.reading.marks import NumberMarks
from fedtrain.tabular.reading.parquet_pages import pages_of
from fedtrain.tabular.reading.read import open_table


def parquet(path: Path, columns: dict[str, Any], **options: Any) -> Path:
    pq.write_table(pa.table(columns), path, **options)
    return path


def test_parquet_is_known_by_its_content_whatever_its_name(tmp_path: Path) -> None:
    table = open_table(parquet(tmp_path / "table.dat", {"a": [1.5, 2.5], "b": ["x", "y"]}), header=False)
    assert table.columns == ("a", "b")
    (batch,) = table.batches([Column(name="b"), Column(col_idx=0)])
    assert [array.to_pylist() for array in batch.arrays] == [["x", "y"], [1.5, 2.5]]


def test_row_groups_become_batches_that_are_numbered(tmp_path: Path) -> None:
    path = parquet(tmp_path / "t.parquet", {"a": np.arange(1.0, 101.0)}, row_group_size=30)
    batches = list(open_table(path).batches([Column(name="a")], 16))
    assert all(batch.rows <= 16 and batch.arrays[0][0].as_py() == batch.first_row for batch in batches)
    assert sum(batch.rows for batch in batches) == 100


def test_columns_of_one_name_are_told_apart_by_position(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    pq.write_table(pa.Table.from_arrays([pa.array([1]), pa.array([2]), pa.array([3])], names=["a", "b", "a"]), path)
    (batch,) = open_table(path).batches([Column(col_idx=2), Column(col_idx=0)])
    assert [array.to_pylist() for array in batch.arrays] == [[3], [1]]


def test_doubles_are_taken_over_without_a_copy() -> None:
    array = pa.array([1.0, 2.0])
    values, faults = to_numbers(array, NumberMarks())
    assert not faults
    assert values.__array_interface__["data"][0] == array.buffers()[1].address


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([1, None], pa.int8()),
        ([1, None], pa.uint64()),
        ([1.0, None], pa.float32()),
        ([Decimal("1.00"), None], pa.decimal128(5, 2)),
        ([True, None], pa.bool_()),
        (["1", None], pa.string()),
        (["1,0", "NA"], pa.large_string()),
        ([np.float16(1), None], pa.float16()),
        ([Decimal("1.00"), None], pa.decimal256(60, 2)),
    ],
)
def test_each_type_that_holds_numbers_is_read(values: list[Any], kind: Any) -> None:
    numbers, faults = to_numbers(pa.array(values, kind), NumberMarks())
    assert not faults
    np.testing.assert_array_equal(numbers, [1.0, np.nan])


def test_dictionaries_are_read_as_what_they_hold() -> None:
    numbers, faults = to_numbers(pa.array(["2.5", None, "2.5"]).dictionary_encode(), NumberMarks())
    assert not faults
    np.testing.assert_array_equal(numbers, [2.5, np.nan, 2.5])


@pytest.mark.parametrize("value", [datetime.date(2020, 1, 1), b"1", [1.0], {"a": 1.0}])
def test_values_that_are_no_numbers_are_marked_and_missing_ones_are_not(value: Any) -> None:
    numbers, (fault,) = to_numbers(pa.array([None, value]), NumberMarks())
    assert (fault.code, fault.rows.tolist()) == ("text-in-numeric-column", [False, True])
    assert np.isnan(numbers).all()


def refused(path: Path) -> None:
    with pytest.raises(UnreadableTable) as caught:
        list(open_table(path).batches([Column(name="a")]))
    assert caught.value.code == "unreadable-file"


def test_a_truncated_file_is_refused(tmp_path: Path) -> None:
    path = parquet(tmp_path / "t.parquet", {"a": [1.0, 2.0]})
    path.write_bytes(path.read_bytes()[:-20])
    refused(path)


def test_altered_values_are_refused_where_the_file_has_checksums(tmp_path: Path) -> None:
    values = np.random.default_rng(1).normal(size=10_000)
    path = parquet(tmp_path / "t.parquet", {"a": values}, write_page_checksum=True, use_dictionary=False)
    content = bytearray(path.read_bytes())
    content[1000] ^= 1
    path.write_bytes(content)
    refused(path)


@pytest.mark.parametrize("encoding", ["DELTA_BYTE_ARRAY", "DELTA_LENGTH_BYTE_ARRAY", "PLAIN", "dictionary"])
def test_long_texts_come_whole_and_in_order_however_they_are_stored(tmp_path: Path, encoding: str) -> None:
    texts = ["x" * 50_000 + str(number % 7) if number % 3 else None for number in range(1200)]
    options: dict[str, Any] = {"use_dictionary": encoding == "dictionary"}
    if encoding != "dictionary":
        options["column_encoding"] = {"a": encoding, "b": "PLAIN"}
    path = parquet(tmp_path / "t.parquet", {"a": texts, "b": np.arange(1.0, 1201.0)}, row_group_size=500, **options)
    batches = list(open_table(path).batches([Column(name="a"), Column(name="b")]))
    assert max(sum(array.nbytes for array in batch.arrays) for batch in batches) < 20 << 20
    assert [text for batch in batches for text in batch.arrays[0].to_pylist()] == texts
    assert [row for batch in batches for row in batch.arrays[1].to_pylist()] == list(range(1, 1201))


def wide(path: Path) -> Path:
    """Twenty columns, each of one page of 80 kB without a dictionary."""
    columns = {f"c{index}": np.arange(10_000, dtype=np.float64) + index for index in range(20)}
    pq.write_table(pa.table(columns), path, use_dictionary=False, compression="none", write_page_index=False)
    return path


def page_bytes(path: Path) -> int:
    """Bytes of the largest page, unpacked."""
    with path.open("rb") as content, pq.ParquetFile(path) as file:
        group = file.metadata.row_group(0)
        return max(pages_of(path, content, group.column(index)).largest for index in range(20))


def test_a_page_over_the_limit_is_refused_by_its_columns_name_however_large_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = wide(tmp_path / "t.parquet")
    monkeypatch.setattr(parquet_pages, "MOST_PAGE_BYTES", page := page_bytes(path))
    assert len(open_table(path).columns) == 20
    monkeypatch.setattr(parquet_pages, "MOST_PAGE_BYTES", page - 1)
    with pytest.raises(UnreadableTable, match=f"a page of column 'c0' unpacks to {page:,} bytes"):
        open_table(path)


def test_pages_that_are_open_at_once_have_a_limit_that_does_not_grow_with_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = wide(tmp_path / "t.parquet")
    page = page_bytes(path)
    assert 20 * page < parquet_pages.PAGES_RATIO * path.stat().st_size, "what the file's size alone would allow"
    monkeypatch.setattr(parquet_pages, "MOST_PAGES_BYTES", 20 * page)
    assert len(open_table(path).columns) == 20
    monkeypatch.setattr(parquet_pages, "MOST_PAGES_BYTES", 20 * page - 1)
    with pytest.raises(UnreadableTable, match=f"up to column 'c19', unpack to {20 * page:,} bytes at once"):
        open_table(path)
