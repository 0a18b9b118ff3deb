"""Pictures of the test set that a classifier reads wrongly: which they are, their pixels, and who may see them."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fedtrain import ModelOwner
from fedtrain.model_owner.results.examined.wrongly_read import MOST_EXAMPLES, drawn, misread, picture_shape
from fedtrain.service.people.permissions import Permission
from fedtrain.spec.model_spec import DataProps
from fedtrain.tabular.encode import EncodedBatch, Encoder
from fedtrain.tabular.rows import row_batch
from tests.harness.model_owner.served import served
from tests.harness.one_process import training, write_table

PIXELS = [{"name": f"p{at}", "type": "continuous", "range": [0, 16]} for at in range(64)]
TARGET = {"name": "digit", "categories": ["3", "8"]}


def props(features: list[dict[str, Any]]) -> DataProps:
    return DataProps.model_validate({"features": features, "target": TARGET})


@pytest.mark.parametrize(
    ("features", "shape"),
    [
        (PIXELS, (1, 8, 8)),
        ([{"name": "x", "type": "vector", "shape": [784], "range": [0, 255]}], (1, 28, 28)),
        ([{"name": "x", "type": "vector", "shape": [9, 12], "range": [0, 1]}], (1, 9, 12)),
        ([{"name": "x", "type": "image", "shape": [3, 32, 32], "range": [0, 255]}], (3, 32, 32)),
        (PIXELS[:63], None),  # no square
        (PIXELS[:49], None),  # so few columns are a table's
        ([*PIXELS[:63], {**PIXELS[63], "range": [0, 17]}], None),
        ([*PIXELS[:63], {"name": "ward", "type": "nominal", "categories": ["a", "b"]}], None),
        ([{"name": "x", "type": "vector", "shape": [2, 32, 32], "range": [0, 1]}], None),  # two channels
        ([{"name": "x", "type": "vector", "shape": [1, 3, 32, 32], "range": [0, 1]}], None),
        ([{"name": "x", "type": "vector", "shape": [64], "vocabulary": 9}], None),  # ids of words
        ([{"name": "x", "type": "image", "shape": [1, 65, 64], "range": [0, 255]}], None),
        ([{"name": "x", "type": "text", "vocabulary": 9, "tokens": 64}], None),
    ],
)
def test_features_are_a_picture_where_they_have_its_shape(features: Any, shape: tuple[int, int, int] | None) -> None:
    assert picture_shape(props(features)) == shape


def test_rows_read_wrongly_come_surest_first_without_those_of_a_calibration() -> None:
    values, targets = [0.1, 0.9, 0.4, 0.99, 0.2, 0.95], ["8", "3", "8", "8", "8", "3"]
    said = ["8" if value > 0.5 else "3" for value in values]
    two = {"class_names": ["3", "8"], "values": values, "classes": said, "targets": targets}
    found = misread({**two, "calibration": {"rows": [5]}})
    assert [(one.row, one.said, one.true) for one in found] == [
        (0, "3", "8"), (1, "8", "3"), (4, "3", "8"), (2, "3", "8"),
    ]  # fmt: skip
    assert [one.probability for one in found] == pytest.approx([0.9, 0.9, 0.8, 0.6])
    three = {"class_names": ["a", "b", "c"], "values": [[0.2, 0.5, 0.3], [0.1, 0.1, 0.8]], "classes": ["b", "c"]}
    assert [(one.row, one.probability) for one in misread({**three, "targets": ["c", "c"]})] == [(0, 0.5)]


def test_pixels_are_looked_for_no_further_than_it_takes() -> None:
    encoder = Encoder(props(PIXELS), "LOGISTIC_REGRESSION")  # type: ignore[arg-type]
    rows = np.arange(5 * 64).reshape(5, 64) % 17
    read: list[int] = []

    def batches() -> Any:
        for at in range(5):
            read.append(at)
            batch: EncodedBatch = encoder.encode_feature_batch(row_batch(rows[at : at + 1].tolist(), encoder.props))
            yield batch

    wrong = misread({"class_names": ["3", "8"], "values": [0.9] * 3, "classes": ["8"] * 3, "targets": ["3", "8", "3"]})
    found = drawn(wrong, encoder, batches())
    for one in found:
        assert list(base64.b64decode(one.pixels)) == np.rint(255 * rows[one.row] / 16).tolist()
    assert ([one.row for one in found], read) == ([0, 2], [0, 1, 2, 3])
    assert drawn([], encoder, iter(())) == []


@pytest.mark.slow
def test_pictures_of_a_trained_model_are_shown_to_those_who_may_see_the_test_set(tmp_path: Path) -> None:
    draw = np.random.default_rng(5)
    names = [*(str(one["name"]) for one in PIXELS), "digit"]
    # Labels by lot: about half is read wrongly, whatever is learnt.
    learnt, test = (
        [[*row.tolist(), str(draw.choice(["3", "8"]))] for row in draw.integers(0, 17, (rows, 64))]
        for rows in (1000, 200)
    )
    spec = {
        "model_type": "LOGISTIC_REGRESSION",
        "data_props": {"features": PIXELS, "target": TARGET},
        "training": training(1, optimizer="newton"),
    }
    tables = {"a": write_table(tmp_path / "a.csv", learnt, names)}
    with served(tmp_path / "state", tables, write_table(tmp_path / "test.csv", test, names)) as bridge:
        owner = ModelOwner("http://model-owner.invalid", transport=bridge, sleep=lambda _: None)
        model_id = owner.deploy(spec)
        owner.wait(model_id, show_progress=False)
        prediction, found = owner.prediction(model_id), owner.wrongly_read(model_id)
        stranger = bridge.federation.model_owner.app
        # Whoever only looks, as everybody on the machine may, sees measures and no rows.
        gate = stranger.state.gate
        assert not gate.identify({}).may(Permission.READ_TEST_SET) and gate.identify({}).may(Permission.LOOK)
    fitted_on = (prediction["calibration"] or {"rows": []})["rows"]
    wrong = [
        row
        for row, (said, true) in enumerate(zip(prediction["classes"], prediction["targets"], strict=True))
        if said != true and row not in fitted_on
    ]
    assert (found["wrong"], found["shape"]) == (len(wrong), [1, 8, 8]) and len(wrong) > MOST_EXAMPLES
    assert len(found["examples"]) == MOST_EXAMPLES and {one["row"] for one in found["examples"]} <= set(wrong)
    for one in found["examples"]:
        pixels = np.array(test[one["row"]][:-1])
        assert list(base64.b64decode(one["pixels"])) == np.rint(255 * pixels / 16).tolist()
        assert (one["said"], one["true"]) == (prediction["classes"][one["row"]], prediction["targets"][one["row"]])
    sure = [one["probability"] for one in found["examples"]]
    assert sure == sorted(sure, reverse=True) and min(sure) > 0.5
