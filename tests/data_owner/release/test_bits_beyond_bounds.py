"""An owner's bits against a count of its rows, and against whoever hopes to read a few of them there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from fedtrain.data_owner.data.moments import Moments, Rows
from fedtrain.data_owner.methods import method_of
from fedtrain.data_owner.methods.answers import Plain, PreparedData, Question
from fedtrain.data_owner.release.fixed_point import check_fits
from fedtrain.methods.plan import split
from fedtrain.methods.ranges import KIND, RangesPlan
from fedtrain.planning.plans import plan_spec
from fedtrain.spec.model_spec import ModelSpec, ModelType
from fedtrain.tabular.columns import feature_codec

METHOD = method_of(ModelType.RANGES)
LIMITS = [(-1000.0, 1000.0), (0.0, 130.0), (-3e7, 1e9)]
BATCH = 7
# Whole numbers meet bounds exactly; others lie between, or beyond the limits. No nearer to a bound than scaled values,
# which are doubles, tell apart.
VALUES = st.one_of(
    st.sampled_from([-100.0, -1.0, 0.0, 1.0, 20.0, 50.0, 100.0, 130.0]),
    st.integers(-10_000_000, 10_000_000).map(lambda thousandths: thousandths / 1000),
)


def plan_of(limits: Sequence[tuple[float, float]] = LIMITS, grid: str = "round") -> RangesPlan:
    features = [{"name": f"c{at}", "type": "continuous", "range": ends} for at, ends in enumerate(limits)]
    training = {"key_bits": 512, "max_data_owners": 3}
    document = {"model_type": "RANGES", "grid": grid, "data_props": {"features": features}, "training": training}
    plan = plan_spec(ModelSpec.model_validate(document))
    assert isinstance(plan, RangesPlan)
    return plan


PLAN = plan_of()


def bits(
    raw: NDArray[np.float64],
    min_cell: int | None,
    plan: RangesPlan = PLAN,
    imputed: NDArray[np.bool_] | None = None,
) -> dict[str, Any]:
    """The owner's bits of raw (rows, columns), encoded as a table's are, batch by batch."""
    X = np.ones((len(raw), raw.shape[1] + 1))
    for column, feature in enumerate(plan.features):
        scaled = np.empty((1, len(raw)))
        feature_codec(feature, "range").write(raw[:, column], scaled)
        X[:, column] = scaled[0]
    places = [slice(at, at + BATCH) for at in range(0, len(X), BATCH)]
    batches = [
        Rows(X[place], np.empty((len(X[place]), 0)), imputed=None if imputed is None else imputed[place])
        for place in places
    ]
    data = PreparedData(plan, Moments.zero(X.shape[1], 0), rows=batches, min_cell=min_cell)
    check_fits(METHOD, data, plan)
    answer = METHOD.answers[KIND](data, Question(KIND))
    assert isinstance(answer, Plain)
    (part,) = answer.parts
    return split(part, plan.round(KIND).answer.arrays)


TABLES = st.integers(1, 30).flatmap(
    lambda rows: st.lists(st.tuples(VALUES, VALUES, VALUES), min_size=rows, max_size=rows)
)


@settings(max_examples=60, deadline=None)
@given(TABLES, st.integers(0, 12))
def test_a_bit_says_whether_min_cell_rows_lie_beyond_and_nothing_else(
    table: list[tuple[float, float, float]], min_cell: int
) -> None:
    raw = np.array(table)
    found = bits(raw, min_cell)
    for column, (bounds, places) in enumerate(zip(PLAN.bounds, PLAN.columns, strict=True)):
        inside = np.clip(raw[:, column], *LIMITS[column])
        least = max(1, min_cell)
        enough = len(raw) >= 2 * least - 1
        below = [int(enough and (inside < bound).sum() >= least) for bound in bounds]
        above = [int(enough and (inside > bound).sum() >= least) for bound in bounds]
        assert (found["below"][places].tolist(), found["above"][places].tolist()) == (below, above)


@settings(max_examples=60, deadline=None)
@given(TABLES, st.lists(st.floats(0, 1e4), min_size=1, max_size=9), st.integers(0, 2), st.booleans())
def test_whatever_the_outermost_rows_are_no_bit_changes(
    table: list[tuple[float, float, float]], beyond: list[float], column: int, above: bool
) -> None:
    """The attack: a person with an extreme value. Of fewer than min_cell rows at an end neither side shows any."""
    min_cell = len(beyond) + 1
    raw = np.array(table)
    if len(raw) < min_cell:
        return
    # The outermost rows but for one, moved outward, each by as much as it likes.
    order = np.argsort(raw[:, column])
    outermost = order[-len(beyond) :] if above else order[: len(beyond)]
    end = raw[order[-min_cell if above else min_cell - 1], column]
    moved = raw.copy()
    moved[outermost, column] = end + np.array(beyond) * (1 if above else -1)
    before, after = bits(raw, min_cell), bits(moved, min_cell)
    for side in ("below", "above"):
        assert before[side].tolist() == after[side].tolist()


def test_an_owner_whose_rows_do_not_make_min_cell_at_either_end_answers_as_one_without_any() -> None:
    few = bits(np.full((18, 3), 55.0), 10)
    assert not few["below"].any() and not few["above"].any()
    enough = bits(np.full((19, 3), 55.0), 10)
    assert enough["below"].any() and enough["above"].any()


def test_the_largest_of_just_min_cell_rows_is_in_no_answer() -> None:
    """The attack: all rows but one are beyond the bounds about the largest, which would then turn the other side's."""
    rows = np.repeat(np.linspace(10.0, 60.0, 10)[:, None], 3, axis=1)
    alone = rows.copy()
    alone[-1] = 120.0
    for side in ("below", "above"):
        assert bits(rows, 10)[side].tolist() == bits(alone, 10)[side].tolist()


@pytest.mark.parametrize("constant", [0.0, 50.0, 130.0])
def test_a_constant_for_missing_values_neither_counts_beyond_a_bound_nor_as_a_row(constant: float) -> None:
    """The attack: min_cell - 1 missing values are put where one person's value makes them min_cell."""
    raw = np.repeat(np.linspace(20.0, 60.0, 28)[:, None], 3, axis=1)
    imputed = np.zeros(raw.shape, dtype=bool)
    imputed[:9, 1] = True
    raw[:9, 1] = constant
    kept, places = raw[9:], PLAN.columns[1]
    for person in (120.0, 60.0, 1.0):
        raw[-1, 1] = person
        found, expected = bits(raw, 10, imputed=imputed), bits(kept, 10)
        for side in ("below", "above"):
            assert found[side][places].tolist() == expected[side][places].tolist()
    assert bits(raw, 10, imputed=imputed)["above"][places].any()
    imputed[9, 1] = True  # 18 values are left, and 28 rows
    assert not bits(raw, 10, imputed=imputed)["above"][places].any()
    assert bits(raw, 10, imputed=imputed)["above"][PLAN.columns[0]].any()


def test_a_value_at_a_bound_is_not_beyond_it_however_the_limits_lie() -> None:
    for limits in ((0.0, 130.0), (-7.0, 1e9), (-1e9, 1e9), (0.001, 3e5)):
        plan = plan_of([limits])
        for at, bound in enumerate(plan.bounds[0]):
            found = bits(np.full((3, 1), bound), 1, plan)
            assert (found["below"][at], found["above"][at]) == (0, 0)


def test_how_many_rows_there_are_is_not_answered() -> None:
    assert tuple(METHOD.answers) == PLAN.kinds == (KIND,)


def test_without_the_policys_min_cell_nothing_is_answered() -> None:
    with pytest.raises(ValueError, match="min_cell"):
        bits(np.zeros((20, 3)), None)
