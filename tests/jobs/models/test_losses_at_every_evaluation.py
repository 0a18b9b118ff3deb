"""Momentum's and conjugate gradient's losses over several outputs, against the pooled rows' in float64 at every round.

The weights of a round are the optimiser's own, found again on all rows in one place: momentum by its recursion,
conjugate gradient as what minimises the loss over the Krylov space that its rounds have opened (Hestenes and Stiefel,
1952; with several outputs over all their spaces together, O'Leary, 1980).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_diabetes

from tests.harness.one_process import Floats, rows_of, run_job, split
from tests.jobs.models.test_encrypted_evaluation import spec_of, three_classes
from tests.model_owner.methods.test_l2_auto import OWNER_SIZES, held_out, scaled

SLOPE, L2, RATE, MOMENTUM, ROUNDS = 0.153, 3.0, 0.4, 0.6, 7


@dataclass
class Pooled:
    """All rows in one place. `loss`: (N,) of scores (N, k); `curvature` c and `slopes` (N, k): its gradient by the
    scores is c·z − slopes, but for a factor."""

    X: Floats
    targets: list[dict[str, Any]]
    columns: list[list[object]]
    curvature: float
    slopes: Floats
    loss: Callable[[Floats], Floats]

    @property
    def design(self) -> Floats:
        return np.column_stack([scaled(self.X), np.ones(len(self.X))])

    def problem(self, kept: Floats, l2: float) -> tuple[Floats, Floats]:
        """H (d, d) and b (d, k) of the rows kept: the gradient of their sum is H·w − b."""
        D = self.design[kept]
        ridge = l2 * np.diag([*np.ones(self.X.shape[1]), 0.0])
        return self.curvature * D.T @ D + ridge, D.T @ self.slopes[kept]


def two_targets() -> Pooled:
    """Least squares in the targets' own units."""
    data = load_diabetes()
    X, Y = data.data[:, :5], np.c_[data.target, data.data[:, 8] * 100]
    half = np.array([170.0, 15.0])
    targets = [{"range": [20.0, 360.0]}, {"range": [-15.0, 15.0]}]
    return Pooled(X, targets, [y.tolist() for y in Y.T], 1.0, Y / half, lambda z: np.mean((z * half - Y) ** 2, axis=1))


def three_digits() -> Pooled:
    """The surrogate of the log loss: ln 2 − (y − ½)·z + c·z²/2."""
    X, labels = three_classes()
    names, T = [f"digit {n}" for n in range(3)], np.eye(3)[labels]
    return Pooled(
        X,
        [{"categories": names}],
        [[names[label] for label in labels]],
        SLOPE,
        T - 0.5,
        lambda z: np.mean(np.log(2) - (T - 0.5) * z + SLOPE * z**2 / 2, axis=1),
    )


def of_momentum(H: Floats, b: Floats, rows: int, rounds: int) -> list[Floats]:
    w = before = np.zeros(b.shape)
    found = []
    for _ in range(rounds):
        found.append(w)
        w, before = w - RATE / rows * (H @ w - b) + MOMENTUM * (w - before), w
    return found


def of_conjugate_gradient(H: Floats, b: Floats, rows: int, rounds: int) -> list[Floats]:
    del rows
    found, space = [np.zeros(b.shape)], np.empty((len(H), 0))
    # The intercept's direction comes first, in the place of the first output's.
    newest = b.copy()
    newest[:, 0] = np.eye(len(H))[-1]
    for _ in range(rounds - 1):
        # What is new is brought down to the space that is left, twice, for what rounding leaves of the rest.
        for _again in range(2):
            newest = newest - space @ (space.T @ newest)
        # The classes' residuals add up to nothing once the intercept is known: one of them is no direction.
        Q, R = np.linalg.qr(newest)
        sizes = np.abs(np.diag(R))
        newest = Q[:, sizes > 1e-8 * sizes.max()][:, : len(H) - space.shape[1]]
        space = np.column_stack([space, newest])
        found.append(space @ np.linalg.solve(space.T @ H @ space, space.T @ b))
        newest = b - H @ found[-1]
    return found


CHOSEN: dict[str, dict[str, Any]] = {
    "momentum": {"learning_rate": RATE, "momentum": MOMENTUM, "rounds": ROUNDS, "tolerance": 0.0, "evaluate_every": 2},
    "conjugate_gradient": {"tolerance": 1e-9, "evaluate_every": 1},
}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("optimizer", "weights_of"), [("momentum", of_momentum), ("conjugate_gradient", of_conjugate_gradient)]
)
@pytest.mark.parametrize("pooled_rows", [two_targets, three_digits])
def test_both_losses_are_those_of_the_pooled_rows_at_every_evaluation(
    tmp_path: Path,
    pooled_rows: Callable[[], Pooled],
    optimizer: str,
    weights_of: Callable[[Floats, Floats, int, int], list[Floats]],
) -> None:
    pooled = pooled_rows()
    spec = spec_of(pooled.X, pooled.targets, optimizer=optimizer, l2=L2, **CHOSEN[optimizer])
    rows = rows_of(pooled.X, *pooled.columns)
    model = run_job(tmp_path, spec, split(rows, OWNER_SIZES), rows)["model"]
    assert model["status"] == "FINISHED", model
    held, history = held_out(tmp_path, OWNER_SIZES), model["history"]
    weights = weights_of(*pooled.problem(~held, L2), int((~held).sum()), len(history))
    losses = [pooled.loss(pooled.design @ w) for w in weights]
    every = CHOSEN[optimizer]["evaluate_every"]
    assert [row["round"] for row in history] == list(range(1, len(history) + 1))
    evaluated = [row["round"] for row in history if row["validation_loss"] is not None]
    assert evaluated == list(range(every, len(history), every)) and len(evaluated) >= 3
    for row, loss in zip(history, losses, strict=True):
        assert row["loss"] == pytest.approx(loss[~held].mean(), rel=1e-6)
        if row["validation_loss"] is not None:
            assert row["validation_loss"] == pytest.approx(loss[held].mean(), rel=1e-6)
    # Neither part's loss is the other's, nor the round before's.
    assert history[-1]["loss"] != pytest.approx(losses[-1][held].mean(), rel=1e-3)
    assert history[1]["loss"] != pytest.approx(losses[0][~held].mean(), rel=1e-3)
