"""Exact logistic regression that claims privacy: planned as a network of one layer, and what does not go with it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from fedtrain.methods import schedule_of
from fedtrain.methods.network.private import PrivateNetworkPlan, claimed_epsilon
from fedtrain.methods.network.settings import server_settings
from fedtrain.model_owner.jobs.specs import plan_of as accepted_plan_of
from fedtrain.model_owner.methods.network.server_optimizer import server_step
from fedtrain.planning.noise_cost import noise_forecast
from fedtrain.planning.plans import plan_spec
from fedtrain.spec.model_spec import ModelSpec
from fedtrain.spec.problems import Code, Problem

CLAIM: dict[str, Any] = {"epsilon": 2.0, "delta": 1e-5, "sampling_rate": 0.05}
TRAINING: dict[str, Any] = {
    "optimizer": "gradient_descent",
    "weights": "shared_with_owners",
    "rounds": 100,
    "batch_size": 50,
    "clip": 1.5,
    "max_rows": 1000,
    "max_data_owners": 8,
    "min_data_owners": 4,
    "key_bits": 2048,
}


def document(classes: int = 3, privacy: dict[str, Any] | None = None, **training: Any) -> dict[str, Any]:
    given = {name: value for name, value in {**TRAINING, **training}.items() if value is not None}
    return {
        "model_type": "LOGISTIC_REGRESSION",
        "data_props": {
            "features": [{"name": f"x{j}", "type": "continuous", "range": [0, 10]} for j in range(4)],
            "target": {"name": "y", "categories": list(range(classes))},
        },
        "training": given,
        "privacy": CLAIM if privacy is None else privacy,
    }


def spec(classes: int = 3, privacy: dict[str, Any] | None = None, **training: Any) -> ModelSpec:
    return ModelSpec.model_validate(document(classes, privacy, **training))


def plan_of(given: ModelSpec) -> PrivateNetworkPlan:
    plan = plan_spec(given)
    assert isinstance(plan, PrivateNetworkPlan)
    return plan


def network(classes: int) -> ModelSpec:
    """The same as a network of one layer."""
    outputs = 1 if classes == 2 else classes
    layers = [
        {"name": "columns", "type": "Concat", "inputs": [f"x{j}" for j in range(4)]},
        {"name": "scores", "type": "Linear", "inputs": ["columns"], "in_features": 4, "out_features": outputs},
    ]
    given = {**document(classes, optimizer="fedsgd"), "model_type": "NEURAL_NETWORK"}
    return ModelSpec.model_validate({**given, "network": {"layers": layers, "output": "scores"}})


@pytest.mark.parametrize(("classes", "outputs"), [(2, 1), (3, 3)])
def test_noise_rounds_and_room_are_those_of_a_network_of_one_layer(classes: int, outputs: int) -> None:
    plan, other = plan_of(spec(classes)), plan_of(network(classes))
    assert plan.kinds == other.kinds == ("update",)
    assert dict(plan.round("update").answer.arrays) == {"scores.weight": (outputs, 5)}
    assert plan.checked.parameter_count == other.checked.parameter_count
    assert plan.noise == other.noise
    assert plan.rows_supposed == other.rows_supposed == 1000
    ours, theirs = plan.round("update").answer, other.round("update").answer
    assert (ours.owner_bound, ours.sum_bound, ours.noise, ours.layout) == (
        theirs.owner_bound,
        theirs.sum_bound,
        theirs.noise,
        theirs.layout,
    )
    assert schedule_of(spec(classes)) == schedule_of(network(classes))
    assert claimed_epsilon(spec(classes), spec(classes).privacy) == 2.0  # type: ignore[arg-type]
    assert noise_forecast(spec(classes), 4, 1000) == noise_forecast(network(classes), 4, 1000)
    assert accepted_plan_of(spec(classes), allow_small_keys=False) == plan


def test_the_rate_of_auto_is_one_over_the_curvature() -> None:
    # ¼ and ½ bound the second derivative of a loss by its scores; five columns within ±1.
    assert plan_of(spec(2)).update_factor == -1 / (5 / 4) / 50
    assert plan_of(spec(3)).update_factor == -1 / (5 / 2) / 50
    assert plan_of(spec(2, learning_rate=0.3)).update_factor == -0.3 / 50
    assert plan_of(spec(2, optimizer="adam", learning_rate=0.3)).update_factor == -1 / 50
    assert server_settings(spec(2, optimizer="adam", learning_rate=0.3).training).learning_rate == 0.3


def test_momentum_is_the_heavy_ball_of_exact_logistic_regression() -> None:
    settings = server_settings(spec(2, optimizer="momentum", momentum=0.7).training)
    weights = before = np.zeros(3)
    found, velocity = np.zeros(3), None
    for gradient in np.random.default_rng(1).normal(size=(5, 3)):
        weights, before = weights - 0.2 * gradient + 0.7 * (weights - before), weights
        stepped = server_step(settings, found, -0.2 * gradient, velocity, None)
        found, velocity = stepped.weights, stepped.first
    np.testing.assert_allclose(found, weights, rtol=1e-12)


@pytest.mark.parametrize(
    ("training", "field"),
    [
        ({"optimizer": "lbfgs"}, "training.optimizer"),
        ({"optimizer": "newton"}, "training.optimizer"),
        ({"optimizer": None}, "training.optimizer"),
        ({"batch_size": None}, "training.batch_size"),
        ({"evaluate_every": 2}, "training.evaluate_every"),
        ({"clip": 1e6}, "training.clip"),
        ({"clip": 1e-5}, "training.update_bits"),
        ({"l2": 1.0}, "training.l2"),
        ({"l2": "auto"}, "training.l2"),
        ({"tolerance": 0.1}, "training.tolerance"),
        ({"scaling": "none"}, "training.scaling"),
        ({"reencrypt_every": 3}, "training.reencrypt_every"),
    ],
)
def test_what_does_not_go_with_it_is_refused_by_name(training: dict[str, Any], field: str) -> None:
    for refuse in (plan_spec, lambda given: accepted_plan_of(given, allow_small_keys=False)):
        with pytest.raises(Problem) as raised:
            refuse(spec(**training))
        assert raised.value.code is Code.INVALID_SPEC
        assert [error["field"] for error in raised.value.extra["errors"]] == [field]  # type: ignore[union-attr]
    assert "lbfgs" not in str(training) or "gradient_descent or momentum or adam" in raised.value.detail


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"seed": 1}, r"training\.seed: LOGISTIC_REGRESSION does not take it"),
        ({"server_optimizer": "adam"}, r"training\.server_optimizer"),
        ({"local_steps": 2}, r"training\.local_steps"),
        ({"weights": "encrypted"}, r"training\.batch_size, training\.clip"),
    ],
)
def test_fields_of_networks_are_refused_but_for_those_of_noised_gradients(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        spec(**change)


def test_without_privacy_it_takes_none_of_them() -> None:
    exact = document()
    del exact["privacy"]
    with pytest.raises(ValidationError, match=r"training\.batch_size, training\.clip: LOGISTIC_REGRESSION"):
        ModelSpec.model_validate(exact)


@pytest.mark.parametrize(
    ("privacy", "message"),
    [
        ({"epsilon": 1.0, "delta": 1e-5}, r"privacy\.sampling_rate: give"),
        ({**CLAIM, "row_bound": 2.0}, r"privacy\.row_bound 2: a LOGISTIC_REGRESSION is trained step by step"),
    ],
)
def test_claims_of_moments_are_refused(privacy: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        spec(privacy=privacy)


def test_least_squares_has_no_such_steps() -> None:
    given = document(batch_size=None, clip=None)
    given["model_type"] = "LINEAR_REGRESSION"
    given["data_props"]["target"] = {"name": "y", "range": [0, 1]}
    given["privacy"] = {"epsilon": 1.0, "delta": 1e-5, "row_bound": 2.0}
    with pytest.raises(Problem, match=r"training\.weights: it does not go with privacy"):
        plan_spec(ModelSpec.model_validate(given))
