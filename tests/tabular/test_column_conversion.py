"""Text as numbers and as categories: decimal marks, missing values, and what is neither."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.spec import Category, category_text
from tabular.convert import MISSING, MISSING_TEXTS, UNKNOWN, to_codes, to_numbers
from tabular.dialect import sniff


@pytest.mark.parametrize("missing", ["", " ", "NA", "N/A", "NaN", "null", "?", "-"])
def test_each_way_to_write_that_a_value_is_missing(missing: str) -> None:
    values, bad = to_numbers(pa.array(["1", missing]), ".")
    assert bad is None
    np.testing.assert_array_equal(values, [1.0, np.nan])
    assert to_codes(pa.array(["1", missing]), {"1": 0}, ".").tolist() == [0, MISSING]


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1))
def test_numbers_written_out_in_full_come_back_exactly(numbers: list[float]) -> None:
    point = [repr(number) for number in numbers]
    comma = [text.replace(".", ",") for text in point]
    for texts, decimal in ((point, "."), (point, "either"), (comma, ","), (comma, "either")):
        values, bad = to_numbers(pa.array(texts), decimal)  # type: ignore[arg-type]
        assert bad is None
        np.testing.assert_array_equal(values, numbers)


@pytest.mark.parametrize("text", ["+1.5", " 1.5 ", "1.50", "15e-1", "0.15E+1"])
def test_each_way_to_write_a_number(text: str) -> None:
    values, bad = to_numbers(pa.array([text]), ".")
    assert bad is None
    assert values.tolist() == [1.5]


@pytest.mark.parametrize("text", ["x", "1 000", "1.2.3", "0x10", "1_000", "1,5", "12/03/2020", "$5", "1e"])
def test_what_is_no_number_is_marked_and_nothing_else(text: str) -> None:
    values, bad = to_numbers(pa.array(["1", text, "NA", "2"]), ".")
    assert bad is not None
    assert bad.tolist() == [False, True, False, False]
    np.testing.assert_array_equal(values, [1.0, np.nan, np.nan, 2.0])


def test_a_point_in_a_file_of_decimal_commas_is_no_number() -> None:
    values, bad = to_numbers(pa.array(["1,5", "1.500"]), ",")
    assert bad is not None
    assert bad.tolist() == [False, True]
    assert values[0] == 1.5


def test_thousands_marks_beside_decimal_marks_are_no_number() -> None:
    for text in ("1.234,5", "1,234.5"):
        _, bad = to_numbers(pa.array([text]), "either")
        assert bad is not None


@pytest.mark.parametrize(
    ("content", "decimal"),
    [
        ("a;b\n1,5;2\n", ","),
        ("a;b\n1.5;2\n", "."),
        ("a;b\n1;2\n", "either"),
        ("a;b\n12,345;2\n", ","),
        ("a\tb\n1,5\t2\n", ","),
        ("a\tb\n12,345\t2\n", "."),
        ('a,b\n"1,5",2\n', ","),
        ('a,b\n"12,345",2\n', "."),
        ("a,b\n1.5,2\n", "."),
        ('a,b\n"1,5",2.5\n', "either"),
    ],
)
def test_the_decimal_mark_is_found_and_a_thousands_mark_is_not_taken_for_it(
    tmp_path: Path, content: str, decimal: str
) -> None:
    path = tmp_path / "t.csv"
    path.write_text(content)
    assert sniff(path, header=True).decimal == decimal


def test_categories_compare_as_the_spec_says() -> None:
    categories: tuple[Category, ...] = (1, "two", True, 0.5)
    lookup = {category_text(category): code for code, category in enumerate(categories)}
    texts = pa.array(["1.0", " two ", "TRUE", "0.50", "Two", None])
    assert to_codes(texts, lookup, ".").tolist() == [0, 1, 2, 3, UNKNOWN, MISSING]
    assert to_codes(pa.array([1, 2, None]), lookup, ".").tolist() == [0, UNKNOWN, MISSING]
    assert to_codes(pa.array([1.0, 0.5, float("nan")]), lookup, ".").tolist() == [0, 3, MISSING]
    assert to_codes(pa.array([True, False]), lookup, ".").tolist() == [2, UNKNOWN]
    assert to_codes(pa.array(["0,5"]), lookup, ",").tolist() == [3]
    assert to_codes(pa.array(["0,5"]), lookup, ".").tolist() == [UNKNOWN]


@pytest.mark.parametrize("category", sorted(MISSING_TEXTS))
def test_a_declared_category_wins_over_missing(category: str) -> None:
    assert to_codes(pa.array([category, "x"]), {category_text(category): 0, "x": 1}, ".").tolist() == [0, 1]


def test_columns_without_any_value_are_missing_throughout() -> None:
    assert to_codes(pa.nulls(2), {"a": 0}, ".").tolist() == [MISSING, MISSING]
    assert np.isnan(to_numbers(pa.nulls(2), ".")[0]).all()


def test_lists_are_no_categories() -> None:
    assert to_codes(pa.array([["a"], None]), {"a": 0}, ".").tolist() == [UNKNOWN, MISSING]
