"""Decimal marks of a whole table: each column's own, or the declared one, in files and in rows handed in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pydantic import ValidationError

from fedtrain.spec.model_spec import DataProps, ModelType
from fedtrain.tabular.check import check_table
from fedtrain.tabular.encode import Encoder
from fedtrain.tabular.errors import BadValues
from fedtrain.tabular.reading.read import open_declared_table

GERMAN = "amount;rate;y\n1.234;4,5;1\n950;3,75;2\n12.500;5,25;3\n"
AMERICAN = 'amount,answers,y\n"1,234","1,2",1\n"12,500","1,3",2\n950,"2,3",3\n'


def declared(**marks: Any) -> DataProps:
    features = [{"name": "amount", "type": "continuous", "range": [0, 20000]}]
    return DataProps.model_validate({**marks, "features": features, "target": {"name": "y", "range": [0, 10]}})


def amounts(path: Path, **marks: Any) -> list[float]:
    encoder = Encoder(declared(**marks), ModelType.LINEAR_REGRESSION)
    read = []
    for batch in encoder.encode_all(open_declared_table(path, encoder.props).batches(encoder.columns)):
        read += ((batch.X * encoder.half_width + encoder.centre)[:, 0]).round(6).tolist()
    return read


@pytest.fixture
def table(tmp_path: Path) -> Path:
    return tmp_path / "t.csv"


@pytest.mark.parametrize(("content", "value"), [(GERMAN, "'1.234'"), (AMERICAN, "'1,234'")])
def test_an_amount_that_could_be_a_fraction_is_refused_with_both_readings(
    table: Path, content: str, value: str
) -> None:
    table.write_text(content)
    with pytest.raises(BadValues) as caught:
        amounts(table)
    assert caught.value.code == "number-ambiguous"
    assert f"amount: record 1 has {value}, and 1 more" in caught.value.message
    for reading in ("1234 with", "1.234 with", 'declare "decimal" as "." or ","'):
        assert reading in caught.value.message
    (problem,) = check_table(table, declared(), ModelType.LINEAR_REGRESSION).problems
    assert (problem.code, problem.count, problem.first_record) == ("number-ambiguous", 2, 1)


def test_another_columns_numbers_do_not_decide(table: Path) -> None:
    table.write_text(AMERICAN)
    told = check_table(table, declared(), ModelType.LINEAR_REGRESSION).problems
    table.write_text(AMERICAN.replace('"1,2"', "a").replace('"1,3"', "b").replace('"2,3"', "c"))
    assert check_table(table, declared(), ModelType.LINEAR_REGRESSION).problems == told


def test_declared_marks_are_those_of_every_column(table: Path) -> None:
    table.write_text(GERMAN)
    assert amounts(table, decimal=",") == amounts(table, thousands=".") == [1234, 950, 12500]
    assert amounts(table, decimal=".") == [1.234, 950, 12.5]
    table.write_text(AMERICAN)
    assert amounts(table, decimal=".", thousands=",") == [1234, 12500, 950]


def test_a_column_that_shows_its_marks_in_its_last_record_is_read_by_them_from_the_first(table: Path) -> None:
    table.write_text("amount;y\n" + "1.234;1\n" * 20_000 + "0,5;1\n")
    assert amounts(table) == [1234.0] * 20_000 + [0.5]
    table.write_text("amount;y\n" + "1.234;1\n" * 20_000 + "0.5;1\n")
    assert amounts(table) == [1.234] * 20_000 + [0.5]


def ranged(table: Path, low: float, high: float) -> list[float] | str:
    features = [{"name": "amount", "type": "continuous", "range": [low, high]}]
    props = DataProps.model_validate({"features": features, "target": {"name": "y", "range": [0, 10]}})
    encoder = Encoder(props, ModelType.LINEAR_REGRESSION)
    try:
        batches = list(encoder.encode_all(open_declared_table(table, props).batches(encoder.columns, 2)))
    except BadValues as error:
        return error.code
    X = np.concatenate([batch.X for batch in batches])
    return ((X * encoder.half_width + encoder.centre)[:, 0]).round(6).tolist()


def test_the_declared_range_decides_where_it_has_all_numbers_in_one_reading_and_none_in_the_other(
    table: Path,
) -> None:
    table.write_text("amount,y\n21.035,1\n27.500,2\n22.072,2\n23.769,3\n")
    assert ranged(table, 0, 100) == [21.035, 27.5, 22.072, 23.769]
    assert ranged(table, 10_000, 50_000) == [21035, 27500, 22072, 23769]
    assert ranged(table, 0, 22) == "number-ambiguous"  # some are outside in either reading
    assert ranged(table, 0, 25_000) == "number-ambiguous"  # inside in one reading, partly in the other
    assert ranged(table, 0, 100_000) == "number-ambiguous"  # inside in both
    assert ranged(table, 500, 900) == "number-ambiguous"  # inside in neither


@pytest.mark.parametrize("other", ["950", "0", "999"])
def test_the_declared_range_does_not_decide_where_some_numbers_have_no_mark(table: Path, other: str) -> None:
    # 1.234 may be an amount beyond the range, which is clipped, as well as a fraction within.
    table.write_text(f"amount,y\n1.234,1\n{other},2\n1.500,2\n")
    assert ranged(table, 0, 1000) == "number-ambiguous"


def test_texts_in_parquet_are_read_by_the_same_rules(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    for column in (pa.array(["1.234", "950"]), pa.array(["1.234", "950"]).dictionary_encode()):
        pq.write_table(pa.table({"amount": column, "y": [1, 2]}), path)
        with pytest.raises(BadValues, match="with a decimal comma"):
            amounts(path)
        assert amounts(path, decimal=",") == [1234, 950]
    pq.write_table(pa.table({"amount": pa.array(["1.234", "0,5"]).dictionary_encode(), "y": [1, 2]}), path)
    assert amounts(path) == [1234, 0.5]


@pytest.mark.parametrize("marks", [{}, {"decimal": "."}, {"decimal": ","}, {"thousands": "."}, {"thousands": "'"}])
def test_numbers_in_rows_mean_what_they_are_whatever_marks_are_declared(marks: dict[str, Any]) -> None:
    encoder = Encoder(declared(**marks), ModelType.LINEAR_REGRESSION)
    for rows in ([[1234.5]], [[1.234]], [[7]], [{"amount": 1e-7}], np.array([[1.234]])):
        given = rows[0]["amount"] if isinstance(rows[0], dict) else rows[0][0]
        batch = encoder.encode_features(rows)
        assert (batch.X[0, 0] * encoder.half_width[0] + encoder.centre[0]) == pytest.approx(float(given), abs=1e-9)


def test_texts_in_rows_have_a_decimal_point_unless_another_mark_is_declared() -> None:
    plain = Encoder(declared(), ModelType.LINEAR_REGRESSION)
    german = Encoder(declared(decimal=","), ModelType.LINEAR_REGRESSION)
    assert plain.encode_features([["1.234"]]).X[0, 0] == plain.encode_features([[1.234]]).X[0, 0]
    assert german.encode_features([["1.234"]]).X[0, 0] == plain.encode_features([[1234]]).X[0, 0]
    assert german.encode_features([["1,234"], [2.5]]).X[0, 0] == plain.encode_features([[1.234]]).X[0, 0]
    for text in ("1,234", "1,5", "1'234"):
        with pytest.raises(BadValues, match="a number is expected"):
            plain.encode_features([[text]])


def test_one_mark_for_both_is_refused() -> None:
    with pytest.raises(ValidationError, match="decimal and thousands are both ','"):
        declared(decimal=",", thousands=",")
