"""Networks that claim privacy: what their plan says of noise, and what does not go with it."""

from __future__ import annotations

import json
import math
from fractions import Fraction
from typing import Any

import pytest
from pydantic import ValidationError

from fedtrain.methods import schedule_of
from fedtrain.methods.network.private import PrivateNetworkPlan
from fedtrain.methods.noised_moments import noise_terms
from fedtrain.planning.noise_cost import noise_forecast
from fedtrain.planning.plans import plan_spec
from fedtrain.privacy.sampled_gaussian import sampled_gaussian
from fedtrain.protocol.messages.forecast import forecast
from fedtrain.spec.model_spec import ModelSpec
from fedtrain.spec.problems import Code, Problem

CLAIM: dict[str, Any] = {"epsilon": 2.0, "delta": 1e-5, "sampling_rate": 0.05}
TRAINING: dict[str, Any] = {
    "optimizer": "fedsgd",
    "rounds": 100,
    "batch_size": 50,
    "clip": 1.5,
    "max_rows": 1000,
    "max_data_owners": 8,
    "min_data_owners": 4,
    "key_bits": 2048,
}


def document(privacy: dict[str, Any] | None = None, **training: Any) -> dict[str, Any]:
    layers = [{"name": "scores", "type": "Linear", "inputs": ["x"], "in_features": 4, "out_features": 3}]
    return {
        "model_type": "NEURAL_NETWORK",
        "data_props": {
            "features": [{"name": "x", "type": "vector", "shape": [4], "range": [0, 1]}],
            "target": {"name": "y", "categories": ["a", "b", "c"]},
        },
        "network": {"layers": layers, "output": "scores"},
        "training": {**TRAINING, **training},
        "privacy": CLAIM if privacy is None else privacy,
    }


def spec(privacy: dict[str, Any] | None = None, **training: Any) -> ModelSpec:
    return ModelSpec.model_validate(document(privacy, **training))


def plan_of(given: ModelSpec) -> PrivateNetworkPlan:
    plan = plan_spec(given)
    assert isinstance(plan, PrivateNetworkPlan)
    return plan


def test_every_round_is_one_noised_sum_of_gradients_and_there_are_no_counts() -> None:
    plan, noise = plan_of(spec()), plan_of(spec()).noise
    assert noise is not None
    assert plan.kinds == ("update",)
    planned = plan.round("update", rows_total=500)
    answer = planned.answer
    assert dict(answer.arrays) == {"scores.weight": (3, 4), "scores.bias": (3,)}
    assert answer.noise is not None
    assert answer.noise.variances == (noise.variance,) * 15
    # Neither N nor anything else that was told tightens a bound; each owner's numbers have room for all its rows.
    assert answer.owner_bound == math.ceil(1000 * Fraction(1.5) * 2**16) + answer.noise.tail
    assert answer == plan.round("update").answer
    assert answer.sum_bound < 1 << (answer.layout.slot_bits - 1)
    turns = [(turn.round, turn.kind) for turn in schedule_of(spec()).every_turn()]
    assert turns == [(number, "update") for number in range(1, 101)]
    assert schedule_of(spec()).following(None) == (schedule_of(spec()).following(0)[0],)


def test_noise_is_sized_by_the_claim_the_rounds_and_the_sampling() -> None:
    noise = plan_of(spec()).noise
    assert noise is not None and noise.honest_owners == 3
    multiplier = math.sqrt(noise.variance * 3) / (1.5 * 2**16)
    assert multiplier == pytest.approx(noise.multiplier, rel=1e-6) and multiplier >= noise.multiplier
    assert noise.cost == sampled_gaussian(0.05, noise.multiplier, 100)
    assert 2 * (1 - 1e-3) < noise.cost.epsilon(1e-5) <= 2
    assert plan_of(spec()).claim == noise and noise_terms(plan_of(spec())) is None

    def multiplier_of(privacy: dict[str, Any], **training: Any) -> float:
        found = plan_of(spec({**CLAIM, **privacy}, **training)).noise
        assert found is not None
        return found.multiplier

    assert multiplier_of({}, rounds=200) > multiplier_of({}) > multiplier_of({"sampling_rate": 0.02})
    assert multiplier_of({"epsilon": 1.0}) > multiplier_of({}) > multiplier_of({"delta": 1e-4})
    # Not by the scale, the clip or who takes part.
    assert multiplier_of({"honest_owners": 1}, clip=0.1, update_bits=20) == multiplier_of({})


def test_epsilon_follows_from_the_noise_the_rounds_and_the_sampling() -> None:
    by_epsilon = plan_of(spec()).claim
    assert by_epsilon is not None
    rest = {"delta": 1e-5, "sampling_rate": 0.05}
    given = spec({**rest, "noise_multiplier": by_epsilon.multiplier})
    plan = plan_of(given)
    assert plan.claim is not None
    assert (plan.claim.multiplier, plan.claim.variance) == (by_epsilon.multiplier, by_epsilon.variance)
    # The multiplier of ε is the least of a grid's, whose own ε is just below.
    assert 2.0 * 0.99 < plan.claim.epsilon <= 2.0
    assert plan.claim.epsilon == pytest.approx(plan.claim.cost.epsilon(1e-5), rel=1e-9)
    more = plan_of(spec({**rest, "noise_multiplier": by_epsilon.multiplier}, rounds=400)).claim
    assert more is not None and more.epsilon > plan.claim.epsilon
    shown = noise_forecast(given, 4, 1000)
    assert shown is not None and shown["epsilon"] == pytest.approx(plan.claim.epsilon, rel=1e-3)
    assert "epsilon" not in json.loads(given.model_dump_json())["privacy"]
    with pytest.raises(Problem, match="it leaves epsilon") as caught:
        plan_of(spec({**rest, "noise_multiplier": 0.05}))
    assert caught.value.code is Code.INVALID_SPEC


def test_delta_covers_the_chance_that_noise_ends_at_its_tail() -> None:
    noise = plan_of(spec()).noise
    assert noise is not None
    deviations = noise.tail / math.sqrt(noise.variance)
    shares = 15 * 3 * 100
    assert math.exp(-(deviations**2) / 2) * shares * (1 + math.e**2) < 1e-5 * 2.0**-40


def test_what_people_see_of_it() -> None:
    shown = plan_of(spec()).to_dict()["privacy"]
    noise = plan_of(spec()).noise
    assert noise is not None
    assert shown == {
        **CLAIM,
        "unit": "record",
        "honest_owners": 3,
        "noise_multiplier": noise.multiplier,
        "rows_supposed": 1000,
    }
    told = noise_forecast(spec(), 4, 1000)
    assert told is not None
    lengths = [one["noise_length"] for one in sorted([told, *told["by_epsilon"]], key=lambda one: one["epsilon"])]
    assert lengths == sorted(lengths, reverse=True)
    expected = noise.multiplier * math.sqrt(4 / 3 * 15) / 50
    assert told["noise_length"] == pytest.approx(expected, rel=1e-3)
    assert forecast(spec())["privacy"]["noise_multiplier"] == told["noise_multiplier"]


def test_what_was_not_given_is_not_signed() -> None:
    assert json.loads(spec().model_dump_json())["privacy"] == {**CLAIM, "unit": "record", "honest_owners": None}


@pytest.mark.parametrize(
    ("training", "field"),
    [
        ({"optimizer": "fedavg"}, "training.optimizer"),
        ({"local_steps": 2}, "training.local_steps"),
        ({"local_epochs": 1.0}, "training.local_epochs"),
        ({"local_optimizer": "adam"}, "training.local_optimizer"),
        ({"proximal": 0.1}, "training.proximal"),
        ({"evaluate_every": 2}, "training.evaluate_every"),
        ({"batch_size": None}, "training.batch_size"),
        ({"clip": 1e6}, "training.clip"),
        ({"clip": 1e-5}, "training.update_bits"),
    ],
)
def test_what_does_not_go_with_it_is_refused_by_name(training: dict[str, Any], field: str) -> None:
    with pytest.raises(Problem) as raised:
        plan_spec(spec(**training))
    assert raised.value.code is Code.INVALID_SPEC
    assert raised.value.detail.startswith(f"{field}:")
    assert raised.value.extra["errors"][0]["field"] == field


@pytest.mark.parametrize(
    ("privacy", "message"),
    [
        ({"epsilon": 1.0, "delta": 1e-5}, r"privacy\.sampling_rate: give"),
        ({**CLAIM, "row_bound": 2.0}, r"privacy\.row_bound 2: a NEURAL_NETWORK is trained step by step"),
        ({**CLAIM, "sampling_rate": 0.0}, "sampling_rate"),
        ({**CLAIM, "sampling_rate": 1.5}, "sampling_rate"),
        ({**CLAIM, "honest_owners": 5}, r"above training\.min_data_owners"),
    ],
)
def test_claims_that_are_none_are_refused(privacy: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        spec(privacy)


def test_jobs_on_moments_sample_nothing() -> None:
    moments = {
        "model_type": "LINEAR_REGRESSION",
        "data_props": {
            "features": [{"col_idx": 0, "type": "continuous", "range": [0, 10]}],
            "target": {"col_idx": 1, "range": [0, 100]},
        },
        "training": {"optimizer": "newton"},
    }
    with pytest.raises(ValidationError, match=r"privacy\.sampling_rate 0\.05: LINEAR_REGRESSION"):
        ModelSpec.model_validate({**moments, "privacy": CLAIM})
    with pytest.raises(ValidationError, match=r"privacy\.row_bound: give"):
        ModelSpec.model_validate({**moments, "privacy": {"epsilon": 1.0, "delta": 1e-6}})


def test_a_claim_that_no_noise_keeps_is_refused() -> None:
    with pytest.raises(Problem, match=r"privacy\.epsilon: no noise makes"):
        plan_spec(spec({**CLAIM, "epsilon": 1e-7, "delta": 5e-324, "sampling_rate": 1.0}, rounds=1_000_000))
