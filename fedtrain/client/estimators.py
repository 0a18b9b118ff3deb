"""Federated models with the manners of scikit-learn's estimators, which need not be installed.

The rows that a model is fitted to stay with the Data Owners, so that `fit` takes none: it deploys the job that the
parameters describe and waits for it. `predict` and `score` take rows, which the Model Owner scores.
"""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from fedtrain.client.session import ModelOwner
from fedtrain.spec.model_spec import category_text

Floats = NDArray[np.float64]


class _FederatedModel(ABC):
    """Parameters are kept as they were given; what `fit` learns has names that end in _."""

    model_type: ClassVar[str]

    def __init__(
        self,
        data_props: Mapping[str, Any] | None = None,
        *,
        optimizer: str = "conjugate_gradient",
        l2: float | str = 0.0,
        training: Mapping[str, Any] | None = None,
        dataset: str | None = None,
        url: str = "http://127.0.0.1:9090",
        token: str | None = None,
        show_progress: bool = True,
        client: ModelOwner | None = None,
    ) -> None:
        """`data_props` and `training` are those of the model spec; `optimizer` and `l2` go before `training`'s.

        `client`: calls to make instead of those to `url` with `token`.
        """
        self.data_props = data_props
        self.optimizer = optimizer
        self.l2 = l2
        self.training = training
        self.dataset = dataset
        self.url = url
        self.token = token
        self.show_progress = show_progress
        self.client = client

    @classmethod
    def _parameters(cls) -> list[str]:
        return [name for name in inspect.signature(cls).parameters if name != "self"]

    def get_params(self, deep: bool = True) -> dict[str, Any]:  # noqa: ARG002 - no parameter is an estimator
        """The parameters by name."""
        return {name: getattr(self, name) for name in self._parameters()}

    def set_params(self, **params: Any) -> Self:
        """Change parameters. Raises ValueError for a name that there is not."""
        for name, value in params.items():
            if name not in self._parameters():
                raise ValueError(f"{name!r} is no parameter of {type(self).__name__}: {', '.join(self._parameters())}")
            setattr(self, name, value)
        return self

    def __repr__(self) -> str:
        return f"{type(self).__name__}(optimizer={self.optimizer!r}, l2={self.l2!r})"

    def spec(self) -> dict[str, Any]:
        """The model spec that the parameters describe. Raises ValueError without data_props."""
        if self.data_props is None:
            raise ValueError("data_props is not set: give the columns, as a model spec has them")
        chosen = {**(self.training or {}), "optimizer": self.optimizer, "l2": self.l2}
        spec = {"model_type": self.model_type, "data_props": dict(self.data_props), "training": chosen}
        return spec if self.dataset is None else {**spec, "dataset": self.dataset}

    def fit(self, X: object = None, y: object = None) -> Self:
        """Train across the Data Owners and return self. Raises ValueError for rows, Problem, JobEnded.

        Sets model_id_, feature_names_in_, coef_ and intercept_ (in raw units), n_rows_ and model_, all that is known.
        """
        if X is not None or y is not None:
            raise ValueError("fit takes no rows: those that train the model are with the Data Owners")
        with self._connected() as owner:
            model_id = owner.deploy(self.spec())
            model = owner.wait(model_id, show_progress=self.show_progress)
        self.model_id_: str = model_id
        self.model_ = model
        self.n_rows_: int = model["rows_total"]
        table = np.array(
            [list(row.values()) if isinstance(row, dict) else [row] for row in model["coefficients"].values()]
        )
        self.feature_names_in_ = np.array(list(model["coefficients"])[:-1], dtype=object)
        self._set_coefficients(table[:-1].T, table[-1])
        return self

    @abstractmethod
    def _set_coefficients(self, slopes: Floats, intercepts: Floats) -> None:
        """Keep slopes (k, features) and intercepts (k,) in scikit-learn's shapes for this kind of model."""

    def _scores(self, X: Any) -> dict[str, Any]:
        if not hasattr(self, "model_id_"):
            raise ValueError(f"this {type(self).__name__} is not fitted: call fit() first")
        with self._connected() as owner:
            return owner.predict(X, self.model_id_)

    @contextmanager
    def _connected(self) -> Iterator[ModelOwner]:
        if self.client is not None:
            yield self.client
            return
        with ModelOwner(self.url, token=self.token) as owner:
            yield owner


class FederatedLinearRegression(_FederatedModel):
    """Least squares, with `l2` as scikit-learn's Ridge(alpha) on scaled features."""

    model_type = "LINEAR_REGRESSION"
    _estimator_type = "regressor"

    def _set_coefficients(self, slopes: Floats, intercepts: Floats) -> None:
        one = len(slopes) == 1
        self.coef_ = slopes[0] if one else slopes
        self.intercept_ = float(intercepts[0]) if one else intercepts

    def predict(self, X: Any) -> Floats:
        """(rows,) values in the units of the target, or (rows, targets)."""
        return np.array(self._scores(X)["values"], dtype=np.float64)

    def score(self, X: Any, y: Any) -> float:
        """R² = 1 − Σ(y − ŷ)²/Σ(y − ȳ)², averaged over the targets."""
        actual, predicted = np.asarray(y, dtype=np.float64), self.predict(X)
        if actual.shape != predicted.shape:
            raise ValueError(f"y is {actual.shape}, {predicted.shape} is expected")
        spread = ((actual - actual.mean(axis=0)) ** 2).sum(axis=0)
        return float(np.mean(1 - ((actual - predicted) ** 2).sum(axis=0) / spread))


class FederatedLogisticRegression(_FederatedModel):
    """Classes, with `l2` as 1/C of scikit-learn's LogisticRegression; probabilities as POST /prediction gives them.

    `coef_` and `intercept_` are those of the linear predictor, before its calibration.
    """

    model_type = "LOGISTIC_REGRESSION"
    _estimator_type = "classifier"

    def _set_coefficients(self, slopes: Floats, intercepts: Floats) -> None:
        self.coef_, self.intercept_ = slopes, intercepts
        # In declared order, which is that of the columns of predict_proba.
        self.classes_ = np.array([category_text(value) for value in self.spec()["data_props"]["target"]["categories"]])

    def predict(self, X: Any) -> NDArray[np.str_]:
        """(rows,) the likeliest classes."""
        return np.array(self._scores(X).get("classes", []), dtype=np.str_)

    def predict_proba(self, X: Any) -> Floats:
        """(rows, classes) probabilities, in the order of classes_."""
        values = np.array(self._scores(X)["values"], dtype=np.float64)
        return values if values.ndim == 2 else np.column_stack([1 - values, values])

    def score(self, X: Any, y: Any) -> float:
        """The share of rows whose class is predicted."""
        actual, predicted = np.array([category_text(label) for label in np.asarray(y).tolist()]), self.predict(X)
        if actual.shape != predicted.shape:
            raise ValueError(f"y is {actual.shape}, {predicted.shape} is expected")
        return float(np.mean(actual == predicted))
