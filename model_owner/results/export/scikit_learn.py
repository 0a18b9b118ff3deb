"""A finished model as a fitted scikit-learn pipeline, made of scikit-learn's own parts.

Every part is fitted to a few rows that hold the ends of the declared ranges and every category, which makes its
encoding the declared one; the weights are then put in place of those that were fitted.

A missing value is replaced by a KNNImputer that knows one row, that of the declared constants. SimpleImputer would
say it more plainly, but it keeps a numpy.dtype, which skops loads only for those who trust the type by name.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np

from fedtrain.model_owner.results.export.missing import constant_of, has_constant
from fedtrain.model_owner.results.linear import LinearModel
from fedtrain.spec.model_spec import NUMERIC, Feature, FeatureType


def pipeline_of(model: LinearModel, calibration: Mapping[str, Any] | None, for_onnx: bool = False) -> Any:
    """Return the pipeline. It takes data frames, whose columns it finds by the features' names, in any order and beside
    others; or arrays (rows, features) in the order of the spec. Numbers are numbers, and categories text.

    None and NaN are replaced by the feature's constant, where it declares one. With `for_onnx` they are not, for that
    graph has nodes of its own for it, and an unknown ordinal category has rank NaN: ONNX's LabelEncoder raises no
    error, and would give it −1, which is clipped to the first category's. Raises ImportError where scikit-learn is
    not installed.
    """
    from sklearn.pipeline import Pipeline

    features, scaled = model.spec.data_props.features, model.spec.training.scaling == "range"
    design = _Parts(scaled, for_onnx).design(features)
    design.fit(_covering_rows(features))
    if not for_onnx:
        _tell_constants(design, features)
        _name_columns(design, features)
    return Pipeline([("design", design), ("model", model.estimator(calibration))])


def is_numeric(feature: Feature) -> bool:
    """Say whether its values are numbers, rather than categories."""
    return feature.type in NUMERIC


@dataclass(frozen=True)
class _Parts:
    """Transformers that turn columns into columns of the design."""

    scaled: bool
    for_onnx: bool

    def design(self, features: Sequence[Feature]) -> Any:
        """One transformer for each run of columns of one kind, so that the order of the design's columns is kept."""
        from sklearn.compose import ColumnTransformer

        parts: list[tuple[str, Any, list[int]]] = []
        for (kind, fills, _), run in groupby(enumerate(features), self._kind):
            places, columns = zip(*run, strict=True)
            steps = self._steps(kind, columns, fills)
            parts.append((f"{kind}_{places[0]}", _in_a_row(steps), list(places)))
        return ColumnTransformer(parts)

    def _kind(self, numbered: tuple[int, Feature]) -> tuple[str, bool, int | None]:
        """Return what columns of one run have in common. One with categories and a constant is a run alone."""
        place, feature = numbered
        fills = has_constant(feature) and not self.for_onnx
        if is_numeric(feature):
            return "numeric", fills, None
        return str(feature.type), fills, place if fills else None

    def _steps(self, kind: str, columns: Sequence[Feature], fills: bool) -> list[tuple[str, Any]]:
        from sklearn.impute import KNNImputer
        from sklearn.preprocessing import MinMaxScaler, OneHotEncoder

        scale = [("scale", MinMaxScaler(feature_range=(-1.0, 1.0), clip=True))] if self.scaled else []
        if kind == "numeric":
            return [*([("missing", KNNImputer(n_neighbors=1))] if fills else []), *scale]
        texts = [np.array(column.category_texts, dtype=object) for column in columns]
        ranks = self._ranks(columns[0]) if fills else []
        if kind == str(FeatureType.ORDINAL):
            return [*(ranks or [("rank", self._ordinal(texts))]), *scale]
        one_hot = {"drop": "first", "sparse_output": False, "dtype": np.float64}
        if not fills:
            return [("one_hot", OneHotEncoder(categories=texts, **one_hot))]
        return [*ranks, ("one_hot", OneHotEncoder(categories=[np.arange(len(texts[0]), dtype=np.float64)], **one_hot))]

    def _ranks(self, column: Feature) -> list[tuple[str, Any]]:
        """A category's rank, that of the constant where there is none: None is ranked behind the others, NaN is NaN."""
        from sklearn.impute import KNNImputer

        behind = len(column.category_texts)
        return [
            ("rank", self._ordinal([np.array([*column.category_texts, None, np.nan], dtype=object)])),
            ("missing", KNNImputer(n_neighbors=1)),
            ("none", KNNImputer(n_neighbors=1, missing_values=float(behind))),
        ]

    def _ordinal(self, texts: Sequence[Any]) -> Any:
        from sklearn.preprocessing import OrdinalEncoder

        if self.for_onnx:
            unknown = {"handle_unknown": "use_encoded_value", "unknown_value": np.nan}
            return OrdinalEncoder(categories=texts, dtype=np.float64, **unknown)
        return OrdinalEncoder(categories=texts, dtype=np.float64)


def _in_a_row(steps: Sequence[tuple[str, Any]]) -> Any:
    from sklearn.pipeline import Pipeline

    if not steps:
        return "passthrough"
    return steps[0][1] if len(steps) == 1 else Pipeline(list(steps))


def _name_columns(design: Any, features: Sequence[Feature]) -> None:
    """Let a fitted design, and what in it is given columns of a data frame, know them by name, as if fitted to one.

    It is fitted to an array, for data frames come from packages that need not be installed here.
    """
    names = np.array([feature.label for feature in features], dtype=object)
    design.feature_names_in_ = names
    for name, _, places in design.transformers:
        part = design.named_transformers_[name]
        first = part.steps[0][1] if hasattr(part, "steps") else part
        first.feature_names_in_ = names[places]


def _tell_constants(design: Any, features: Sequence[Feature]) -> None:
    """Fit every imputer of a fitted design to one row: it is the nearest of any row, and gives what that one lacks."""
    from sklearn.impute import KNNImputer

    for name, _, places in design.transformers:
        part = design.named_transformers_[name]
        for step in getattr(part, "named_steps", {"": part}).values():
            if isinstance(step, KNNImputer):
                step.fit([[_constant_number(features[place]) for place in places]])


def _constant_number(feature: Feature) -> float:
    """A number, or a category's rank."""
    constant = constant_of(feature)
    return float(feature.category_texts.index(constant) if isinstance(constant, str) else constant)


def _covering_rows(features: Sequence[Feature]) -> Any:
    """(rows, features) objects: both ends of every range, and every category at least once."""
    ends = [list(feature.range or feature.category_texts) for feature in features]
    rows = max(len(values) for values in ends)
    table = np.empty((rows, len(features)), dtype=object)
    for column, values in enumerate(ends):
        table[:, column] = [values[row % len(values)] for row in range(rows)]
    return table
