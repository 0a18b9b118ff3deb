"""The rows of noised sums: whatever a record is, it changes the told integers by no more than noise is sized for."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from fedtrain.data_owner.data.moments import Rows as MomentRows
from fedtrain.data_owner.data.moments import moments_of
from fedtrain.data_owner.data.rows.clip import RowClip
from fedtrain.methods.noised_moments import FRACTION_BITS, GRID_BITS, noise_terms
from fedtrain.planning.plans import plan_spec
from fedtrain.spec.model_spec import ModelSpec

SCALE = 1 << GRID_BITS
D, R = 4, 1.75


def spec(row_bound: float = R, classes: int = 0) -> ModelSpec:
    target: dict[str, Any] = {"col_idx": 3, "range": [0, 100]}
    if classes:
        target = {"col_idx": 3, "categories": list(range(classes))}
    features = [{"col_idx": place, "type": "continuous", "range": [0, 10]} for place in range(D - 1)]
    return ModelSpec.model_validate(
        {
            "model_type": "LOGISTIC_REGRESSION" if classes else "LINEAR_REGRESSION",
            "data_props": {"features": features, "target": target},
            "training": {"optimizer": "newton"},
            "privacy": {"epsilon": 1.0, "delta": 1e-6, "row_bound": row_bound},
        }
    )


def clip(row_bound: float = R, centres: tuple[float, ...] = (1.0,), classes: int = 0) -> RowClip:
    made = RowClip.of(spec(row_bound, classes), centres)
    assert made is not None
    return made


unit = st.floats(-1, 1, allow_subnormal=False)


@settings(max_examples=60, deadline=None)
@given(
    X=arrays(np.float64, (5, D - 1), elements=unit | st.just(1.0) | st.just(-1.0)),
    y=arrays(np.float64, (5, 1), elements=st.floats(-1, 3)),
    row_bound=st.floats(1.0000001, 3),
)
def test_no_row_is_longer_than_its_bound_in_integers(X: Any, y: Any, row_bound: float) -> None:
    design = np.column_stack([X, np.ones(5)])
    clipped, centred = clip(row_bound)(design, y)
    integers = np.vectorize(int, otypes=[object])(clipped * SCALE)
    assert (integers / SCALE == clipped).all()  # of the grid
    assert (clipped[:, -1] == 1).all()  # who is counted counts whole
    assert max((integers**2).sum(axis=1)) <= Fraction(row_bound) ** 2 * SCALE**2
    assert (abs(centred) <= 1).all() and (centred * SCALE == np.rint(centred * SCALE)).all()
    assert (abs(clipped[:, :-1]) <= abs(X)).all()  # towards zero
    # What is short enough stays but for rounding.
    short = np.sqrt((X**2).sum(axis=1)) <= math.sqrt(row_bound**2 - 1) * (1 - 1e-9)
    assert (abs(clipped[short, :-1] - X[short]) < 1 / SCALE).all()


@settings(max_examples=40, deadline=None)
@given(
    X=arrays(np.float64, (1, D - 1), elements=unit | st.just(1.0)), y=st.floats(-1, 3), classes=st.sampled_from([0, 2])
)
def test_one_record_changes_the_told_numbers_by_no_more_than_noise_is_sized_for(X: Any, y: float, classes: int) -> None:
    centre = 0.5 if classes else 1.0
    rows = np.column_stack([X, np.ones(1)])
    told = [clip(R, (centre,), classes)(rows, np.array([[float(y > 0) if classes else y]]))]
    moments = moments_of([MomentRows(*each) for each in told], np.ones(D), np.ones(1))
    shift = 2 * moments.fraction_bits - FRACTION_BITS
    A, b = (np.vectorize(lambda value: value >> shift, otypes=[object])(part) for part in (moments.xtx, moments.xty))
    squares = [int(value) >> shift for value in moments.yty]
    # A number off the diagonal has half the variance, and so counts twice: all of A's numbers, once each.
    changed = sum(int(value) ** 2 for value in (*A.ravel(), *b.ravel(), *([] if classes else squares)))
    terms = noise_terms(plan_spec(spec(classes=classes)))
    assert terms is not None
    assert changed <= terms.squared_sensitivity


def test_the_bound_is_reached_so_that_noise_is_not_sized_for_more() -> None:
    X = np.ones((1, D))
    clipped, centred = clip()(X, np.array([[2.0]]))
    length = float((clipped**2).sum())
    assert length == pytest.approx(R**2, rel=1e-6)
    assert centred.tolist() == [[1.0]]


def test_targets_beyond_their_range_end_there() -> None:
    _, centred = clip(centres=(1.0, -2.0))(np.ones((2, D)), np.array([[9.0, -9.0], [-9.0, -2.25]]))
    assert centred.tolist() == [[1.0, -1.0], [-1.0, -0.25]]
    assert RowClip.of(ModelSpec.model_validate({**spec().model_dump(mode="json"), "privacy": None}), (1.0,)) is None
