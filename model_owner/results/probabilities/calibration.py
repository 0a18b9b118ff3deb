"""Platt scaling: from linear predictors to probabilities, σ(slope·z + offset), fitted on rows that are kept apart.

Sources: J. Platt, "Probabilistic outputs for support vector machines", 1999; H.-T. Lin, C.-J. Lin, R. C. Weng, "A note
on Platt's probabilistic outputs for support vector machines", 2007.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from fedtrain.model_owner.arithmetic.arrays import Floats

LEAST_ROWS_A_CLASS = 5
_STEPS = 100
_HALVINGS = 40


@dataclass(frozen=True)
class Calibration:
    """One slope and offset an output; `rows` (n,) are the test rows, from 0, that they were fitted on."""

    slopes: tuple[float, ...]
    offsets: tuple[float, ...]
    rows: NDArray[np.int64]

    def to_json(self) -> dict[str, Any]:
        """The member `calibration` of a prediction document."""
        slopes, offsets = list(self.slopes), list(self.offsets)
        return {"method": "platt", "slopes": slopes, "offsets": offsets, "rows": self.rows.tolist()}

    @classmethod
    def from_json(cls, kept: Mapping[str, Any]) -> Self:
        return cls(tuple(kept["slopes"]), tuple(kept["offsets"]), np.array(kept["rows"], dtype=np.int64))

    def __call__(self, scores: Floats) -> Floats:
        """(rows, k) probabilities of linear predictors (rows, k)."""
        return sigmoid(scores * np.array(self.slopes) + np.array(self.offsets))


def sigmoid(z: Floats) -> Floats:
    """1 / (1 + e^−z), without overflow."""
    e = np.exp(-np.abs(z))
    result: Floats = np.where(z >= 0, 1.0, e) / (1.0 + e)
    return result


def calibration_rows(labels: NDArray[np.int64], classes: int, seed: int) -> NDArray[np.int64] | None:
    """Half of the rows of each class, drawn by `seed`, in order; None where a half has too few of some class."""
    counts = np.bincount(labels, minlength=classes)
    if counts.min() < 2 * LEAST_ROWS_A_CLASS:
        return None
    draw = np.random.default_rng(seed)
    halves = [draw.permutation(np.flatnonzero(labels == code))[: counts[code] // 2] for code in range(classes)]
    return np.sort(np.concatenate(halves))


def fit(scores: Floats, positive: Floats, rows: NDArray[np.int64]) -> Calibration:
    """Fit each output of scores (n, k) to positive (n, k), of 0 and 1, on those rows."""
    pairs = [_platt(scores[rows, column], positive[rows, column]) for column in range(scores.shape[1])]
    return Calibration(tuple(a for a, _ in pairs), tuple(b for _, b in pairs), rows)


def _platt(z: Floats, positive: Floats) -> tuple[float, float]:
    """Newton's method with halved steps on the log loss, towards targets that are never quite 0 or 1."""
    ones, zeros = positive.sum(), len(positive) - positive.sum()
    t = np.where(positive == 1, (ones + 1) / (ones + 2), 1 / (zeros + 2))
    design = np.column_stack([z, np.ones(len(z))])
    at = np.array([0.0, np.log((ones + 1) / (zeros + 1))])
    loss = _log_loss(design @ at, t)
    for _ in range(_STEPS):
        p = sigmoid(design @ at)
        gradient = design.T @ (p - t)
        hessian = design.T @ (design * (p * (1 - p))[:, None]) + 1e-12 * np.eye(2)
        step = np.linalg.solve(hessian, gradient)
        if np.abs(gradient).max() <= 1e-10 * len(z):
            break
        for halving in range(_HALVINGS):
            trial = at - step / 2**halving
            trial_loss = _log_loss(design @ trial, t)
            if trial_loss < loss:
                at, loss = trial, trial_loss
                break
        else:
            break
    return float(at[0]), float(at[1])


def _log_loss(z: Floats, t: Floats) -> float:
    # −t·ln σ(z) − (1 − t)·ln(1 − σ(z)) = ln(1 + e^z) − t·z
    return float(np.sum(np.logaddexp(0.0, z) - t * z))
