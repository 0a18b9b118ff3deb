"""A request for data: what it must have, and in which fields a job is not what was approved."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from fedtrain.protocol.documents.request import (
    Conditions,
    KeptRequest,
    RequestDecision,
    RequestEntry,
    departures,
    open_kept,
)
from fedtrain.spec.model_spec import ModelSpec, Optimizer
from tests.harness.data_owner.owner_bench import identity_of
from tests.harness.requests import ASKED_AT, approval, request_of, signed_request, titled

ACME, ANA, BEA = (identity_of(name) for name in ("acme", "ana", "bea"))
NOW = datetime(2026, 1, 20, tzinfo=UTC)


def private(**claim: object) -> ModelSpec:
    spec = titled().model_dump(mode="json", exclude_none=True)
    spec["training"] |= {"optimizer": "newton", "rounds": "auto", "min_data_owners": 3}
    spec["privacy"] = {"epsilon": 1.0, "delta": 1e-6, "row_bound": 2.0, **claim}
    return ModelSpec.model_validate(spec)


def fields(spec: ModelSpec, asked: ModelSpec | None = None, **conditions: Any) -> list[str]:
    document = request_of(ACME, (ANA, BEA), asked)
    terms = Conditions.model_validate(conditions)
    return [one.field for one in departures(spec, ACME.party_id, document, terms, NOW)]


def test_a_request_has_a_title_a_purpose_and_one_dataset_an_owner_of_the_name_that_the_job_asks_for() -> None:
    for field in ("name", "purpose"):
        with pytest.raises(ValidationError, match="title and a purpose"):
            request_of(ACME, (ANA,), titled(**{field: None}))
    with pytest.raises(ValidationError, match="one has two"):
        request_of(ACME, (ANA, ANA))
    with pytest.raises(ValidationError, match=r"datasets\.0: the spec asks every owner for 'stroke'"):
        request_of(ACME, (ANA,), titled(dataset="stroke"))


def test_a_decision_is_of_one_kind() -> None:
    common: dict[str, Any] = {"request": "ab" * 32, "party": ANA.party_id, "at": ASKED_AT}
    with pytest.raises(ValidationError, match="what is declined has none"):
        RequestDecision(**common, decision="declined", conditions=Conditions(max_rounds=3))
    with pytest.raises(ValidationError, match="say it in a message"):
        RequestDecision(**common, decision="approved", reason="why not")


def test_a_job_as_it_was_asked_departs_in_nothing() -> None:
    assert fields(titled()) == []
    assert fields(titled(), until=NOW + timedelta(seconds=1), max_rounds=5) == []


CHANGED = {
    "model_type": ("LOGISTIC_REGRESSION", "model_type"),
    "name": ("Another title", "name"),
    "purpose": ("sell beds", "purpose"),
    "dataset": ("stroke", "dataset"),
    "auditors": (["1a" * 32], "auditors.0"),
    "release": ("sign_off", "release"),
}


@pytest.mark.parametrize("name", sorted(CHANGED))
def test_each_field_of_the_spec_that_was_changed_is_named(name: str) -> None:
    value, field = CHANGED[name]
    spec = titled().model_dump(mode="json", exclude_none=True) | {name: value}
    if name == "model_type":
        spec["data_props"]["target"] = {"name": "days", "categories": ["no", "yes"]}
        spec["training"]["optimizer"] = "gradient_descent"
    assert field in fields(ModelSpec.model_validate(spec))


def training_fields() -> dict[str, object]:
    """Another value for each field of the training."""
    return {
        "optimizer": Optimizer.MOMENTUM,
        "rounds": 6,
        "tolerance": 1e-7,
        "learning_rate": 0.5,
        "l2": 1.0,
        "scaling": "none",
        "weights": "shared_with_owners",
        "min_data_owners": 4,
        "max_data_owners": 9,
        "max_rows": 1001,
        "evaluate_every": 2,
        "on_dropout": "abort",
        "join_timeout_s": 601,
        "round_timeout_s": 601,
        "key_bits": 576,
    }


@pytest.mark.parametrize("name", sorted(training_fields()))
def test_each_field_of_the_training_that_was_changed_is_named(name: str) -> None:
    spec = titled()
    training = spec.training.model_copy(update={name: training_fields()[name]})
    assert f"training.{name}" in fields(spec.model_copy(update={"training": training}))


@pytest.mark.parametrize("place", [("features", 0, "range"), ("features", 1, "name"), ("target", "range")])
def test_each_change_of_a_column_is_named(place: tuple[Any, ...]) -> None:
    spec = titled().model_dump(mode="json", exclude_none=True)
    part = spec["data_props"]
    for name in place[:-1]:
        part = part[name]
    part[place[-1]] = [1, 49] if place[-1] == "range" else "height"
    named = fields(ModelSpec.model_validate(spec))
    assert named and all(one.startswith("data_props." + ".".join(map(str, place))) for one in named), named


def test_a_column_more_or_less_is_named() -> None:
    spec = titled().model_dump(mode="json", exclude_none=True)
    spec["data_props"]["features"].append({"name": "sex", "type": "continuous", "range": [0, 1]})
    assert "data_props.features.2.name" in fields(ModelSpec.model_validate(spec))
    assert "data_props.features.2.name" in fields(titled(), ModelSpec.model_validate(spec))


def test_another_model_owner_is_named() -> None:
    (departure,) = departures(titled(), BEA.party_id, request_of(ACME, (ANA,)), Conditions(), NOW)
    assert departure.field == "model_owner" and "asked" in departure.message


def test_an_approval_ends_at_its_moment() -> None:
    assert fields(titled(), until=NOW) == ["until"]
    assert fields(titled(), until=NOW - timedelta(days=1)) == ["until"]


def test_fewer_rounds_are_no_departure_and_more_are() -> None:
    spec = titled()
    fewer = spec.model_copy(update={"training": spec.training.model_copy(update={"rounds": 3})})
    assert fields(fewer) == []
    assert fields(fewer, max_rounds=3) == []
    assert fields(spec, max_rounds=3) == ["training.rounds"]
    more = spec.model_copy(update={"training": spec.training.model_copy(update={"rounds": 6})})
    assert fields(more) == ["training.rounds"]
    assert fields(more, max_rounds=100) == ["training.rounds"]


def test_a_smaller_epsilon_is_no_departure_and_a_larger_one_is() -> None:
    asked = private()
    assert fields(asked, asked) == []
    assert fields(private(epsilon=0.5), asked) == []
    assert fields(private(epsilon=0.5), asked, max_epsilon=0.5) == []
    assert fields(asked, asked, max_epsilon=0.5) == ["privacy.epsilon"]
    assert fields(private(epsilon=2.0), asked) == ["privacy.epsilon"]
    assert fields(private(epsilon=2.0), asked, max_epsilon=5) == ["privacy.epsilon"]
    assert "privacy.delta" in fields(private(delta=1e-5), asked, max_epsilon=1)
    # A job that claims nothing is no smaller one.
    assert fields(titled(), max_epsilon=1) == ["privacy.epsilon"]


def test_the_latest_decision_of_an_owner_counts() -> None:
    request = signed_request(ACME, (ANA, BEA))
    later = approval(ANA, request.hash, ASKED_AT + timedelta(hours=1), max_rounds=2)
    entries = tuple(RequestEntry(kind="decision", signed=one) for one in (later, approval(ANA, request.hash)))
    opened = open_kept(KeptRequest(request=request, entries=entries))
    decision = opened.decision_of(ANA.party_id)
    assert decision is not None and decision.conditions.max_rounds == 2
    assert opened.decision_of(BEA.party_id) is None
