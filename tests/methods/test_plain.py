"""A plain method's plan: worst cases by rows, proven against the key."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from fedtrain.crypto.packing.slots import pack, unpack
from fedtrain.methods.plain import PlainAnswer, PlainPlan
from fedtrain.methods.plan import DoesNotFit, NotPlanned
from fedtrain.spec.model_spec import ModelSpec
from fedtrain.spec.problems import Code, Problem

SUMS = PlainAnswer({"sums": (3, 4), "top": (5,)}, Fraction(3, 2), fraction_bits=20)


def plan_of(answer: PlainAnswer = SUMS, **training: Any) -> PlainPlan:
    feature = {"name": "x", "type": "continuous", "range": [0, 1]}
    document = {
        "model_type": "LINEAR_REGRESSION",
        "data_props": {"features": [feature], "target": {"name": "y", "range": [0, 1]}},
        "training": {"max_rows": 1000, "max_data_owners": 4, "key_bits": 512, **training},
    }
    return PlainPlan.of(ModelSpec.model_validate(document), {"sums": answer})


def test_bounds_are_those_of_all_rows_and_of_n_rows_once_that_is_known() -> None:
    plan = plan_of()
    answer = plan.round("sums").answer
    assert (answer.owner_bound, answer.sum_bound) == (1500 << 20, 6000 << 20)
    assert plan.round("sums", rows_total=70).answer.sum_bound == 105 << 20
    assert (answer.layout.rows, answer.layout.columns, answer.fraction_bits) == (17, 1, 20)
    assert plan.round("counts").answer.sum_bound == 4000
    assert plan.kinds == ("counts", "sums")


def test_what_the_model_owner_learns_is_counted() -> None:
    plan = plan_of()
    assert (plan.round("counts").revealed, plan.round("sums").revealed, plan.numbers_in_all) == (0, 17, 17)
    assert not plan.shares_weights


def test_the_largest_sums_of_either_sign_fill_their_slots_and_no_more() -> None:
    answer, n = plan_of().round("sums").answer, 1 << plan_of().modulus_bits
    for sign in (1, -1):
        values = np.full((17, 1), sign * answer.sum_bound, dtype=object)
        packed = [plaintext % n for plaintext in pack(values, answer.layout)]
        assert unpack(packed, answer.layout, n, answer.sum_bound).tolist() == values.tolist()
    assert answer.layout.slot_bits == answer.sum_bound.bit_length() + 1


@pytest.mark.parametrize("rows", [10**12, 10**11])
def test_a_sum_that_does_not_fit_is_refused_and_each_fix_is_enough_alone(rows: int) -> None:
    wide = PlainAnswer({"sums": (2,)}, Fraction(1), fraction_bits=240)
    with pytest.raises(DoesNotFit) as refused:
        plan_of(wide, max_rows=rows, key_bits=256)
    error = refused.value
    assert error.needed_bits > error.available_bits == 254
    key, fewer = error.fixes
    assert plan_of(wide, max_rows=rows, key_bits=int(key.removeprefix("key_bits ")))
    most = int(fewer.removeprefix("max_rows ").removesuffix(" or fewer").replace(",", ""))
    assert plan_of(wide, max_rows=most, key_bits=256)
    with pytest.raises(DoesNotFit):
        plan_of(wide, max_rows=most + 1, key_bits=256)


@pytest.mark.parametrize(("kind", "step"), [("gradient", 0), ("sums", 1)])
def test_another_kind_or_step_is_not_planned(kind: str, step: int) -> None:
    with pytest.raises(NotPlanned, match=f"no {kind} round at step {step}"):
        plan_of().round(kind, step)


@pytest.mark.parametrize("rows_total", [0, 4001])
def test_rows_beyond_the_plan_are_refused(rows_total: int) -> None:
    with pytest.raises(ValueError, match="1 to 4000"):
        plan_of().round("sums", rows_total=rows_total)


@pytest.mark.parametrize(
    "training",
    [
        {"l2": "auto", "optimizer": "newton"},
        {"weights": "shared_with_owners"},
        {"evaluate_every": 2},
        {"momentum": 0.5},
    ],
)
def test_what_no_plain_method_takes_is_refused_by_name(training: dict[str, Any]) -> None:
    with pytest.raises(Problem) as refused:
        plan_of(**training)
    assert refused.value.code is Code.INVALID_SPEC
    errors = refused.value.extra["errors"]
    assert isinstance(errors, list)
    assert {error["field"] for error in errors} == {f"training.{name}" for name in training}
