"""Text as numbers and as categories: decimal marks, missing values, and what is neither."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedtrain.spec.model_spec import Category, category_text
from fedtrain.tabular.reading.convert import (
    MISSING,
    MISSING_TEXTS,
    UNKNOWN,
    to_codes,
    to_numbers,
    trimmed_text,
)
from fedtrain.tabular.reading.marks import NumberMarks

POINT = NumberMarks(".", "")


def read(texts: list[str | None], marks: NumberMarks | None = None) -> tuple[list[float], dict[str, list[int]]]:
    """The numbers of a column of these texts, and the rows at fault by code."""
    array = pa.array(texts, pa.string())
    if marks is None:
        marks = NumberMarks(texts=lambda: [trimmed_text(array)])
    values, faults = to_numbers(array, marks)
    return values.tolist(), {fault.code: np.flatnonzero(fault.rows).tolist() for fault in faults}


@pytest.mark.parametrize("missing", ["", " ", "NA", "N/A", "NaN", "NAN", "null", "?", "-"])
def test_each_way_to_write_that_a_value_is_missing(missing: str) -> None:
    values, faults = read(["1", missing])
    assert not faults
    np.testing.assert_array_equal(values, [1.0, np.nan])
    assert to_codes(pa.array(["1", missing]), {"1": 0}, POINT).tolist() == [0, MISSING]


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1))
def test_numbers_written_out_in_full_come_back_exactly(numbers: list[float]) -> None:
    point = ["0.5", *(repr(number) for number in numbers)]
    comma = [text.replace(".", ",") for text in point]
    for texts, marks in ((point, POINT), (point, None), (comma, NumberMarks(",")), (comma, None)):
        assert read(list(texts), marks) == ([0.5, *numbers], {})


@pytest.mark.parametrize("text", ["+1.5", " 1.5 ", "\u00a01.5", "1.50", "15e-1", "0.15E+1"])
def test_each_way_to_write_a_number(text: str) -> None:
    assert read([text]) == ([1.5], {})


@pytest.mark.parametrize(("text", "value"), [("1.", 1), (".5", 0.5), ("+5", 5), ("1e5", 1e5), ("007", 7), (",5", 0.5)])
def test_short_ways_to_write_a_number(text: str, value: float) -> None:
    assert read([text]) == ([value], {})


NOT_NUMBERS = [
    "x", "1.2.3", "0x10", "1_000", "12/03/2020", "2020-03-12", "12:30", "$5", "5 €", "5%", "5-", "(5)", "1e", "1 2",
    "TRUE",     "1 23 456", "0,123,456", "1,23", "1,2345", "1,234,5", "12,34",
    "1''234", "1,234e5", "٣", "١٢", "1\u066b5", "−5",
    "-nan", "nan(1)", "None", ".", "+", "1,234'567", "1.234.567",
]  # fmt: skip


@pytest.mark.parametrize("text", NOT_NUMBERS)
def test_what_is_no_number_is_marked_and_nothing_else(text: str) -> None:
    values, faults = read(["0.5", text, "NA", "2"])
    np.testing.assert_array_equal(values, [0.5, np.nan, np.nan, 2.0])
    assert faults == {"text-in-numeric-column": [1]}


# By country: how a whole amount, one with a fraction, and a small fraction are written.
WRITTEN = [
    (["1,234", "1,234.50", "0.5"], "US"),
    (["1.234", "1.234,50", "0,5"], "Germany"),
    (["1'234", "1'234.50", "0.5"], "Switzerland"),
    (["1\u2019234", "1\u2019234.50", "0.5"], "Switzerland, in print"),
    (["1 234", "1 234,50", "0,5"], "France"),
    (["1\u00a0234", "1\u00a0234,50", "0,5"], "France, unbroken"),
    (["1\u202f234", "1\u202f234,50", "0,5"], "France, narrow"),
    (["1 234", "1 234.50", "0.5"], "SI"),
]


@pytest.mark.parametrize(("texts", "where"), WRITTEN)
def test_marks_that_a_column_shows_are_those_of_all_its_numbers(texts: list[str], where: str) -> None:
    assert read(texts) == ([1234.0, 1234.5, 0.5], {}), where
    assert read(texts[::-1]) == ([0.5, 1234.5, 1234.0], {}), where
    assert read(["-" + text for text in texts]) == ([-1234.0, -1234.5, -0.5], {}), where


def test_thousands_are_counted_in_the_indian_way_too() -> None:
    assert read(["12,34,567", "1,23,456.75", "1,234"]) == ([1234567.0, 123456.75, 1234.0], {})
    assert read(["12.34.567", "0.5"])[1] == {"text-in-numeric-column": [0]}


@pytest.mark.parametrize("texts", [["1.234", "950"], ["1,234", "12,500", "950"], ["-1.234"], ["1.234", "1,234"]])
def test_numbers_that_read_in_two_ways_are_refused(texts: list[str]) -> None:
    values, faults = read(list(texts))
    assert faults == {"number-ambiguous": [row for row, text in enumerate(texts) if text != "950"]}
    assert all(np.isnan(value) == (text != "950") for value, text in zip(values, texts, strict=True))


def test_what_is_declared_is_not_asked_for() -> None:
    assert read(["1.234", "950"], NumberMarks(".")) == ([1.234, 950.0], {})
    assert read(["1.234", "950"], NumberMarks(",")) == ([1234.0, 950.0], {})
    assert read(["1.234", "950"], NumberMarks(thousands=".")) == ([1234.0, 950.0], {})
    assert read(["1.234", "950"], NumberMarks(thousands="'")) == ([1.234, 950.0], {})
    assert read(["1,234"], NumberMarks(".")) == ([1234.0], {})
    assert read(["1,234"], NumberMarks(",")) == ([1.234], {})


@pytest.mark.parametrize(
    ("text", "decimal", "thousands"),
    [("1,5", ".", None), ("1.5", ",", None), ("1.5", None, "."), ("1'234", ".", ","), ("1 234", None, "'")],
)
def test_a_number_with_other_marks_than_declared_is_none(text: str, decimal: Any, thousands: str | None) -> None:
    assert read([text], NumberMarks(decimal, thousands))[1] == {"text-in-numeric-column": [0]}


def test_a_column_with_both_decimal_marks_is_refused_and_told_what_showed_the_first() -> None:
    array = pa.array(["7", "2.5", "1,5"])
    _, (fault,) = to_numbers(array, NumberMarks())
    assert (fault.code, fault.rows.tolist()) == ("text-in-numeric-column", [False, False, True])
    assert "a decimal point is what '2.5' in this column shows" in fault.expected


def test_the_value_that_settles_a_mark_may_come_at_the_end_of_the_table() -> None:
    column = [pa.array(["1.234", "950"]), pa.array(["12.500"]), pa.array(["8.75"])]
    marks = NumberMarks(texts=lambda: column)
    assert [to_numbers(array, marks)[0].tolist() for array in column] == [[1.234, 950.0], [12.5], [8.75]]


def test_a_column_that_settles_nothing_is_read_again_once() -> None:
    reads = []
    marks = NumberMarks(texts=lambda: reads.append(1) or [])  # type: ignore[func-returns-value]
    for _ in range(3):
        assert to_numbers(pa.array(["1.234"]), marks)[1][0].code == "number-ambiguous"
    assert reads == [1]


@st.composite
def written_numbers(draw: st.DrawFn) -> tuple[list[str], list[float], str]:
    """Texts of whole cents in one country's marks, their values, and the decimal mark."""
    decimal, thousands = draw(st.sampled_from([(".", ","), (",", "."), (".", "'"), (",", " "), (".", ""), (",", "")]))
    cents = draw(st.lists(st.integers(-(10**12), 10**12), min_size=1, max_size=8))
    texts = []
    for value in cents:
        digits = draw(st.integers(0, 4))
        whole = f"{abs(value):,}".replace(",", thousands)
        texts.append(("-" if value < 0 else "") + whole + (decimal + "0" * digits if digits else ""))
    return texts, [float(value) for value in cents], decimal


@given(written_numbers())
def test_numbers_of_any_country_are_read_as_meant_or_refused(column: tuple[list[str], list[float], str]) -> None:
    texts, meant, decimal = column
    values, faults = read(list(texts))
    assert set(faults) <= {"number-ambiguous"}
    refused = set(faults.get("number-ambiguous", ()))
    for row, (value, intended) in enumerate(zip(values, meant, strict=True)):
        assert np.isnan(value) if row in refused else value == intended
    declared, none = read(list(texts), NumberMarks(decimal))  # type: ignore[arg-type]
    assert (declared, none) == (meant, {})


@pytest.mark.parametrize(
    "array",
    [
        pa.array(["1", "9007199254740993"]),
        pa.array(["1", "9.007.199.254.740.993"]),
        pa.array(["1", "-36893488147419103233"]),
        pa.array([1, 2**53 + 1]),
        pa.array([1, 2**64 - 1], pa.uint64()),
        pa.array([Decimal(1), Decimal(10) ** 30 + 1], pa.decimal128(38, 0)),
        pa.array([1, 2**53 + 1]).dictionary_encode(),
    ],
)
def test_a_whole_number_that_no_double_holds_is_refused(array: Any) -> None:
    values, (fault,) = to_numbers(array, NumberMarks())
    assert (fault.code, fault.rows.tolist()) == ("number-too-long", [False, True])
    np.testing.assert_array_equal(values, [1.0, np.nan])


@pytest.mark.parametrize("text", ["9007199254740992", "1e300", "0.12345678901234567890", "36893488147419103232"])
def test_large_and_long_numbers_that_doubles_hold_are_read(text: str) -> None:
    assert read([text]) == ([float(text)], {})


def test_infinite_values_are_told_from_text() -> None:
    for texts in (["inf", "1"], ["inf", "1", "x"], ["1e400", "1"], ["-Infinity", "1", "x"]):
        values, faults = read(list(texts))
        assert np.isinf(values[0])
        assert 0 not in faults.get("text-in-numeric-column", [])


def test_categories_compare_as_the_spec_says() -> None:
    categories: tuple[Category, ...] = (1, "two", True, 0.5)
    lookup = {category_text(category): code for code, category in enumerate(categories)}
    texts = pa.array(["1.0", " two ", "TRUE", "0.50", "Two", None])
    assert to_codes(texts, lookup, POINT).tolist() == [0, 1, 2, 3, UNKNOWN, MISSING]
    assert to_codes(pa.array([1, 2, None]), lookup, POINT).tolist() == [0, UNKNOWN, MISSING]
    assert to_codes(pa.array([1.0, 0.5, float("nan")]), lookup, POINT).tolist() == [0, 3, MISSING]
    assert to_codes(pa.array([True, False]), lookup, POINT).tolist() == [2, UNKNOWN]
    assert to_codes(pa.array(["0,5"]), lookup, NumberMarks(",")).tolist() == [3]
    assert to_codes(pa.array(["0,5"]), lookup, POINT).tolist() == [UNKNOWN]
    assert to_codes(pa.array(["0,5"]), lookup, NumberMarks()).tolist() == [3]


def test_codes_are_compared_as_texts() -> None:
    lookup = {category_text(category): code for code, category in enumerate(["100000", "A01", "7", "1.5", "1500"])}
    texts = ["100000", "100000.0", "1E5", "1e5", "A01", "a01", "007", "7", "+7", "1,5", "1,500", "1,234"]
    codes = to_codes(pa.array(texts), lookup, NumberMarks()).tolist()
    assert codes == [0, 0, -2, -2, 1, -2, -2, 2, -2, 3, -2, -2]
    assert to_codes(pa.array(["1,500"]), lookup, NumberMarks(",")).tolist() == [3]


def test_accents_compare_alike_however_they_are_encoded() -> None:
    lookup = {category_text("caf\u00e9"): 0, category_text("nai\u0308ve"): 1}
    texts = pa.array(["cafe\u0301", "caf\u00e9", "na\u00efve", "cafe"])
    assert to_codes(texts, lookup, POINT).tolist() == [0, 0, 1, UNKNOWN]


@pytest.mark.parametrize("category", sorted(MISSING_TEXTS))
def test_a_declared_category_wins_over_missing(category: str) -> None:
    assert to_codes(pa.array([category, "x"]), {category_text(category): 0, "x": 1}, POINT).tolist() == [0, 1]


def test_columns_without_any_value_are_missing_throughout() -> None:
    assert to_codes(pa.nulls(2), {"a": 0}, POINT).tolist() == [MISSING, MISSING]
    assert np.isnan(to_numbers(pa.nulls(2), POINT)[0]).all()


def test_lists_are_no_categories() -> None:
    assert to_codes(pa.array([["a"], None]), {"a": 0}, POINT).tolist() == [UNKNOWN, MISSING]
