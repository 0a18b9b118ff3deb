"""Model types: how weights become values, and how good those are. Adding one is an entry in `MODEL_KINDS`."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final, Protocol

import numpy as np

from model_owner.job import TrainedModel
from model_owner.optimisers.quadratic import Floats
from protocol.spec import ModelType
from tabular.encode import Encoder


class ModelKind(Protocol):
    """What is particular to a model type, once its weights are known. Values and targets are (rows, k)."""

    def values(self, X: Floats, weights: Floats, encoder: Encoder) -> Floats:
        """Predictions in the units of the targets, for encoded rows X (rows, d) and weights (d, k) in scaled units."""
        ...

    def targets(self, Y: Floats, encoder: Encoder) -> Floats:
        """The true values in the same units, from encoded targets Y (rows, k)."""
        ...

    def cost(self, values: Floats, targets: Floats) -> float:
        """What training minimises, on these rows."""
        ...

    def metrics(self, values: Floats, targets: Floats) -> dict[str, Any]:
        """How good the values are, by name."""
        ...


class LinearRegression:
    """Cost and metrics are averaged over the targets."""

    def values(self, X: Floats, weights: Floats, encoder: Encoder) -> Floats:
        values: Floats = (X @ weights) * encoder.target_half_width
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


MODEL_KINDS: Final[Mapping[ModelType, ModelKind]] = MappingProxyType({ModelType.LINEAR_REGRESSION: LinearRegression()})


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
