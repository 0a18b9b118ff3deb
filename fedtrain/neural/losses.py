"""Losses of scores against targets, and hits."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch.nn import functional

from fedtrain.spec.training import Loss


def losses(loss: Loss, scores: Any, targets: Any) -> Any:
    """Return (rows,) losses of (rows, outputs) scores; those of several outputs are averaged.

    `targets`: (rows, outputs) float32, as `fedtrain.neural.examples_files` has them. Scores are logits.
    """
    return _LOSSES[loss](scores, targets)


def hits(loss: Loss, scores: Any, targets: Any) -> int:
    """Return how many rows have the category with the largest score; 0 where targets have ranges."""
    if loss is Loss.MEAN_SQUARED_ERROR:
        return 0
    if loss is Loss.BINARY_CROSS_ENTROPY:
        return int(((scores > 0) == (targets > 0.5)).all(dim=1).sum())
    return int((scores.argmax(1) == targets.argmax(1)).sum())


def _cross_entropy(scores: Any, targets: Any) -> Any:
    return functional.cross_entropy(scores, targets.argmax(1), reduction="none")


def _binary_cross_entropy(scores: Any, targets: Any) -> Any:
    return functional.binary_cross_entropy_with_logits(scores, targets, reduction="none").mean(1)


def _mean_squared_error(scores: Any, targets: Any) -> Any:
    return torch.square(scores - targets).mean(1)


_LOSSES: Mapping[Loss, Callable[[Any, Any], Any]] = {
    Loss.CROSS_ENTROPY: _cross_entropy,
    Loss.BINARY_CROSS_ENTROPY: _binary_cross_entropy,
    Loss.MEAN_SQUARED_ERROR: _mean_squared_error,
}
