"""A finished model as it is kept: named arrays of any shape, also where it was one matrix of weights before."""

from __future__ import annotations

import json

import numpy as np
import pytest

from fedtrain.model_owner.results.fitted import Array, TrainedModel

BEFORE = {
    "weights": [["0x1.999999999999ap-4", "-0x0.0000000000001p-1022"], ["0x1.0p+1", "0x1.8p+0"]],
    "coefficients": [[0.1, 2.5], [3.0, -1e300]],
    "names": ["age", "intercept"],
    "output_names": ["y", "z"],
    "table": None,
    "no_table": "20 rows are few",
    "l2_choice": {"l2": 0.5, "training_rows": 8, "validation_rows": 2, "candidates": []},
    "remarks": [{"code": "separable", "text": "told", "column": None}],
}


def test_a_model_that_was_kept_as_one_matrix_is_the_same_model() -> None:
    model = TrainedModel.model_validate_json(json.dumps(BEFORE))
    assert model.arrays["weights"].values.tolist() == [[0.1, -5e-324], [2.0, 1.5]]
    assert model.arrays["coefficients"].values.tolist() == [[0.1, 2.5], [3.0, -1e300]]
    assert model.report == {
        "coefficients": {"age": {"y": 0.1, "z": 2.5}, "intercept": {"y": 3.0, "z": -1e300}},
        "coefficient_table": None,
        "no_coefficient_table": "20 rows are few",
        "l2_choice": BEFORE["l2_choice"],
    }
    assert [remark.text for remark in model.remarks] == ["told"]
    assert TrainedModel.model_validate_json(model.model_dump_json()) == model


@pytest.mark.parametrize("shape", [(), (3,), (2, 0), (2, 3, 4)])
def test_arrays_have_any_shape(shape: tuple[int, ...]) -> None:
    values = np.random.default_rng(2).normal(size=shape)
    model = TrainedModel(arrays={"layer.weight": Array.of(values)})
    again = TrainedModel.model_validate_json(model.model_dump_json()).arrays["layer.weight"].values
    assert again.shape == shape
    assert again.tobytes() == values.tobytes()


def test_an_array_with_another_number_of_digits_is_refused() -> None:
    with pytest.raises(ValueError, match="reshape"):
        _ = Array(shape=(2,), hex="0x1p+0").values
