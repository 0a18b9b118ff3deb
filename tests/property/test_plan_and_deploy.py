"""`fedtrain plan` says what `fedtrain deploy` will say: either both accept a spec, or both refuse it for one reason."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from hypothesis import given, settings
from hypothesis import strategies as st

from fedtrain.cli.jobs.plan import plan_document
from fedtrain.model_owner.app import create_app
from fedtrain.model_owner.settings import ModelOwnerSettings
from fedtrain.service.runtime.system_clock import SystemClock
from fedtrain.spec.problems import Code, Problem
from tests.harness.facilitator.fake_facilitator import FakeFacilitator

OPTIMIZERS = ("conjugate_gradient", "newton", "gradient_descent", "momentum", "lbfgs", "adam", "simplex")
NUMBERS = {"type": "continuous", "range": [-1, 1]}
TARGETS: list[dict[str, Any]] = [
    {"target": {"col_idx": 2, "range": [0, 10]}},
    {"target": {"col_idx": 2, "categories": ["no", "yes"]}},
    {"targets": [{"col_idx": 2, "range": [0, 10]}, {"col_idx": 3, "range": [0, 1]}]},
]
TRAININGS = st.fixed_dictionaries(
    {},
    optional={
        "optimizer": st.sampled_from(OPTIMIZERS),
        "key_bits": st.sampled_from([1024, 1088, 2048, 3072]),
        "l2": st.sampled_from([0, 1, 2.5, "auto", -1, "some"]),
        "weights": st.sampled_from(["encrypted", "shared_with_owners"]),
        "rounds": st.sampled_from([1, 40, "auto", 0]),
        "reencrypt_every": st.sampled_from([1, 2, 40, 4000]),
        "evaluate_every": st.sampled_from([0, 5]),
        "scaling": st.sampled_from(["range", "none"]),
        "learning_rate": st.sampled_from(["auto", 0.25]),
        "max_rows": st.sampled_from([1000, 10**12]),
        "weight_bound": st.sampled_from(["auto", 8.0, 1e30]),
        "min_data_owners": st.sampled_from([1, 3, 100]),
    },
)
SPECS = st.fixed_dictionaries(
    {
        "model_type": st.sampled_from(["LINEAR_REGRESSION", "LOGISTIC_REGRESSION"]),
        "data_props": st.sampled_from(
            [{"features": [{"col_idx": place, **NUMBERS} for place in (0, 1)], **target} for target in TARGETS]
        ),
        "training": TRAININGS,
    },
    optional={"name": st.sampled_from(["stay", "st\u202eay", ""]), "colour": st.just("blue")},
)


@pytest.fixture(scope="module")
def model_owner(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """A Model Owner that takes specs, and never comes to make a key."""
    with pytest.MonkeyPatch.context() as patch, ThreadPoolExecutor(1) as executor:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        patch.chdir(tmp_path_factory.mktemp("shell"))
        patch.setattr("fedtrain.model_owner.jobs.preparation.Preparation.start", lambda *_: None)
        folder: Path = tmp_path_factory.mktemp("model-owner")
        own = ModelOwnerSettings(state_dir=folder, facilitator="http://facilitator.invalid", workers=1)
        app = create_app(own, clock=SystemClock(), executor=executor, transport=FakeFacilitator())
        with TestClient(app) as client:
            yield client


def planned(document: dict[str, Any]) -> Problem | None:
    try:
        plan_document(document, None, None)
    except Problem as problem:
        return problem
    return None


@settings(max_examples=150)
@given(document=SPECS)
def test_whatever_plan_accepts_deploy_accepts(model_owner: TestClient, document: dict[str, Any]) -> None:
    said, answer = planned(document), model_owner.post("/models", json=document)
    if said is None:
        assert answer.status_code == 202, answer.text
    else:
        refused = Problem.from_dict(answer.json(), answer.status_code)
        assert (refused.code, refused.detail) == (said.code, said.detail)


def test_a_key_that_protects_nothing_is_refused_by_both(model_owner: TestClient) -> None:
    columns = {"features": [{"col_idx": 0, **NUMBERS}], "target": {"col_idx": 1, "range": [0, 1]}}
    document = {"model_type": "LINEAR_REGRESSION", "data_props": columns, "training": {"key_bits": 1024}}
    refused = planned(document)
    assert refused is not None and refused.code is Code.INVALID_SPEC
    assert "1024 bits protects nothing" in refused.detail
    assert model_owner.post("/models", json=document).status_code == 422


def test_small_keys_are_planned_where_they_would_be_taken(model_owner: TestClient) -> None:
    columns = {"features": [{"col_idx": 0, **NUMBERS}], "target": {"col_idx": 1, "range": [0, 1]}}
    document = {"model_type": "LINEAR_REGRESSION", "data_props": columns, "training": {"key_bits": 1024}}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FEDTRAIN_ALLOW_SMALL_KEYS", "1")
        assert planned(document) is None
