"""A model on a test set as curves: how well its probabilities tell a class from the rest, and its values' errors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from fedtrain.model_owner.arithmetic.arrays import Floats
from fedtrain.model_owner.results.probabilities.classification import auc
from fedtrain.model_owner.results.probabilities.curves import (
    average_precision,
    precision_by_recall,
    roc,
    shares_that_came,
)

#: As many as a chart has room for.
MOST_POINTS: Final = 500
MOST_CLASSES: Final = 20
BINS: Final = 20


class Curve(BaseModel):
    """Points by rising `x`."""

    x: list[float]
    y: list[float]


class ClassCurves(BaseModel):
    """A class against the rest. Without rows of both there are no `roc` and `auc`; without its own no others either.

    `roc`: true by false positive rate. `precision_recall`: precision by recall. `calibration`: share of rows of the
    class by its mean predicted probability, a tenth each, and `calibration_rows` in it. `rows`: test rows of the class.
    """

    name: str
    rows: int
    auc: float | None
    average_precision: float | None
    roc: Curve | None
    precision_recall: Curve | None
    calibration: Curve
    calibration_rows: list[int]


class TargetErrors(BaseModel):
    """A target's values beside the true ones, by rising value; `residuals` are true minus predicted, in its units.

    Of many rows an even choice is shown; `mean`, `deviation` and the histogram (`edges`, `counts`) are of all.
    """

    name: str
    targets: list[float]
    values: list[float]
    residuals: list[float]
    mean: float
    deviation: float
    edges: list[float]
    counts: list[int]


class Curves(BaseModel):
    """Curves of the classes, or errors of the targets, on `rows` test rows: those that no calibration was fitted on.

    Of many classes those that most rows have; of two the second one. Of many points an even choice is given.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "model_id": "0f2d7c1a9b3e4d5f8a6b7c8d9e0f1a2b",
                "dataset_id": "5c1f0e8a7b6d4e3f9a2b1c0d8e7f6a5b",
                "rows": 4,
                "classes": [
                    {
                        "name": "1",
                        "rows": 2,
                        "auc": 0.75,
                        "average_precision": 0.83,
                        "roc": {"x": [0, 0, 0.5, 0.5, 1], "y": [0, 0.5, 0.5, 1, 1]},
                        "precision_recall": {"x": [0.5, 0.5, 1, 1], "y": [1, 0.5, 0.67, 0.5]},
                        "calibration": {"x": [0.1, 0.35, 0.4, 0.8], "y": [0, 1, 0, 1]},
                        "calibration_rows": [1, 1, 1, 1],
                    }
                ],
                "targets": [],
            }
        }
    )

    model_id: str
    dataset_id: str
    rows: int
    classes: list[ClassCurves]
    targets: list[TargetErrors]


def curves_of(document: Mapping[str, Any], targets: Sequence[str]) -> Curves:
    """Return the curves of a prediction's document; `targets`: their names. Rows without a finite value are left out.

    Definitions are scikit-learn's.
    """
    values = np.array(document["values"], dtype=np.float64)
    values = values[:, np.newaxis] if values.ndim == 1 else values
    names = document.get("class_names")
    if names is None:
        true = np.array(document["targets"], dtype=np.float64).reshape(values.shape)
        kept = np.isfinite(values).all(axis=1)
        errors = [_errors(name, values[kept, at], true[kept, at]) for at, name in enumerate(targets) if kept.any()]
        return _curves(document, int(kept.sum()), [], errors)
    place = {name: at for at, name in enumerate(names)}
    labels = np.array([place[target] for target in document["targets"]], dtype=np.int64)
    fitted_on = (document.get("calibration") or {"rows": []})["rows"]
    reported = np.isfinite(values).all(axis=1) & ~np.isin(np.arange(len(values)), fitted_on)
    shown = [1] if len(names) == 2 else _most_common(labels[reported], len(names))
    columns = {at: values[reported, 0 if len(names) == 2 else at] for at in shown}
    classes = [_class(names[at], column, labels[reported] == at) for at, column in columns.items() if reported.any()]
    return _curves(document, int(reported.sum()), classes, [])


def _curves(document: Mapping[str, Any], rows: int, classes: list[ClassCurves], errors: list[TargetErrors]) -> Curves:
    ids = {"model_id": document["model_id"], "dataset_id": document["dataset_id"]}
    return Curves(**ids, rows=rows, classes=classes, targets=errors)


def _most_common(labels: NDArray[np.int64], classes: int) -> list[int]:
    rows = np.bincount(labels, minlength=classes)
    found: list[int] = sorted(np.argsort(-rows, kind="stable")[:MOST_CLASSES].tolist())
    return found


def _class(name: str, scores: Floats, positive: NDArray[np.bool_]) -> ClassCurves:
    ones = int(positive.sum())
    said, came, rows = shares_that_came(scores, positive)
    recall, precision = precision_by_recall(scores, positive) if ones else (None, None)
    return ClassCurves(
        name=name,
        rows=ones,
        auc=auc(scores, positive),
        average_precision=None if recall is None or precision is None else average_precision(recall, precision),
        roc=_curve(*roc(scores, positive)) if 0 < ones < len(positive) else None,
        precision_recall=None if recall is None or precision is None else _curve(recall, precision),
        calibration=Curve(x=said.tolist(), y=came.tolist()),
        calibration_rows=rows.tolist(),
    )


def _errors(name: str, values: Floats, true: Floats) -> TargetErrors:
    residuals = true - values
    counts, edges = np.histogram(residuals, BINS)
    order = np.argsort(values, kind="stable")
    order = order[_every(len(order))]
    return TargetErrors(
        name=name,
        targets=true[order].tolist(),
        values=values[order].tolist(),
        residuals=residuals[order].tolist(),
        mean=float(residuals.mean()),
        deviation=float(residuals.std()),
        edges=edges.tolist(),
        counts=counts.tolist(),
    )


def _curve(x: Floats, y: Floats) -> Curve:
    shown = _every(len(x))
    return Curve(x=x[shown].tolist(), y=y[shown].tolist())


def _every(points: int) -> NDArray[np.int64]:
    """Places of all points, or of MOST_POINTS evenly among them, the first and the last with them."""
    if points <= MOST_POINTS:
        return np.arange(points)
    return np.linspace(0, points - 1, MOST_POINTS).round().astype(np.int64)
