"""Rows for prediction: objects, lists and arrays, and what is wrong with a row, by name."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from fedtrain.spec.model_spec import DataProps, ModelType
from fedtrain.tabular.encode import Encoder
from fedtrain.tabular.errors import BadRow, BadValues

PROPS = {
    "features": [
        {"name": "age", "type": "continuous", "range": [20, 60]},
        {"col_idx": 3, "type": "ordinal", "categories": [1, 2, 3]},
    ],
    "target": {"name": "price", "range": [0, 1]},
}


def encoder(**age: Any) -> Encoder:
    first, second = PROPS["features"]
    props = DataProps.model_validate({**PROPS, "features": [{**first, **age}, second]})  # type: ignore[dict-item]
    return Encoder(props, ModelType.LINEAR_REGRESSION, "range")


@pytest.mark.parametrize(
    "row",
    [
        {"age": 50, "3": 2},
        {"age": "50.0", 3: "2"},
        {"age": 50.0, "column 3": 2.0, "price": 0.3},
        [50, 2],
        (np.float64(50), np.int64(2)),
        np.array([50, 2]),
    ],
)
def test_a_row_in_any_shape_is_encoded_alike(row: Any) -> None:
    encoded = encoder().encode_features([row])
    np.testing.assert_array_equal(encoded.X, [[0.5, 0, 1]])
    assert encoded.Y.shape == (1, 0)


@pytest.mark.parametrize("dtype", [float, int, object])
def test_an_array_is_rows(dtype: type) -> None:
    encoded = encoder().encode_features(np.array([[50, 2], [20, 3]], dtype=dtype))
    np.testing.assert_array_equal(encoded.X, [[0.5, 0, 1], [-1, 1, 1]])


def test_no_rows_are_no_predictions() -> None:
    assert encoder().encode_features([]).X.shape == (0, 3)


def test_a_value_beyond_its_range_is_clipped_and_counted() -> None:
    encoded = encoder().encode_features([[99, 1], [30, 1]])
    assert encoded.X[:, 0].tolist() == [1, -0.5]
    assert (encoded.clipped_low, encoded.clipped_high) == ({}, {"age": 1})


@pytest.mark.parametrize(
    ("rows", "code", "message"),
    [
        ([[50, 2], [50]], "row-malformed", "row 2 has 1 values; the model has 2 features"),
        ([[50, 2], 7], "row-malformed", "row 2 is a int"),
        (["ab"], "row-malformed", "row 1 is a str"),
        ("ab", "row-malformed", "a list of rows is expected"),
        (np.zeros((2, 3)), "row-malformed", r"\(2, 3\), \(rows, 2\) is expected"),
        ([[50, [2]]], "row-malformed", "row 1 holds a list"),
        ([{"age": 1, "3": 2, "agee": 2}], "unknown-field", "'agee' is no feature of the model; there is 'age'"),
    ],
)
def test_a_row_that_cannot_be_lined_up_is_refused(rows: Any, code: str, message: str) -> None:
    with pytest.raises(BadRow, match=message) as caught:
        encoder().encode_features(rows)
    assert caught.value.code == code


@pytest.mark.parametrize(
    ("row", "code", "column"),
    [
        (["old", 2], "text-in-numeric-column", "age"),
        ([True, 2], "text-in-numeric-column", "age"),
        ([float("inf"), 2], "value-not-finite", "age"),
        ([50, 4], "unknown-category", "column 3"),
        ([None, 2], "missing-values", "age"),
        ({"age": 50}, "missing-values", "column 3"),
    ],
)
def test_a_value_that_does_not_fit_is_refused_by_row_and_column(row: Any, code: str, column: str) -> None:
    with pytest.raises(BadValues, match="2") as caught:
        encoder().encode_features([[50, 2], row])
    assert (caught.value.code, caught.value.column, caught.value.rows) == (code, column, (2,))


def test_a_row_is_never_dropped_but_a_constant_is_used() -> None:
    with pytest.raises(BadValues, match="age: row 2 has no value") as caught:
        encoder(missing="drop").encode_features([[50, 2], [None, 2]])
    assert caught.value.rows == (2,)
    assert encoder(missing=60).encode_features([[None, 2]]).X.tolist() == [[1, 0, 1]]
