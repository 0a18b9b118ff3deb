"""The registry of model types. Adding one is a module here and a line below: docs/adding-a-method.md."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from fedtrain.spec.model_types.kind import ModelKind
from fedtrain.spec.model_types.linear import LinearRegression
from fedtrain.spec.model_types.logistic import LogisticRegression
from fedtrain.spec.model_types.network import NeuralNetwork
from fedtrain.spec.model_types.ranges import Ranges

__all__ = ["MODEL_KINDS", "ModelKind"]

_ALL: Final[tuple[ModelKind, ...]] = (
    LinearRegression(),
    LogisticRegression(),
    NeuralNetwork(),
    Ranges(),
)

MODEL_KINDS: Final[Mapping[str, ModelKind]] = MappingProxyType({kind.name: kind for kind in _ALL})
