"""The measure of `quadratic.left_to_explain` for a loss of which only gradients are known, from point to point.

Two gradients differ by the curvature between their points: y = H·s. Combinations of such pairs whose y has no
intercept bound from below how much each column's curvature is about its mean, as in `left_to_explain`; so does the
ridge. H changes from point to point, so that without a ridge this is an estimate, by the last pairs. In place of the
target's variation stands twice the loss at w = 0, the deviance of a model without columns.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from fedtrain.model_owner.arithmetic.arrays import FloatArray, Floats
from fedtrain.model_owner.methods.descent.objective import Evaluation, Objective

#: Change of point, change of gradient: (d, k) each.
Pair = tuple[FloatArray, FloatArray]
#: How many of the last pairs are kept.
MEMORY = 10
_LEAST = 1e-12


def largest_correlation(objective: Objective, here: Evaluation, pairs: Sequence[Pair], first_loss: float) -> float:
    """The measure, the largest of any column and output; inf where a column with a gradient was not seen to vary."""
    slopes = np.abs(here.gradient)
    # With the intercept at its best a slope may be steeper by its column's mean times the intercepts' own.
    left = slopes[:-1] + objective.largest_feature * slopes[-1].sum()
    reference = 2 * first_loss * np.maximum(_varied(objective, pairs), objective.l2 / objective.rows_total)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        measures = np.where(left == 0, 0.0, left / np.sqrt(reference))
    return float(np.max(measures, initial=0.0)) if not np.isnan(measures).any() else math.inf


def _varied(objective: Objective, pairs: Sequence[Pair]) -> Floats:
    """(d − 1, k) lower bounds of each column's curvature about its mean, per row."""
    shape = (objective.dimensions, objective.outputs)
    nothing = np.zeros((shape[0] - 1, shape[1]))
    if len(pairs) <= objective.outputs:
        return nothing
    # Each at the length of its own, so that early and late steps count alike.
    s = np.column_stack([(s / max(np.abs(s).max(), np.finfo(np.float64).tiny)).ravel() for s, _ in pairs])
    y = np.column_stack([(y / max(np.abs(s).max(), np.finfo(np.float64).tiny)).ravel() for s, y in pairs])
    if not (np.isfinite(s).all() and np.isfinite(y).all()):
        return nothing
    _, _, combinations = np.linalg.svd(y.reshape(*shape, -1)[-1])
    without = combinations[objective.outputs :].T
    p, product = s @ without, y @ without
    curvatures = p.T @ product
    values, vectors = np.linalg.eigh((curvatures + curvatures.T) / 2)
    kept = values > _LEAST * max(values[-1], 0.0)
    if not kept.any() or values[-1] <= 0:
        return nothing
    squares = (product @ vectors[:, kept]) ** 2 / values[kept]
    varied: Floats = squares.sum(axis=1).reshape(shape)[:-1]
    return varied
