"""Features whose values are arrays: what each type needs, what it refuses, and the bytes of specs without any."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import ValidationError

from fedtrain.data_owner.data.encoding import DatasetFacts, differences
from fedtrain.spec.columns import MAX_WIDTH, DataProps, Feature
from fedtrain.spec.model_spec import ModelSpec

VECTOR = {"name": "x", "type": "vector", "shape": [2, 3], "range": [0, 255]}
IDS = {"name": "x", "type": "vector", "shape": [30], "vocabulary": 100}
TEXT = {"name": "x", "type": "text", "vocabulary": 100, "tokens": 30}
IMAGE = {"name": "x", "type": "image", "shape": [3, 8, 4], "range": [0, 255]}


def feature(fields: dict[str, Any]) -> Feature:
    return Feature.model_validate_json(json.dumps({name: value for name, value in fields.items() if value is not None}))


def props(*features: dict[str, Any]) -> DataProps:
    target = {"name": "y", "range": [0, 1]}
    return DataProps.model_validate_json(json.dumps({"features": features, "target": target}))


@pytest.mark.parametrize(
    ("fields", "shape", "width"),
    [(VECTOR, (2, 3), 6), (IDS, (30,), 30), (TEXT, (30,), 30), (IMAGE, (3, 8, 4), 96)],
    ids=["vector", "ids", "text", "image"],
)
def test_each_type_has_a_shape_and_survives_json(fields: dict[str, Any], shape: tuple[int, ...], width: int) -> None:
    one = feature(fields)
    assert (one.array_shape, one.width) == (shape, width)
    assert Feature.model_validate_json(one.model_dump_json()) == one


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        (VECTOR | {"shape": None}, "x: a vector feature needs shape"),
        (VECTOR | {"range": None}, "x: a vector feature needs a range for numbers, or a vocabulary for ids"),
        (VECTOR | {"vocabulary": 5}, "x: a vector feature needs a range for numbers, or a vocabulary for ids"),
        (VECTOR | {"tokens": 5}, "x: a vector feature takes no tokens"),
        (VECTOR | {"categories": ["a", "b"]}, "x: a vector feature takes no categories"),
        (VECTOR | {"missing": 0}, "x: missing is 0; use error or drop"),
        (VECTOR | {"shape": [1 << 10, 1 << 11]}, "x: shape [1024, 2048] has 2,097,152 numbers, 1,048,576 at most"),
        (VECTOR | {"shape": [0]}, "greater than or equal to 1"),
        (VECTOR | {"shape": [1, 1, 1, 1, 1]}, "at most 4 items"),
        (TEXT | {"tokens": None}, "x: a text feature needs tokens"),
        (TEXT | {"vocabulary": None}, "x: a text feature needs vocabulary"),
        (TEXT | {"vocabulary": (1 << 24) + 1}, "less than or equal to 16777216"),
        (TEXT | {"shape": [30]}, "x: a text feature takes no shape"),
        (TEXT | {"range": [0, 1]}, "x: a text feature takes no range"),
        (IMAGE | {"range": None}, "x: an image feature needs range, such as [0, 255]"),
        (IMAGE | {"shape": [28, 28]}, "x: shape is [28, 28]; an image has [channels, height, width]"),
        (IMAGE | {"shape": [4, 28, 28]}, "1 channel for grey or 3 for colour"),
        (IMAGE | {"vocabulary": 5}, "x: an image feature takes no vocabulary"),
        ({"name": "x", "type": "continuous", "range": [0, 1], "shape": [2]}, "x: a continuous feature takes no shape"),
        ({"name": "x", "type": "nominal", "categories": ["a", "b"], "tokens": 2}, "a nominal feature takes no tokens"),
    ],
)
def test_what_does_not_go_together_is_refused_by_name(fields: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError) as caught:
        feature(fields)
    assert words in str(caught.value)


def test_a_record_has_so_many_numbers_over_all_features() -> None:
    half = VECTOR | {"shape": [MAX_WIDTH // 2]}
    assert props(half, half | {"name": "z"}).dimensions == MAX_WIDTH + 1
    with pytest.raises(ValidationError, match=r"features have 1,048,577 numbers together, 1,048,576 at most"):
        props(half, half | {"name": "z"}, {"name": "age", "type": "continuous", "range": [0, 1]})


def test_a_column_without_arrays_is_written_as_before_there_were_any() -> None:
    plain = feature({"name": "age", "type": "continuous", "range": [0, 1]})
    assert plain.model_dump_json() == (
        '{"col_idx":null,"name":"age","description":"","range":[0.0,1.0],"categories":null,"missing":"error",'
        '"type":"continuous"}'
    )
    assert set(plain.model_dump()) == {"col_idx", "name", "description", "range", "categories", "missing", "type"}


@pytest.mark.parametrize("fields", [VECTOR, IDS, TEXT, IMAGE], ids=["vector", "ids", "text", "image"])
@pytest.mark.parametrize("model_type", ["LINEAR_REGRESSION", "LOGISTIC_REGRESSION"])
def test_regressions_refuse_each_of_them_by_name(fields: dict[str, Any], model_type: str) -> None:
    target = {"name": "y", "range": [0, 1]} if model_type.startswith("LIN") else {"name": "y", "categories": [0, 1]}
    spec = {"model_type": model_type, "data_props": {"features": [fields], "target": target}}
    with pytest.raises(ValidationError) as caught:
        ModelSpec.model_validate_json(json.dumps(spec))
    assert f"x: {model_type} learns from numbers and categories, and this is of type {fields['type']}" in str(
        caught.value
    )


@pytest.mark.parametrize(
    ("declared", "change", "words"),
    [
        (VECTOR, {"shape": [3, 2]}, "x: shape is [3, 2] in the job and [2, 3] in the schema"),
        (IDS, {"vocabulary": 99}, "x: vocabulary is 99 in the job and 100 in the schema"),
        (TEXT, {"tokens": 31}, "x: shape is [31] in the job and [30] in the schema"),
        (IMAGE, {"range": [0, 1]}, "x: range is [0, 1] in the job and [0, 255] in the schema"),
    ],
    ids=["vector", "ids", "text", "image"],
)
def test_an_owner_finds_each_difference_from_its_schema(
    declared: dict[str, Any], change: dict[str, Any], words: str
) -> None:
    dataset = DatasetFacts("default", "0" * 64, ("x", "y"), props(declared))
    assert differences(dataset, props(declared)) == []
    assert differences(dataset, props(declared | change)) == [words]
