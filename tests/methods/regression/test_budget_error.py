"""Schedules in fixed point, integer by integer, against the same schedules in float64 and the derived error bound."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np
import pytest

from fedtrain.crypto.packing.fixed_point import encode, rescale
from fedtrain.methods.regression.inputs import BudgetInputs, learning_rate, update_scalars
from fedtrain.methods.regression.worst_case.steps import largest_window
from tests.harness.attackers.budget_adversary import example_inputs
from tests.harness.truncation import round_error_bound, window_error_bound

ROUNDS = 500
OWNERS, ROWS, D = 3, 40, 3
THREE_COLUMNS = (Fraction(1),) * D


@dataclass(frozen=True)
class Moments:
    """Σ over owners: the integers that they send with, and the same in float64."""

    integer_matrices: list[np.ndarray]
    exact_b: list[list[Fraction]]
    matrix: np.ndarray
    b: np.ndarray
    least_curvature: float

    @property
    def integer_matrix(self) -> np.ndarray:
        return sum(self.integer_matrices)

    def integer_b(self, fraction_bits: int) -> np.ndarray:
        """Each owner rounds its own, then they are added."""
        rounded = [[round(v * (1 << fraction_bits)) for v in owner] for owner in self.exact_b]
        return np.array([sum(column) for column in zip(*rounded, strict=True)], dtype=object)


def moments(inputs: BudgetInputs, feature_scale: float) -> Moments:
    """Features of ±feature_scale beside the intercept: a small scale leaves directions with hardly any curvature."""
    random = np.random.default_rng(11)
    matrices, vectors, tables = [], [], []
    for _ in range(OWNERS):
        table = random.uniform(-feature_scale, feature_scale, (ROWS, D))
        table[:, -1] = 1.0
        target = np.clip(table @ random.uniform(-1, 1, D) + random.normal(0, 0.1, ROWS), -2, 2)
        exact = [[Fraction(v) for v in row] for row in table.tolist()]
        matrices.append([[sum(r[i] * r[j] for r in exact) * inputs.slope for j in range(D)] for i in range(D)])
        vectors.append([sum(r[i] * Fraction(y) for r, y in zip(exact, target.tolist(), strict=True)) for i in range(D)])
        tables.append(table)
    scale = 1 << inputs.moment_fraction_bits
    every = np.vstack(tables)
    return Moments(
        [np.array([[round(v * scale) for v in row] for row in matrix], dtype=object) for matrix in matrices],
        vectors,
        np.array([[float(sum(matrix[i][j] for matrix in matrices)) for j in range(D)] for i in range(D)]),
        np.array([float(sum(vector[i] for vector in vectors)) for i in range(D)]),
        float(inputs.slope) * float(np.linalg.eigvalsh(every.T @ every)[0]) / len(every),
    )


def in_float64(inputs: BudgetInputs, data: Moments, rounds: int = ROUNDS) -> tuple[np.ndarray, float]:
    """The schedule, and the largest |w| on its way."""
    step = float(learning_rate(inputs, OWNERS * ROWS)) / (OWNERS * ROWS)
    ridge = float(inputs.l2) * np.array([1.0] * (D - 1) + [0.0])
    w, before, largest = np.zeros(D), np.zeros(D), 0.0
    for _ in range(rounds):
        gradient = data.matrix @ w - data.b + ridge * w
        w, before = w + float(inputs.heavy_ball) * (w - before) - step * gradient, w
        largest = max(largest, float(np.abs(w).max()))
    return w, largest


def in_windows(inputs: BudgetInputs, data: Moments) -> np.ndarray:
    """Sum that the Model Owner decrypts at the end: weights encoded afresh each K updates."""
    w = before = np.array([0] * D, dtype=object)
    done = 0
    while done < ROUNDS:
        updates = min(inputs.reencrypt_every, ROUNDS - done)
        for step in range(updates):
            scalars = update_scalars(inputs, OWNERS * ROWS, step)
            own = np.array([scalars.weights] * (D - 1) + [scalars.intercept], dtype=object)
            gradient = data.integer_matrix @ w - data.integer_b(inputs.answer_fraction_bits_at(step))
            w, before = own * w - scalars.gradient * gradient - scalars.previous * before, w
        base = inputs.weight_fraction_bits
        w = rescale(w, inputs.weights_fraction_bits_at(updates), base)
        before = rescale(before, inputs.weights_fraction_bits_at(updates - 1), base)
        done += updates
    return np.array([int(v) / (1 << inputs.weight_fraction_bits) for v in w])


def in_plain_rounds(inputs: BudgetInputs, data: Moments) -> np.ndarray:
    """Weights in float64 at the Model Owner, gradients through integers."""
    step = float(learning_rate(inputs, OWNERS * ROWS)) / (OWNERS * ROWS)
    ridge = float(inputs.l2) * np.array([1.0] * (D - 1) + [0.0])
    b = data.integer_b(inputs.answer_fraction_bits_at(0))
    w, before = np.zeros(D), np.zeros(D)
    for _ in range(ROUNDS):
        decoded = data.integer_matrix @ encode(w, inputs.weight_fraction_bits, 1 << 60) - b
        gradient = np.array([int(v) / (1 << inputs.answer_fraction_bits_at(0)) for v in decoded]) + ridge * w
        w, before = w + float(inputs.heavy_ball) * (w - before) - step * gradient, w
    return w


def error_and_bound(inputs: BudgetInputs, feature_scale: float, *, curvature: bool = False) -> tuple[float, float]:
    data = moments(inputs, feature_scale)
    expected, largest = in_float64(inputs, data)
    got = in_plain_rounds(inputs, data) if inputs.reencrypt_every == 1 else in_windows(inputs, data)
    bound = window_error_bound(
        inputs, OWNERS * ROWS, OWNERS, ROUNDS, largest, least_curvature=data.least_curvature if curvature else 0.0
    )
    return float(np.linalg.norm(got - expected)), bound


def job(reencrypt_every: int | str, modulus_bits: int, **changes: object) -> BudgetInputs:
    inputs = example_inputs(
        feature_bounds=THREE_COLUMNS, max_owners=OWNERS, max_rows=ROWS, modulus_bits=modulus_bits, **changes
    )
    updates = largest_window(inputs) if reencrypt_every == "largest" else reencrypt_every
    return replace(inputs, reencrypt_every=int(updates))


@pytest.mark.parametrize("modulus_bits", [2048, 3072])
@pytest.mark.parametrize("reencrypt_every", [1, 4, 12, "largest"])
@pytest.mark.parametrize("optimizer", ["gradient_descent", "momentum"])
def test_500_rounds_equal_float64_within_a_bound_that_is_not_slack(
    optimizer: str, reencrypt_every: int | str, modulus_bits: int
) -> None:
    inputs = job(reencrypt_every, modulus_bits, optimizer=optimizer)
    error, bound = error_and_bound(inputs, feature_scale=0.01)
    assert 0 < error <= bound < 100 * error


@pytest.mark.parametrize("reencrypt_every", [4, 12, "largest"])
def test_with_known_curvature_the_bound_is_not_slack_for_data_that_forget_errors(reencrypt_every: int | str) -> None:
    inputs = job(reencrypt_every, 3072)
    error, bound = error_and_bound(inputs, feature_scale=1.0, curvature=True)
    assert 0 < error <= bound < 100 * error


@pytest.mark.parametrize("reencrypt_every", [1, 4, 12])
@pytest.mark.parametrize(
    "changes",
    [
        {"l2": Fraction(7)},
        {"slope": Fraction(153, 1000), "target_bound": Fraction(2)},
        {"learning_rate": Fraction(1, 50)},
        {"max_rows": 10**7, "max_owners": 64},
        {"optimizer": "momentum", "l2": Fraction(7)},
    ],
)
def test_other_jobs_keep_within_the_bound(changes: dict[str, object], reencrypt_every: int) -> None:
    inputs = replace(job(reencrypt_every, 3072), **changes)  # type: ignore[arg-type]
    for curvature in (False, "l2" not in changes):
        error, bound = error_and_bound(inputs, feature_scale=1.0, curvature=curvature)
        assert 0 < error <= bound


def test_a_schedule_of_coarser_weights_is_not_within_the_bound_of_finer_ones() -> None:
    coarse = replace(job(4, 3072), weight_fraction_bits=30)
    error, _ = error_and_bound(coarse, feature_scale=0.01)
    _, bound = error_and_bound(replace(coarse, weight_fraction_bits=40), feature_scale=0.01)
    assert error > bound


@pytest.mark.parametrize("feature_scale", [1.0, 0.01])
def test_a_plain_round_decodes_within_its_bound_and_the_bound_is_not_slack(feature_scale: float) -> None:
    inputs = job(1, 2048)
    data = moments(inputs, feature_scale)
    exact_matrix = [[Fraction(v) for v in row] for row in data.matrix.tolist()]
    random = np.random.default_rng(5)
    errors = []
    for _ in range(20):
        w = random.uniform(-4, 4, D)
        decoded = data.integer_matrix @ encode(w, inputs.weight_fraction_bits, 1 << 60)
        decoded = decoded - data.integer_b(inputs.answer_fraction_bits_at(0))
        for row, vector, value in zip(exact_matrix, zip(*data.exact_b, strict=True), decoded, strict=True):
            exact = sum(a * Fraction(v) for a, v in zip(row, w.tolist(), strict=True)) - sum(vector)
            errors.append(abs(float(Fraction(int(value), 1 << inputs.answer_fraction_bits_at(0)) - exact)))
    bound = round_error_bound(inputs, OWNERS * ROWS, OWNERS, 4.0)
    assert 0 < max(errors) <= bound < 100 * max(errors)
