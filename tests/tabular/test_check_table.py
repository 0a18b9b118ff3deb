"""`check_table` reports everything that does not fit, and `Tally` finds groups too small."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedtrain.spec.model_spec import DataProps, ModelType
from fedtrain.tabular.check import TableReport, check_table
from fedtrain.tabular.extremes import Extremes

LINEAR = ModelType.LINEAR_REGRESSION
AGE = {"name": "age", "type": "continuous", "range": [20, 60]}
COLOUR = {"name": "colour", "type": "nominal", "categories": ["red", "blue"]}
THREE_COLOURS = {**COLOUR, "categories": ["red", "blue", "green"]}
PRICE = {"name": "price", "range": [0, 100]}


def declared(*features: dict[str, Any], target: dict[str, Any] = PRICE) -> DataProps:
    return DataProps.model_validate({"features": features, "target": target})


def report_on(tmp_path: Path, content: str, *features: dict[str, Any], **options: Any) -> TableReport:
    path = tmp_path / "t.csv"
    path.write_text(content)
    return check_table(path, declared(*features), LINEAR, **options)


def test_a_table_that_fits_has_no_problems_and_its_counts(tmp_path: Path) -> None:
    content = "age,colour,price\n10,red,1\n,red,2\n30,blue,3\n95,red,100\n" + "31,red,5\n" * 40
    report = report_on(tmp_path, content, {**AGE, "missing": "drop"}, COLOUR)
    assert report.fits
    assert (report.rows, report.rows_dropped) == (44, 1)
    age, colour, price = report.columns
    assert (age.missing, age.clipped_low, age.clipped_high, age.constant) == (1, 1, 1, False)
    assert colour.categories == {"red": 42, "blue": 1}
    assert (price.clipped_high, price.constant) == (0, False)


def test_every_column_that_does_not_fit_is_reported(tmp_path: Path) -> None:
    content = "age,colour,price\nold,pink,1\n30,,101\n,red,102\n31,pink,3\n"
    report = report_on(tmp_path, content, AGE, COLOUR, {**AGE, "name": "height"})
    assert not report.fits
    found = {(problem.column, problem.code, problem.count, problem.first_record) for problem in report.problems}
    assert found == {
        ("height", "column-not-in-file", None, None),
        ("age", "text-in-numeric-column", 1, 1),
        ("age", "missing-values", 1, 3),
        ("colour", "unknown-category", 2, 1),
        ("colour", "missing-values", 1, 2),
        ("price", "target-out-of-range", 2, 2),
    }


def test_counts_go_on_through_all_batches(tmp_path: Path) -> None:
    content = "age,price\n" + "30,1\n" * 9000 + "30,200\n" * 9000
    (problem,) = report_on(tmp_path, content, AGE).problems
    assert (problem.code, problem.count, problem.first_record) == ("target-out-of-range", 9000, 9001)


def test_unscaled_values_beyond_the_range_are_a_problem_only_without_scaling(tmp_path: Path) -> None:
    content = "age,price\n10,1\n" + "30,1\n" * 40
    assert report_on(tmp_path, content, AGE).fits
    (problem,) = report_on(tmp_path, content, AGE, scaling="none").problems
    assert problem.code == "value-out-of-range"


def test_a_constant_column_is_noted_and_no_problem(tmp_path: Path) -> None:
    report = report_on(tmp_path, "age,colour,price\n30,red,1\n30,blue,1\n", AGE, COLOUR)
    assert report.fits
    assert [column.constant for column in report.columns] == [True, False, True]


@pytest.mark.parametrize(
    ("content", "code"),
    [("", "no-rows"), ("age,price\n", "no-rows"), ("age,price\n,1\n", "no-rows"), ("PK\x03\x04", "unreadable-file")],
)
def test_a_table_that_cannot_be_used_at_all_is_a_report_too(tmp_path: Path, content: str, code: str) -> None:
    report = report_on(tmp_path, content, {**AGE, "missing": "drop"})
    assert [problem.code for problem in report.problems] == [code]


def test_damage_in_the_middle_is_reported_beside_what_was_found_before(tmp_path: Path) -> None:
    report = report_on(tmp_path, "age,price\n" + "30,200\n" * 900_000 + "30\n", AGE)
    assert {problem.code for problem in report.problems} == {"target-out-of-range", "wrong-field-count"}


def test_a_report_is_json(tmp_path: Path) -> None:
    report = report_on(tmp_path, "age,colour,price\nx,red,1\n", AGE, COLOUR)
    plain = json.loads(json.dumps(report.as_dict()))
    assert plain["fits"] is False
    assert plain["problems"][0]["code"] == "text-in-numeric-column"
    assert plain["columns"][1]["categories"] == {"red": 1, "blue": 0}


def questions(tmp_path: Path, ages: list[float], **options: Any) -> list[tuple[str, int, str]]:
    content = "age,price\n" + "".join(f"{age},1\n" for age in ages)
    report = report_on(tmp_path, content, {**AGE, **options})
    assert report.usable
    assert report.fits == (not report.questions)
    return [(question.code, question.count, question.message) for question in report.questions]


ORDINARY = [float(age) for age in range(20, 61)]


def test_a_code_for_missing_values_is_questioned_wherever_the_range_puts_it(tmp_path: Path) -> None:
    beyond = "age: 4 records have -999, the only value below the range: does it mean that there is no value?"
    assert questions(tmp_path, [*ORDINARY, *[-999] * 4]) == [("may-mean-missing", 4, beyond)]
    within = "age: 4 records have -999, and the next value is 20: does it mean that there is no value?"
    assert questions(tmp_path, [*ORDINARY, *[-999] * 4], range=[-1000, 100]) == [("may-mean-missing", 4, within)]
    at_the_end = "age: 1 record has 999, and the next value is 60: does it mean that there is no value?"
    assert questions(tmp_path, [*ORDINARY, 999], range=[0, 999]) == [("may-mean-missing", 1, at_the_end)]


def test_a_column_that_keeps_to_little_of_its_range_is_questioned(tmp_path: Path) -> None:
    ((code, count, message),) = questions(tmp_path, ORDINARY, range=[0, 5000])
    assert (code, count) == ("hardly-varies", 41)
    assert "between 20 and 60" in message
    assert questions(tmp_path, ORDINARY, range=[0, 4000]) == []  # a hundredth exactly
    assert questions(tmp_path, [20.0] * 41, range=[0, 5000]) == []  # constant, which the summary says
    assert questions(tmp_path, ORDINARY[:19], range=[0, 5000]) == []


@pytest.mark.parametrize("code", [-1, -9, -99, -999, 99, 999, 9999, -88])
def test_the_usual_codes_are_questioned_even_where_there_is_one_of_them(tmp_path: Path, code: int) -> None:
    ((found, count, _),) = questions(tmp_path, [*ORDINARY, code])
    assert (found, count) == ("may-mean-missing", 1)


def test_any_value_that_stands_alone_beyond_the_range_more_than_once_is_questioned(tmp_path: Path) -> None:
    assert questions(tmp_path, [*ORDINARY, 150]) == []
    ((code, count, message),) = questions(tmp_path, [*ORDINARY, 150, 150])
    assert (code, count) == ("may-mean-missing", 2)
    assert "150, the only value above the range" in message


def test_many_clipped_values_are_questioned(tmp_path: Path) -> None:
    half = [float(age) for age in range(41)]
    assert questions(tmp_path, half) == [
        ("many-clipped", 20, "age: 20 of 41 values are below the range and count as its end: is the range right?")
    ]
    few = [*ORDINARY * 3, 10, 11, 70, 71]
    assert questions(tmp_path, few) == []


@pytest.mark.parametrize(
    "ages",
    [
        [20.0, 60.0] * 30,  # two values only
        [20.0] * 30 + ORDINARY,  # many at the end of the range, as of counts
        [20.0] * 30 + [40.0 + age / 2 for age in range(41)],  # apart, and yet not further than the others
    ],
)
def test_what_many_columns_look_like_is_not_questioned(tmp_path: Path, ages: list[float]) -> None:
    assert questions(tmp_path, ages) == []


def test_questions_are_those_of_the_whole_table_and_not_of_its_batches(tmp_path: Path) -> None:
    (question,) = questions(tmp_path, [*ORDINARY * 300, *[-5.0] * 9000, *ORDINARY])
    assert question[:2] == ("may-mean-missing", 9000)


def test_what_is_refused_already_is_no_question(tmp_path: Path) -> None:
    content = "age,price\n" + "30,1\n" * 20 + "31,-999\n" * 20
    report = report_on(tmp_path, content, AGE)
    assert [problem.code for problem in report.problems] == ["target-out-of-range"]
    assert report.questions == []
    assert not report.usable


@given(st.lists(st.integers(-5, 5).map(float), min_size=1), st.integers(1, 4))
def test_both_ends_are_those_of_the_sorted_values_however_they_are_cut(values: list[float], pieces: int) -> None:
    extremes = Extremes()
    for piece in np.array_split(np.array(values), pieces):
        extremes.add(piece)
    distinct = sorted(set(values))
    for end, sign, ordered in ((extremes.lower, 1, distinct), (extremes.upper, -1, distinct[::-1])):
        assert (sign * end.value, end.count) == (ordered[0], values.count(ordered[0]))
        assert end.next == (sign * ordered[1] if len(ordered) > 1 else np.inf)
    assert extremes.count == len(values)
