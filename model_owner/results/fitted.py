"""A finished model: what is kept of it, and what its method can do with that."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, SerializerFunctionWrapHandler, model_serializer, model_validator

from fedtrain.model_owner.arithmetic.arrays import (
    Floats,
    binary_from_json,
    binary_to_json,
    floats_from_json,
    floats_to_json,
)
from fedtrain.model_owner.results.remarks import Remark, as_json
from fedtrain.spec.model_spec import ModelSpec, Strict
from fedtrain.tabular.encode import Encoder

Json = dict[str, Any]

EXPORT_VERSION = 1


class Array(Strict):
    """float64 of any shape, to the last bit: hexadecimal digits in C order; or float32, as the weights of networks are,
    in base64 of little-endian bytes.
    """

    shape: tuple[int, ...]
    hex: str | None = None
    type: Literal["<f4"] | None = None
    base64: str | None = None

    @classmethod
    def of(cls, values: NDArray[np.float32] | Floats) -> Self:
        kept = binary_to_json(values) if values.dtype == np.float32 else floats_to_json(values.astype(np.float64))
        return cls.model_validate(kept)

    @property
    def values(self) -> Floats:
        return floats_from_json({"shape": self.shape, "hex": self.hex})

    @property
    def singles(self) -> NDArray[np.float32]:
        """The same for an array of float32. Raises ValueError for one of float64."""
        return binary_from_json({"shape": self.shape, "type": self.type, "base64": self.base64})

    @model_serializer(mode="wrap")
    def _without_unused(self, serialise: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {name: value for name, value in serialise(self).items() if value is not None}


class TrainedModel(Strict):
    """The result of a job, as it is kept. `arrays`: its numbers by name.

    `report`: what GET /models/{id} tells of it, by the members' names. `remarks`: what people must know of it, as far
    as training found it.
    """

    arrays: dict[str, Array]
    report: dict[str, Any] = Field(default_factory=dict)
    remarks: tuple[Remark, ...] = ()

    @model_validator(mode="before")
    @classmethod
    def _from_one_matrix(cls, kept: Any) -> Any:
        """A model that was kept when all of them were one matrix of weights."""
        if not isinstance(kept, dict) or "weights" not in kept:
            return kept
        weights = [[float.fromhex(weight) for weight in row] for row in kept["weights"]]
        return {
            "arrays": linear_arrays(weights, kept["coefficients"]),
            "report": linear_report(
                kept["coefficients"],
                kept["names"],
                kept["output_names"],
                coefficient_table=kept.get("table"),
                no_coefficient_table=kept.get("no_table"),
                l2_choice=kept.get("l2_choice"),
            ),
            "remarks": kept.get("remarks", ()),
        }

    def reporting(self, **members: Any) -> Self:
        """The same model with further members of its report."""
        return self.model_copy(update={"report": {**self.report, **members}})

    def __repr__(self) -> str:
        return f"TrainedModel({', '.join(self.arrays)})"


def linear_arrays(weights: Any, coefficients: Any) -> dict[str, Array]:
    """The arrays of a linear model: (d, k) `weights` in scaled units and `coefficients` in raw ones."""
    matrices = {"weights": weights, "coefficients": coefficients}
    return {name: Array.of(np.array(matrix, dtype=np.float64)) for name, matrix in matrices.items()}


def linear_report(
    coefficients: Sequence[Sequence[float]], names: Sequence[str], output_names: Sequence[str], **members: Any
) -> Json:
    """The report of a linear model: coefficients in raw units by feature, of several outputs by feature and output."""
    by_name: Json = {
        name: row[0] if len(output_names) == 1 else dict(zip(output_names, row, strict=True))
        for name, row in zip(names, coefficients, strict=True)
    }
    return {"coefficients": by_name, **members}


class Fitted:
    """A finished model in the hands of its method. This one reports and is exported as JSON, and can do no more.

    `loss_is`: what the loss of its training is, in words.
    """

    loss_is: ClassVar[str] = "none: nothing is minimised"

    def __init__(self, spec: ModelSpec, model: TrainedModel) -> None:
        self.spec = spec
        self.model = model

    def remarks(self) -> tuple[Remark, ...]:
        """Return what people must know of it."""
        return self.model.remarks

    def document(self, model_id: str, remarks: Sequence[Remark], calibration: Mapping[str, Any] | None) -> Json:  # noqa: ARG002
        """One JSON document with all there is of it. `calibration`: that of its probabilities, where it has any."""
        return {
            "export_version": EXPORT_VERSION,
            "model_id": model_id,
            "model_type": str(self.spec.model_type),
            "arrays": {name: array.values.tolist() for name, array in self.model.arrays.items()},
            **self.model.report,
            "remarks": as_json(remarks),
        }


class Predicting(Fitted, ABC):
    """A model that has a value for each row. Scores (rows, k) are what it makes of encoded features.

    `calibrates`: the values of rows depend on the current test set.
    """

    calibrates: ClassVar[bool] = False

    def __init__(self, spec: ModelSpec, model: TrainedModel) -> None:
        super().__init__(spec, model)
        self.encoder = Encoder.of_spec(spec)

    @abstractmethod
    def scores(self, X: Floats) -> Floats:
        """(rows, k) of encoded features (rows, d)."""

    @abstractmethod
    def on_test_set(self, scores: Floats, Y: Floats, seed: int) -> Json:
        """The members of a prediction document: cost, metrics, values, targets and what more there is to say.

        Y: (rows, k) encoded targets. `seed`: of the draw of rows that are kept apart, the same for the same rows.
        """

    @abstractmethod
    def of_rows(self, scores: Floats, test_document: Json | None) -> Json:
        """The values of rows without targets. `test_document`: the one on the test set, if it calibrates."""

    @abstractmethod
    def explained(self, document: Mapping[str, Any]) -> tuple[Json, tuple[Remark, ...]]:
        """Further members of a prediction document, which follow from it, and remarks on it."""
