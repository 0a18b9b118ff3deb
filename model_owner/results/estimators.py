"""Estimators of scikit-learn with a model's weights in place of fitted ones. They raise ImportError without it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from fedtrain.model_owner.arithmetic.arrays import Floats


def regressor(raw: Floats) -> Any:
    """A LinearRegression with weights (d, k) in the units of the targets, the intercept's last."""
    from sklearn.linear_model import LinearRegression

    columns = len(raw) - 1
    model = LinearRegression().fit(np.zeros((2, columns)), np.zeros((2, raw.shape[1])))
    one = raw.shape[1] == 1
    model.coef_ = raw[:-1, 0].copy() if one else raw[:-1].T.copy()
    model.intercept_ = raw[-1, 0] if one else raw[-1].copy()
    return model


def classifier(weights: Floats, class_names: Sequence[str], calibration: Mapping[str, Any] | None) -> Any:
    """A LogisticRegression with weights (d, k), or one of each class against the rest where it is calibrated.

    Platt scaling is linear in the score, so that it goes into the weights.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.multiclass import OneVsRestClassifier

    names = np.array(class_names)
    columns = len(weights) - 1
    if calibration is not None:
        weights = weights * np.array(calibration["slopes"])
        weights[-1] += np.array(calibration["offsets"])
    if len(names) == 2 or calibration is None:
        model = LogisticRegression().fit(np.zeros((len(names), columns)), np.arange(len(names)))
        model.classes_, model.coef_, model.intercept_ = names, weights[:-1].T.copy(), weights[-1].copy()
        return model
    # scikit-learn sorts the classes; so must their estimators be.
    order = np.argsort(names)
    model = OneVsRestClassifier(LogisticRegression()).fit(np.zeros((len(names), columns)), names[order])
    for estimator, code in zip(model.estimators_, order, strict=True):
        estimator.coef_, estimator.intercept_ = weights[:-1, [code]].T.copy(), weights[-1:, code].copy()
    return model
