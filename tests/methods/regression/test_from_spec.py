"""From a spec to the numbers of its budget."""

from __future__ import annotations

import json
from fractions import Fraction
from typing import Any

import pytest

from fedtrain.methods.plan import DoesNotFit
from fedtrain.methods.regression.budget import plan
from fedtrain.methods.regression.from_spec import budget_inputs, feature_bounds, target_bound, weight_slope
from fedtrain.planning.plans import plan_spec, rounds_of
from fedtrain.spec.model_spec import ModelSpec
from fedtrain.spec.problems import Code, Problem

GRID = 1 << 64


def spec(
    features: list[dict[str, Any]] | None = None,
    target: dict[str, Any] | None = None,
    model_type: str = "LINEAR_REGRESSION",
    **training: object,
) -> ModelSpec:
    features = features or [{"type": "continuous", "range": [-0.2, 0.2]}, {"type": "continuous", "range": [0.0, 90.0]}]
    target = target or {"range": [25.0, 346.0]}
    columns = [{"col_idx": index, **feature} for index, feature in enumerate(features)]
    return ModelSpec.model_validate(
        {
            "model_type": model_type,
            "data_props": {"features": columns, "target": {"col_idx": len(columns), **target}},
            "training": training,
        }
    )


MIXED = [
    {"type": "continuous", "range": [-3.0, 0.1]},
    {"type": "discrete", "range": [0.0, 7.0]},
    {"type": "ordinal", "categories": ["low", "middle", "high", "top"]},
    {"type": "nominal", "categories": ["red", "green", "blue"]},
]


def test_scaled_features_have_bound_one_and_the_intercept_is_last() -> None:
    scaled = spec(MIXED)
    assert feature_bounds(scaled) == (1,) * 6
    assert budget_inputs(scaled).dimensions == scaled.data_props.dimensions == 6


def test_raw_features_are_bounded_by_their_ranges_ranks_and_indicators() -> None:
    raw = spec(MIXED, scaling="none")
    assert feature_bounds(raw) == (3, 7, 3, 1, 1, 1)


def test_raw_bounds_are_rounded_up_to_the_grid_of_the_data() -> None:
    bound = feature_bounds(spec([{"type": "continuous", "range": [-0.1, 0.1]}], scaling="none"))[0]
    assert Fraction(0.1) <= bound < Fraction(0.1) + Fraction(1, GRID)
    assert (bound * GRID).denominator == 1


@pytest.mark.parametrize("low_high", [(25.0, 346.0), (-0.1, 0.3), (1000.0, 1001.0), (-5.0, 5.0), (0.0, 1e-9)])
def test_a_target_at_the_end_of_its_range_is_within_the_bound_on_the_grid(low_high: tuple[float, float]) -> None:
    low, high = low_high
    bound = target_bound(spec(target={"range": [low, high]}))
    for end in (low, high):
        scaled = 2 * Fraction(end) / (Fraction(high) - Fraction(low))
        assert abs(round(scaled * GRID)) <= bound * GRID
    assert bound < 2 * Fraction(max(abs(low), abs(high))) / (Fraction(high) - Fraction(low)) + Fraction(1, GRID)


def test_several_targets_take_the_largest_bound_and_one_column_each() -> None:
    two = ModelSpec.model_validate(
        {
            "model_type": "LINEAR_REGRESSION",
            "data_props": {
                "features": [{"col_idx": 0, "type": "continuous", "range": [0.0, 1.0]}],
                "targets": [{"col_idx": 1, "range": [-1.0, 1.0]}, {"col_idx": 2, "range": [9.0, 11.0]}],
            },
        }
    )
    assert budget_inputs(two).target_bound == 11
    assert budget_inputs(two).outputs == 2


@pytest.mark.parametrize(("categories", "outputs"), [(["no", "yes"], 1), (["a", "b", "c"], 3)])
def test_classification_takes_the_slope_into_the_weights_and_has_targets_of_one_half(
    categories: list[str], outputs: int
) -> None:
    classes = spec(
        target={"categories": categories},
        model_type="LOGISTIC_REGRESSION",
        learning_rate=0.25,
        l2=3.0,
        weight_bound=8.0,
    )
    inputs = budget_inputs(classes)
    slope = Fraction(153, 1000)
    assert weight_slope(classes) == slope
    # The same descent in terms of v = c·w, which meets XᵀX alone.
    assert inputs.slope == 1
    assert (inputs.learning_rate, inputs.l2, inputs.weight_bound) == (slope / 4, 3 / slope, 8 * slope)
    assert inputs.target_bound == Fraction(1, 2)
    assert inputs.outputs == outputs


def test_declared_numbers_are_taken_exactly() -> None:
    inputs = budget_inputs(
        spec(optimizer="momentum", learning_rate=0.1, l2=0.3, momentum=0.7, weight_bound=12.5, reencrypt_every=3)
    )
    assert (inputs.learning_rate, inputs.l2, inputs.momentum) == (Fraction(0.1), Fraction(0.3), Fraction(0.7))
    assert inputs.weight_bound == Fraction(25, 2)
    assert (inputs.max_rows, inputs.max_owners, inputs.min_owners) == (10_000_000, 64, 3)


def test_automatic_weight_bounds_leave_room_for_the_intercept_and_for_small_raw_features() -> None:
    assert budget_inputs(spec()).weight_bound == 1024
    assert budget_inputs(spec(target={"range": [1000.0, 1001.0]})).weight_bound == 32768
    assert budget_inputs(spec(scaling="none")).weight_bound == 8192
    assert budget_inputs(spec(MIXED, scaling="none")).weight_bound == 1024


@pytest.mark.parametrize(
    ("training", "rounds"),
    [
        ({}, 4 * (3 + 1)),
        ({"rounds": 7}, 7),
        ({"optimizer": "gradient_descent"}, 1000),
        ({"optimizer": "momentum"}, 1000),
        ({"optimizer": "momentum", "rounds": 12}, 12),
        ({"optimizer": "newton"}, 1),
        ({"optimizer": "newton", "rounds": 5}, 1),
    ],
)
def test_rounds(training: dict[str, object], rounds: int) -> None:
    assert rounds_of(spec(**training)) == rounds_of(spec(**training)) == rounds


def test_a_plan_is_the_planners_and_survives_json_as_it_travels_in_the_manifest() -> None:
    budget = plan_spec(spec(optimizer="gradient_descent", reencrypt_every=4))
    assert budget == plan(budget_inputs(spec(optimizer="gradient_descent", reencrypt_every=4)))
    assert json.loads(json.dumps(budget.to_dict())) == budget.to_dict()


def test_a_spec_that_does_not_fit_is_a_problem_with_the_fixes() -> None:
    too_long = spec(optimizer="gradient_descent", reencrypt_every=40)
    with pytest.raises(Problem) as caught:
        plan_spec(too_long)
    assert caught.value.code is Code.DOES_NOT_FIT
    document = caught.value.to_dict()
    assert document["status"] == 422
    with pytest.raises(DoesNotFit) as planned:
        plan(budget_inputs(too_long))
    assert document["fixes"] == list(planned.value.fixes)
    assert "reencrypt_every 40 needs" in str(document["detail"])
    assert json.loads(json.dumps(document))["needed_bits"] > document["available_bits"]  # type: ignore[operator]


def test_an_automatic_l2_is_refused_in_windows_only() -> None:
    plan_spec(spec(l2="auto"))
    with pytest.raises(Problem, match="Give l2 a number") as caught:
        plan_spec(spec(l2="auto", optimizer="gradient_descent", reencrypt_every=2))
    assert caught.value.code is Code.INVALID_SPEC


def test_a_weight_bound_that_encodes_to_zero_is_refused() -> None:
    budget_inputs(spec(weight_bound=2.0**-40))
    with pytest.raises(Problem, match=r"weight_bound 4\.54747e-13 is below") as caught:
        budget_inputs(spec(weight_bound=2.0**-41))
    assert caught.value.code is Code.INVALID_SPEC


def test_an_unscaled_column_below_the_rounding_of_records_is_refused_by_name() -> None:
    small = {"type": "continuous", "range": [-1e-12, 1e-12]}
    with pytest.raises(
        Problem, match=r"column 0: with scaling \"none\" records are rounded to 2\^−64.*at most 1e-12"
    ) as caught:
        plan_spec(spec([small], scaling="none"))
    assert caught.value.code is Code.INVALID_SPEC
    plan_spec(spec([small]))
    plan_spec(spec([{**small, "range": [0, 1e-6]}], scaling="none"))
