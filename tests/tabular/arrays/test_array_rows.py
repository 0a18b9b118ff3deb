"""Rows for prediction whose values are arrays: as JSON has them, with the numbers that a table's would become."""

from __future__ import annotations

import base64
import io
import json
from typing import Any

import numpy as np
import pytest
from PIL import Image

from fedtrain.spec.model_spec import DataProps
from fedtrain.tabular import BadRow
from fedtrain.tabular.arrays.texts import token_ids
from fedtrain.tabular.columns import feature_codec
from fedtrain.tabular.findings import Finding
from fedtrain.tabular.rows import row_batch

PROPS = DataProps.model_validate_json(
    json.dumps(
        {
            "features": [
                {"name": "v", "type": "vector", "shape": [2, 2], "range": [0, 10]},
                {"name": "t", "type": "text", "vocabulary": 50, "tokens": 3},
                {"name": "i", "type": "image", "shape": [1, 1, 2], "range": [-255, 255]},
                {"name": "a", "type": "continuous", "range": [0, 2]},
            ],
            "target": {"name": "y", "range": [0, 1]},
        }
    )
)


def file_of(pixels: Any) -> str:
    stream = io.BytesIO()
    Image.fromarray(np.asarray(pixels, dtype=np.uint8)).save(stream, "PNG")
    return base64.b64encode(stream.getvalue()).decode()


SCAN = file_of([[0, 255]])


def encoded(rows: Any) -> tuple[list[Any], list[Finding]]:
    """Each feature's numbers, and what does not fit."""
    batch, found, findings = row_batch(rows, PROPS), [], []
    for feature, cells in zip(PROPS.features, batch.cells, strict=True):
        codec = feature_codec(feature, "range")
        reading = codec.read(*cells)
        out = np.empty((len(codec.names), batch.rows))
        codec.write(reading.values, out)
        found.append(out.T.tolist())
        findings += reading.findings
    return found, findings


@pytest.mark.parametrize("vector", [[0, 5, 10, 20], [[0, 5], [10, 20]], np.array([[0, 5], [10, 20]])])
def test_rows_become_what_a_tables_records_become(vector: Any) -> None:
    for row in ([vector, "Win now", SCAN, 1], {"v": vector, "t": "Win now", "i": SCAN, "a": 1}):
        found, findings = encoded([row])
        assert findings == []
        assert found == [[[-1, 0, 1, 1]], [token_ids("win now", 50, 3)], [[0, 1]], [[0]]]


@pytest.mark.parametrize(
    ("row", "words"),
    [
        (
            {"v": [1, 2, 3]},
            r"v: row 1 holds a list of other lengths, or of other things; a list of 4 numbers, or one",
        ),
        ({"v": [[1, 2], [3]]}, "v: row 1 holds a list of other lengths"),
        ({"v": [1, 2, 3, "x"]}, "v: row 1 holds a list of other lengths, or of other things"),
        ({"v": "1234"}, "v: row 1 holds a str"),
        ({"v": 3}, "v: row 1 holds a int"),
        ({"v": {"0": 1}}, "v: row 1 holds a dict"),
        ({"i": "no base64!"}, "i: row 1 is not the base64"),
        ({"i": 7}, "i: row 1 is not the base64"),
        ({"t": ["a", "b"]}, "t: row 1 holds a list"),
    ],
)
def test_what_is_no_such_array_is_refused_by_name(row: dict[str, Any], words: str) -> None:
    with pytest.raises(BadRow, match=words):
        row_batch([{"v": [0, 0, 0, 0], "t": "a", "i": SCAN, "a": 1} | row], PROPS)


@pytest.mark.parametrize(
    ("row", "code"),
    [
        ({"v": [1, 2, 3, float("nan")]}, "value-not-finite"),
        ({"v": None}, "missing-values"),
        ({"t": " "}, "missing-values"),
        ({"i": None}, "missing-values"),
        ({"i": file_of([[1, 2, 3]])}, "wrong-shape"),
        ({"i": base64.b64encode(b"no image").decode()}, "unreadable-image"),
    ],
)
def test_what_does_not_fit_is_found_as_in_a_table(row: dict[str, Any], code: str) -> None:
    _, findings = encoded([{"v": [0, 0, 0, 0], "t": "a", "i": SCAN, "a": 1} | row])
    assert [finding.code for finding in findings] == [code]


def test_an_array_of_rows_holds_numbers_where_no_feature_is_an_array() -> None:
    with pytest.raises(BadRow, match="row 1 has 2 values; the model has 4 features"):
        row_batch(np.zeros((1, 2)), PROPS)
