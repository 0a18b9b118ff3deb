"""The public bounds of ranges, and the plan of a job that asks about them."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from fedtrain.methods import schedule_of
from fedtrain.methods.ranges import KIND, MOST_NUMBERS, RangesPlan, bounds_between
from fedtrain.planning.plans import numbers_revealed, plan_spec, rounds_of
from fedtrain.spec.model_spec import ModelSpec
from fedtrain.spec.model_types.ranges import OPEN_LIMITS, Grid
from fedtrain.spec.problems import Code, Problem

AGE = {"name": "age", "type": "discrete", "range": [0, 130]}
LIMITS = st.tuples(st.floats(-1e12, 1e12), st.floats(-1e12, 1e12)).filter(lambda ends: ends[0] < ends[1])


def document(*features: dict[str, Any], **more: Any) -> dict[str, Any]:
    training = {"key_bits": 512, "max_data_owners": 5, **more.pop("training", {})}
    return {"model_type": "RANGES", "data_props": {"features": features or (AGE,)}, "training": training, **more}


def spec(*features: dict[str, Any], **more: Any) -> ModelSpec:
    return ModelSpec.model_validate(document(*features, **more))


def refused(*features: dict[str, Any], **more: Any) -> Problem:
    with pytest.raises(Problem) as caught:
        plan_spec(spec(*features, **more))
    assert caught.value.code is Code.INVALID_SPEC
    return caught.value


def test_the_grids_are_powers_of_ten_of_two_and_round_numbers_of_both_signs_and_zero() -> None:
    assert bounds_between(-300, 3000, Grid.DECADES)[-4:] == (1.0, 10.0, 100.0, 1000.0)
    assert bounds_between(-300, 3000, Grid.DECADES)[:3] == (-100.0, -10.0, -1.0)
    assert 0.0 in bounds_between(-300, 3000, Grid.DECADES)
    assert bounds_between(0, 9, Grid.POWERS_OF_TWO)[-5:] == (0.5, 1.0, 2.0, 4.0, 8.0)
    assert bounds_between(9, 110, Grid.ROUND) == (10.0, 20.0, 50.0, 100.0)
    assert bounds_between(0.02, 0.3, Grid.ROUND) == (0.05, 0.1, 0.2)
    assert bounds_between(-60, -9, Grid.ROUND) == (-50.0, -20.0, -10.0)


def test_limits_themselves_are_no_bounds() -> None:
    assert bounds_between(10, 100, Grid.ROUND) == (20.0, 50.0)
    assert bounds_between(1, 8, Grid.POWERS_OF_TWO) == (2.0, 4.0)


@pytest.mark.parametrize("ends", [(1e300, 1.7e308), (-1.7e308, 1.0), (5e-324, 1e-323), (0.0, 1e-310), OPEN_LIMITS])
@pytest.mark.parametrize("grid", list(Grid))
def test_the_ends_of_what_a_double_holds_have_finite_bounds_and_few(ends: tuple[float, float], grid: Grid) -> None:
    bounds = bounds_between(*ends, grid)
    assert len(bounds) <= 90
    assert all(ends[0] < bound < ends[1] for bound in bounds)


@given(LIMITS, LIMITS, st.sampled_from(Grid))
def test_no_limits_place_a_bound_where_others_would_not(
    ends: tuple[float, float], others: tuple[float, float], grid: Grid
) -> None:
    """However narrow the limits, and however many jobs ask: all bounds are of one set that nobody chooses."""
    bounds = bounds_between(*ends, grid)
    assert all(low < high for low, high in pairwise(bounds))
    known = set(bounds_between(*others, grid))
    nearest = 1e-12 * max(map(abs, others))
    both = [bound for bound in bounds if others[0] < bound < others[1] and (abs(bound) >= nearest or bound == 0)]
    assert known.issuperset(both)


def test_round_numbers_have_the_decades_among_them() -> None:
    assert set(bounds_between(*OPEN_LIMITS, Grid.DECADES)) <= set(bounds_between(*OPEN_LIMITS, Grid.ROUND))


def test_the_plan_has_one_round_of_bits_whose_sums_are_at_most_the_owners() -> None:
    asked = spec(AGE, {"name": "dose", "type": "continuous", "range": [9, 110]}, grid="round")
    plan = plan_spec(asked)
    assert isinstance(plan, RangesPlan)
    assert [plan.bounds[1][place] for place in (0, -1)] == [10.0, 100.0]
    answer = plan.round(KIND).answer
    numbers = 2 * (len(plan.bounds[0]) + 4)
    assert (answer.layout.rows, answer.owner_bound, answer.sum_bound, answer.layout.slot_bits) == (numbers, 1, 5, 4)
    assert plan.round(KIND, rows_total=70).answer.sum_bound == 5
    assert (plan.columns[0].stop, plan.columns[1]) == (numbers // 2 - 4, slice(numbers // 2 - 4, numbers // 2))
    assert plan.to_dict()["bounds"] == numbers // 2
    assert numbers_revealed(asked) == (numbers, numbers)
    assert (rounds_of(asked), schedule_of(asked).rounds, plan.kinds) == (1, 1, (KIND,))


def test_a_discrete_column_is_asked_about_at_whole_bounds_alone() -> None:
    for grid in Grid:
        plan = plan_spec(spec({"name": "n", "type": "discrete", "range": [-200, 200]}, grid=grid))
        assert isinstance(plan, RangesPlan)
        (bounds,) = plan.bounds
        assert [bound for bound in bounds if abs(bound) <= 1] == [-1.0, 0.0, 1.0]
        assert all(bound.is_integer() for bound in bounds)
    assert "no bound of the grid" in refused({"name": "n", "type": "discrete", "range": [0, 1]}).detail


def test_what_is_left_open_is_in_what_is_signed() -> None:
    asked = spec({"name": "age", "type": "discrete"})
    assert (asked.grid, asked.data_props.features[0].range) == (Grid.ROUND, OPEN_LIMITS)
    signed = asked.model_dump(mode="json")
    assert (signed["grid"], signed["data_props"]["features"][0]["range"]) == ("round", list(OPEN_LIMITS))
    assert ModelSpec.model_validate_json(asked.model_dump_json()) == asked
    assert spec(grid=None).grid is Grid.ROUND


def test_other_specs_are_signed_as_before_there_was_a_grid() -> None:
    target = {"name": "days", "range": [0, 9]}
    other = {"model_type": "LINEAR_REGRESSION", "data_props": {"features": [AGE], "target": target}}
    assert "grid" not in ModelSpec.model_validate(other).model_dump(mode="json")
    with pytest.raises(ValidationError, match="grid: LINEAR_REGRESSION asks about no bounds: leave it out"):
        ModelSpec.model_validate({**other, "grid": "round"})
    with pytest.raises(ValidationError, match="needs a range"):
        ModelSpec.model_validate(
            {**other, "data_props": {"features": [{"name": "age", "type": "discrete"}], "target": target}}
        )


@pytest.mark.parametrize(
    ("feature", "message"),
    [
        ({"name": "sex", "type": "nominal", "categories": ["m", "f"]}, "sex: RANGES asks for the ranges of numbers"),
        ({"name": "text", "type": "text", "vocabulary": 9, "tokens": 2}, "this is of type text: leave the column out"),
        ({"name": "sex", "type": "nominal"}, "nominal features need categories"),
        ({"name": "age", "type": 7}, "type"),
        ("age", "features"),
    ],
)
def test_columns_without_numbers_are_refused_by_name(feature: Any, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        spec(AGE, feature)


def test_a_target_is_refused_by_name() -> None:
    asked = document()
    asked["data_props"] = {**asked["data_props"], "target": {"name": "days", "range": [0, 9]}}
    with pytest.raises(ValidationError, match="days: RANGES predicts nothing: give every column as a feature"):
        ModelSpec.model_validate(asked)


@pytest.mark.parametrize(
    ("more", "field"),
    [
        ({"release": "sign_off"}, "release"),
        ({"training": {"optimizer": "newton"}}, "training.optimizer"),
        ({"training": {"optimizer": "momentum", "reencrypt_every": 4}}, "training.reencrypt_every"),
        ({"training": {"evaluate_every": 2}}, "training.evaluate_every"),
        ({"training": {"weights": "shared_with_owners"}}, "training.weights"),
        ({"training": {"scaling": "none"}}, "training.scaling"),
        ({"training": {"l2": 1.0}}, "training.l2"),
        ({"training": {"on_dropout": "continue"}}, "training.on_dropout"),
        ({"privacy": {"epsilon": 1.0, "delta": 1e-6, "row_bound": 2.0}}, "privacy"),
    ],
)
def test_what_it_does_not_take_is_refused_by_name(more: dict[str, Any], field: str) -> None:
    problem = refused(**more)
    assert field in problem.detail
    assert field in {error["field"] for error in problem.extra["errors"]}


@pytest.mark.parametrize("field", ["clip", "batch_size", "local_epochs"])
def test_options_of_networks_are_refused_by_name(field: str) -> None:
    with pytest.raises(ValidationError, match=f"training.{field}: RANGES does not take it"):
        spec(training={field: 2})
    linear = {"name": "a", "type": "Linear", "inputs": ["columns"], "in_features": 1, "out_features": 1}
    with pytest.raises(ValidationError, match="network: RANGES has none"):
        spec(network={"layers": [linear], "output": "a"})


@pytest.mark.slow
def test_too_many_bounds_are_refused_with_both_numbers() -> None:
    columns = [{"name": f"c{place}", "type": "continuous"} for place in range(1500)]
    problem = refused(*columns)
    assert f"{MOST_NUMBERS:,} at most" in problem.detail and "1500 columns" in problem.detail
    assert plan_spec(spec(*columns, grid="decades"))


def test_limits_without_a_bound_between_them_are_refused_by_name() -> None:
    problem = refused(AGE, {"name": "ph", "type": "continuous", "range": [6, 8]}, grid="decades")
    assert "ph: no bound of the grid decades lies between 6 and 8" in problem.detail
