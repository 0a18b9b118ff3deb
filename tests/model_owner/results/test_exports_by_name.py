"""Exports find columns by name: their order in a data frame changes nothing, and one that is missing is named."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnxruntime
import pandas as pd
import pytest
import skops.io

from tests.harness.one_process import run_job, split, training

FEATURES: list[dict[str, Any]] = [
    {"name": "age (years)", "type": "continuous", "range": [0, 100], "missing": 40},
    {"name": "stay", "type": "continuous", "range": [0, 100]},
    {"name": "ward", "type": "nominal", "categories": ["x", "y", "z"]},
    {"name": "smoker", "type": "nominal", "categories": ["no", "yes"], "missing": "no"},
    {"name": "grade", "type": "ordinal", "categories": ["low", "mid", "high"], "missing": "mid"},
]
NAMES = [feature["name"] for feature in FEATURES]
ROWS: list[list[Any]] = [
    [20.0, 90.0, "x", "yes", "low"],
    [80.0, 10.0, "z", "no", "high"],
    [None, 3.0, "y", None, None],
]
TARGETS: dict[str, dict[str, Any]] = {"values": {"range": [-10, 10]}, "classes": {"categories": ["no", "yes"]}}


@pytest.fixture(scope="module", params=[*TARGETS, "unscaled"])
def outcome(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    target = {"name": "outcome", **TARGETS.get(request.param, TARGETS["values"])}
    rng = np.random.default_rng(11)
    made: list[list[Any]] = []
    for _ in range(360):
        age, stay = rng.uniform(0, 100, 2)
        ward, smoker, grade = (str(rng.choice(FEATURES[at]["categories"])) for at in (2, 3, 4))
        z = age / 20 - stay / 40 + (ward == "y") - 2 * (smoker == "yes") + 0.5 * (grade == "high") - 1
        made.append(
            [float(age), float(stay), ward, smoker, grade, float(z) if "range" in target else ["no", "yes"][int(z > 0)]]
        )
    spec = {
        "model_type": "LINEAR_REGRESSION" if "range" in target else "LOGISTIC_REGRESSION",
        "data_props": {"features": FEATURES, "target": target},
        "training": training(3, optimizer="newton", scaling="none" if request.param == "unscaled" else "range"),
    }
    folder = tmp_path_factory.mktemp(request.param)
    header = [*NAMES, "outcome"]
    found = run_job(
        folder, spec, split(made[:300], (100,) * 3), made[300:], rows=ROWS, exports=("sklearn", "onnx"), header=header
    )
    assert found["model"]["status"] == "FINISHED", found["model"]["reason"]
    return found


def answers(pipeline: Any, rows: Any) -> list[float]:
    return list(pipeline.predict_proba(rows)[:, 1] if hasattr(pipeline, "predict_proba") else pipeline.predict(rows))


def test_columns_in_any_order_and_beside_others_give_the_same(outcome: dict[str, Any]) -> None:
    pipeline = skops.io.loads(outcome["exports"]["sklearn"])
    frame = pd.DataFrame(ROWS, columns=NAMES)
    expected = pytest.approx(outcome["scores"]["values"], rel=1e-12)
    assert answers(pipeline, frame) == expected
    swapped = frame[["stay", "age (years)", *NAMES[2:]]]
    assert answers(pipeline, swapped) == expected
    assert answers(pipeline, frame[NAMES[::-1]].assign(hospital="a", outcome=0)) == expected


def test_an_array_is_taken_in_the_order_of_the_spec(outcome: dict[str, Any]) -> None:
    pipeline = skops.io.loads(outcome["exports"]["sklearn"])
    rows = np.array(ROWS, dtype=object)
    assert answers(pipeline, rows) == pytest.approx(outcome["scores"]["values"], rel=1e-12)
    assert list(pipeline.feature_names_in_) == NAMES
    with pytest.raises(ValueError, match="4 features"):
        pipeline.predict(rows[:, :4])


@pytest.mark.parametrize("name", NAMES)
def test_a_column_that_is_missing_is_named(outcome: dict[str, Any], name: str) -> None:
    pipeline = skops.io.loads(outcome["exports"]["sklearn"])
    frame = pd.DataFrame(ROWS, columns=NAMES)
    with pytest.raises(ValueError, match="columns are missing") as caught:
        pipeline.predict(frame.rename(columns={name: "other"}))
    assert name in str(caught.value)


def test_nothing_in_it_has_to_be_trusted(outcome: dict[str, Any]) -> None:
    assert skops.io.get_untrusted_types(data=outcome["exports"]["sklearn"]) == []


def test_a_graph_is_fed_by_the_features_names(outcome: dict[str, Any]) -> None:
    session = onnxruntime.InferenceSession(outcome["exports"]["onnx"])
    columns = dict(zip(NAMES, zip(*ROWS[:2], strict=True), strict=True))
    given = {one.name: one for one in session.get_inputs()}
    assert list(given) == ["age__years_", *NAMES[1:]]
    feeds = {
        name: np.array([columns[feature]], dtype=float if given[name].type == "tensor(double)" else object).T
        for name, feature in reversed(list(zip(given, NAMES, strict=True)))
    }
    found = session.run(None, feeds)
    told = found[1][:, 1] if len(found) > 1 else found[0].ravel()
    assert list(told) == pytest.approx(outcome["scores"]["values"][:2], rel=1e-5)
    with pytest.raises(ValueError, match="grade"):
        session.run(None, {name: value for name, value in feeds.items() if name != "grade"})
