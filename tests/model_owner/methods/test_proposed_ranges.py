"""From sums of owners' bits to a range for each column."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest

from fedtrain.methods import schedule_of
from fedtrain.methods.ranges import KIND, RangesPlan
from fedtrain.methods.schedule import Turn
from fedtrain.model_owner.methods import method_of
from fedtrain.model_owner.methods.learning import Learning
from fedtrain.model_owner.methods.method import Finished, JobFacts, Opened
from fedtrain.model_owner.methods.ranges import inner, outer
from fedtrain.planning.plans import plan_spec
from fedtrain.spec.model_spec import ModelSpec
from fedtrain.spec.model_types.ranges import ColumnRange
from fedtrain.spec.problems import Code, Problem

BOUNDS = (10.0, 20.0, 50.0, 100.0)
SPEC = ModelSpec.model_validate(
    {
        "model_type": "RANGES",
        "data_props": {
            "features": [
                {"name": "dose", "type": "continuous", "range": [9, 110]},
                {"col_idx": 4, "type": "discrete", "range": [9, 110]},
            ]
        },
        "training": {"key_bits": 512, "max_data_owners": 8},
    }
)


def job(owners: int = 3) -> JobFacts:
    return JobFacts(SPEC, plan_spec(SPEC), 1, owners, 60)


def taken(numbers: Sequence[int], owners: int = 3) -> Any:
    opened = Opened(KIND, 1, np.array(numbers, dtype=object).reshape(-1, 1), datetime(2026, 1, 1, tzinfo=UTC))
    return method_of(SPEC).step(job(owners), Learning(), opened)


# Below and above each bound: of the first column, then of the second.
SUMS = [0, 1, 3, 3, 0, 0, 0, 0, 3, 2, 0, 0, 3, 3, 3, 1]


def test_the_range_ends_where_no_owner_has_rows_enough_and_the_inner_one_where_all_have() -> None:
    found = taken(SUMS)
    assert isinstance(found.next, Finished)
    assert (found.next.converged, found.numbers_decrypted, found.round) == (True, 16, 1)
    dose, count = found.next.model.report["ranges"]
    assert dose == {
        "name": "dose",
        "col_idx": None,
        "limits": [9.0, 110.0],
        "range": [10.0, 50.0],
        "inner": None,
        "bounds": list(BOUNDS),
        "owners_below": [0, 1, 3, 3],
        "owners_above": [3, 2, 0, 0],
    }
    # Beyond 100 one owner has rows enough: the range ends at the limit.
    assert (count["col_idx"], count["range"]) == (4, [100.0, 110.0])
    assert ColumnRange.model_validate(dose).label == "dose"
    assert found.next.model.arrays["above"].values.tolist() == [3, 2, 0, 0, 3, 3, 3, 1]


def test_the_first_question_is_for_bits_and_nobody_is_asked_for_n() -> None:
    assert schedule_of(SPEC).following(None) == (Turn(1, KIND),)
    opened = Opened("counts", 0, np.array([[60]], dtype=object), datetime(2026, 1, 1, tzinfo=UTC))
    found = method_of(SPEC).step(job(), None, opened)
    assert (found.rows_total, found.next.kind, found.numbers_decrypted) == (None, KIND, 0)


LIMITS = (9.0, 110.0)


@pytest.mark.parametrize(
    ("below", "above", "range_", "within"),
    [
        ((0, 0, 2, 3), (3, 3, 1, 0), (20.0, 100.0), None),
        ((3, 3, 3, 3), (3, 3, 3, 3), LIMITS, (10.0, 100.0)),
        ((0, 3, 3, 3), (3, 3, 3, 0), (10.0, 100.0), (20.0, 50.0)),
        # One value, 20, of all rows: the bounds about it.
        ((0, 0, 3, 3), (3, 0, 0, 0), (10.0, 50.0), None),
        ((0, 3, 3, 3), (0, 0, 0, 0), (9.0, 20.0), None),
        # Too few rows everywhere: nothing is known.
        ((0, 0, 0, 0), (0, 0, 0, 0), None, None),
    ],
)
def test_ranges_of_sums(below: Any, above: Any, range_: Any, within: Any) -> None:
    assert outer(LIMITS, BOUNDS, below, above) == range_
    assert inner(BOUNDS, below, above, 3) == within


@pytest.mark.parametrize(
    ("below", "above", "range_"), [((0,), (0,), None), ((3,), (0,), (9.0, 10.0)), ((0,), (1,), (10.0, 15.0))]
)
def test_one_bound_tells_nothing_where_nobody_has_rows_enough(below: Any, above: Any, range_: Any) -> None:
    assert outer((9.0, 15.0), (10.0,), below, above) == range_


@pytest.mark.parametrize(("place", "value"), [(0, 2), (3, 4), (8, 1), (0, -1)])
def test_sums_that_no_owners_bits_come_to_end_the_job(place: int, value: int) -> None:
    sums = list(SUMS)
    sums[place] = value
    with pytest.raises(Problem) as caught:
        taken(sums)
    assert caught.value.code is Code.SUM_OUT_OF_BOUND
    assert "dose: the owners' answers contradict each other" in caught.value.detail


def test_the_plan_is_the_one_of_ranges() -> None:
    assert isinstance(job().plan, RangesPlan)
