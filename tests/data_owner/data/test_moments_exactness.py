"""Moments equal what exact rational arithmetic gives, whatever the batches and the order of the rows."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from fedtrain.data_owner.data.moments import Moments, moments_of

FLOATS = NDArray[np.float64]


@dataclass(frozen=True)
class Rows:
    X: FLOATS
    Y: FLOATS


@dataclass(frozen=True)
class Table:
    X: FLOATS
    Y: FLOATS
    bounds: FLOATS

    def moments(self, batch_rows: int, order: FLOATS | None = None) -> Moments:
        X, Y = (self.X, self.Y) if order is None else (self.X[order.astype(int)], self.Y[order.astype(int)])
        batches = [Rows(X[at : at + batch_rows], Y[at : at + batch_rows]) for at in range(0, len(X), batch_rows)]
        d = X.shape[1]
        return moments_of(batches, self.bounds[:d], self.bounds[d:])


@st.composite
def tables(draw: st.DrawFn) -> Table:
    rows, d, k = draw(st.integers(1, 12)), draw(st.integers(1, 4)), draw(st.integers(1, 3))
    bounds = [draw(st.sampled_from([1.0, 3.5, 8192.0, 1e6, 1e17])) for _ in range(d + k)]
    columns = []
    for bound in bounds:
        # Ties of the rounding at 2^-64, where half to even and half up part ways.
        ties = st.integers(-(2**50), 2**50).map(lambda number: min(1.0, (number + 0.5) * 2.0**-64))
        values = st.floats(-bound, bound) | ties | st.sampled_from([bound, -bound, 0.0])
        columns.append(draw(st.lists(values, min_size=rows, max_size=rows)))
    matrix = np.array(columns).T
    return Table(matrix[:, :d], matrix[:, d:], np.array(bounds))


def exactly(one: FLOATS, other: FLOATS) -> int:
    """Σ x_q·y_q with x_q = round(x·2^64), half to even, in rationals."""
    quantised = ([round(Fraction(value) * 2**64) for value in column.tolist()] for column in (one, other))
    return sum(x * y for x, y in zip(*quantised, strict=True))


@pytest.mark.slow
@given(tables())
def test_moments_are_those_of_exact_arithmetic(table: Table) -> None:
    moments = table.moments(batch_rows=5)
    d, k = table.X.shape[1], table.Y.shape[1]
    for i in range(d):
        assert [int(value) for value in moments.xtx[i]] == [exactly(table.X[:, i], table.X[:, j]) for j in range(d)]
        assert [int(value) for value in moments.xty[i]] == [exactly(table.X[:, i], table.Y[:, j]) for j in range(k)]
    assert [int(value) for value in moments.yty] == [exactly(table.Y[:, j], table.Y[:, j]) for j in range(k)]
    assert moments.rows == len(table.X)


@pytest.mark.slow
@given(tables(), st.integers(1, 12), st.randoms(use_true_random=False))
def test_neither_batches_nor_the_order_of_rows_change_a_bit(table: Table, batch_rows: int, random: object) -> None:
    order = list(range(len(table.X)))
    random.shuffle(order)  # type: ignore[attr-defined]
    assert table.moments(1) == table.moments(1000) == table.moments(batch_rows, np.array(order, dtype=float))


@pytest.mark.slow
@settings(max_examples=10)
@given(st.integers(0, 2**32 - 1))
def test_long_tables_of_random_values_agree_at_any_batch_size(seed: int) -> None:
    rng = np.random.default_rng(seed)
    matrix = rng.uniform(-1, 1, (2500, 5))
    table = Table(matrix[:, :4], matrix[:, 4:], np.ones(5))
    one = table.moments(1)
    assert one == table.moments(1000) == table.moments(2500, rng.permutation(2500).astype(float))
    assert one.xtx[0, 1] == exactly(matrix[:, 0], matrix[:, 1])
    assert one.xty[3, 0] == exactly(matrix[:, 3], matrix[:, 4])
