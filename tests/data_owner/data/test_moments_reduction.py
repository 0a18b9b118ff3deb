"""Reducing rows to moments: from a table to integers, and what is refused."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from fedtrain.data_owner.data.moments import (
    MAX_BATCH_ROWS,
    Moments,
    MomentsAccumulator,
    MomentsError,
    moments_of,
)
from fedtrain.spec.model_spec import DataProps, ModelType
from fedtrain.tabular.encode import Encoder
from fedtrain.tabular.reading.read import open_table

ONE = 1 << 128


@dataclass(frozen=True)
class Rows:
    X: NDArray[np.float64]
    Y: NDArray[np.float64]


def test_a_table_becomes_its_second_moments(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("age,price\n20,50\n60,-50\n50,100\n")
    props = DataProps.model_validate(
        {
            "features": [{"name": "age", "type": "continuous", "range": [20, 60]}],
            "target": {"name": "price", "range": [-100, 100]},
        }
    )
    encoder = Encoder(props, ModelType.LINEAR_REGRESSION)
    batches = encoder.encode_all(open_table(path).batches(encoder.columns))
    moments = moments_of(batches, encoder.feature_bounds, np.full(1, encoder.target_bound))
    # x = −1, 1, ½ and y = ½, −½, 1
    assert moments.rows == 3
    assert (moments.xtx == np.array([[ONE * 9 // 4, ONE // 2], [ONE // 2, 3 * ONE]], dtype=object)).all()
    assert (moments.xty == np.array([[-ONE // 2], [ONE]], dtype=object)).all()
    assert moments.yty.tolist() == [ONE * 3 // 2]
    assert moments.column_sums.tolist() == [ONE // 2, 3 * ONE]
    assert all(type(value) is int for value in (*moments.xtx.flat, *moments.xty.flat, *moments.yty))


def test_the_worst_batch_there_is_stays_exact() -> None:
    """All values at the bound, alternating in the last bit, in more full batches than int64 could hold the sum of."""
    edge = np.ones((MAX_BATCH_ROWS, 2))
    edge[1::2, 0] = 1 - 2.0**-40
    accumulator = MomentsAccumulator(2, 1, np.ones(3))
    for _ in range(1100):
        accumulator.add(edge, -edge[:, :1])
    half = MAX_BATCH_ROWS // 2 * 1100
    low = ((1 << 40) - 1) << 24
    moments = accumulator.result()
    assert moments.xtx[0, 0] == half * (ONE + low * low)
    assert moments.xtx[0, 1] == half * (ONE + (low << 64))
    assert moments.xty[1, 0] == -half * (ONE + (low << 64))
    assert moments.rows == 2 * half


def test_a_batch_longer_than_is_exact_is_cut() -> None:
    values = np.full((3 * MAX_BATCH_ROWS + 5, 1), 1 - 2.0**-40)
    moments = moments_of([Rows(values, values)], np.ones(1), np.ones(1))
    assert moments.yty[0] == len(values) * (((1 << 40) - 1) << 24) ** 2


@pytest.mark.parametrize("bound", [1.0, 1.5, 8192.0, 2.0**20, 1e6, 1e15, 2.0**180])
def test_values_at_bounds_of_any_size_are_exact(bound: float) -> None:
    rng = np.random.default_rng(3)
    values = np.concatenate([[bound, -bound, np.nextafter(bound, 0)], rng.uniform(-bound, bound, 50)])[:, None]
    moments = moments_of([Rows(values, values)], np.array([bound]), np.array([bound]))
    exact = sum(round(Fraction(value) * 2**64) ** 2 for value in values[:, 0].tolist())
    assert moments.xtx[0, 0] == exact


def test_logistic_right_hand_side_needs_no_second_pass() -> None:
    X = np.array([[0.25, 1.0], [-0.5, 1.0], [1.0, 1.0]])
    Y = np.array([[1.0], [0.0], [1.0]])
    moments = moments_of([Rows(X, Y)], np.ones(2), np.ones(1))
    direct = X.T @ (Y[:, 0] - 0.5)
    assert [
        Fraction(2 * int(b) - int(s), 2 * ONE) for b, s in zip(moments.xty[:, 0], moments.column_sums, strict=True)
    ] == [Fraction(value) for value in direct]


def test_moments_of_two_tables_add_up_and_blocks_are_taken_of_them() -> None:
    rng = np.random.default_rng(5)
    X, Y = rng.uniform(-1, 1, (30, 4)), rng.uniform(-1, 1, (30, 2))
    bounds = (np.ones(4), np.ones(2))
    whole = moments_of([Rows(X, Y)], *bounds)
    parts = moments_of([Rows(X[:11], Y[:11])], *bounds) + moments_of([Rows(X[11:], Y[11:])], *bounds)
    assert parts == whole
    assert whole + Moments.zero(4, 2) == whole
    assert whole.block([2, 0, 3], [1]) == moments_of([Rows(X[:, [2, 0, 3]], Y[:, [1]])], np.ones(3), np.ones(1))
    assert parts != whole + whole


def test_moments_of_other_shapes_do_not_add_up() -> None:
    with pytest.raises(MomentsError, match=r"\(\(2, 1\), 64\) and \(\(3, 1\), 64\)"):
        Moments.zero(2, 1) + Moments.zero(3, 1)


@pytest.mark.parametrize("value", [np.nan, np.inf, -1.0000001, 1.0000001])
def test_a_value_beyond_the_bound_it_was_declared_to_have_is_refused(value: float) -> None:
    for column in range(3):
        rows = np.zeros((4, 3))
        rows[2, column] = value
        accumulator = MomentsAccumulator(2, 1, np.ones(3))
        with pytest.raises(MomentsError, match=f"column {column}") as caught:
            accumulator.add(rows[:, :2], rows[:, 2:])
        assert "1.0000001" not in str(caught.value)


@pytest.mark.parametrize("bound", [0.0, -1.0, np.nan, np.inf, 1e80])
def test_a_bound_that_cannot_be_is_refused(bound: float) -> None:
    with pytest.raises(MomentsError, match="bound"):
        MomentsAccumulator(1, 1, np.array([1.0, bound]))


@pytest.mark.parametrize(("x_shape", "y_shape"), [((3, 2), (4, 1)), ((3, 3), (3, 1)), ((3, 2), (3, 2)), ((6,), (3, 1))])
def test_rows_of_another_shape_are_refused(x_shape: tuple[int, ...], y_shape: tuple[int, ...]) -> None:
    with pytest.raises(MomentsError, match="expected"):
        MomentsAccumulator(2, 1, np.ones(3)).add(np.zeros(x_shape), np.zeros(y_shape))


def test_bounds_of_another_shape_are_refused() -> None:
    with pytest.raises(MomentsError, match=r"\(3,\) is expected"):
        MomentsAccumulator(2, 1, np.ones(2))


def test_nothing_of_the_moments_is_shown_by_repr() -> None:
    moments = moments_of([Rows(np.full((7, 1), 0.75), np.full((7, 1), 0.5))], np.ones(1), np.ones(1))
    assert repr(moments) == "Moments(dimensions=1, outputs=1, fraction_bits=64)"


@dataclass(frozen=True)
class Pairs(Rows):
    X_rest: NDArray[np.float64]
    Y_rest: NDArray[np.float64]


@pytest.mark.parametrize("bound", [1.0, 1.5, 700.0, 2.0**20, 1e15, 2.0**51])
def test_what_a_double_does_not_hold_of_a_value_counts_to_the_grid(bound: float) -> None:
    random = np.random.default_rng(5)
    values = random.uniform(-bound, bound, (2 * MAX_BATCH_ROWS + 7, 1))
    rests = np.spacing(np.abs(values)) / 2 * random.uniform(-0.99, 0.99, values.shape)
    moments = moments_of([Pairs(values, values, rests, rests)], np.array([bound]), np.array([bound]))
    exact = [
        round((Fraction(one) + Fraction(other)) * 2**64)
        for one, other in zip(values[:, 0].tolist(), rests[:, 0].tolist(), strict=True)
    ]
    assert moments.xtx[0, 0] == moments.xty[0, 0] == sum(value**2 for value in exact)
    assert moments != moments_of([Rows(values, values)], np.array([bound]), np.array([bound]))
