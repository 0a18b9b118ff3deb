"""The model spec: what it takes, and each thing it refuses."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from pydantic import ValidationError

from fedtrain.spec.model_spec import Feature, ModelSpec, Optimizer, Target, category_text

SPEC: dict[str, Any] = {
    "model_type": "LINEAR_REGRESSION",
    "data_props": {
        "features": [
            {"col_idx": 0, "type": "continuous", "range": [-1, 1]},
            {"name": "colour", "type": "nominal", "categories": ["red", "green", "blue"]},
            {"name": "grade", "type": "ordinal", "categories": ["low", "high"]},
        ],
        "target": {"name": "price", "range": [0, 100]},
    },
}


def spec_with(**changes: Any) -> dict[str, Any]:
    spec = copy.deepcopy(SPEC)
    spec["data_props"].update(changes)
    return spec


def refusal(spec: dict[str, Any]) -> str:
    with pytest.raises(ValidationError) as caught:
        ModelSpec.model_validate(spec)
    return str(caught.value)


def feature(**fields: Any) -> dict[str, Any]:
    return {"name": "age", "type": "continuous", "range": [0, 120], **fields}


def feature_refusal(**fields: Any) -> str:
    with pytest.raises(ValidationError) as caught:
        Feature.model_validate({key: value for key, value in feature(**fields).items() if value is not None})
    return str(caught.value)


def test_a_spec_without_training_has_the_documented_defaults() -> None:
    spec = ModelSpec.model_validate(SPEC)
    training = spec.training
    assert training.optimizer is Optimizer.CONJUGATE_GRADIENT
    assert (training.min_data_owners, training.key_bits, training.scaling) == (3, 3072, "range")
    assert (spec.data_props.header, spec.spec_version) == (True, 1)


def test_dimensions_count_one_hot_columns_and_the_intercept() -> None:
    spec = ModelSpec.model_validate(SPEC)
    assert spec.data_props.dimensions == 1 + 2 + 1 + 1
    assert spec.outputs == 1


def test_a_spec_survives_json() -> None:
    spec = ModelSpec.model_validate(SPEC)
    assert ModelSpec.model_validate_json(spec.model_dump_json()) == spec
    assert ModelSpec.model_validate_json(json.dumps(SPEC)) == spec


@pytest.mark.parametrize(
    ("categories", "outputs"), [(["no", "yes"], 1), (["a", "b", "c"], 3)], ids=["two classes", "three classes"]
)
def test_outputs_of_a_classifier(categories: list[str], outputs: int) -> None:
    spec = spec_with(target={"name": "risk", "categories": categories})
    spec["model_type"] = "LOGISTIC_REGRESSION"
    assert ModelSpec.model_validate(spec).outputs == outputs


def test_several_targets_are_several_outputs() -> None:
    spec = spec_with(targets=[{"name": "a", "range": [0, 1]}, {"name": "b", "range": [0, 1]}])
    del spec["data_props"]["target"]
    assert ModelSpec.model_validate(spec).outputs == 2


@pytest.mark.parametrize("where", ["", "data_props", "training", "feature", "target"])
def test_an_unknown_field_is_refused_by_name(where: str) -> None:
    spec = spec_with()
    spec["training"] = {}
    places: dict[str, dict[str, Any]] = {
        "": spec,
        "data_props": spec["data_props"],
        "training": spec["training"],
        "feature": spec["data_props"]["features"][0],
        "target": spec["data_props"]["target"],
    }
    places[where]["learning_rat"] = 1
    assert "learning_rat" in refusal(spec)


def test_targets_and_target_together_are_refused_and_so_is_neither() -> None:
    both = spec_with(targets=[{"name": "other", "range": [0, 1]}])
    assert "exactly one of target and targets" in refusal(both)
    neither = spec_with()
    del neither["data_props"]["target"]
    assert "exactly one of target and targets" in refusal(neither)


def test_a_column_twice_is_refused_by_name() -> None:
    features = [{"name": "age", "type": "continuous", "range": [0, 1]}] * 2
    assert "age is used twice" in refusal(spec_with(features=features))


def test_a_column_that_is_feature_and_target_is_refused() -> None:
    assert "column 0 is used twice" in refusal(spec_with(target={"col_idx": 0, "range": [0, 1]}))


def test_a_column_by_name_needs_a_header() -> None:
    assert "header is false" in refusal(spec_with(header=False))


def test_no_features_are_refused() -> None:
    assert "features" in refusal(spec_with(features=[]))


def test_linear_regression_needs_a_range_and_logistic_regression_categories() -> None:
    assert "LINEAR_REGRESSION needs a target with a range" in refusal(
        spec_with(target={"name": "risk", "categories": ["no", "yes"]})
    )
    logistic = spec_with()
    logistic["model_type"] = "LOGISTIC_REGRESSION"
    assert "LOGISTIC_REGRESSION needs a target with categories" in refusal(logistic)


def test_logistic_regression_takes_one_target() -> None:
    spec = spec_with(targets=[{"name": name, "categories": ["no", "yes"]} for name in "ab"])
    del spec["data_props"]["target"]
    spec["model_type"] = "LOGISTIC_REGRESSION"
    assert "takes one target" in refusal(spec)


@pytest.mark.parametrize("ends", [[1, 1], [2, 1]])
def test_a_range_whose_low_end_is_not_below_its_high_end_is_refused(ends: list[float]) -> None:
    assert "low end must be below the high end" in feature_refusal(range=ends)
    with pytest.raises(ValidationError, match="low end must be below"):
        Target.model_validate({"name": "y", "range": ends})


@pytest.mark.parametrize(
    ("ends", "reason"),
    [
        ([-1.7e308, 1.7e308], "too wide"),
        ([0.0, 5e-324], "too narrow"),
        ([0, float("inf")], "finite"),
        (["0", 1], "number"),
    ],
)
def test_a_range_that_doubles_cannot_scale_is_refused(ends: list[Any], reason: str) -> None:
    assert reason in feature_refusal(range=ends)


def test_a_range_with_a_missing_end_is_refused() -> None:
    assert "range" in feature_refusal(range=[0])


def test_a_numeric_feature_needs_a_range_and_takes_no_categories() -> None:
    assert "age: a continuous feature needs a range" in feature_refusal(range=None)
    assert "takes no categories" in feature_refusal(categories=["a", "b"])


def test_a_category_feature_needs_categories_and_takes_no_range() -> None:
    assert "need categories" in feature_refusal(type="nominal", range=None)
    assert "not a range" in feature_refusal(type="ordinal", categories=["a", "b"])


def test_one_category_is_refused() -> None:
    assert "at least 2" in feature_refusal(type="nominal", range=None, categories=["a"])


@pytest.mark.parametrize("pair", [["a", " a"], [1, "1.0"], [True, "TRUE"], ["0.10", 0.1]])
def test_categories_that_compare_equal_are_refused(pair: list[Any]) -> None:
    assert "is given twice" in feature_refusal(type="nominal", range=None, categories=pair)


def test_a_column_needs_exactly_one_of_name_and_position() -> None:
    assert "exactly one of col_idx and name" in feature_refusal(name=None)
    assert "exactly one of col_idx and name" in feature_refusal(col_idx=3)


@pytest.mark.parametrize("missing", ["skip", True, 121, -1, 10**400])
def test_missing_of_a_numeric_feature_is_error_drop_or_a_number_in_range(missing: Any) -> None:
    assert "missing is" in feature_refusal(missing=missing)


@pytest.mark.parametrize("missing", ["error", "drop", 0, 119.5])
def test_missing_of_a_numeric_feature_is_taken(missing: Any) -> None:
    assert Feature.model_validate(feature(missing=missing)).missing == missing


def test_missing_of_a_category_feature_is_one_of_its_categories() -> None:
    fields = {"name": "c", "type": "nominal", "categories": [1, 2]}
    assert Feature.model_validate({**fields, "missing": "1.0"}).missing == "1.0"
    with pytest.raises(ValidationError, match="none of the categories"):
        Feature.model_validate({**fields, "missing": 3})


def test_a_target_is_never_filled_in() -> None:
    with pytest.raises(ValidationError, match="'error' or 'drop'"):
        Target.model_validate({"name": "y", "range": [0, 1], "missing": 0})


def test_a_target_has_a_range_or_categories() -> None:
    for fields in ({}, {"range": [0, 1], "categories": ["a", "b"]}):
        with pytest.raises(ValidationError, match="needs a range"):
            Target.model_validate({"name": "y", **fields})


@pytest.mark.parametrize(
    ("training", "reason"),
    [
        ({"min_data_owners": 5, "max_data_owners": 4}, "min_data_owners 5 is above max_data_owners 4"),
        ({"optimizer": "conjugate_gradient", "reencrypt_every": 2}, "needs reencrypt_every 1"),
        ({"optimizer": "newton", "reencrypt_every": 2}, "needs reencrypt_every 1"),
        ({"optimizer": "rmsprop"}, "optimizer"),
        ({"tolerance": 1.0}, "tolerance"),
        ({"momentum": -0.1}, "momentum"),
        ({"l2": -1.0}, "l2"),
        ({"rounds": 0}, "rounds"),
        ({"rounds": True}, "rounds"),
        ({"key_bits": 3000}, "key_bits"),
        ({"round_timeout_s": 0}, "round_timeout_s"),
        ({"learning_rate": 0.0}, "learning_rate"),
        ({"learning_rate": float("nan")}, "learning_rate"),
    ],
)
def test_training_that_makes_no_sense_is_refused(training: dict[str, Any], reason: str) -> None:
    assert reason in refusal({**SPEC, "training": training})


def test_gradient_descent_and_momentum_take_a_window() -> None:
    for optimizer in ("gradient_descent", "momentum"):
        spec = ModelSpec.model_validate({**SPEC, "training": {"optimizer": optimizer, "reencrypt_every": 8}})
        assert spec.training.reencrypt_every == 8


def test_a_dataset_name_that_could_be_a_path_is_refused() -> None:
    assert "dataset" in refusal({**SPEC, "dataset": "../secrets"})
    assert ModelSpec.model_validate({**SPEC, "dataset": "claims-2024"}).dataset == "claims-2024"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1, "1"), (1.0, "1"), ("1", "1"), (" 1.0 ", "1"), ("1e0", "1e0"), (-0.0, "0"), ("-0.0", "0"),
            ("0.10", "0.1"), ("10", "10"), ("1E5", "1E5"), (1e5, "100000"), ("007", "007"), ("+1", "+1"),
        (1e-7, "0.0000001"),
            ("cafe\u0301", "caf\u00e9"), ("0.0000001", "0.0000001"), ("1.0e5", "1.0e5"), (".5", ".5"), ("5.", "5."),
        (True, "True"), ("true", "True"), ("FALSE", "False"), (" red ", "red"), ("nan", "nan"), ("-inf", "-inf"),
        ("1_000", "1_000"), ("1e400", "1e400"), (2**53 + 1, "9007199254740993"),
        ("9007199254740993", "9007199254740993"),
        (10**400, "1" + "0" * 400), ("٣", "٣"),
    ],
)  # fmt: skip
def test_category_text(value: Any, text: str) -> None:
    assert category_text(value) == text
