"""Finished networks: values or classes by a forward pass, and a document with the network and its weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from fedtrain.methods.network.plan import network_plan
from fedtrain.model_owner.arithmetic.arrays import Floats, binary_to_json
from fedtrain.model_owner.results.classes import PredictedClasses
from fedtrain.model_owner.results.fitted import EXPORT_VERSION, Json, Predicting
from fedtrain.model_owner.results.linear import PredictedValues
from fedtrain.model_owner.results.remarks import Remark, as_json
from fedtrain.neural import Weights
from fedtrain.spec.network import CheckedNetwork
from fedtrain.spec.problems import Code, Problem


class NetworkModel(Predicting):
    """A network with its weights, which PyTorch evaluates."""

    @property
    def network(self) -> CheckedNetwork:
        return network_plan(self.spec).checked

    @property
    def weights(self) -> Weights:
        """float32 arrays by name, in the network's order."""
        return {name: self.model.arrays[name].singles for name in self.network.parameters}

    def scores(self, X: Floats) -> Floats:
        """(rows, outputs) of encoded features (rows, d), in which a network has no intercept.

        Raises Problem(TRAINING_UNAVAILABLE) where PyTorch is not installed.
        """
        try:
            from fedtrain.neural.evaluation import scores_of
        except ImportError as error:
            if error.name != "torch":
                raise
            raise Problem(
                Code.TRAINING_UNAVAILABLE,
                "A network is evaluated by PyTorch, which is not installed here: install the extra `torch`, in a clone "
                "by ./scripts/install_extra.sh torch.",
            ) from None
        inputs = np.ascontiguousarray(X, dtype=np.float32)
        return scores_of(self.network, self.weights, inputs).astype(np.float64)

    def document(self, model_id: str, remarks: Sequence[Remark], calibration: Mapping[str, Any] | None) -> Json:  # noqa: ARG002
        """One JSON document: the spec's columns and network, and each array of weights as base64 of float32."""
        return {
            "export_version": EXPORT_VERSION,
            "model_id": model_id,
            "model_type": str(self.spec.model_type),
            "scaling": self.spec.training.scaling,
            "data_props": self.spec.data_props.model_dump(mode="json", exclude_none=True),
            "network": None if self.spec.network is None else self.spec.network.model_dump(mode="json"),
            "target_half_widths": self.encoder.target_half_width.tolist(),
            "weights": {name: binary_to_json(values) for name, values in self.weights.items()},
            "remarks": as_json(remarks),
        }


class NetworkValues(PredictedValues, NetworkModel):
    """Values in the units of the targets."""

    loss_is: ClassVar[str] = "mean squared error of scaled targets on the training rows, while owners trained"


class NetworkClasses(PredictedClasses, NetworkModel):
    """Probabilities of classes."""

    loss_is: ClassVar[str] = "mean log loss on the training rows, while owners trained"
