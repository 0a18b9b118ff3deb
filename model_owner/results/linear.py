"""Linear models: scores are features times weights; here of values, in the units of the targets."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any, ClassVar

import numpy as np

from fedtrain.model_owner.arithmetic.arrays import Floats
from fedtrain.model_owner.results.estimators import regressor
from fedtrain.model_owner.results.fitted import EXPORT_VERSION, Json, Predicting, TrainedModel
from fedtrain.model_owner.results.remarks import Remark, as_json
from fedtrain.spec.model_spec import ModelSpec


class LinearModel(Predicting):
    """`class_names`: of a classifier, in declared order."""

    class_names: tuple[str, ...] | None = None

    def __init__(self, spec: ModelSpec, model: TrainedModel) -> None:
        super().__init__(spec, model)
        #: (d, k) in scaled units.
        self.weights: Floats = model.arrays["weights"].values

    def scores(self, X: Floats) -> Floats:
        scores: Floats = X @ self.weights
        return scores

    @classmethod
    def missing_classes(cls, slopes: Sequence[Fraction], rows: int) -> tuple[int, ...]:  # noqa: ARG003
        """The places of the declared classes that no row has; none where there are no classes.

        `slopes`: the intercept's gradient at w = 0 of each output, summed over `rows` rows.
        """
        return ()

    @abstractmethod
    def estimator(self, calibration: Mapping[str, Any] | None) -> Any:
        """A fitted estimator of scikit-learn over the design. Raises ImportError where that is not installed."""

    def document(self, model_id: str, remarks: Any, calibration: Mapping[str, Any] | None) -> Json:
        """Return the document.

        A row is encoded as `data_props` declares: for a missing value its feature's `missing` is taken, but where that
        is "error" or "drop" the row has no prediction; a numeric feature is clipped to its range, an ordinal one is its
        category's rank, a nominal one a 0 or 1 for every category but the first. Column j of the design, in the order
        of `columns`, is x_j = (encoded − centre_j) / half_width_j; the last is 1. scores = Σ_j x_j·weights[j]. A value
        is its score times the output's `target_half_width`. Of a classifier, output k's probability is
        σ(slope_k·score + offset_k), divided by their sum where there are more than two classes; without `calibration`
        it is σ(score), or the softmax of all scores. `remarks` are what a reader must know of the coefficients.
        """
        encoder = self.encoder
        columns = zip(encoder.names, encoder.centre, encoder.half_width, self.weights, strict=True)
        return {
            "export_version": EXPORT_VERSION,
            "model_id": model_id,
            "model_type": str(self.spec.model_type),
            "scaling": self.spec.training.scaling,
            "data_props": self.spec.data_props.model_dump(mode="json", exclude_none=True),
            "outputs": list(encoder.output_names),
            "target_half_widths": encoder.target_half_width.tolist(),
            "columns": [
                {"name": name, "centre": float(centre), "half_width": float(half_width), "weights": row.tolist()}
                for name, centre, half_width, row in columns
            ],
            "class_names": None if self.class_names is None else list(self.class_names),
            "calibration": None
            if calibration is None
            else {name: list(calibration[name]) for name in ("slopes", "offsets")},
            "remarks": as_json(remarks),
        }


class PredictedValues(Predicting):
    """Values in the units of the targets, scores of which are divided by the half-widths of their ranges.

    Cost and metrics are averaged over the targets.
    """

    loss_is: ClassVar[str] = "mean squared error on the training rows"

    def on_test_set(self, scores: Floats, Y: Floats, seed: int) -> Json:  # noqa: ARG002
        values, raw = scores * self.encoder.target_half_width, Y * self.encoder.target_half_width
        # Scaling and back costs at most a bit, and a table's numbers have at most 15 digits that mean something.
        targets = np.array([float(f"{value:.15g}") for value in raw.ravel()], dtype=np.float64).reshape(raw.shape)
        metrics = metrics_of_values(values, targets)
        return {"cost": metrics["mse"], "metrics": metrics, "values": listed(values), "targets": listed(targets)}

    def of_rows(self, scores: Floats, test_document: Json | None) -> Json:  # noqa: ARG002
        return {"values": listed(scores * self.encoder.target_half_width)}

    def explained(self, document: Mapping[str, Any]) -> tuple[Json, tuple[Remark, ...]]:  # noqa: ARG002
        return {"cost_is": "mean squared error on the test rows"}, ()


class Values(PredictedValues, LinearModel):
    """Values of a linear model."""

    def estimator(self, calibration: Mapping[str, Any] | None) -> Any:  # noqa: ARG002
        return regressor(self.weights * self.encoder.target_half_width)


class ValuesOfSharedWeights(Values):
    """Values by weights that owners saw, and another loss."""

    loss_is: ClassVar[str] = "mean loss on the training rows"


def metrics_of_values(values: Floats, targets: Floats) -> Json:
    """mse, mae; r2 is 1 − Σ(y − ŷ)²/Σ(y − ȳ)², None where a target is the same in all rows."""
    residuals = values - targets
    spread = ((targets - targets.mean(axis=0)) ** 2).sum(axis=0)
    r2 = None if (spread == 0).any() else float(np.mean(1 - (residuals**2).sum(axis=0) / spread))
    return {"mse": float(np.mean((values - targets) ** 2)), "mae": float(np.mean(np.abs(residuals))), "r2": r2}


def listed(values: Floats) -> list[Any]:
    """(rows, k) as one number a row, or a list of k."""
    numbers: list[Any] = values[:, 0].tolist() if values.shape[1] == 1 else values.tolist()
    return numbers
