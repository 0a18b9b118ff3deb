"""N alone bounds every entry of an owner's A, however its rows lie at the ends of their ranges."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from fedtrain.crypto import rescale
from fedtrain.data_owner.data.moments import moments_of
from fedtrain.methods.regression.budget import plan
from tests.harness.attackers.budget_adversary import example_inputs

MAX_ROWS = 1000


@dataclass(frozen=True)
class Rows:
    X: NDArray[np.float64]
    Y: NDArray[np.float64]


# Ends of ranges that quantise to beyond themselves, and such that do not.
ENDS = st.sampled_from([1.0, 0.1, 1 / 3, 40.0, 1e-6, 12345.678901234567, float(2**20)])


@given(ends=st.lists(ENDS, max_size=3), rows=st.integers(1, 70), data=st.data())
def test_no_entry_exceeds_the_bound_of_the_rows_there_are(ends: list[float], rows: int, data: st.DataObject) -> None:
    ends = [*ends, 1.0]
    signs = data.draw(st.lists(st.sampled_from([-1, 1]), min_size=len(ends), max_size=len(ends)))
    X = np.tile(np.array(ends) * np.array(signs), (rows, 1))
    moments = moments_of([Rows(X, np.zeros((rows, 1)))], np.array(ends), np.ones(1))
    inputs = example_inputs(feature_bounds=tuple(Fraction(end) for end in ends), max_rows=MAX_ROWS)
    budget = plan(inputs)
    A = rescale(moments.xtx, 2 * moments.fraction_bits, inputs.moment_fraction_bits)
    largest = int(np.abs(A).max())
    assert largest <= budget.moment_bound_for(rows) <= budget.moment_bound
    # And the bound is not idle: two rows more would not always fit it.
    assert largest * (rows + 2) > budget.moment_bound_for(rows) * rows


def test_the_bound_grows_with_the_rows_up_to_the_plans_and_needs_one() -> None:
    budget = plan(example_inputs(max_rows=MAX_ROWS))
    bounds = [budget.moment_bound_for(rows) for rows in (1, 2, 500, MAX_ROWS - 1, MAX_ROWS, 10**9)]
    assert bounds == sorted(bounds) and bounds[0] < bounds[1] < bounds[2]
    assert bounds[-2] == bounds[-1] == budget.moment_bound
    with pytest.raises(ValueError, match="received 0"):
        budget.moment_bound_for(0)
