"""Measures of class probabilities. All by the definitions that scikit-learn's functions of the same names have."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fedtrain.model_owner.arithmetic.arrays import Floats

Labels = NDArray[np.int64]


def log_loss(probabilities: Floats, labels: Labels) -> float:
    """Mean of −ln p(true class) for probabilities (rows, classes); those of 0 count as the smallest double above."""
    true = probabilities[np.arange(len(labels)), labels]
    return float(-np.mean(np.log(np.maximum(true, np.finfo(np.float64).tiny))))


def metrics(probabilities: Floats, labels: Labels) -> dict[str, Any]:
    """log_loss, accuracy, precision, recall, auc, brier and the confusion matrix (rows: true, columns: predicted).

    Two classes: precision, recall and auc of the second; brier is the mean of (p − y)². More: the means over the
    classes, each against the rest; brier is the mean of Σ_c (p_c − y_c)². None where there is nothing to divide by.
    """
    classes = probabilities.shape[1]
    predicted = probabilities.argmax(axis=1)
    confusion = np.zeros((classes, classes), dtype=np.int64)
    np.add.at(confusion, (labels, predicted), 1)
    one_hot = np.eye(classes)[labels]
    looked_at = range(1, 2) if classes == 2 else range(classes)
    brier = float(np.mean(np.sum((probabilities - one_hot) ** 2, axis=1)))
    return {
        "log_loss": log_loss(probabilities, labels),
        "accuracy": float(np.mean(predicted == labels)),
        "precision": _mean([_share(confusion[c, c], confusion[:, c].sum()) for c in looked_at]),
        "recall": _mean([_share(confusion[c, c], confusion[c].sum()) for c in looked_at]),
        "auc": _mean([auc(probabilities[:, c], labels == c) for c in looked_at]),
        "brier": brier / 2 if classes == 2 else brier,
        "confusion_matrix": confusion.tolist(),
    }


def auc(scores: Floats, positive: NDArray[np.bool_]) -> float | None:
    """Area under the ROC curve: how often a positive row scores above a negative one, ties by half."""
    ones = int(positive.sum())
    zeros = len(positive) - ones
    if ones == 0 or zeros == 0:
        return None
    _, place, counts = np.unique(scores, return_inverse=True, return_counts=True)
    # The mean rank of each group of equal scores (Mann and Whitney, 1947).
    ranks = np.cumsum(counts) - (counts - 1) / 2
    return float((ranks[place][positive].sum() - ones * (ones + 1) / 2) / (ones * zeros))


def _share(part: int, whole: int) -> float | None:
    return float(part / whole) if whole else None


def _mean(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if len(known) == len(values) else None
