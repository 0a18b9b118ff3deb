"""A finished model as a fitted scikit-learn pipeline, made of scikit-learn's own parts.

Every part is fitted to a few rows that hold the ends of the declared ranges and every category, which makes its
encoding the declared one; the weights are then put in place of those that were fitted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

import numpy as np

from model_owner.job import JobState, TrainedModel
from model_owner.models import weights_of
from model_owner.optimisers.quadratic import Floats
from protocol.spec import NUMERIC, Feature, FeatureType
from tabular.encode import Encoder


def pipeline_of(state: JobState, model: TrainedModel, calibration: Mapping[str, Any] | None) -> Any:
    """Return the pipeline. It takes (rows, features) in the order of the spec: numbers, and categories as text.

    It knows no missing values. Raises ImportError where scikit-learn is not installed.
    """
    from sklearn.pipeline import Pipeline

    encoder = Encoder.of_spec(state.spec)
    features, scaled = state.spec.data_props.features, state.spec.training.scaling == "range"
    design = _design(features, scaled)
    design.fit(_covering_rows(features))
    weights = weights_of(model)
    last = _classifier(weights, encoder, calibration) if state.spec.kind.classifies else _regressor(weights, encoder)
    return Pipeline([("design", design), ("model", last)])


def is_numeric(feature: Feature) -> bool:
    """Whether its values are numbers, rather than categories."""
    return feature.type in NUMERIC


def _design(features: Sequence[Feature], scaled: bool) -> Any:
    """One transformer for each run of columns of one type, so that the order of the design's columns is kept."""
    from sklearn.compose import ColumnTransformer
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import MinMaxScaler, OneHotEncoder, OrdinalEncoder

    parts: list[tuple[str, Any, list[int]]] = []
    numbered = list(enumerate(features))
    for kind, run in groupby(numbered, lambda item: "numeric" if is_numeric(item[1]) else str(item[1].type)):
        places, columns = zip(*run, strict=True)
        categories = [np.array(column.category_texts, dtype=object) for column in columns]
        to_range = MinMaxScaler(feature_range=(-1.0, 1.0), clip=True)
        if kind == "numeric":
            part: Any = to_range if scaled else "passthrough"
        elif kind == str(FeatureType.ORDINAL):
            ranks = OrdinalEncoder(categories=categories, dtype=np.float64)
            part = Pipeline([("rank", ranks), ("scale", to_range)]) if scaled else ranks
        else:
            part = OneHotEncoder(categories=categories, drop="first", sparse_output=False, dtype=np.float64)
        parts.append((f"{kind}_{places[0]}", part, list(places)))
    return ColumnTransformer(parts)


def _covering_rows(features: Sequence[Feature]) -> Any:
    """(rows, features) objects: both ends of every range, and every category at least once."""
    ends = [list(feature.range or feature.category_texts) for feature in features]
    rows = max(len(values) for values in ends)
    table = np.empty((rows, len(features)), dtype=object)
    for column, values in enumerate(ends):
        table[:, column] = [values[row % len(values)] for row in range(rows)]
    return table


def _regressor(weights: Floats, encoder: Encoder) -> Any:
    from sklearn.linear_model import LinearRegression

    raw = weights * encoder.target_half_width
    columns = len(weights) - 1
    model = LinearRegression().fit(np.zeros((2, columns)), np.zeros((2, raw.shape[1])))
    one = raw.shape[1] == 1
    model.coef_ = raw[:-1, 0].copy() if one else raw[:-1].T.copy()
    model.intercept_ = raw[-1, 0] if one else raw[-1].copy()
    return model


def _classifier(weights: Floats, encoder: Encoder, calibration: Mapping[str, Any] | None) -> Any:
    """Platt scaling is linear in the score, so that it goes into the weights."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.multiclass import OneVsRestClassifier

    names = np.array(encoder.props.all_targets[0].category_texts)
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
