"""Owners are told how much a job can tell before it starts, the Model Owner how much it told: both by one count."""

from __future__ import annotations

from typing import Any

import pytest

from fedtrain.model_owner.methods import method_of
from fedtrain.planning.plans import numbers_revealed, rounds_of
from fedtrain.spec.model_spec import ModelSpec

RANGED = {"col_idx": 2, "range": [0, 10]}
CLASSES = {"col_idx": 2, "categories": ["a", "b", "c"]}
SHARED = {"weights": "shared_with_owners", "optimizer": "lbfgs"}


@pytest.mark.parametrize(
    ("model_type", "target", "training"),
    [
        ("LINEAR_REGRESSION", RANGED, {"optimizer": "newton"}),
        ("LINEAR_REGRESSION", RANGED, {"optimizer": "newton", "l2": "auto"}),
        ("LINEAR_REGRESSION", RANGED, {"optimizer": "conjugate_gradient", "evaluate_every": 2}),
        ("LINEAR_REGRESSION", RANGED, {"optimizer": "gradient_descent", "reencrypt_every": 2}),
        ("LOGISTIC_REGRESSION", CLASSES, {"optimizer": "momentum"}),
        ("LOGISTIC_REGRESSION", CLASSES, SHARED),
    ],
)
def test_both_sides_count_the_same_numbers(model_type: str, target: dict[str, Any], training: dict[str, Any]) -> None:
    features = [{"col_idx": at, "type": "continuous", "range": [0, 1]} for at in range(2)]
    document = {"model_type": model_type, "data_props": {"features": features, "target": target}, "training": training}
    spec = ModelSpec.model_validate(document)
    rounds = rounds_of(spec)
    a_round, in_all = numbers_revealed(spec)
    owners = a_round * rounds if in_all is None else in_all
    assert method_of(spec).numbers_in_all(spec, rounds) == owners
    assert (in_all is None) == spec.shares_weights
