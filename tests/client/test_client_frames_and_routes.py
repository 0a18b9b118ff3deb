"""The Python client takes data frames everywhere, and has a method for each of the Model Owner's routes."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pandas as pd
import pytest

from fedtrain import ModelOwner
from fedtrain.spec.problems import Code, Problem
from tests.harness.model_owner.served import Bridge, served
from tests.harness.one_process import training, write_table

NAMES = ["age", "ward"]
PROPS: dict[str, Any] = {
    "features": [
        {"name": "age", "type": "continuous", "range": [0, 100], "missing": 40},
        {"name": "ward", "type": "nominal", "categories": ["x", "y"]},
    ],
    "target": {"name": "stay", "range": [-50, 50]},
}
SPEC = {"model_type": "LINEAR_REGRESSION", "data_props": PROPS, "training": training(1, optimizer="newton")}
FRAME = pd.DataFrame({"age": [20.0, 80.0, None], "ward": ["x", "y", "x"]})
#: What the Model Owner's people call; the rest of its routes are every service's.
OWN = ("/models", "/prediction", "/datasets")


def table(path: Path, rows: int, seed: int) -> Path:
    rng = np.random.default_rng(seed)
    made: list[list[object]] = []
    for _ in range(rows):
        age, ward = float(rng.uniform(0, 100)), str(rng.choice(["x", "y"]))
        made.append([age, ward, age / 10 - 3 * (ward == "y") + float(rng.normal())])
    return write_table(path, made, [*NAMES, "stay"])


class Recorded(httpx.BaseTransport):
    """Passes on to the service, and keeps which routes were called."""

    def __init__(self, bridge: Bridge) -> None:
        self.bridge = bridge
        self.called: list[tuple[str, str]] = []

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self.called.append((request.method, request.url.path))
        return self.bridge.handle_request(request)


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Recorded]:
    folder = tmp_path_factory.mktemp("frames")
    with served(folder, {"a": table(folder / "a.csv", 200, 1)}, table(folder / "test.csv", 60, 2)) as bridge:
        yield Recorded(bridge)


@pytest.fixture(scope="module")
def trained(recorded: Recorded) -> tuple[ModelOwner, str]:
    owner = ModelOwner("http://model-owner.invalid", transport=recorded, sleep=lambda _: None)
    model_id = owner.deploy({**SPEC, "name": "stay"})
    owner.wait(model_id, show_progress=False)
    return owner, model_id


def test_a_frames_columns_are_found_by_name(trained: tuple[ModelOwner, str]) -> None:
    owner, model_id = trained
    by_hand = owner.predict([[20.0, "x"], [80.0, "y"], [None, "x"]], model_id)["values"]
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        assert owner.predict(FRAME, model_id)["values"] == by_hand
        assert owner.predict(FRAME[["ward", "age"]])["values"] == by_hand
        assert owner.predict(FRAME.convert_dtypes())["values"] == by_hand  # pandas.NA for what is not there


def test_further_columns_are_ignored_with_a_word(trained: tuple[ModelOwner, str]) -> None:
    owner, model_id = trained
    wider = FRAME.assign(hospital="a", stay=3.0)[["hospital", "ward", "stay", "age"]]
    with pytest.warns(UserWarning, match="does not read these columns: hospital, stay"):
        told = owner.predict(wider, model_id)
    assert told["values"] == owner.predict(FRAME, model_id)["values"]


@pytest.mark.parametrize("frame", [FRAME[["ward"]], FRAME.rename(columns={"age": "Age"})])
def test_a_column_that_is_missing_is_named_though_a_value_could_be(
    trained: tuple[ModelOwner, str], frame: pd.DataFrame
) -> None:
    """`age` has a constant for a cell without a value: a table without the column is another matter."""
    owner, model_id = trained
    with pytest.raises(Problem, match="age: the frame has no columns of that name") as caught:
        owner.predict(frame, model_id)
    assert caught.value.code is Code.INVALID_ROWS


def test_a_column_that_is_there_twice_is_named(trained: tuple[ModelOwner, str]) -> None:
    owner, model_id = trained
    twice = pd.concat([FRAME, FRAME[["age"]]], axis=1)
    with pytest.raises(Problem, match="age: the frame has 2 columns"):
        owner.predict(twice, model_id)


def test_a_test_set_is_a_frame_or_a_file(trained: tuple[ModelOwner, str], tmp_path: Path) -> None:
    owner, model_id = trained
    frame = FRAME.assign(stay=[2.0, 5.0, 4.0])
    made = owner.register_test_set(frame, "june")
    assert (made["name"], made["current"]) == ("june", True)
    assert owner.prediction(model_id)["targets"] == [2.0, 5.0, 4.0]
    owner.register_test_set(table(tmp_path / "july.csv", 30, 3))
    assert len(owner.prediction(model_id)["targets"]) == 30
    with pytest.raises(Problem, match="several kinds"):
        owner.register_test_set(pd.DataFrame({"age": [1, "x", b"y"]}))


def test_every_route_of_the_model_owner_has_a_method(trained: tuple[ModelOwner, str], recorded: Recorded) -> None:
    owner, model_id = trained
    assert owner.models()[0]["name"] == "stay"
    assert [event["status"] for event in owner.events(model_id) if "status" in event][-1] == "FINISHED"
    prediction = owner.prediction(model_id)
    assert owner.kept_prediction(prediction["id"])["values"] == prediction["values"]
    assert prediction["id"] in [one["id"] for one in owner.predictions()]
    assert owner.curves(model_id)["model_id"] == model_id
    assert owner.wrongly_read(model_id)["shape"] is None
    assert next(one["current"] for one in owner.test_sets()) is True
    assert json.loads(owner.export(model_id))["model_id"] == model_id
    with pytest.raises(Problem) as refused:
        owner.resume(model_id)
    assert refused.value.code is Code.JOB_OVER
    with pytest.raises(Problem) as refused:
        owner.cancel(model_id)
    assert refused.value.code is Code.JOB_OVER
    with pytest.raises(Problem) as refused:
        owner.scoring(model_id)
    assert refused.value.code is Code.SCORING_REFUSED
    with pytest.raises(Problem) as refused:
        owner.release(model_id, {"document": "{}", "signer": "1a" * 32, "signature": "5e" * 64})
    assert refused.value.code is Code.WRONG_STATE
    assert owner.allow_scoring(model_id, quota_bits=32)["scores_left"] == 1
    assert owner.scoring(model_id)["allowed"] and not owner.stop_scoring(model_id)["allowed"]
    owner.predict(FRAME, model_id)
    owner.register_test_set(FRAME.assign(stay=1.0))
    routes = recorded.bridge.federation.model_owner.app.openapi()["paths"]
    own = {(method.upper(), path) for path, methods in routes.items() if path.startswith(OWN) for method in methods}
    called = {
        (method, path.replace(model_id, "{model_id}").replace(prediction["id"], "{prediction_id}"))
        for method, path in recorded.called
    }
    assert own - called == set()
