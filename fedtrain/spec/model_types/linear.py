"""Least squares, for one target or several."""

from __future__ import annotations

from fedtrain.spec.model_types.kind import ModelKind


class LinearRegression(ModelKind):
    """A = XᵀX, b = Xᵀy; the loss is the mean squared error."""

    name = "LINEAR_REGRESSION"
    least_squares = True
    takes_privacy = True
