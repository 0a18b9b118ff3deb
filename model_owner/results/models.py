"""How a model's weights become predictions, and how good those are: for values, and for classes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from fedtrain.model_owner.job import JobState, TrainedModel
from fedtrain.model_owner.methods.optimisers.quadratic import Floats
from fedtrain.model_owner.results import classification
from fedtrain.model_owner.results.calibration import Calibration, calibration_rows, fit, sigmoid
from fedtrain.model_owner.results.decision import decision_of, threshold_of
from fedtrain.model_owner.results.remarks import Remark, RemarkCode, remark
from fedtrain.spec.model_spec import ModelSpec
from fedtrain.tabular.encode import Encoder

Json = dict[str, Any]
Mask = NDArray[np.bool_]


class Evaluation(Protocol):
    """What is particular to predictions of one sort. Scores X·w (rows, k) are in scaled units."""

    def on_test_set(self, scores: Floats, Y: Floats, encoder: Encoder, seed: int) -> Json:
        """The members of a prediction document: cost, metrics, values, targets and what more there is to say.

        Y: (rows, k) encoded targets. `seed`: of the draw of rows that are kept apart, the same for the same rows.
        """
        ...

    def of_rows(self, scores: Floats, encoder: Encoder, test_document: Json | None) -> Json:
        """The values of rows without targets; `test_document` is the model's on the current test set."""
        ...


class LinearRegression:
    """Values in the units of the targets. Cost and metrics are averaged over the targets."""

    def on_test_set(self, scores: Floats, Y: Floats, encoder: Encoder, seed: int) -> Json:  # noqa: ARG002
        values, targets = self.values(scores, encoder), self.targets(Y, encoder)
        return {
            "cost": self.cost(values, targets),
            "metrics": self.metrics(values, targets),
            "values": as_json(values),
            "targets": as_json(targets),
        }

    def of_rows(self, scores: Floats, encoder: Encoder, test_document: Json | None) -> Json:  # noqa: ARG002
        return {"values": as_json(self.values(scores, encoder))}

    def values(self, scores: Floats, encoder: Encoder) -> Floats:
        values: Floats = scores * encoder.target_half_width
        return values

    def targets(self, Y: Floats, encoder: Encoder) -> Floats:
        # Scaling and back costs at most a bit, and a table's numbers have at most 15 digits that mean something.
        raw = Y * encoder.target_half_width
        return np.array([float(f"{value:.15g}") for value in raw.ravel()], dtype=np.float64).reshape(raw.shape)

    def cost(self, values: Floats, targets: Floats) -> float:
        return float(np.mean((values - targets) ** 2))

    def metrics(self, values: Floats, targets: Floats) -> dict[str, Any]:
        """mse, mae; r2 is 1 − Σ(y − ŷ)²/Σ(y − ȳ)², None where a target is the same in all rows."""
        residuals = values - targets
        spread = ((targets - targets.mean(axis=0)) ** 2).sum(axis=0)
        r2 = None if (spread == 0).any() else float(np.mean(1 - (residuals**2).sum(axis=0) / spread))
        return {"mse": self.cost(values, targets), "mae": float(np.mean(np.abs(residuals))), "r2": r2}


class Classification:
    """Values are probabilities: of the second class where there are two, else of every class.

    `calibrates`: scores of the surrogate are no logits, so that their probabilities are fitted on half of the test
    rows, and cost and metrics are those of the other half. Without it, and where a half would have too few rows of
    some class, they are σ(z), or for more than two classes softmax(z), and all rows are reported on.
    """

    def __init__(self, *, calibrates: bool) -> None:
        self._calibrates = calibrates

    def on_test_set(self, scores: Floats, Y: Floats, encoder: Encoder, seed: int) -> Json:
        names = class_names(encoder)
        labels = np.rint(Y[:, 0]).astype(np.int64) if len(names) == 2 else Y.argmax(axis=1)
        rows = calibration_rows(labels, len(names), seed) if self._calibrates else None
        calibration = None if rows is None else fit(scores, Y, rows)
        probabilities = self._probabilities(scores, calibration)
        reported = np.ones(len(labels), dtype=bool)
        if rows is not None:
            reported[rows] = False
        document: Json = {} if len(names) != 2 else {"decision": _decision(probabilities[:, 1], labels, rows, reported)}
        return {
            **document,
            "cost": classification.log_loss(probabilities[reported], labels[reported]),
            "metrics": classification.metrics(probabilities[reported], labels[reported]),
            "values": self._values(probabilities),
            "targets": [names[label] for label in labels],
            "class_names": names,
            "classes": [names[label] for label in probabilities.argmax(axis=1)],
            "calibration": None if calibration is None else _calibration_to_json(calibration),
        }

    def of_rows(self, scores: Floats, encoder: Encoder, test_document: Json | None) -> Json:
        names = class_names(encoder)
        kept = None if test_document is None else test_document["calibration"]
        probabilities = self._probabilities(scores, None if kept is None else _calibration_from_json(kept))
        return {
            "values": self._values(probabilities),
            "class_names": names,
            "classes": [names[label] for label in probabilities.argmax(axis=1)],
        }

    def _probabilities(self, scores: Floats, calibration: Calibration | None) -> Floats:
        """(rows, classes), every row adding up to 1."""
        if scores.shape[1] == 1:
            second = sigmoid(scores) if calibration is None else calibration(scores)
            return np.hstack([1.0 - second, second])
        powers = np.exp(scores - scores.max(axis=1, keepdims=True)) if calibration is None else calibration(scores)
        shares: Floats = powers / powers.sum(axis=1, keepdims=True)
        return shares

    def _values(self, probabilities: Floats) -> list[Any]:
        return as_json(probabilities[:, 1:] if probabilities.shape[1] == 2 else probabilities)


def _decision(
    probabilities: Floats, labels: classification.Labels, fitted: classification.Labels | None, reported: Mask
) -> Json | None:
    """A threshold from the rows that the calibration was fitted on, where there are any, reported on the others."""
    positive = labels.astype(np.float64)
    chosen_on = np.arange(len(labels)) if fitted is None else fitted
    threshold = threshold_of(probabilities[chosen_on], positive[chosen_on])
    if threshold is None:
        return None
    return decision_of(threshold, probabilities[reported], positive[reported], len(chosen_on))


def evaluation_of(spec: ModelSpec) -> Evaluation:
    """How a model of that spec is scored and judged."""
    if not spec.kind.classifies:
        return LinearRegression()
    return Classification(calibrates=spec.training.weights == "encrypted")


def class_names(encoder: Encoder) -> list[str]:
    """The categories of a classification target, in declared order."""
    return list(encoder.props.all_targets[0].category_texts)


def _calibration_to_json(calibration: Calibration) -> Json:
    return {
        "method": "platt",
        "slopes": list(calibration.slopes),
        "offsets": list(calibration.offsets),
        "rows": calibration.rows.tolist(),
    }


def _calibration_from_json(kept: Mapping[str, Any]) -> Calibration:
    return Calibration(tuple(kept["slopes"]), tuple(kept["offsets"]), np.array(kept["rows"], dtype=np.int64))


def as_json(values: Floats) -> list[Any]:
    """(rows, k) as one number a row, or a list of k."""
    listed: list[Any] = values[:, 0].tolist() if values.shape[1] == 1 else values.tolist()
    return listed


def weights_of(model: TrainedModel) -> Floats:
    """(d, k) weights in scaled units, to the last bit."""
    return np.array([[float.fromhex(weight) for weight in row] for row in model.weights], dtype=np.float64)


def coefficients_by_name(model: TrainedModel) -> dict[str, Any]:
    """Coefficients in raw units by feature name; of several outputs, by feature and then by output."""
    if len(model.output_names) == 1:
        return {name: row[0] for name, row in zip(model.names, model.coefficients, strict=True)}
    return {
        name: dict(zip(model.output_names, row, strict=True))
        for name, row in zip(model.names, model.coefficients, strict=True)
    }


def remarks_on(state: JobState, model: TrainedModel | None) -> tuple[Remark, ...]:
    """Return what people must know of a finished model: how training ended, what its numbers are, what it found."""
    ending = state.ending
    if model is None or ending is None:
        return ()
    made = []
    if ending.converged is False:
        made.append(remark(RemarkCode.NOT_CONVERGED, why=ending.reason))
    if state.spec.kind.classifies and not state.spec.shares_weights:
        made.append(remark(RemarkCode.SURROGATE_COEFFICIENTS))
    return (*made, *model.remarks)


def loss_is(spec: ModelSpec) -> str:
    """Return what `loss` is, in words."""
    if spec.shares_weights:
        return "mean log loss on the training rows" if spec.kind.classifies else "mean loss on the training rows"
    if spec.kind.classifies:
        return "mean of the quadratic surrogate of the log loss on the training rows, before calibration"
    return "mean squared error on the training rows"


def cost_is(spec: ModelSpec, calibrated: bool) -> str:
    """Return what `cost` is, in words."""
    if not spec.kind.classifies:
        return "mean squared error on the test rows"
    rows = "the test rows that calibration did not use" if calibrated else "the test rows"
    return f"mean log loss on {rows}"


def calibrated_coefficients(model: TrainedModel, calibration: Mapping[str, Any]) -> dict[str, Any]:
    """Coefficients of the calibrated log odds: slope·coefficient, and the offset with the intercept's."""
    slopes, offsets = np.array(calibration["slopes"]), np.array(calibration["offsets"])
    table = np.array(model.coefficients) * slopes
    table[-1] += offsets
    rows = tuple(tuple(float(value) for value in row) for row in table)
    return coefficients_by_name(model.model_copy(update={"coefficients": rows}))


def remarks_on_decision(document: Mapping[str, Any]) -> tuple[Remark, ...]:
    """Return a remark where fewer than half of the second class's test rows are found at ½, and more can be."""
    decision, recall = document.get("decision"), document["metrics"].get("recall")
    if decision is None or recall is None or recall >= 0.5 or (decision["recall"] or 0.0) <= recall:
        return ()
    label, precision = document["class_names"][1], decision["precision"] or 0.0
    better, shown = decision["recall"], {name: decision[name] for name in ("threshold", "chosen_on")}
    return (remark(RemarkCode.RARE_CLASS, label=label, recall=recall, better=better, precision=precision, **shown),)
