"""The encoding of records: the formulas, the counts, and each value that is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedtrain.spec.model_spec import DataProps, ModelType
from fedtrain.tabular.encode import Encoder
from fedtrain.tabular.errors import BadValues, UnreadableTable
from fedtrain.tabular.reading.read import TableBatch, open_table

LINEAR, LOGISTIC = ModelType.LINEAR_REGRESSION, ModelType.LOGISTIC_REGRESSION
AGE = {"name": "age", "type": "continuous", "range": [20, 60]}
COLOUR = {"name": "colour", "type": "nominal", "categories": ["red", "green", "blue"]}
GRADE = {"name": "grade", "type": "ordinal", "categories": ["low", "mid", "high"]}
PRICE = {"name": "price", "range": [-50, 100]}


def encoder_of(
    *features: dict[str, Any],
    target: dict[str, Any] | None = None,
    scaling: Literal["range", "none"] = "range",
    **props: Any,
) -> Encoder:
    if "targets" not in props:
        props["target"] = target or PRICE
    declared = DataProps.model_validate({"features": list(features), **props})
    classifies = declared.all_targets[0].categories is not None
    return Encoder(declared, LOGISTIC if classifies else LINEAR, scaling)


def batch_of(*columns: list[Any], first_row: int = 1) -> TableBatch:
    return TableBatch(tuple(pa.array(column) for column in columns), len(columns[0]), first_row)


def refused(encoder: Encoder, *columns: list[Any], first_row: int = 1) -> BadValues:
    with pytest.raises(BadValues) as caught:
        encoder.encode(batch_of(*columns, first_row=first_row))
    return caught.value


def test_every_type_lands_in_its_columns() -> None:
    encoder = encoder_of(AGE, COLOUR, GRADE)
    encoded = encoder.encode(
        batch_of(["20", "50", "60"], ["green", "red", "blue"], ["mid", "low", "high"], [100, -50, 25])
    )
    assert encoder.names == ("age", "colour=green", "colour=blue", "grade", "intercept")
    assert (encoder.dimensions, encoder.outputs, encoder.output_names) == (5, 1, ("price",))
    expected = [[-1, 1, 0, 0, 1], [0.5, 0, 0, -1, 1], [1, 0, 1, 1, 1]]
    np.testing.assert_array_equal(encoded.X, expected)
    np.testing.assert_array_equal(encoded.Y, [[100 / 75], [-50 / 75], [25 / 75]])
    assert (encoder.target_bound, encoder.target_half_width.tolist()) == (100 / 75, [75.0])
    np.testing.assert_array_equal(encoder.feature_bounds, np.ones(5))
    assert encoder.dimensions == encoder.props.dimensions


def test_without_scaling_values_and_ranks_stay_as_they_are() -> None:
    encoder = encoder_of({**AGE, "range": [-70, 60]}, COLOUR, GRADE, scaling="none")
    encoded = encoder.encode(batch_of([-70.0, 60.0], ["red", "blue"], ["low", "high"], [0.0, 1.0]))
    np.testing.assert_array_equal(encoded.X, [[-70, 0, 0, 0, 1], [60, 0, 1, 2, 1]])
    np.testing.assert_array_equal(encoder.feature_bounds, [70, 1, 1, 2, 1])
    np.testing.assert_array_equal(encoded.Y[:, 0], [0, 1 / 75])


def test_two_classes_are_one_column_and_three_are_three() -> None:
    two = encoder_of(AGE, target={"name": "risk", "categories": ["no", "yes"]})
    np.testing.assert_array_equal(two.encode(batch_of([30, 40], ["yes", "no"])).Y, [[1], [0]])
    assert two.output_names == ("yes",)
    three = encoder_of(AGE, target={"name": "kind", "categories": [1, 2, 3]})
    np.testing.assert_array_equal(three.encode(batch_of([30, 40], ["3.0", "1"])).Y, [[0, 0, 1], [1, 0, 0]])
    assert (three.output_names, three.target_bound, three.target_half_width.tolist()) == (("1", "2", "3"), 1, [1, 1, 1])


def test_several_targets_are_scaled_each_by_its_own_range() -> None:
    encoder = encoder_of(AGE, targets=[PRICE, {"name": "rent", "range": [0, 10]}])
    np.testing.assert_array_equal(encoder.encode(batch_of([30], [75], [10])).Y, [[1, 2]])
    assert encoder.target_half_width.tolist() == [75, 5]
    assert encoder.target_bound == 2


def test_a_feature_beyond_its_range_is_clipped_and_counted_on_its_side() -> None:
    encoded = encoder_of(AGE).encode(batch_of([10.0, 20.0, 61.0, 1e300, 30.0], [0] * 5))
    np.testing.assert_array_equal(encoded.X[:, 0], [-1, -1, 1, 1, -0.5])
    assert (encoded.clipped_low, encoded.clipped_high) == ({"age": 1}, {"age": 2})


def test_without_scaling_a_feature_beyond_its_range_is_refused() -> None:
    error = refused(encoder_of(AGE, scaling="none"), [30.0, 61.0, 62.0], [0, 0, 0], first_row=100)
    assert (error.code, error.column, error.rows) == ("value-out-of-range", "age", (101,))
    assert "61" in error.message
    assert "[20, 60]" in error.message
    assert "1 more" in error.message


@pytest.mark.parametrize("scaling", ["range", "none"])
@pytest.mark.parametrize("value", [-50.001, 100.001])
def test_a_target_beyond_its_range_is_refused_never_clipped(scaling: Literal["range", "none"], value: float) -> None:
    error = refused(encoder_of(AGE, scaling=scaling), [30.0, 30.0], [0.0, value])
    assert (error.code, error.column, error.rows) == ("target-out-of-range", "price", (2,))


@pytest.mark.parametrize("value", [float("inf"), float("-inf"), "inf", "1e999"])
def test_an_infinite_value_is_refused_not_clipped(value: Any) -> None:
    assert refused(encoder_of(AGE), [value], [0]).code == "value-not-finite"


def test_text_in_a_numeric_column_is_refused_with_its_record_and_value() -> None:
    error = refused(encoder_of(AGE), ["30", "young"], [0, 0], first_row=8193)
    assert (error.code, error.rows) == ("text-in-numeric-column", (8194,))
    assert "'young'" in error.message


def test_a_category_that_is_not_declared_is_refused_with_those_that_are() -> None:
    error = refused(encoder_of(COLOUR), ["red", "pink"], [0, 0])
    assert (error.code, error.column, error.rows) == ("unknown-category", "colour", (2,))
    assert "'pink'" in error.message
    assert "red, green, blue" in error.message


def test_missing_values_are_refused_and_counted_by_column() -> None:
    error = refused(encoder_of(AGE, COLOUR), [None, 30.0, None], ["red", None, "red"], [0, 0, 0])
    assert error.code == "missing-values"
    assert "age 2, colour 1" in error.message


def test_records_that_lack_a_value_are_dropped_and_counted() -> None:
    encoder = encoder_of({**AGE, "missing": "drop"}, {**COLOUR, "missing": "drop"}, target={**PRICE, "missing": "drop"})
    encoded = encoder.encode(
        batch_of([None, 99.0, 99.0, 30.0], ["red", None, "red", "blue"], [0.0, 0.0, None, 1.0], first_row=5)
    )
    np.testing.assert_array_equal(encoded.X, [[-0.5, 0, 1, 1]])
    assert (encoded.dropped, encoded.records.tolist()) == (3, [8])
    assert (encoded.clipped_low, encoded.clipped_high) == ({}, {}), "what was dropped was not clipped"
    assert encoded.categories["colour"].tolist() == [0, 0, 1]


def test_a_constant_stands_in_for_a_missing_value() -> None:
    encoder = encoder_of({**AGE, "missing": 50}, {**COLOUR, "missing": "blue"}, {**GRADE, "missing": "high"})
    encoded = encoder.encode(batch_of([None, 20.0], [None, "red"], ["?", "low"], [0, 0]))
    np.testing.assert_array_equal(encoded.X, [[0.5, 0, 1, 1, 1], [-1, 0, 0, -1, 1]])
    assert encoded.dropped == 0


def test_where_constants_stand_is_known_of_the_records_that_are_kept() -> None:
    encoder = encoder_of({**COLOUR, "missing": "drop"}, {**AGE, "missing": 50})
    encoded = encoder.encode(batch_of([None, "red", "blue", "red"], [None, None, 50.0, 20.0], [0, 0, 0, 0]))
    assert encoded.imputed is not None
    assert encoded.imputed.tolist() == [[False, False, True, False], [False] * 4, [False] * 4]
    assert encoder.encode(batch_of(["red"], [50.0], [0])).imputed is None


def test_a_table_of_which_nothing_is_left_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    for content, why in (("age,price\n", "no records"), ("age,price\n,1\n,2\n", "all 2 records")):
        path.write_text(content)
        encoder = encoder_of({**AGE, "missing": "drop"})
        with pytest.raises(UnreadableTable, match=why) as caught:
            list(encoder.encode_all(open_table(path).batches(encoder.columns)))
        assert caught.value.code == "no-rows"


def test_csv_and_parquet_of_one_table_encode_alike_at_any_batch_size(tmp_path: Path) -> None:
    rng = np.random.default_rng(7)
    ages, prices = rng.uniform(10, 70, 500), rng.uniform(-50, 100, 500)
    colours, grades = rng.choice(["red", "green", "blue"], 500), rng.choice(["low", "mid", "high"], 500)
    table = pa.table({"age": ages, "colour": colours, "grade": grades, "price": prices})
    pq.write_table(table, tmp_path / "t.parquet", row_group_size=77)
    lines = [
        "grade;price;age;colour",
        *(f"{g};{p!r};{a!r};{c}" for g, p, a, c in zip(grades, prices.tolist(), ages.tolist(), colours, strict=True)),
    ]
    (tmp_path / "t.csv").write_text("\n".join(lines))
    encoder = encoder_of(AGE, COLOUR, GRADE)
    results = []
    for name, batch_rows in (("t.parquet", 8192), ("t.parquet", 13), ("t.csv", 8192), ("t.csv", 1)):
        encoded = list(encoder.encode_all(open_table(tmp_path / name).batches(encoder.columns, batch_rows)))
        results.append(np.vstack([np.hstack([batch.X, batch.Y, batch.records[:, None]]) for batch in encoded]))
    for other in results[1:]:
        np.testing.assert_array_equal(results[0], other)
    assert (np.abs(results[0][:, 0]) == 1).sum() > 100, "a third of the ages is beyond the range"


@given(st.data())
def test_no_encoded_value_is_beyond_the_bound_declared_for_it(data: st.DataObject) -> None:
    ends = st.floats(-1e300, 1e300)
    low, high = data.draw(st.tuples(ends, ends).filter(lambda pair: pair[0] < pair[1] and (pair[1] - pair[0]) / 2 > 0))
    scaling: Literal["range", "none"] = data.draw(st.sampled_from(["range", "none"]))
    encoder = encoder_of({**AGE, "range": [low, high]}, target={"name": "y", "range": [low, high]}, scaling=scaling)
    inside = data.draw(st.lists(st.floats(low, high) | st.sampled_from([low, high]), min_size=1))
    encoded = encoder.encode(batch_of(inside, inside))
    assert (np.abs(encoded.X) <= encoder.feature_bounds).all()
    assert (np.abs(encoded.Y) <= encoder.target_bound).all()
    assert np.isfinite(encoded.X).all()


@given(st.data())
def test_raw_coefficients_predict_what_the_scaled_weights_predict(data: st.DataObject) -> None:
    scaling: Literal["range", "none"] = data.draw(st.sampled_from(["range", "none"]))
    encoder = encoder_of(AGE, COLOUR, GRADE, scaling=scaling, targets=[PRICE, {"name": "rent", "range": [0, 10]}])
    weights = np.array(data.draw(st.lists(st.floats(-3, 3), min_size=10, max_size=10))).reshape(5, 2)
    age, colour, rank = data.draw(st.tuples(st.floats(20, 60), st.integers(0, 2), st.integers(0, 2)))
    row = {"age": age, "colour": ["red", "green", "blue"][colour], "grade": ["low", "mid", "high"][rank]}
    scaled = encoder.encode_features([row]).X @ weights * encoder.target_half_width
    raw = np.array([[age, colour == 1, colour == 2, rank, 1.0]]) @ encoder.unscale(weights)
    np.testing.assert_allclose(raw, scaled, rtol=1e-9, atol=1e-9)


def test_weights_of_another_shape_are_refused() -> None:
    with pytest.raises(ValueError, match=r"\(2, 1\) is expected"):
        encoder_of(AGE).unscale(np.zeros((3, 1)))


def test_a_batch_of_other_columns_is_refused() -> None:
    with pytest.raises(ValueError, match="takes 2"):
        encoder_of(AGE).encode(batch_of([1.0]))


def test_a_model_type_that_does_not_fit_the_target_is_refused() -> None:
    props = DataProps.model_validate({"features": [AGE], "target": PRICE})
    with pytest.raises(ValueError, match="needs a target with categories"):
        Encoder(props, LOGISTIC)
