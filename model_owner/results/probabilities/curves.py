"""Curves of one class's probabilities. All by the definitions that scikit-learn's functions have."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fedtrain.model_owner.arithmetic.arrays import Floats

TENTHS = 10


def counts_by_threshold(scores: Floats, positive: NDArray[np.bool_]) -> tuple[Floats, Floats]:
    """Return how many positive and how many other rows score at least each value, the highest first; (values,) each."""
    order = np.argsort(-scores, kind="stable")
    ends = np.flatnonzero(np.diff(scores[order], append=-np.inf))
    hits = np.cumsum(positive[order])[ends].astype(np.float64)
    return hits, (ends + 1) - hits


def roc(scores: Floats, positive: NDArray[np.bool_]) -> tuple[Floats, Floats]:
    """Return shares of other and of positive rows at or above each threshold, both from 0 to 1; rows of both needed."""
    hits, others = counts_by_threshold(scores, positive)
    return np.append(0.0, others / others[-1]), np.append(0.0, hits / hits[-1])


def precision_by_recall(scores: Floats, positive: NDArray[np.bool_]) -> tuple[Floats, Floats]:
    """Return recall, rising, and the precision at it; a positive row is needed."""
    hits, others = counts_by_threshold(scores, positive)
    return hits / hits[-1], hits / (hits + others)


def average_precision(recall: Floats, precision: Floats) -> float:
    """Return Σ (R_i − R_{i−1})·P_i, without interpolation."""
    return float(np.sum(np.diff(recall, prepend=0.0) * precision))


def shares_that_came(probabilities: Floats, positive: NDArray[np.bool_]) -> tuple[Floats, Floats, NDArray[np.int64]]:
    """Return mean probability, share of positive rows, and rows, of each tenth of the probabilities that has any."""
    tenth = np.minimum((probabilities * TENTHS).astype(np.int64), TENTHS - 1)
    rows = np.bincount(tenth, minlength=TENTHS)
    present = rows > 0
    said = np.bincount(tenth, probabilities, TENTHS)[present] / rows[present]
    came = np.bincount(tenth, positive, TENTHS)[present] / rows[present]
    return said, came, rows[present]
