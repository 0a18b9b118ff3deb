"""A network's plan: what a round weighs, its worst cases, and what is refused before anything is encrypted."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from fedtrain.methods import schedule_of
from fedtrain.methods.network.plan import NetworkPlan, network_plan_of, update_arrays
from fedtrain.methods.network.settings import local_settings, server_settings
from fedtrain.methods.plan import SharedArrays, numbers_in
from fedtrain.planning.plans import plan_spec
from fedtrain.protocol.messages.forecast import forecast
from fedtrain.spec.model_spec import ModelSpec
from fedtrain.spec.problems import Code, Problem
from fedtrain.spec.training import NETWORK_FIELDS, LocalOptimizer, Loss, ServerOptimizer

LAYERS = [
    {"name": "both", "type": "Concat", "inputs": ["a", "b"]},
    {"name": "hidden", "type": "Linear", "inputs": ["both"], "in_features": 2, "out_features": 3},
    {"name": "active", "type": "ReLU", "inputs": ["hidden"]},
    {"name": "scores", "type": "Linear", "inputs": ["active"], "in_features": 3, "out_features": 1},
]


def spec_of(target: dict[str, Any] | None = None, outputs: int = 1, **training: Any) -> ModelSpec:
    layers = [*LAYERS[:-1], {**LAYERS[-1], "out_features": outputs}]
    features = [{"name": name, "type": "continuous", "range": [0, 1]} for name in "ab"]
    document = {
        "model_type": "NEURAL_NETWORK",
        "data_props": {"features": features, "target": target or {"name": "y", "range": [0, 1]}},
        "network": {"layers": layers, "output": "scores"},
        "training": {"max_rows": 1000, "max_data_owners": 4, "key_bits": 512, **training},
    }
    return ModelSpec.model_validate(document)


def plan_of(**training: Any) -> NetworkPlan:
    return network_plan_of(plan_spec(spec_of(**training)))


def test_slots_need_no_room_for_the_number_of_owners() -> None:
    plan = plan_of()
    answer = plan.round("update").answer
    assert (answer.fraction_bits, answer.sum_bound) == (16, 5 * 2**16 + 4 + 1)
    assert answer.layout.slot_bits == 20
    assert answer.arrays == {
        "hidden.weight": (3, 2),
        "hidden.bias": (3,),
        "scores.weight": (1, 3),
        "scores.bias": (1,),
        "loss": (1,),
        "hits": (1,),
    }
    assert plan.round("update", rows_total=7).answer.sum_bound == answer.sum_bound
    assert plan.round("update").revealed == 15
    assert plan.numbers_in_all is None


def test_weights_are_shared_and_travel_once() -> None:
    plan = plan_of(evaluate_every=2)
    for kind in ("update", "validation"):
        weights = plan.round(kind).weights
        assert isinstance(weights, SharedArrays)
        assert weights.once
        assert numbers_in(weights.arrays) == 13
    assert plan.round("counts").weights is None
    assert plan.shares_weights
    assert plan.to_dict()["parameters"] == 13


def test_owners_hold_rows_out_where_the_job_evaluates() -> None:
    spec = spec_of(evaluate_every=2, rounds=5)
    plan = plan_spec(spec)
    assert plan.holds_out
    assert plan.kinds == ("counts", "update", "validation")
    assert plan.round("counts").answer.arrays == {"rows": (1,), "validation_rows": (1,)}
    assert plan.round("validation").answer.sum_bound == 4 * 1000 * 64 << 20
    turns = [(turn.round, turn.kind) for turn in schedule_of(spec).every_turn()]
    assert turns == [
        (0, "counts"),
        (1, "update"),
        (2, "update"),
        (2, "validation"),
        (3, "update"),
        (4, "update"),
        (4, "validation"),
        (5, "update"),
        (5, "validation"),  # its weights may be the best
    ]
    assert not plan_of().holds_out


@given(clip=st.floats(1e-6, 1e6))
def test_loss_and_hits_are_brought_within_the_clip_and_no_further(clip: float) -> None:
    plan = plan_of(clip=clip, key_bits=2048)
    for largest, shift in ((64, plan.loss_shift_bits), (1, plan.hits_shift_bits)):
        assert largest / Fraction(2) ** shift <= Fraction(clip) < largest / Fraction(2) ** (shift - 1)


def test_the_widest_update_has_room_under_the_smallest_key() -> None:
    plan = plan_of(update_bits=40, clip=1e6, key_bits=256, max_rows=10**12, max_data_owners=10_000, evaluate_every=1)
    assert all(plan.round(kind).answer.layout.ciphertexts for kind in plan.kinds)


def test_defaults_stand_in_for_what_is_left_out() -> None:
    settings = local_settings(spec_of())
    assert (settings.optimizer, settings.learning_rate) == (LocalOptimizer.SGD, 0.05)
    assert (settings.epochs, settings.steps, settings.batch_size) == (1.0, None, 32)
    assert (settings.loss, settings.proximal, settings.clip) == (Loss.MEAN_SQUARED_ERROR, 0.0, 5.0)
    assert local_settings(spec_of(local_optimizer="adam")).learning_rate == 0.001
    assert local_settings(spec_of(local_steps=3)).epochs is None
    server = server_settings(spec_of(server_optimizer="adam").training)
    assert (server.optimizer, server.learning_rate, server.momentum) == (ServerOptimizer.ADAM, 0.01, 0.9)
    assert schedule_of(spec_of()).rounds == 30


def test_fedsgd_is_one_gradient_of_all_rows() -> None:
    settings = local_settings(spec_of(optimizer="fedsgd"))
    assert (settings.epochs, settings.steps, settings.batch_size) == (None, 1, None)
    with pytest.raises(Problem, match=r"training\.local_epochs, training\.proximal: fedsgd takes one gradient"):
        local_settings(spec_of(optimizer="fedsgd", local_epochs=2.0, proximal=0.1))


def test_the_target_decides_loss_and_outputs() -> None:
    two = spec_of({"name": "y", "categories": ["no", "yes"]})
    three = spec_of({"name": "y", "categories": ["a", "b", "c"]}, outputs=3)
    assert (local_settings(two).loss, two.outputs) == (Loss.BINARY_CROSS_ENTROPY, 1)
    assert (local_settings(three).loss, three.outputs) == (Loss.CROSS_ENTROPY, 3)
    assert plan_spec(three).round("update").answer.arrays["scores.weight"] == (3, 3)
    with pytest.raises(Problem, match=r"network: .*scores.*") as refused:
        plan_spec(spec_of({"name": "y", "categories": ["a", "b", "c"]}, outputs=2))
    assert refused.value.code is Code.INVALID_SPEC


@pytest.mark.parametrize(
    ("training", "named"),
    [
        ({"l2": 1.0}, "training.l2"),
        ({"reencrypt_every": 1, "tolerance": 0.5}, "training.tolerance"),
        ({"momentum": 0.5, "slope": "taylor"}, "training.momentum, training.slope"),
    ],
)
def test_what_networks_do_not_take_is_refused_by_name(training: dict[str, Any], named: str) -> None:
    with pytest.raises(Problem, match=f"^{named}: NEURAL_NETWORK does not take it"):
        plan_spec(spec_of(**training))


def test_a_forecast_counts_the_blob_once_a_request() -> None:
    few, many = (forecast(spec_of(), owners=owners)["bytes"]["model_owner"]["sent"] for owners in (3, 4))
    assert 0 < (many - few) / 30 < 200, "one more owner is one more box of 48 bytes, and no further copy of the weights"


def test_no_array_of_weights_is_called_as_what_travels_beside_them() -> None:
    arrays = update_arrays(plan_of().checked)
    assert all("." in name for name in list(arrays)[:-2])
    assert list(arrays)[-2:] == ["loss", "hits"]


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"network": None}, "network: a NEURAL_NETWORK needs one"),
        ({"model_type": "LINEAR_REGRESSION"}, "training.optimizer: fedavg trains networks"),
        ({"training": {"weights": "encrypted"}}, "owners train a NEURAL_NETWORK, so they see its weights"),
        ({"training": {"optimizer": "newton"}}, "takes fedavg or fedsgd, received newton"),
        ({"training": {"loss": "cross_entropy"}}, "y has a range, which takes mean_squared_error"),
        ({"training": {"local_epochs": 1.0, "local_steps": 2}}, "local_epochs and local_steps are both given"),
        ({"training": {"clip": 0.0}}, "clip"),
        ({"training": {"update_bits": 60}}, "update_bits"),
    ],
)
def test_hostile_and_mistaken_specs_are_refused_by_name(changes: dict[str, Any], told: str) -> None:
    document = spec_of(optimizer="fedavg").model_dump(mode="json", exclude_none=True)
    for name, value in changes.items():
        document[name] = {**document[name], **value} if isinstance(value, dict) else value
    with pytest.raises(ValidationError, match=told):
        ModelSpec.model_validate(document)


def test_fields_of_networks_are_refused_elsewhere_and_left_out_where_they_are_not_given() -> None:
    document = {
        "model_type": "LINEAR_REGRESSION",
        "data_props": {
            "features": [{"name": "a", "type": "continuous", "range": [0, 1]}],
            "target": {"name": "y", "range": [0, 1]},
        },
    }
    plain = ModelSpec.model_validate(document).model_dump_json()
    assert not [name for name in (*NETWORK_FIELDS, "network") if f'"{name}"' in plain]
    with pytest.raises(ValidationError, match=r"training\.clip, training\.seed: LINEAR_REGRESSION does not take it"):
        ModelSpec.model_validate({**document, "training": {"clip": 1.0, "seed": 3}})


def test_a_network_of_more_weights_than_are_taken_is_refused() -> None:
    document = spec_of().model_dump(mode="json", exclude_none=True)
    document["network"]["layers"] = [
        LAYERS[0],
        {"name": "hidden", "type": "Linear", "inputs": ["both"], "in_features": 2, "out_features": 8_000_000},
        {"name": "scores", "type": "Linear", "inputs": ["hidden"], "in_features": 8_000_000, "out_features": 1},
    ]
    with pytest.raises(Problem, match="weights") as refused:
        plan_spec(ModelSpec.model_validate(document))
    assert refused.value.code is Code.INVALID_SPEC
