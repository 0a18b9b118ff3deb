"""Specs that claim privacy: what their plan says of noise, and what does not go with it."""

from __future__ import annotations

import json
import math
from fractions import Fraction
from typing import Any

import pytest
from pydantic import ValidationError

from fedtrain.methods import schedule_of
from fedtrain.methods.network.private import claimed_epsilon
from fedtrain.methods.noised_moments import FRACTION_BITS, NoisedPlan, noise_terms
from fedtrain.planning.noise_cost import noise_cost, noise_forecast
from fedtrain.planning.plans import plan_spec
from fedtrain.privacy.accounting import epsilon_of
from fedtrain.spec.model_spec import ModelSpec
from fedtrain.spec.problems import Code, Problem

CLAIM = {"epsilon": 1.0, "delta": 1e-6, "row_bound": 2.0}


def document(privacy: dict[str, Any] | None = None, *, classes: int = 0, **training: Any) -> dict[str, Any]:
    target: dict[str, Any] = {"col_idx": 2, "range": [0, 100]}
    if classes:
        target = {"col_idx": 2, "categories": [f"class {place}" for place in range(classes)]}
    features = [{"col_idx": place, "type": "continuous", "range": [0, 10]} for place in range(2)]
    return {
        "model_type": "LOGISTIC_REGRESSION" if classes else "LINEAR_REGRESSION",
        "data_props": {"features": features, "target": target},
        "training": {"optimizer": "newton", **training},
        **({} if privacy is None else {"privacy": privacy}),
    }


def spec(privacy: dict[str, Any] | None = None, **others: Any) -> ModelSpec:
    return ModelSpec.model_validate(document(CLAIM if privacy is None else privacy, **others))


def test_every_number_of_every_round_carries_noise() -> None:
    plan = plan_spec(spec())
    assert isinstance(plan, NoisedPlan)
    terms = noise_terms(plan)
    assert terms is not None
    for kind in plan.kinds:
        planned = plan.round(kind).answer
        assert planned.noise is not None
        assert len(planned.noise.variances) == planned.layout.rows
        assert planned.owner_bound * 64 <= planned.sum_bound < 1 << (planned.layout.slot_bits - 1)
    matrix = plan.round("moments").answer.noise
    assert matrix is not None
    half, whole = terms.variance_off_diagonal, terms.variance
    assert list(matrix.variances) == [whole, half, half, whole, half, whole, *[whole] * 3, whole]
    assert 2 * half - whole in (0, 1)
    assert [turn.kind for turn in schedule_of(spec()).every_turn()] == ["counts", "moments"]


@pytest.mark.parametrize(("classes", "squared"), [(0, 16 + 4 + 1), (2, 16 + 4 / 4), (3, 16 + 4 * 3 / 4)])
def test_noise_is_sized_by_what_a_row_can_change(classes: int, squared: float) -> None:
    terms = noise_terms(plan_spec(spec(classes=classes, min_data_owners=4)))
    assert terms is not None
    assert terms.squared_sensitivity == Fraction(squared) * (1 << 2 * FRACTION_BITS)
    assert terms.honest_owners == 3
    # Three shares together spend what was claimed, and not less than nearly all of it.
    rho = float(terms.squared_sensitivity / (2 * 3 * terms.variance))
    assert 1 - 1e-6 < epsilon_of(rho, 1e-6) <= 1
    assert terms.rho == pytest.approx(rho)


def test_what_the_claim_counts_on_is_said_and_can_be_given() -> None:
    few, many = (noise_terms(plan_spec(spec({**CLAIM, "honest_owners": count}))) for count in (1, 3))
    assert few is not None and many is not None
    assert math.isclose(few.variance, 3 * many.variance)
    shown = plan_spec(spec()).to_dict()["privacy"]
    assert shown == {**CLAIM, "unit": "record", "honest_owners": 2, "share_standard_deviation": 14.6817}
    with pytest.raises(ValidationError, match=r"above training\.min_data_owners"):
        spec({**CLAIM, "honest_owners": 4})


@pytest.mark.parametrize(("epsilon", "delta"), [(1.0, 1e-6), (30.0, 1e-6), (100.0, 5e-324)])
def test_delta_covers_the_chance_that_noise_ends_at_its_tail(epsilon: float, delta: float) -> None:
    terms = noise_terms(plan_spec(spec({**CLAIM, "epsilon": epsilon, "delta": delta})))
    assert terms is not None
    deviations = terms.tail / math.sqrt(terms.variance)
    assert deviations >= 12
    shares = 10 * 2  # of ten numbers, by the two owners whose noise counts
    log_of_delta_more = epsilon + math.log1p(math.exp(-epsilon)) + math.log(shares) - deviations**2 / 2
    assert log_of_delta_more <= math.log(delta) - 40 * math.log(2)


def test_a_spec_without_privacy_is_signed_as_ever() -> None:
    plain = ModelSpec.model_validate(document())
    assert "privacy" not in json.loads(plain.model_dump_json())
    assert json.loads(spec().model_dump_json())["privacy"] == {**CLAIM, "unit": "record", "honest_owners": None}


@pytest.mark.parametrize(
    ("training", "fields"),
    [
        ({"optimizer": "conjugate_gradient"}, {"training.optimizer"}),
        ({"optimizer": "gradient_descent", "reencrypt_every": 3}, {"training.optimizer", "training.reencrypt_every"}),
        ({"l2": "auto"}, {"training.l2"}),
        ({"evaluate_every": 2}, {"training.evaluate_every"}),
        ({"scaling": "none"}, {"training.scaling"}),
    ],
)
def test_what_does_not_go_with_privacy_is_refused_by_name(training: dict[str, Any], fields: set[str]) -> None:
    with pytest.raises(Problem) as caught:
        plan_spec(spec(classes=2, **training))
    assert caught.value.code is Code.INVALID_SPEC
    errors = caught.value.extra["errors"]
    assert isinstance(errors, list)
    assert {error["field"] for error in errors} == fields


@pytest.mark.parametrize(
    "wrong",
    [
        {"epsilon": 0},
        {"epsilon": "1"},
        {"epsilon": math.inf},
        {"delta": 0.0},
        {"delta": 0.01},
        {"row_bound": 1},
        {"row_bound": 101},
        {"unit": "owner"},
        {"honest_owners": 0},
        {"noise": 3},
        {"noise_multiplier": 0.0},
        {"noise_multiplier": math.nan},
    ],
)
def test_a_claim_that_makes_no_sense_is_refused(wrong: dict[str, Any]) -> None:
    (field,) = wrong
    with pytest.raises(ValidationError, match=f"privacy.{field}"):
        spec({**CLAIM, **wrong})


def test_rows_that_do_not_carry_the_noise_are_warned_of_before_the_job() -> None:
    few, many = noise_cost(spec(), 3, 442), noise_cost(spec(), 3, 20_000)
    assert few is not None and many is not None
    assert not many.dominates
    assert few.least_error == pytest.approx(many.least_error * 20_000 / 442)
    tiny = noise_forecast(spec(), 3, 100)
    assert tiny is not None and tiny["dominates"]
    errors = [line["least_error"] for line in tiny["by_epsilon"]]
    assert errors == sorted(errors, reverse=True)
    assert noise_forecast(ModelSpec.model_validate(document()), 3, 100) is None


def test_epsilon_follows_from_the_noise_where_that_is_given() -> None:
    given = noise_terms(plan_spec(spec()))
    assert given is not None
    multiplier = math.sqrt(2 * given.variance / given.squared_sensitivity)  # of two honest owners
    from_noise = spec({"delta": 1e-6, "row_bound": 2.0, "noise_multiplier": multiplier})
    found = noise_terms(plan_spec(from_noise))
    assert found is not None
    assert found.epsilon == pytest.approx(1.0, rel=1e-6)
    assert found.variance == pytest.approx(given.variance, rel=1e-9)
    assert epsilon_of(found.rho, 1e-6) <= found.epsilon * (1 + 1e-9)
    signed = json.loads(from_noise.model_dump_json())["privacy"]
    assert "epsilon" not in signed and signed["noise_multiplier"] == multiplier
    assert ModelSpec.model_validate_json(from_noise.model_dump_json()) == from_noise
    for each in (from_noise, spec()):
        claim = each.model_dump(mode="json", exclude_none=True)["privacy"]
        assert ("epsilon" in claim) != ("noise_multiplier" in claim)
    shown = plan_spec(from_noise).to_dict()["privacy"]
    assert isinstance(shown, dict) and shown["epsilon"] == pytest.approx(1.0, rel=1e-5)
    cost = noise_forecast(from_noise, 3, 442)
    assert cost is not None and cost["epsilon"] == pytest.approx(1.0, rel=1e-3)


def test_more_noise_is_less_epsilon_and_too_little_is_refused_by_name() -> None:
    claim = {"delta": 1e-6, "row_bound": 2.0}
    specs = [spec({**claim, "noise_multiplier": multiplier}) for multiplier in (1.0, 2.0, 4.0)]
    epsilons = [claimed_epsilon(each, each.privacy) for each in specs if each.privacy is not None]
    assert len(epsilons) == 3 and epsilons == sorted(epsilons, reverse=True)
    with pytest.raises(Problem, match="it leaves epsilon") as caught:
        plan_spec(spec({**claim, "noise_multiplier": 0.01}))
    assert caught.value.code is Code.INVALID_SPEC
    errors = caught.value.extra["errors"]
    assert isinstance(errors, list) and errors[0]["field"] == "privacy.noise_multiplier"


@pytest.mark.parametrize("both", [{}, {"epsilon": 1.0, "noise_multiplier": 1.0}])
def test_epsilon_and_the_noise_are_not_given_together_nor_both_left_out(both: dict[str, float]) -> None:
    with pytest.raises(ValidationError, match="exactly one of epsilon and noise_multiplier"):
        spec({"delta": 1e-6, "row_bound": 2.0, **both})


def test_a_model_type_whose_rounds_know_no_noise_is_refused_privacy(monkeypatch: pytest.MonkeyPatch) -> None:
    given = spec()
    monkeypatch.setattr(type(given.kind), "takes_privacy", False)
    with pytest.raises(Problem, match="LINEAR_REGRESSION adds no noise") as caught:
        plan_spec(given)
    assert caught.value.code is Code.INVALID_SPEC
