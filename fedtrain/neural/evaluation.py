"""Scores of a network, and how good they are."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from fedtrain.neural.examples_files import open_examples
from fedtrain.neural.local_training import be_repeatable, rows_at_once
from fedtrain.neural.losses import hits, losses
from fedtrain.neural.module import build, features_of
from fedtrain.neural.tasks import EvaluationResult, EvaluationTask, Weights
from fedtrain.spec.network import CheckedNetwork

_MOST_ROWS = 1024


def evaluate(task: EvaluationTask, device: str = "cpu") -> EvaluationResult:
    """Return the sum of losses, and hits, over a part of the examples. Raises ValueError for other weights' shapes."""
    X, Y = open_examples(task.examples)
    scores = torch.from_numpy(scores_of(task.network, task.weights, X, task.threads, device))
    loss_sum, right = 0.0, 0
    for start in range(0, len(X), _MOST_ROWS):
        part, targets = scores[start : start + _MOST_ROWS], torch.from_numpy(np.array(Y[start : start + _MOST_ROWS]))
        loss_sum += float(losses(task.loss, part, targets).double().sum())
        right += hits(task.loss, part, targets)
    return EvaluationResult(loss_sum, right, len(X))


def scores_of(
    network: CheckedNetwork, weights: Weights, X: NDArray[np.float32], threads: int = 1, device: str = "cpu"
) -> NDArray[np.float32]:
    """Return (rows, outputs) scores of (rows, numbers of all features), without dropout: logits for categories."""
    be_repeatable(threads)
    module = build(network, weights).to(device).eval()
    most = min(_MOST_ROWS, rows_at_once(network))
    with torch.inference_mode():
        parts = [
            module(*features_of(network, X[start : start + most], device)).cpu().numpy()
            for start in range(0, len(X), most)
        ]
    return np.concatenate([np.zeros((0, network.outputs), np.float32), *parts])
