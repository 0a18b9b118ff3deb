"""Models taken home: every format predicts what POST /prediction does."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import skops.io

from fedtrain.spec.problems import Code, Problem
from tests.harness.one_process import run_job, split, training

pytestmark = pytest.mark.slow

CLASSES = {"two": ["no", "yes"], "three": ["medium", "high", "low"]}
#: Trained with weights that the owners see: their scores are logits, which nothing is fitted to.
SHARED = {"shared two": ["yes", "no"], "shared three": ["medium", "high", "low"]}
FORMATS = ("json", "onnx", "sklearn")


FEATURES: list[dict[str, Any]] = [
    {"col_idx": 0, "type": "continuous", "range": [-3, 12]},
    {"col_idx": 1, "type": "nominal", "categories": ["x", "y", "z"]},
    {"col_idx": 2, "type": "ordinal", "categories": ["low", "mid", 4]},
    {"col_idx": 3, "type": "discrete", "range": [0, 5]},
]
#: With a constant for a missing value, beside such without one, of their kind and not.
FILLED: list[dict[str, Any]] = [
    {**feature, "missing": constant} for feature, constant in zip(FEATURES, (2.1, "y", 4, 3), strict=True)
] + [
    {"col_idx": 4, "type": "continuous", "range": [0, 1], "missing": 0.3},
    {"col_idx": 5, "type": "continuous", "range": [0, 1]},
    {"col_idx": 6, "type": "ordinal", "categories": ["a", "b"], "missing": "drop"},
    {"col_idx": 7, "type": "ordinal", "categories": ["c", "d", "e"], "missing": "d"},
    # A declared category is one, even where its text would mean that there is no value.
    {"col_idx": 8, "type": "nominal", "categories": ["NA", "w"], "missing": "w"},
    {"col_idx": 9, "type": "nominal", "categories": [0, 1], "missing": 1.0},
    {"col_idx": 10, "type": "nominal", "categories": ["s", "t"]},
]


def spec_of(target: dict[str, Any], features: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
    """A second target, of the same range, where `target` is said to be one of several."""
    place = len(features)
    one = {"col_idx": place, **{name: value for name, value in target.items() if name != "several"}}
    return {
        "model_type": "LOGISTIC_REGRESSION" if "categories" in target else "LINEAR_REGRESSION",
        "data_props": {
            "features": features,
            **({"targets": [one, {**one, "col_idx": place + 1}]} if "several" in target else {"target": one}),
        },
        "training": training(3, **{"optimizer": "newton", "l2": 0.5, **more}),
    }


def table(target: dict[str, Any], features: list[dict[str, Any]], rows: int) -> list[list[Any]]:
    rng = np.random.default_rng(5)
    made = []
    for _ in range(rows):
        a, b = float(rng.uniform(-3, 12)), int(rng.integers(0, 6))
        colour, rank = str(rng.choice(list("xyz"))), str(rng.choice(["low", "mid", "4"]))
        others: list[Any] = []
        for feature in features[4:]:
            choices = feature.get("categories")
            others.append(float(rng.uniform()) if choices is None else choices[int(rng.integers(len(choices)))])
        z = a / 4 - (colour == "y") + 0.5 * (rank == "4") + b / 3 + rng.normal() - 2
        z += sum(0.7 * float(other in (1, "d", "w", "t")) for other in others)
        names = target.get("categories")
        y = float(z) if names is None else names[int(np.digitize(z, [0] if len(names) == 2 else [-0.5, 0.7]))]
        made.append([a, colour, rank, b, *others, y, *([b - a / 6 + rng.normal()] if "several" in target else [])])
    return made


ROWS = [[-3.0, "x", "low", 0], [4.5, "y", "4", 5], [12.0, "z", "mid", 3], [1.25, "x", "mid", 2]]
BEYOND = [[-40.0, "z", "low", -1], [77.0, "x", "4", 9]]
#: What FILLED's further columns hold in those.
MORE_OF_A_ROW = [0.75, 0.5, "b", "e", "NA", "0", "t"]
TARGETS: dict[str, dict[str, Any]] = {
    "values": {"range": [-10, 10]},
    "several": {"range": [-10, 10], "several": True},
    **{name: {"categories": names} for name, names in (CLASSES | SHARED).items()},
}
#: Trained once more with the features of FILLED.
WITH_CONSTANTS = ("values", "several", "two", "three", "shared three", "unscaled")


def rows_with_gaps() -> list[list[Any]]:
    """A row for each value that FILLED has a constant for, without it, and one without all of them."""
    whole = [*ROWS[0], *MORE_OF_A_ROW]
    places = [place for place, feature in enumerate(FILLED) if feature.get("missing", "drop") != "drop"]
    return [
        [None if at in gone else value for at, value in enumerate(whole)] for gone in (*([p] for p in places), places)
    ]


def is_numeric(feature: dict[str, Any]) -> bool:
    return feature["type"] in ("continuous", "discrete")


@pytest.fixture(scope="module", params=[*TARGETS, "unscaled", *(f"{name}, filled" for name in WITH_CONSTANTS)])
def outcome(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """A trained model's answers to rows, beside its exports."""
    name, filled = request.param.removesuffix(", filled"), request.param.endswith(", filled")
    features = FILLED if filled else FEATURES
    unscaled = name == "unscaled"
    target = TARGETS["values" if unscaled else name]
    rows = [*ROWS, *([] if unscaled else BEYOND)]
    if filled:
        rows = [*([*row, *MORE_OF_A_ROW] for row in rows), *rows_with_gaps()]
    sizes = (150, 140, 140) if filled else (60, 50, 50)
    made = table(target, features, sum(sizes) + 80)
    folder = tmp_path_factory.mktemp(name.replace(" ", "_"))
    shared = name in SHARED
    more = {"weights": "shared_with_owners", "optimizer": "lbfgs", "tolerance": 0.01} if shared else {}
    spec = spec_of(target, features, scaling="none" if unscaled else "range", **more)
    settings = {"share_weights": True} if shared else {}
    parts, test = split(made[:-80], sizes), made[-80:]
    found = run_job(folder, spec, parts, test, rows=rows, exports=FORMATS, **settings)
    assert found["model"]["status"] == "FINISHED", found["model"]["reason"]
    if "categories" in target:
        assert (found["prediction"]["calibration"] is None) is shared
    return found | {"rows": rows, "target": target, "features": features}


def class_order(outcome: dict[str, Any]) -> list[str]:
    """Alphabetical where classes are calibrated one against the rest, else as declared."""
    declared: list[str] = outcome["target"]["categories"]
    one_against_the_rest = len(declared) > 2 and outcome["prediction"]["calibration"] is not None
    return sorted(declared) if one_against_the_rest else declared


def check_answers(outcome: dict[str, Any], probabilities: Any, labels: Any, classes: list[str], abs_: float) -> None:
    """Probabilities in the order of `classes`, held against those of POST /prediction."""
    scores = outcome["scores"]
    order = [classes.index(name) for name in scores["class_names"]]
    expected = np.array(scores["values"])
    if expected.ndim == 1:
        expected = np.column_stack([1 - expected, expected])
    np.testing.assert_allclose(np.asarray(probabilities)[:, order], expected, atol=abs_)
    assert list(labels) == scores["classes"]


@pytest.mark.parametrize("gap", [None, float("nan")])
def test_the_scikit_learn_pipeline_predicts_the_same(outcome: dict[str, Any], gap: float | None) -> None:
    pipeline = skops.io.loads(outcome["exports"]["sklearn"])
    rows = np.array([[gap if value is None else value for value in row] for row in outcome["rows"]], dtype=object)
    if "categories" in outcome["target"]:
        labels = pipeline.predict(rows)
        assert list(pipeline.classes_) == class_order(outcome)
        check_answers(outcome, pipeline.predict_proba(rows), labels, list(pipeline.classes_), 1e-12)
    else:
        np.testing.assert_allclose(pipeline.predict(rows), outcome["scores"]["values"], rtol=1e-12)


def test_nothing_in_the_pipeline_has_to_be_trusted(outcome: dict[str, Any]) -> None:
    assert skops.io.get_untrusted_types(data=outcome["exports"]["sklearn"]) == []


def test_the_pipeline_refuses_a_missing_value_without_a_constant(outcome: dict[str, Any]) -> None:
    pipeline = skops.io.loads(outcome["exports"]["sklearn"])
    tried = 0
    for place, feature in enumerate(outcome["features"]):
        if feature.get("missing", "error") in ("error", "drop"):
            for gap in (None, float("nan")):
                row = [*outcome["rows"][0]]
                row[place] = gap
                with pytest.raises(ValueError, match="contains NaN" if is_numeric(feature) else "unknown categories"):
                    pipeline.predict(np.array([row], dtype=object))
                tried += 1
    assert tried == (6 if outcome["features"] is FILLED else 8)


def test_the_pipeline_replaces_no_text_that_means_a_missing_value(outcome: dict[str, Any]) -> None:
    pipeline = skops.io.loads(outcome["exports"]["sklearn"])
    for place, feature in enumerate(outcome["features"]):
        row = [*outcome["rows"][0]]
        row[place] = "?"
        with pytest.raises(ValueError, match="could not convert" if is_numeric(feature) else "unknown categories"):
            pipeline.predict(np.array([row], dtype=object))


def onnx_answers(outcome: dict[str, Any], rows: list[list[Any]], gap: str = "") -> list[Any]:
    """Return what the graph gives for rows; no text is `gap`, no number NaN."""
    session = onnxruntime.InferenceSession(outcome["exports"]["onnx"])
    feeds = {}
    for place, (given, feature) in enumerate(zip(session.get_inputs(), outcome["features"], strict=True)):
        numeric = is_numeric(feature)
        column = [[gap if row[place] is None and not numeric else row[place]] for row in rows]
        feeds[given.name] = np.array(column, dtype=float if numeric else object)
    assert list(feeds) == [f"column_{place}" for place in range(len(outcome["features"]))]
    found: list[Any] = session.run(None, feeds)
    return found


@pytest.mark.parametrize("gap", ["", "?", "nan"])
def test_the_onnx_model_predicts_the_same(outcome: dict[str, Any], gap: str) -> None:
    found = onnx_answers(outcome, outcome["rows"], gap)
    if "categories" in outcome["target"]:
        check_answers(outcome, found[1], found[0], class_order(outcome), 1e-6)
    else:
        expected = np.array(outcome["scores"]["values"])
        np.testing.assert_allclose(found[0].reshape(expected.shape), expected, rtol=1e-6)


def test_the_graph_is_as_onnx_has_them(outcome: dict[str, Any]) -> None:
    onnx.checker.check_model(onnx.load_from_string(outcome["exports"]["onnx"]), full_check=True)


def test_text_is_replaced_in_a_graph_that_takes_nothing_else(tmp_path: Path) -> None:
    """Show what skl2onnx makes of nominal features alone would do with a version of ONNX that compares no text."""
    features = [
        {"col_idx": 0, "type": "nominal", "categories": ["x", "y", "z"], "missing": "y"},
        {"col_idx": 1, "type": "nominal", "categories": ["s", "t"]},
    ]
    target, rows = TARGETS["values"], [["x", "s"], ["z", "t"], [None, "s"], [None, "t"]]
    rng = np.random.default_rng(7)
    made = [[str(rng.choice(list("xyz"))), str(rng.choice(list("st"))), float(rng.normal())] for _ in range(240)]
    spec = spec_of(target, features)
    found = run_job(tmp_path, spec, split(made[:160], (60, 50, 50)), made[160:], rows=rows, exports=["onnx"])
    found |= {"rows": rows, "target": target, "features": features}
    answers = onnx_answers(found, rows)[0].ravel()
    np.testing.assert_allclose(answers, found["scores"]["values"], rtol=1e-6)
    assert len(set(answers.round(6))) == 4
    test_the_graph_is_as_onnx_has_them(found)


def test_the_onnx_model_predicts_nothing_from_what_is_missing_without_a_constant(outcome: dict[str, Any]) -> None:
    """NaN, or an error: never a number."""
    for place, feature in enumerate(outcome["features"]):
        if feature.get("missing", "error") in ("error", "drop"):
            row = [*outcome["rows"][0]]
            row[place] = None
            if feature["type"] == "nominal":
                with pytest.raises(Exception, match="Unknown Category"):
                    onnx_answers(outcome, [row])
            else:
                assert np.isnan(onnx_answers(outcome, [row])[-1]).all(), feature


def test_the_onnx_model_takes_no_unknown_category_for_a_known_one(outcome: dict[str, Any]) -> None:
    for place, feature in enumerate(outcome["features"]):
        row = [*outcome["rows"][0]]
        row[place] = "unheard of"
        if feature["type"] == "nominal":
            with pytest.raises(Exception, match="Unknown Category"):
                onnx_answers(outcome, [row])
        elif feature["type"] == "ordinal":
            assert np.isnan(onnx_answers(outcome, [row])[-1]).all(), feature


def test_the_document_alone_is_enough_to_score_by(outcome: dict[str, Any]) -> None:
    """As its description says, by hand."""
    document = json.loads(outcome["exports"]["json"])
    assert document["model_id"] == outcome["model"]["id"]
    features, columns = document["data_props"]["features"], document["columns"]
    design = []
    for row in outcome["rows"]:
        encoded: list[float] = []
        for feature, value in zip(features, row, strict=True):
            texts = [str(text) for text in feature.get("categories", ())]
            if value is None:
                assert feature["missing"] not in ("error", "drop")
                value = texts[feature["categories"].index(feature["missing"])] if texts else feature["missing"]
            if feature["type"] == "nominal":
                encoded += [float(value == text) for text in texts[1:]]
            elif feature["type"] == "ordinal":
                encoded.append(texts.index(value))
            else:
                encoded.append(min(max(value, feature["range"][0]), feature["range"][1]))
        design.append([*encoded, 1.0])
    centre, half = (np.array([column[name] for column in columns]) for name in ("centre", "half_width"))
    scores = (np.array(design) - centre) / half @ np.array([column["weights"] for column in columns])
    expected = np.array(outcome["scores"]["values"])
    if "categories" not in outcome["target"]:
        values = scores * document["target_half_widths"]
        np.testing.assert_allclose(values if values.shape[1] > 1 else values[:, 0], expected, rtol=1e-12)
        return
    fitted = document["calibration"]
    if fitted is None and scores.shape[1] > 1:
        np.testing.assert_allclose(np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True), expected, rtol=1e-9)
        return
    fitted = fitted or {"slopes": [1.0], "offsets": [0.0]}
    p = 1 / (1 + np.exp(-(scores * fitted["slopes"] + fitted["offsets"])))
    np.testing.assert_allclose(p[:, 0] if p.shape[1] == 1 else p / p.sum(axis=1, keepdims=True), expected, rtol=1e-9)


def test_an_export_of_nothing_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.harness.facilitator.fake_facilitator import FakeFacilitator
    from tests.harness.model_owner.peers import spec_document
    from tests.harness.model_owner.running import running

    async def refused(party: Any, model_id: str, chosen: str) -> Code:
        with pytest.raises(Problem) as caught:
            await party.call("GET", f"/models/{model_id}/export?format={chosen}")
        return caught.value.code

    async def scenario() -> None:
        facilitator = FakeFacilitator()
        async with running(tmp_path / "a", facilitator) as party:
            assert await refused(party, "none", "json") is Code.MODEL_NOT_FOUND
            model = await party.ended(await party.deploy(spec_document()))
            assert model["status"] == "FINISHED"
            assert await refused(party, model["id"], "pickle") is Code.INVALID_REQUEST
            response = await party.http.get(f"/models/{model['id']}/export")
            assert response.headers["content-type"] == "application/json"
            name = f"model-{model['id']}.json"
            assert response.headers["content-disposition"] == f"attachment; filename={name}"
            # Without the extra's packages: what to install is named.
            monkeypatch.setitem(sys.modules, "skl2onnx", None)
            with pytest.raises(
                Problem, match=r"format \w+: \w+ is not installed here.* \./scripts/install_extra\.sh export"
            ):
                await party.call("GET", f"/models/{model['id']}/export?format=onnx")
        facilitator = FakeFacilitator()
        facilitator.hold_after = 0
        async with running(tmp_path / "b", facilitator) as party:
            assert await refused(party, await party.deploy(spec_document()), "json") is Code.MODEL_NOT_FINISHED

    asyncio.run(scenario())
