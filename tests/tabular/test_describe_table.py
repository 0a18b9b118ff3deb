"""A first schema from a table: types, categories, and ranges only when asked for."""

from __future__ import annotations

import csv
import json
import os
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from fedtrain.spec.model_spec import DataProps, ModelType
from fedtrain.tabular.check import check_table
from fedtrain.tabular.describe import MAX_CATEGORIES, describe_table, in_steps, rounded_outward
from fedtrain.tabular.errors import ColumnMismatch, UnreadableTable


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "t.csv"
    lines = [
        "id,age,weight,colour,empty,price",
        *(f"n{i},{i},{i + 0.5},{'red' if i % 2 else 'blue'},,7" for i in range(60)),
    ]
    path.write_text("\n".join(lines))
    return path


def drafted(path: Path, **options: Any) -> dict[str, Any]:
    return describe_table(path, **options).as_dict()


def left_out(path: Path, **options: Any) -> dict[str, str]:
    return {left.column: left.why for left in describe_table(path, **options).left_out}


def write(tmp_path: Path, content: str) -> Path:
    path = tmp_path / "t.csv"
    path.write_text(content)
    return path


def test_a_draft_is_a_schema_and_holds_no_value_and_no_count(table: Path) -> None:
    assert drafted(table) == {
        "features": [
            {"name": "age", "type": "discrete", "range": [0, 100]},
            {"name": "weight", "type": "continuous", "range": [0, 100]},
        ],
        "target": {"name": "colour", "categories": ["blue", "red"]},
    }
    assert left_out(table) == {
        "id": "it holds more than 50 different texts, as names, identifiers and free text do",
        "empty": "no record has a value",
        "price": "it holds one value only",
    }


def test_ranges_from_the_data_when_asked_for(table: Path) -> None:
    age, weight = drafted(table, with_ranges=True)["features"]
    assert (age["range"], weight["range"]) == ([0, 59], [0.5, 60])


def test_the_target_is_the_one_asked_for_and_no_feature(table: Path) -> None:
    draft = describe_table(table, target="age")
    assert draft.as_dict()["target"] == {"name": "age", "range": [0, 100]}
    assert [feature["name"] for feature in draft.as_dict()["features"]] == ["weight", "colour"]
    assert draft.target_chosen
    assert not describe_table(table).target_chosen
    with pytest.raises(ColumnMismatch, match="id can be no target: it holds more than 50 different texts"):
        describe_table(table, target="id")
    with pytest.raises(ColumnMismatch, match="there is no column 'agee'; there is 'age'"):
        describe_table(table, target="agee")


def test_rows_and_missing_values_are_counted_for_the_owner_alone(table: Path) -> None:
    draft = describe_table(table)
    assert draft.rows == 60
    assert draft.missing == {"id": 0, "age": 0, "weight": 0, "colour": 0, "empty": 60, "price": 0}


def test_without_a_header_columns_are_positions(tmp_path: Path) -> None:
    path = write(tmp_path, "1,a,5\n2,b,7\n")
    draft = drafted(path, header=False, target="0")
    assert draft["header"] is False
    assert [feature["col_idx"] for feature in draft["features"]] == [1, 2]
    assert draft["target"]["col_idx"] == 0


def test_names_that_occur_twice_become_positions(tmp_path: Path) -> None:
    draft = drafted(write(tmp_path, "a,a,b\n1,2,3\n2,3,4\n"))
    assert [feature["col_idx"] for feature in draft["features"]] == [0, 1]
    assert draft["target"]["name"] == "b"


def test_too_many_categories_are_text(tmp_path: Path) -> None:
    for count in (MAX_CATEGORIES, MAX_CATEGORIES + 1):
        path = write(tmp_path, "a,b,c\n" + "".join(f"x{i},{i},{i}\n" for i in range(count)) * 2)
        assert ("a" in left_out(path)) == (count > MAX_CATEGORIES)


def test_texts_of_one_record_each_are_no_categories_for_all_to_see(tmp_path: Path) -> None:
    def drafted_of(people: int, records: int) -> dict[str, str]:
        rows = (f"person {at % people},{'uvwxyz'[at % 6]},{at % 7}\n" for at in range(records))
        return left_out(write(tmp_path, "patient,ward,stay\n" + "".join(rows)))

    why = "more than every second record has a text of its own, as of names, identifiers, dates and free text"
    assert drafted_of(30, 30) == {"patient": why}
    assert drafted_of(16, 30) == {"patient": why}
    assert drafted_of(15, 30) == {}
    # So few are no list of people: a table of ten records is none to train on.
    assert drafted_of(10, 10) == {}


def questioned(path: Path) -> list[tuple[str, str]]:
    return [(question.code, question.column) for question in describe_table(path).questions]


def test_numbers_that_rise_from_record_to_record_are_questioned(tmp_path: Path) -> None:
    def table_of(numbers: list[int | str]) -> Path:
        return write(tmp_path, "case,y\n" + "".join(f"{one},{at % 7}\n" for at, one in enumerate(numbers)))

    rising = list(range(1000, 1040))
    assert questioned(table_of(rising)) == [("may-be-identifier", "case")]
    assert questioned(table_of([*rising[:20], "", *rising[20:], 1039])) == [("may-be-identifier", "case")]
    assert questioned(table_of([*rising, 1000])) == []
    assert questioned(table_of(rising[:20])) == []
    assert questioned(table_of(sorted(rising * 4))) == []
    many = tmp_path / "many.parquet"
    pq.write_table(pa.table({"case": list(range(200_000)), "y": [0, 1, 2, 3] * 50_000}), many, row_group_size=1_000)
    assert questioned(many) == [("may-be-identifier", "case")]


def test_a_target_of_two_numbers_is_questioned(tmp_path: Path) -> None:
    path = write(tmp_path, "a,default\n" + "".join(f"{at % 5},{at % 2}\n" for at in range(30)))
    (question,) = describe_table(path, target="default").questions
    assert question.message == (
        'default: it has two values alone: are they classes? Then give it categories ["0", "1"], and no range'
    )
    props = describe_table(path, target="default").as_dict()
    props["target"] = {"name": "default", "categories": ["0", "1"]}
    assert check_table(path, DataProps.model_validate(props), ModelType.LOGISTIC_REGRESSION).problems == []
    assert questioned(write(tmp_path, "a,b\n" + "".join(f"{at % 2},{at % 5}\n" for at in range(30)))) == []


def test_what_is_different_is_listed_once(tmp_path: Path) -> None:
    path = write(
        tmp_path, "flag,code,name,y\nTRUE,1E5,caf\u00e9,1\nTrue,100000,cafe\u0301,2\nfalse,A01,b,3\nFALSE,1e5,b,4\n"
    )
    flag, code, name = drafted(path)["features"]
    assert flag["categories"] == ["False", "True"]
    assert code["categories"] == ["100000", "1E5", "1e5", "A01"]
    assert name["categories"] == ["b", "caf\u00e9"]


def test_numbers_that_read_in_two_ways_are_left_out_until_their_mark_is_given(tmp_path: Path) -> None:
    path = write(tmp_path, "amount;x;y\n1.234;4,5;1\n950;3,75;2\n12.500;5,25;3\n")
    assert "1234 with a decimal comma" in left_out(path)["amount"]
    draft = drafted(path, decimal=",")
    assert draft["decimal"] == ","
    assert draft["features"][0] == {"name": "amount", "type": "discrete", "range": [0, 20000]}


def test_a_column_of_numbers_with_a_few_mistakes_is_named_with_the_first(tmp_path: Path) -> None:
    path = write(tmp_path, "a,b,c\n" + "".join(f"{i},{i},{i}\n" for i in range(40)) + "12%,3,4\n")
    assert left_out(path)["a"].startswith("record 41 has '12%'; a number is expected")


def test_columns_without_a_record_that_has_them_all_are_not_drafted_together(tmp_path: Path) -> None:
    path = write(tmp_path, "a,b,c,y\n" + "1,,x,1\n,2,y,2\n,3,x,3\n2,,y,3\n,4,x,3\n")
    assert left_out(path) == {
        "a": "no record has a value in every column of the draft; this is the one that lacks most"
    }
    assert [feature["name"] for feature in drafted(path)["features"]] == ["b", "c"]


@pytest.mark.parametrize("content", ["a,b\n1,x\n1,y\n", "a\n1\n2\n", "a,b\n,1\n,2\n"])
def test_a_table_without_a_target_and_a_feature_is_refused(tmp_path: Path, content: str) -> None:
    with pytest.raises(UnreadableTable, match="a schema needs a target and a feature"):
        describe_table(write(tmp_path, content))


def test_a_code_for_missing_values_is_questioned(tmp_path: Path) -> None:
    path = write(tmp_path, "age,y\n" + "".join(f"{i},{i}\n" for i in range(20, 60)) + "-999,5\n")
    (question,) = describe_table(path).questions
    assert question.message == "age: 1 record has -999, and the next value is 20: does it mean that there is no value?"


def test_parquet_columns_of_any_type_are_described(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    columns = {
        "n": pa.nulls(3),
        "l": [[1], [2], [3]],
        "d": pa.array(["a", "b", "a"]).dictionary_encode(),
        "when": pa.array([1, 2, 1], pa.timestamp("s")),
        "id": [2**53 + 1, 2**53 + 3, 5],
        "money": pa.array([Decimal("1.50"), Decimal("2.50"), Decimal("3.50")]),
        "f": [0.5, None, 1.0],
    }
    pq.write_table(pa.table(columns), path)
    draft = describe_table(path)
    kinds = {column["name"]: column["type"] for column in draft.as_dict()["features"]}
    assert kinds == {"l": "vector", "d": "nominal", "when": "nominal", "money": "continuous"}
    assert draft.as_dict()["target"] == {"name": "f", "range": [0.5, 1.0], "missing": "drop"}
    assert set(left_out(path)) == {"n", "id"}


# Everything that a messy column may hold, a cell each.
CELLS = [
    "", "NA", "-", "nan", "NULL", "null", "0", "1", "1.0", "01", "+1", "-1", "2", "1e5", "1E5", "100000",
    "1.5", "1,5", "1.234", "1,234", "1.234.567", "1'234", "1 234", "12,34,567", ".5", "5.", "inf", "-inf",
    "1e400", "9007199254740993", "-999", "TRUE", "True", "false", "yes", "A01", "a01", "caf\u00e9",
    "cafe\u0301", " x ", "x", "12%", "$5", "5-", "2020-01-02", "1_000", "\u0661\u0662", "a\"b", "a\r\nb",
    "a,b", "5e-324", "1e308", "-1e308", "None", "#N/A", "?",
]  # fmt: skip
columns_of_cells = st.one_of(
    st.lists(st.sampled_from(CELLS), min_size=6, max_size=6),
    st.lists(st.sampled_from(["", "1", "2.5", "-999", "1e5"]), min_size=6, max_size=6),
    st.lists(st.sampled_from(["TRUE", "True", "false", "1E5", "100000", "1e5", "A01", ""]), min_size=6, max_size=6),
    st.lists(st.floats(allow_nan=False).map(str), min_size=6, max_size=6),
)


@pytest.mark.slow
@given(st.lists(columns_of_cells, min_size=2, max_size=5), st.sampled_from([None, ".", ","]), st.booleans())
def test_a_draft_passes_the_check_of_the_same_table(
    tmp_path_factory: pytest.TempPathFactory, columns: list[list[str]], decimal: Any, with_ranges: bool
) -> None:
    path = tmp_path_factory.mktemp("t") / "t.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file, quoting=csv.QUOTE_ALL)
        writer.writerow([f"c{index}" for index in range(len(columns))])
        writer.writerows(zip(*columns, strict=True))
    try:
        draft = describe_table(path, decimal=decimal, with_ranges=with_ranges)
    except UnreadableTable as error:
        assert "a schema needs a target and a feature" in str(error)
        return
    props = DataProps.model_validate_json(json.dumps(draft.as_dict()))
    classes = props.target is not None and props.target.categories is not None
    kind = ModelType.LOGISTIC_REGRESSION if classes else ModelType.LINEAR_REGRESSION
    report = check_table(path, props, kind)
    assert report.problems == []
    assert report.rows == 6
    assert sum(column.clipped_low + column.clipped_high for column in report.columns) == 0


def test_a_file_that_is_no_table_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(b"%PDF-1.7")
    with pytest.raises(UnreadableTable, match="PDF"):
        describe_table(path)


@given(st.floats(-1e300, 1e300), st.floats(-1e300, 1e300))
def test_a_range_in_steps_holds_the_values_and_tells_less_than_their_spread(one: float, other: float) -> None:
    assume(one != other)
    low, high = min(one, other), max(one, other)
    start, end = in_steps(low, high)
    assert start <= low < high <= end
    # At most a step is added at either side, and a step is at most 2.5 times the spread.
    assert Fraction(end) - Fraction(start) <= 8 * (Fraction(high) - Fraction(low)) + Fraction(abs(start)) / 2**50


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ((18, 95), (0, 100)), ((0, 1), (0, 1)), ((1990, 2020), (1950, 2050)), ((36.1, 40.2), (35, 45)),
        ((12_000, 380_000), (0, 500_000)), ((-0.3, 0.4), (-1, 1)), ((1, 3), (0, 4)),
    ],
)  # fmt: skip
def test_ranges_in_steps(values: tuple[float, float], expected: tuple[float, float]) -> None:
    assert in_steps(*values) == expected


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
