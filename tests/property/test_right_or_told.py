"""Least squares of random tables: the coefficients are right, or the answer names the columns that they are wrong for.

Ranges up to 10⁶ times wider than the data, offsets up to 10⁹ times their spread, condition numbers up to 10⁸. All is
held against the exact solution of the exact moments, in fractions.
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fedtrain.model_owner.methods.quadratic import OPTIMISERS
from fedtrain.model_owner.methods.quadratic.conditioning import remarks_on_columns
from fedtrain.model_owner.results.remarks import remarks_of
from fedtrain.spec.model_spec import Optimizer
from fedtrain.spec.problems import Code, Problem
from tests.harness.model_owner.federation_sums import Federation

BITS, OWNERS = 60, 3
#: What an answer without a remark may be off by: standard deviations of the target for one of the column.
SILENT = 2e-4

problems = st.fixed_dictionaries(
    {
        "seed": st.integers(0, 2**32 - 1),
        "columns": st.integers(1, 5),
        "wider": st.sampled_from([1.0, 30.0, 1e3, 1e5, 1e6]),
        "every_column": st.booleans(),
        "target_offset": st.sampled_from([0.0, 1.0, 1e4, 1e9]),
        "apart": st.sampled_from([1.0, 1e-1, 1e-2, 1e-3, 1e-4]),
    }
)


def table(seed, columns, wider, every_column, target_offset, apart) -> tuple[Any, Any]:
    """Integer records (n, d) at 2^−BITS, scaled as ranges would, the intercept last, and targets (n, 1) likewise."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(60, 160))
    z = rng.uniform(-1, 1, (n, columns))
    for j in range(1, columns):  # what is left of a column after the first has `apart` of its size
        z[:, j] = (1 - apart) * z[:, 0] + apart * z[:, j]
    y = z @ rng.normal(size=(columns, 1)) + 0.3 * rng.normal(size=(n, 1))
    width = np.where((rng.random(columns) < 0.5) | every_column, wider, 1.0)
    X = np.c_[np.where(width > 1, 0.5, 0.0) + z / (2 * width), np.ones(n)]

    def exact(values: Any, scale: float = 1.0) -> Any:
        return np.vectorize(lambda v: round(Fraction(float(v)) * Fraction(scale) * (1 << BITS)), otypes=[object])(
            values
        )

    shift = np.vectorize(lambda _: round(Fraction(target_offset) * (1 << BITS)), otypes=[object])(y)
    return exact(X), exact(y) + shift


def solved(A: Any, b: Any) -> list[Fraction]:
    """The solution of A·w = b, in fractions."""
    d = len(b)
    rows = [[*(Fraction(int(v)) for v in A[i]), Fraction(int(b[i, 0]))] for i in range(d)]
    for i in range(d):
        pivot = max(range(i, d), key=lambda r: abs(rows[r][i]))
        rows[i], rows[pivot] = rows[pivot], rows[i]
        for r in range(d):
            if r != i and rows[r][i]:
                share = rows[r][i] / rows[i][i]
                rows[r] = [a - share * p for a, p in zip(rows[r], rows[i], strict=True)]
    return [rows[i][-1] / rows[i][i] for i in range(d)]


def federation(X: Any, y: Any, moment_bits: int) -> Federation:
    """Sums of owners that round their own; everything but the sums as Federation.of makes it."""
    made = Federation.of(np.ones((2, X.shape[1])), np.ones((2, 1)), owners=1, moment_bits=moment_bits, rounds=1000)
    A, b, squares = 0, 0, 0
    for owner in range(OWNERS):
        x, t = X[owner::OWNERS], y[owner::OWNERS]
        down, half = 2 * BITS - moment_bits, 1 << (2 * BITS - moment_bits - 1)
        A = A + (x.T.dot(x) + half) // (1 << down)
        at_weights = down - made.problem.weight_fraction_bits
        b = b + (x.T.dot(t) * (1 << max(0, -at_weights))) // (1 << max(0, at_weights))
        squares += int((t * t).sum()) >> (2 * BITS - 40)
    problem = replace(
        made.problem, rows_total=len(X), owners=OWNERS, targets_squared=(squares,), newton_fraction_bits=moment_bits
    )
    return Federation(A, b, problem)


def told(optimizer: Optimizer, sums: Federation, done: Any, state: Any) -> set[str]:
    """Names of columns that the answer remarks on."""
    names = (*(f"x{j}" for j in range(sums.problem.dimensions - 1)), "intercept")
    remarks = list(remarks_of(done.findings, names))
    A = OPTIMISERS[optimizer].known_moments(sums.problem, state)
    if A is not None:
        remarks += remarks_on_columns(A, names, [1.0] * len(names))
    return {each.column for each in remarks if each.column is not None}


def off_by(X: Any, y: Any, weights: Any) -> float:
    """The largest error of a coefficient, in standard deviations of the target for one of the column."""
    truth = solved(X.T.dot(X), X.T.dot(y))
    x, t = X.astype(float) / 2.0**BITS, (y - y[0, 0]).astype(float) / 2.0**BITS
    errors = [abs(float(Fraction(float(w)) - exact)) for w, exact in zip(weights[:, 0], truth, strict=True)]
    return max(error * float(x[:, j].std()) for j, error in enumerate(errors[:-1])) / float(t.std())


@settings(max_examples=60)
@given(problem=problems)
def test_conjugate_gradient_is_right_or_says_what_is_not(problem: dict[str, Any]) -> None:
    X, y = table(**problem)
    sums = federation(X, y, 32)
    done, _, states = sums.train(Optimizer.CONJUGATE_GRADIENT)
    if done.converged and not told(Optimizer.CONJUGATE_GRADIENT, sums, done, states[-1]):
        assert off_by(X, y, done.weights) < SILENT


@settings(max_examples=60)
@given(problem=problems)
def test_newton_is_right_or_says_what_is_not(problem: dict[str, Any]) -> None:
    X, y = table(**problem)
    sums = federation(X, y, 60)
    d = X.shape[1]
    entries = [int(sums.A[i, j]) for i in range(d) for j in range(i, d)]
    entries += [int(v) >> sums.problem.weight_fraction_bits for v in sums.b.ravel()]
    newton = OPTIMISERS[Optimizer.NEWTON]
    answer = np.array(entries, dtype=object).reshape(-1, 1)
    move = newton.step(sums.problem, newton.start(sums.problem).state, answer)
    if move.next.converged and not told(Optimizer.NEWTON, sums, move.next, move.state):
        assert off_by(X, y, move.next.weights) < SILENT


@pytest.mark.slow
@settings(max_examples=20)
@given(problem=problems)
def test_gradient_descent_claims_no_minimum_that_it_has_not_reached(problem: dict[str, Any]) -> None:
    X, y = table(**problem)
    sums = federation(X, y, 32)
    for optimizer in (Optimizer.GRADIENT_DESCENT, Optimizer.MOMENTUM):
        rate = 1 / float((X.astype(float) ** 2 / 4.0**BITS).max(0).sum())
        sums.problem = replace(sums.problem, rounds=150, learning_rate=rate, tolerance=1e-6)
        try:
            done, _, _ = sums.train(optimizer)
        except Problem as refused:
            assert refused.code is Code.DIVERGED
            continue
        # A correlation of at most 1e-6 by column, and columns that go together by at most 1e-4 of their size.
        if done.converged:
            assert off_by(X, y, done.weights) < 1e-6 / problem["apart"] ** 2 + SILENT


def test_tables_that_are_well_made_are_solved_without_a_word() -> None:
    for seed in range(10):
        X, y = table(seed=seed, columns=4, wider=30.0, every_column=True, target_offset=1.0, apart=1e-1)
        sums = federation(X, y, 32)
        done, _, states = sums.train(Optimizer.CONJUGATE_GRADIENT)
        assert done.converged
        assert told(Optimizer.CONJUGATE_GRADIENT, sums, done, states[-1]) == set()
        assert off_by(X, y, done.weights) < SILENT
