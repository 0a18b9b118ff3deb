"""Logistic jobs whose owners see the weights: data, specs, owners' settings, and scikit-learn on the same rows."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import load_breast_cancer, load_digits
from sklearn.linear_model import LogisticRegression

from fedtrain.data_owner.data.moments import Encoded, Integers, Moments
from fedtrain.data_owner.methods.answers import Affine, OwnerMethod, PreparedData, Question
from fedtrain.data_owner.release.fixed_point import fixed_point
from fedtrain.methods.regression.budget import Budget
from fedtrain.methods.regression.kinds import RoundKind
from fedtrain.protocol.messages.shared_weights import SharedWeights
from tests.harness.one_process import rows_of, training

Floats = NDArray[np.float64]
#: Settings of a Data Owner that may be shown weights.
SHARING = {"share_weights": True}


def scaled(X: Floats) -> Floats:
    """Each column to [−1, 1]; one that is constant to 0."""
    low, high = X.min(axis=0), X.max(axis=0)
    # Rounding must not take an end beyond the range: an owner declines where it would clip so few rows.
    return np.clip((X - (low + high) / 2) / np.where(high > low, (high - low) / 2, 1.0), -1.0, 1.0)


def breast_cancer(columns: int = 30) -> tuple[Floats, NDArray[np.int64]]:
    """(569, columns) scaled features, and 0 or 1."""
    data = load_breast_cancer()
    order = np.random.default_rng(7).permutation(len(data.data))
    return scaled(data.data[order][:, :columns]), data.target[order]


#: Pixels of the 8×8 digits that every owner's rows use.
USED_PIXELS = slice(2, 20, 8)


def small_digits(classes: int = 4, pixels: slice = slice(2, None, 4)) -> tuple[Floats, NDArray[np.int64]]:
    """Rows of the first classes of the 8×8 digits, every fourth pixel or those given, scaled; and the digit."""
    data = load_digits()
    kept = data.target < classes
    return scaled(data.data[kept][:, pixels]), data.target[kept]


def shared_spec(X: Floats, classes: int, owners: int = 3, **more: Any) -> dict[str, Any]:
    d = X.shape[1]
    return {
        "model_type": "LOGISTIC_REGRESSION",
        "data_props": {
            "features": [{"col_idx": j, "type": "continuous", "range": [-1.0, 1.0]} for j in range(d)],
            "target": {"col_idx": d, "categories": list(range(classes))},
        },
        "training": training(owners, **{"weights": "shared_with_owners", "optimizer": "lbfgs", "l2": 1.0, **more}),
    }


def sums_of(method: OwnerMethod, budget: Budget, batches: Iterable[Encoded], weights: Floats) -> Integers:
    """(d·k + 1, 1) what an owner of these rows answers to weights (d, k), as integers and in the clear."""
    data = PreparedData(budget, Moments.zero(*weights.shape), rows=batches)
    question = Question(RoundKind.GRADIENT, weights=SharedWeights({"weights": weights}, ""))
    sums = fixed_point(method.answers[RoundKind.GRADIENT](data, question), budget.round(RoundKind.GRADIENT).answer)
    assert not isinstance(sums, Affine)
    return sums


def table(X: Floats, y: NDArray[np.int64]) -> list[list[object]]:
    return rows_of(X, [int(label) for label in y])


def exact(X: Floats, y: NDArray[np.int64], l2: float) -> LogisticRegression:
    """scikit-learn's own fit to the pooled rows."""
    return LogisticRegression(C=1 / l2, tol=1e-10, max_iter=100_000).fit(X, y)


def as_coefficients(fitted: LogisticRegression) -> Floats:
    """(d, k), the intercept's row last."""
    return np.vstack([fitted.coef_.T, fitted.intercept_])
