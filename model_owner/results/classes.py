"""Linear models of classes: scores become probabilities, by the logit or calibrated on the test set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any, ClassVar

import numpy as np

from fedtrain.model_owner.arithmetic.arrays import Floats
from fedtrain.model_owner.results.estimators import classifier
from fedtrain.model_owner.results.fitted import Json, Predicting, TrainedModel, linear_report
from fedtrain.model_owner.results.linear import LinearModel, listed
from fedtrain.model_owner.results.probabilities import classification
from fedtrain.model_owner.results.probabilities.calibration import Calibration, calibration_rows, fit, sigmoid
from fedtrain.model_owner.results.probabilities.decision import decision_of, threshold_of
from fedtrain.model_owner.results.remarks import Remark, RemarkCode, remark
from fedtrain.spec.model_spec import ModelSpec


class PredictedClasses(Predicting):
    """Values are probabilities: of the second class where there are two, else of every class.

    They are σ(z), or for more than two classes softmax(z).
    """

    loss_is: ClassVar[str] = "mean log loss on the training rows"

    @property
    def labels(self) -> tuple[str, ...]:
        """The classes, in declared order."""
        return self.spec.data_props.all_targets[0].category_texts

    def on_test_set(self, scores: Floats, Y: Floats, seed: int) -> Json:
        names = self.labels
        labels = np.rint(Y[:, 0]).astype(np.int64) if len(names) == 2 else Y.argmax(axis=1)
        rows = calibration_rows(labels, len(names), seed) if self.calibrates else None
        calibration = None if rows is None else fit(scores, Y, rows)
        probabilities = _probabilities(scores, calibration)
        reported = np.ones(len(labels), dtype=bool)
        if rows is not None:
            reported[rows] = False
        document: Json = {}
        if len(names) == 2:
            # A threshold from the rows that the calibration was fitted on, where there are any.
            second, positive = probabilities[:, 1], labels.astype(np.float64)
            chosen_on = np.arange(len(labels)) if rows is None else rows
            threshold = threshold_of(second[chosen_on], positive[chosen_on])
            document["decision"] = None
            if threshold is not None:
                shown = decision_of(threshold, second[reported], positive[reported], len(chosen_on))
                document["decision"] = shown
        return {
            **document,
            "cost": classification.log_loss(probabilities[reported], labels[reported]),
            "metrics": classification.metrics(probabilities[reported], labels[reported]),
            "values": _values(probabilities),
            "targets": [names[label] for label in labels],
            "class_names": list(names),
            "classes": [names[label] for label in probabilities.argmax(axis=1)],
            "calibration": None if calibration is None else calibration.to_json(),
        }

    def of_rows(self, scores: Floats, test_document: Json | None) -> Json:
        kept = None if test_document is None else test_document["calibration"]
        probabilities = _probabilities(scores, None if kept is None else Calibration.from_json(kept))
        return {
            "values": _values(probabilities),
            "class_names": list(self.labels),
            "classes": [self.labels[label] for label in probabilities.argmax(axis=1)],
        }

    def explained(self, document: Mapping[str, Any]) -> tuple[Json, tuple[Remark, ...]]:
        return {"cost_is": "mean log loss on the test rows"}, _rare_class(document)


class Classes(PredictedClasses, LinearModel):
    """Classes of a linear model."""

    def __init__(self, spec: ModelSpec, model: TrainedModel) -> None:
        super().__init__(spec, model)
        self.class_names = self.labels

    @classmethod
    def share_at_zero(cls, outputs: int) -> Fraction:
        """The probability that w = 0 gives each output."""
        return Fraction(1, max(outputs, 2))

    @classmethod
    def missing_classes(cls, slopes: Sequence[Fraction], rows: int) -> tuple[int, ...]:
        # A slope is Σ(share − y) of a class.
        counts = [rows * cls.share_at_zero(len(slopes)) - slope for slope in slopes]
        if len(counts) == 1:
            counts = [rows - counts[0], counts[0]]
        return tuple(place for place, count in enumerate(counts) if count < Fraction(1, 2))

    def explained(self, document: Mapping[str, Any]) -> tuple[Json, tuple[Remark, ...]]:
        calibration = document.get("calibration")
        if calibration is None:
            return super().explained(document)
        more = {
            "cost_is": "mean log loss on the test rows that calibration did not use",
            "calibrated_coefficients": self._calibrated(calibration),
        }
        return more, _rare_class(document)

    def _calibrated(self, calibration: Mapping[str, Any]) -> Json:
        """Coefficients of the calibrated log odds: slope·coefficient, and the offset with the intercept's."""
        table = self.model.arrays["coefficients"].values * np.array(calibration["slopes"])
        table[-1] += np.array(calibration["offsets"])
        shown: Json = linear_report(table.tolist(), self.encoder.names, self.encoder.output_names)["coefficients"]
        return shown

    def estimator(self, calibration: Mapping[str, Any] | None) -> Any:
        return classifier(self.weights, self.labels, calibration)


class SurrogateClasses(Classes):
    """Scores of the surrogate are no logits, so that their probabilities are fitted on half of the test rows, and cost
    and metrics are those of the other half; but where a half would have too few rows of some class they are as if
    they were logits, and all rows are reported on.
    """

    calibrates: ClassVar[bool] = True
    loss_is: ClassVar[str] = "mean of the quadratic surrogate of the log loss on the training rows, before calibration"

    @classmethod
    def share_at_zero(cls, outputs: int) -> Fraction:  # noqa: ARG003 - each class is one against the rest
        return Fraction(1, 2)

    def remarks(self) -> tuple[Remark, ...]:
        return (remark(RemarkCode.SURROGATE_COEFFICIENTS), *super().remarks())


def remarks_on_classes(spec: ModelSpec, missing: Sequence[int]) -> tuple[Remark, ...]:
    """Return a remark on each declared class that no row has."""
    target = spec.data_props.all_targets[0]
    return tuple(
        remark(RemarkCode.CLASS_MISSING, target.label, label=f"The class {target.category_texts[place]}")
        for place in missing
    )


def _probabilities(scores: Floats, calibration: Calibration | None) -> Floats:
    """(rows, classes), every row adding up to 1."""
    if scores.shape[1] == 1:
        second = sigmoid(scores) if calibration is None else calibration(scores)
        return np.hstack([1.0 - second, second])
    powers = np.exp(scores - scores.max(axis=1, keepdims=True)) if calibration is None else calibration(scores)
    shares: Floats = powers / powers.sum(axis=1, keepdims=True)
    return shares


def _values(probabilities: Floats) -> list[Any]:
    return listed(probabilities[:, 1:] if probabilities.shape[1] == 2 else probabilities)


def _rare_class(document: Mapping[str, Any]) -> tuple[Remark, ...]:
    """A remark where fewer than half of the second class's test rows are found at ½, and more can be."""
    decision, recall = document.get("decision"), document["metrics"].get("recall")
    if decision is None or recall is None or recall >= 0.5 or (decision["recall"] or 0.0) <= recall:
        return ()
    label, precision = document["class_names"][1], decision["precision"] or 0.0
    better, shown = decision["recall"], {name: decision[name] for name in ("threshold", "chosen_on")}
    return (remark(RemarkCode.RARE_CLASS, label=label, recall=recall, better=better, precision=precision, **shown),)
