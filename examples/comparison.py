"""Gains of federated training: it, beside all the records in one place, beside the best single owner, in one table.

An example's compare.py names its folder; the columns are read as its model.json says, and scikit-learn's models are
fitted to the encoded rows of test.csv's neighbours, with the `l2` of model.json. Nothing of the federated system runs
here: it is what the system is held against.
"""

from __future__ import annotations

import argparse
import json
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn import metrics
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge

from fedtrain.spec.model_spec import ModelSpec
from fedtrain.tabular import Encoder, open_declared_table

Floats = NDArray[np.float64]
Row = dict[str, Any]

NO_PENALTY = 1e10  # scikit-learn's C where l2 is 0


@dataclass(frozen=True)
class Records:
    """One table, encoded. X: (rows, d − 1), without the intercept. y: (rows,) values in raw units, or class codes."""

    X: Floats
    y: Floats


def read_spec(folder: Path, name: str = "model.json") -> ModelSpec:
    """The example's model spec."""
    return ModelSpec.model_validate_json((folder / name).read_text())


def read_records(path: Path, spec: ModelSpec) -> Records:
    """Encode one table. Raises TableError where it does not fit the declaration."""
    encoder = Encoder.of_spec(spec)
    table = open_declared_table(path, spec.data_props)
    batches = list(encoder.encode_all(table.batches(encoder.columns)))
    X = np.concatenate([batch.X for batch in batches])[:, :-1]
    Y = np.concatenate([batch.Y for batch in batches])
    if not spec.kind.classifies:
        return Records(X, Y[:, 0] * encoder.target_half_width[0])
    return Records(X, Y[:, 0] if Y.shape[1] == 1 else Y.argmax(axis=1))


def joined(parts: list[Records]) -> Records:
    """The rows of several tables in one."""
    return Records(np.concatenate([part.X for part in parts]), np.concatenate([part.y for part in parts]))


def predictor(train: Records, spec: ModelSpec) -> Any:
    """Fit scikit-learn's model of the spec's type, the intercept free; it need not know all classes."""
    l2 = 0.0 if spec.training.l2 == "auto" else spec.training.l2
    if not spec.kind.classifies:
        return (Ridge(alpha=l2) if l2 else LinearRegression()).fit(train.X, train.y)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # a fit that has not converged is nothing to compare with
        model = LogisticRegression(C=1 / l2 if l2 else NO_PENALTY, max_iter=10_000, tol=1e-8)
        return model.fit(train.X, train.y)


def probabilities(model: Any, X: Floats, classes: int) -> Floats:
    """(rows, classes); 0 for a class that the model's owner has no record of."""
    found = np.zeros((len(X), classes))
    found[:, model.classes_.astype(int)] = model.predict_proba(X)
    return found


def class_scores(found: Floats, labels: Floats) -> dict[str, float]:
    """log loss, accuracy and (for more than two classes mean one-against-the-rest) AUC of probabilities."""
    classes = found.shape[1]
    every = list(range(classes))
    with warnings.catch_warnings():
        # A single owner that has no record of some digit gives it the probability 0.
        warnings.simplefilter("ignore", UserWarning)
        log_loss = metrics.log_loss(labels, found, labels=every)
    if classes == 2:
        auc = metrics.roc_auc_score(labels, found[:, 1])
    else:
        auc = np.mean([metrics.roc_auc_score(labels == c, found[:, c]) for c in every])
    accuracy = metrics.accuracy_score(labels, found.argmax(axis=1))
    return {"log_loss": float(log_loss), "accuracy": float(accuracy), "auc": float(auc)}


def value_scores(found: Floats, targets: Floats) -> dict[str, float]:
    """cost (the mean squared error), mae and r2 of predicted values."""
    return {
        "cost": float(metrics.mean_squared_error(targets, found)),
        "mae": float(metrics.mean_absolute_error(targets, found)),
        "r2": float(metrics.r2_score(targets, found)),
    }


def local_scores(spec: ModelSpec, train: Records, test: Records) -> dict[str, float]:
    """Return how well the model that one party fits to its own records does on the test rows."""
    model = predictor(train, spec)
    if not spec.kind.classifies:
        return value_scores(model.predict(test.X), test.y)
    classes = len(spec.data_props.all_targets[0].categories or ())
    return class_scores(probabilities(model, test.X, classes), test.y)


def reported_rows(prediction: Mapping[str, Any] | None, rows: int) -> NDArray[np.int64]:
    """The test rows on which all are compared: those that the federated model's probabilities were not fitted on."""
    calibration = None if prediction is None else prediction.get("calibration")
    return np.setdiff1d(np.arange(rows), [] if calibration is None else calibration["rows"])


def federated_scores(spec: ModelSpec, prediction: Mapping[str, Any], test: Records, rows: Any) -> dict[str, float]:
    """The same measures of what GET /prediction answered."""
    values = np.array(prediction["values"], dtype=np.float64)[rows]
    if not spec.kind.classifies:
        return value_scores(values, test.y[rows])
    return class_scores(np.column_stack([1 - values, values]) if values.ndim == 1 else values, test.y[rows])


def compare(example: Path, folder: Path, prediction: Mapping[str, Any] | None, spec: ModelSpec | None = None) -> Row:
    """The table, best single owner last: {"rows", "cost", "test_rows", "table": [{"trained", "rows", …measures}]}.

    `rows` and `cost` are those of the fit on all owners' rows together.
    """
    spec = spec or read_spec(example)
    owners = {path.stem: read_records(path, spec) for path in sorted(folder.glob("*.csv")) if path.name != "test.csv"}
    test = read_records(folder / "test.csv", spec)
    kept = reported_rows(prediction, len(test.y))
    seen = Records(test.X[kept], test.y[kept])
    pooled = joined(list(owners.values()))
    # The first measure is the one that decides, for classes the accuracy, since a log loss may be infinite.
    key, sign = ("accuracy", 1) if spec.kind.classifies else ("cost", -1)
    alone = {name: local_scores(spec, records, seen) for name, records in owners.items()}
    best = max(alone, key=lambda name: sign * alone[name][key])
    table: list[Row] = []
    if prediction is not None:
        measures = federated_scores(spec, prediction, test, kept)
        table.append({"trained": "federated", "rows": len(pooled.y), **measures})
    all_rows = local_scores(spec, pooled, seen)
    table.append({"trained": "pooled", "rows": len(pooled.y), **all_rows})
    table.append({"trained": f"best single owner ({best})", "rows": len(owners[best].y), **alone[best]})
    cost = all_rows["log_loss" if spec.kind.classifies else "cost"]
    return {"rows": len(pooled.y), "cost": cost, "test_rows": len(kept), "table": table}


def main(example: Path, description: str) -> None:
    """The command line of every example's compare.py."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("folder", type=Path, help="where make_data.py wrote its files")
    parser.add_argument("--prediction", type=Path, help="what GET /prediction answered, a JSON file")
    parser.add_argument("--json", action="store_true", help="print everything, as JSON")
    arguments = parser.parse_args()
    prediction = None if arguments.prediction is None else json.loads(arguments.prediction.read_text())
    found = compare(example, arguments.folder, prediction)
    if arguments.json:
        print(json.dumps(found))
    else:
        show(found)


def show(found: Row) -> None:
    """Print the table."""
    measures = [name for name in found["table"][0] if name not in ("trained", "rows")]
    print(f"{'trained on':<34}{'rows':>7}" + "".join(f"{name:>12}" for name in measures))
    for row in found["table"]:
        print(f"{row['trained']:<34}{row['rows']:>7}" + "".join(f"{row[name]:>12.5f}" for name in measures))
