"""Leverages and ranks against exact rational arithmetic, most of all where columns nearly determine each other."""

from __future__ import annotations

import random
from collections.abc import Sequence
from fractions import Fraction

import numpy as np
import pytest

from fedtrain.data_owner.data.moments import Floats, Integers
from fedtrain.data_owner.policy.leverage import LeverageForm, independent_columns

UNIT = 2.0**40


def on_grid(*columns: Sequence[float] | Floats) -> Floats:
    """(rows, 1 + columns) whole numbers in units of the grid, a column of ones first."""
    Z = np.column_stack([np.ones(len(columns[0])), *columns])
    return np.rint(Z * UNIT)


def gram_of(Z: Floats) -> Integers:
    exact = np.array([[int(value) for value in row] for row in Z], dtype=object)
    product: Integers = exact.T @ exact
    return product


def exact_leverages(Z: Floats) -> tuple[int, list[Fraction]]:
    """Rank, and each row's leverage, by orthogonalising the columns over the rationals."""
    basis: list[tuple[list[Fraction], Fraction]] = []
    for column in Z.T:
        left = [Fraction(int(value)) for value in column]
        for vector, square in basis:
            share = sum((a * b for a, b in zip(left, vector, strict=True)), Fraction(0)) / square
            left = [a - share * b for a, b in zip(left, vector, strict=True)]
        square = sum((value * value for value in left), Fraction(0))
        if square:
            basis.append((left, square))
    rows = range(len(Z))
    return len(basis), [sum((vector[i] ** 2 / square for vector, square in basis), Fraction(0)) for i in rows]


def tables() -> dict[str, Floats]:
    rng = np.random.default_rng(3)
    a, b, c = rng.uniform(-1, 1, (3, 30))
    grid = rng.integers(-(2**20), 2**20, (2, 30)) / 2.0**21
    typo = 2 * grid[0]
    typo[7] += 2.0**-40
    twice = 3 * grid[0] + grid[1]
    twice[9] -= 2.0**-40
    powers = [(a / 2) ** power for power in range(1, 11)]
    one = np.zeros(30)
    one[4] = 2.0**-40
    return {
        "ordinary": on_grid(a, b, c),
        "a constant, and a copy": on_grid(a, np.full(30, 0.25), a, b),
        "dummies of all categories": on_grid(*(np.arange(30) % 3 == code for code in range(3)), a),
        "a typing error": on_grid(grid[0], typo),
        "two typing errors of one unit of the grid, and what follows from them": on_grid(
            *grid, typo, twice, typo + twice
        ),
        "one unit in one row": on_grid(a, one),
        "ten powers of a column": on_grid(*powers),
        "fewer rows than columns": on_grid(a, b, c, a * b, a * c)[:4],
        "large and small": on_grid(a * 2.0**60, b, np.rint(c * 2.0**6) / 2.0**40),
    }


@pytest.mark.parametrize("name", tables())
def test_rank_and_leverages_are_those_of_rational_arithmetic(name: str) -> None:
    Z = tables()[name]
    rank, expected = exact_leverages(Z)
    gram = gram_of(Z)
    assert len(independent_columns(gram)) == rank
    form = LeverageForm.of(gram, len(Z), np.abs(Z).max(axis=0).clip(1))
    np.testing.assert_allclose(form.leverages(Z), [float(value) for value in expected], rtol=0, atol=1e-6)


def test_a_row_that_only_the_bits_beyond_a_double_tell_apart_has_its_leverage() -> None:
    draw = random.Random(5)
    first = [draw.randrange(-(2**64), 2**64) for _ in range(30)]
    second = [2 * value for value in first]
    second[7] += 1
    exact = np.array([[2**64, a, b] for a, b in zip(first, second, strict=True)], dtype=object)
    rows = exact.astype(np.float64)
    rests = np.vectorize(lambda z, nearest: float(z - int(nearest)))(exact, rows)
    rank, expected = exact_leverages(exact)
    assert rank == 3 and expected[7] == 1
    form = LeverageForm.of(exact.T @ exact, 30, np.abs(rows).max(axis=0))
    found = form.leverages(rows, rests)
    np.testing.assert_allclose(found, [float(value) for value in expected], rtol=0, atol=1e-6)
    (weights,) = form.directions(rows[[7]], rests[[7]])
    assert (weights > 0.1).tolist() == [False, True, True]


def test_float64_alone_would_miss_a_typing_error_of_one_unit() -> None:
    """The reason for more precision: what a pseudo-inverse in float64 makes of it."""
    Z = tables()["two typing errors of one unit of the grid, and what follows from them"] / UNIT
    _, expected = exact_leverages(Z * UNIT)
    naive = np.einsum("ij,jk,ik->i", Z, np.linalg.pinv(Z.T @ Z), Z)
    assert max(expected) > Fraction(99, 100) > Fraction(naive.max())


def test_the_columns_that_set_a_row_apart_are_those_of_the_typing_error() -> None:
    rng = np.random.default_rng(4)
    height, other = rng.integers(-(2**20), 2**20, (2, 40)) / 2.0**20
    inches = height / 2
    inches[11] += 0.25
    Z = on_grid(other, height, inches)
    form = LeverageForm.of(gram_of(Z), len(Z), np.abs(Z).max(axis=0))
    leverages = form.leverages(Z)
    assert np.flatnonzero(leverages > 0.99).tolist() == [11]
    (weights,) = form.directions(Z[[11]])
    assert (weights > 0.1).tolist() == [False, False, True, True]


def test_a_single_row_has_all_of_it_and_no_column_is_named() -> None:
    Z = on_grid([0.5], [0.25])
    form = LeverageForm.of(gram_of(Z), 1, np.full(3, UNIT))
    assert form.leverages(Z) == pytest.approx([1.0])
    assert not form.directions(Z).any()
