"""A first schema from a table: types, categories, and ranges only when asked for."""

from __future__ import annotations

import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.spec import DataProps
from tabular.describe import MAX_CATEGORIES, describe_table, rounded_outward
from tabular.errors import UnreadableTable


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "t.csv"
    lines = [
        "id,age,weight,colour,empty,price",
        *(f"n{i},{i},{i + 0.5},{'red' if i % 2 else 'blue'},,7" for i in range(60)),
    ]
    path.write_text("\n".join(lines))
    return path


def test_types_and_categories_and_no_number_from_the_data(table: Path) -> None:
    assert describe_table(table) == {
        "header": True,
        "rows": 60,
        "features": [
            {"name": "id", "type": "text"},
            {"name": "age", "type": "discrete", "range": None},
            {"name": "weight", "type": "continuous", "range": None},
            {"name": "colour", "type": "nominal", "categories": ["blue", "red"]},
            {"name": "empty", "type": "constant", "missing": "drop"},
            {"name": "price", "type": "discrete", "range": None},
        ],
    }


def test_ranges_when_asked_for_make_it_a_schema(table: Path) -> None:
    described = describe_table(table, with_ranges=True)
    usable = [feature for feature in described["features"] if feature["type"] not in ("text", "constant")]
    assert usable[1]["range"] == [0.5, 60]
    props = DataProps.model_validate(
        {"features": usable[:-1], "target": {"name": "price", "range": usable[-1]["range"]}}
    )
    assert props.dimensions == 4


def test_without_a_header_columns_are_positions(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("1,a\n2,b\n")
    assert [feature["col_idx"] for feature in describe_table(path, header=False)["features"]] == [0, 1]


def test_names_that_occur_twice_become_positions(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("a,a,b\n1,2,3\n")
    assert [sorted(feature)[0] for feature in describe_table(path)["features"]] == ["col_idx", "col_idx", "name"]


def test_too_many_categories_are_text(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    for count, kind in ((MAX_CATEGORIES, "nominal"), (MAX_CATEGORIES + 1, "text")):
        path.write_text("a,b\n" + "".join(f"x{i},1\n" for i in range(count)))
        assert describe_table(path)["features"][0]["type"] == kind


def test_parquet_columns_of_any_type_are_described(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    columns = {"n": pa.nulls(2), "l": [[1], [2]], "d": pa.array(["a", "b"]).dictionary_encode(), "f": [0.5, None]}
    pq.write_table(pa.table(columns), path)
    described = describe_table(path)["features"]
    assert [feature["type"] for feature in described] == ["constant", "text", "nominal", "continuous"]
    assert described[3]["missing"] == "drop"


def test_a_file_that_is_no_table_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(b"%PDF-1.7")
    with pytest.raises(UnreadableTable, match="PDF"):
        describe_table(path)


@given(st.floats(-1e300, 1e300), st.floats(-1e300, 1e300))
def test_a_rounded_range_holds_the_values_it_came_from(one: float, other: float) -> None:
    low, high = rounded_outward(min(one, other), max(one, other))
    assert low <= min(one, other) <= max(one, other) <= high
    assert low < high


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "the file is empty"),
        (b"\xef\xbb\xbf", "the file is empty"),
        (b"\n\n\n", "the file holds blank lines alone"),
        (b"a,b\n", "there is no record in it, only the names of 2 columns"),
        (b"once upon a time", "there is no record in it, only the name of one column"),
        (b'{"a": 1}\n', "there is no record in it"),
        (b"\x89PNG\r\n\x1a\n\x00\x00\x00\x0dIHDR", "holds zero bytes, so it is not CSV"),
    ],
)
def test_what_is_no_table_is_said_to_be_what_it_is(tmp_path: Path, content: bytes, told: str) -> None:
    (tmp_path / "t.csv").write_bytes(content)
    with pytest.raises(UnreadableTable) as caught:
        describe_table(tmp_path / "t.csv")
    assert told in str(caught.value)


def test_a_pipe_is_refused_before_anything_is_read_from_it(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UnreadableTable, match="is a pipe or a device"):
        describe_table(tmp_path / "pipe")
