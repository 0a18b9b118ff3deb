"""The plan of a job whose owners see the weights: bounds that data attain and none pass, costs, and what is refused."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from fedtrain.crypto import SlotLayout
from fedtrain.data_owner.data.moments import Rows
from fedtrain.data_owner.methods import SHARED, method_of
from fedtrain.methods.plan import Plan
from fedtrain.methods.regression.weights_travel import unfit_fields
from fedtrain.model_owner.jobs.specs import plan_of
from fedtrain.planning.costs import cost_of
from fedtrain.planning.plans import plan_spec, rounds_of
from fedtrain.protocol.messages.forecast import forecast
from fedtrain.spec.model_spec import ModelSpec, Optimizer
from fedtrain.spec.problems import Code, Problem
from tests.harness.attackers.shared_jobs import shared_spec, sums_of

X = np.zeros((1, 4))


def spec_of(classes: int = 2, **training: Any) -> ModelSpec:
    return ModelSpec.model_validate(shared_spec(X, classes, **{"key_bits": 1024, "max_rows": 50, **training}))


def answer(budget: Plan, weights: np.ndarray, rows: Rows) -> list[int]:
    return [int(v) for v in sums_of(SHARED["LOGISTIC_REGRESSION"], budget, [rows], weights).ravel()]


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("weight_bound", [0.5, 1024.0, 1e9])
def test_the_worst_rows_there_can_be_stay_within_the_bounds_and_come_near_them(
    classes: int, weight_bound: float
) -> None:
    budget = plan_spec(spec_of(classes, weight_bound=weight_bound))
    step, k = budget.steps[0], budget.inputs.outputs
    weights = np.full((5, k), -weight_bound)
    if k > 1:
        weights[:, 1:] = weight_bound
    targets = np.zeros((50, k))
    targets[:, 0] = 1.0
    entries = answer(budget, weights, Rows(np.ones((50, 5)), targets))
    assert max(map(abs, entries)) <= step.owner_bound
    # The gradient is as large as its bound where the weights are wrong enough, and the loss within a factor of 4.
    if weight_bound > 1:
        assert max(abs(v) for v in entries[:-1]) >= 0.99 * step.owner_bound
        assert entries[-1] >= step.owner_bound / 4
    assert step.sum_bound == 3 * step.owner_bound
    assert step.sum_bound < 2 ** (budget.slot_bits - 1)


def test_more_rows_than_planned_are_found_out() -> None:
    budget = plan_spec(spec_of(weight_bound=1024.0))
    weights = np.full((5, 1), -1024.0)
    entries = answer(budget, weights, Rows(np.ones((50, 5)), np.ones((50, 1))))
    more = answer(budget, weights, Rows(np.ones((50, 5)), np.ones((50, 1))))
    assert max(abs(a + b) for a, b in zip(entries, more, strict=True)) > budget.steps[0].owner_bound


@pytest.mark.parametrize("classes", [2, 3])
def test_no_weights_that_a_plan_allows_let_one_row_overflow_an_owners_sums(classes: int) -> None:
    """An owner that refused a round for its data would tell of them, masks or not."""
    with pytest.raises(Problem, match="Lower weight_bound") as caught:
        plan_spec(spec_of(classes, weight_bound=1.7e308))
    assert caught.value.code is Code.INVALID_SPEC
    document = shared_spec(X, classes, scaling="none")
    for feature in document["data_props"]["features"]:
        feature["range"] = [0.0, 1e305]
    with pytest.raises(Problem, match="narrow the ranges"):
        plan_spec(ModelSpec.model_validate(document))
    budget = plan_spec(spec_of(classes, weight_bound=1e285, max_rows=10_000))
    weights = np.full((5, budget.inputs.outputs), 1e285)
    weights[:, 1:] *= -1
    targets = np.zeros((8192, budget.inputs.outputs))
    targets[:, -1] = classes - 2
    entries = answer(budget, weights, Rows(np.ones((8192, 5)), targets))
    assert max(map(abs, entries)) <= budget.steps[0].owner_bound


def test_the_loss_travels_at_a_scale_that_its_bound_needs() -> None:
    narrow, wide = plan_spec(spec_of(weight_bound=1.0)), plan_spec(spec_of(weight_bound=2.0**20))
    assert wide.loss_shift_bits == narrow.loss_shift_bits + 20
    assert wide.slot_bits == narrow.slot_bits
    rows = Rows(np.array([[0.25, -1, 0.5, 1, 1]]), np.array([[1.0]]))
    weights = np.array([[1.0], [0.5], [-1.0], [0.25], [0.125]])
    loss = answer(wide, weights, rows)[-1] * 2.0**wide.loss_shift_bits / 2.0**52
    z = float(rows.X[0] @ weights[:, 0])
    assert loss == pytest.approx(np.log1p(np.exp(-z)), abs=2.0 ** (wide.loss_shift_bits - 52))


def test_batches_add_up_exactly() -> None:
    draw = np.random.default_rng(3)
    budget = plan_spec(spec_of())
    rows = Rows(np.column_stack([draw.uniform(-1, 1, (40, 4)), np.ones(40)]), draw.integers(0, 2, (40, 1)) * 1.0)
    weights = draw.normal(0, 1, (5, 1))
    parts = [Rows(rows.X[a : a + 7], rows.Y[a : a + 7]) for a in range(0, 40, 7)]
    method = SHARED["LOGISTIC_REGRESSION"]
    together = sums_of(method, budget, parts, weights)
    one_by_one = sum(sums_of(method, budget, [part], weights) for part in reversed(parts))
    assert (together == one_by_one).all()


def test_answers_are_one_column_and_the_plan_is_the_same_for_every_party() -> None:
    budget = plan_spec(spec_of(classes=3))
    assert isinstance(budget.answer_layout, SlotLayout)
    assert (budget.answer_layout.rows, budget.answer_layout.columns) == (5 * 3 + 1, 1)
    assert budget.to_dict()["loss_shift_bits"] == budget.loss_shift_bits
    assert budget.sum_bound_for(0, 60) < budget.sum_bound_for(0, 150) <= budget.steps[0].sum_bound
    encrypted = plan_spec(spec_of(weights="encrypted", optimizer="newton"))
    assert "loss_shift_bits" not in encrypted.to_dict()
    assert not encrypted.shares_weights
    with pytest.raises(ValueError, match="encrypted"):
        _ = encrypted.loss_shift_bits


def test_the_step_of_gradient_descent_follows_from_the_curvature_of_the_loss() -> None:
    assert plan_spec(spec_of()).inputs.slope == Fraction(1, 4)
    assert plan_spec(spec_of(classes=3)).inputs.slope == Fraction(1, 2)
    assert plan_spec(spec_of(weights="encrypted", optimizer="newton")).inputs.slope == 1


def test_costs_have_no_encrypted_weights_and_count_every_sum() -> None:
    spec = spec_of(classes=3, rounds=9)
    cost = cost_of(spec, owners=3)
    assert cost.data_owner.received_bytes == 0
    assert cost.data_owner.sent_bytes == plan_spec(spec).answer_layout.ciphertexts * cost.ciphertext_bytes
    assert cost.decrypted_sums == cost.distinct_sums == 9 * 16
    told = forecast(spec, 3)
    assert told["sums_decrypted"] == told["sums_in_all"] == 9 * 16
    # Each owner gets every owner's box.
    fewer = forecast(spec_of(classes=3, rounds=9, max_data_owners=2, min_data_owners=2), 2)
    grown = told["bytes"]["data_owner"]["received"] - fewer["bytes"]["data_owner"]["received"]
    assert grown >= 9 * (5 * 3 * 8 + 16 + 32)


def test_rounds_are_as_many_as_the_optimiser_is_given() -> None:
    assert rounds_of(spec_of()) == 500
    assert rounds_of(spec_of(optimizer="adam")) == 1000


def test_a_key_that_is_too_small_is_refused_with_fixes() -> None:
    document = shared_spec(X, 2, key_bits=256, scaling="none")
    for feature in document["data_props"]["features"]:
        feature["range"] = [-1e62, 1e62]
    with pytest.raises(Problem, match="use key_bits 1024") as caught:
        plan_spec(ModelSpec.model_validate(document))
    assert caught.value.code is Code.DOES_NOT_FIT
    document["training"]["key_bits"] = 1024
    assert plan_spec(ModelSpec.model_validate(document)).slot_bits > 254


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"optimizer": "newton"}, "training.optimizer"),
        ({"optimizer": "conjugate_gradient"}, "training.optimizer"),
        ({"optimizer": "gradient_descent", "reencrypt_every": 4}, "training.reencrypt_every"),
        ({"l2": "auto"}, "training.l2"),
        ({"evaluate_every": 2}, "training.evaluate_every"),
        ({"weights": "encrypted", "optimizer": "adam"}, "training.optimizer"),
        ({"weights": "encrypted", "optimizer": "lbfgs"}, "training.optimizer"),
    ],
)
def test_what_does_not_go_with_shared_weights_is_refused_by_field(change: dict[str, Any], field: str) -> None:
    spec = spec_of(**change)
    assert [one.field for one in unfit_fields(spec)] == [field]
    # By the planner, and so by every party that reads a manifest; and by the Model Owner, field by field.
    for refuse in (plan_spec, lambda spec: plan_of(spec, allow_small_keys=True)):
        with pytest.raises(Problem) as caught:
            refuse(spec)
        assert caught.value.code is Code.INVALID_SPEC
        assert [error["field"] for error in caught.value.extra["errors"]] == [field]


def test_another_model_type_is_refused_with_the_reason() -> None:
    document = shared_spec(X, 2)
    document["model_type"] = "LINEAR_REGRESSION"
    document["data_props"]["target"] = {"col_idx": 4, "range": [0.0, 1.0]}
    with pytest.raises(Problem, match="LINEAR_REGRESSION is trained with encrypted weights"):
        plan_spec(ModelSpec.model_validate(document))
    with pytest.raises(Problem) as caught:
        method_of(ModelSpec.model_validate(document).model_type, shares_weights=True)
    assert caught.value.code is Code.POLICY_REFUSES


@pytest.mark.parametrize("optimizer", [Optimizer.ADAM, Optimizer.LBFGS])
def test_windows_are_for_linear_updates_alone(optimizer: Optimizer) -> None:
    with pytest.raises(ValueError, match="reencrypt_every 2"):
        spec_of(weights="encrypted", optimizer=optimizer.value, reencrypt_every=2)
