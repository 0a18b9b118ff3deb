"""The fixed list of layers. A new one is a class, a line here and, where PyTorch has none, its module."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Any, Final, get_args

from pydantic import Field, ValidationError, ValidatorFunctionWrapHandler, WrapValidator

from fedtrain.spec.network.arranging import Add, Concat, Flatten, LastStep, Reshape, Transpose
from fedtrain.spec.network.dense import (
    GELU,
    Dropout,
    Embedding,
    GroupNorm,
    LayerNorm,
    LeakyReLU,
    Linear,
    ReLU,
    Sigmoid,
    SiLU,
    Tanh,
)
from fedtrain.spec.network.layer import NamedLayer
from fedtrain.spec.network.recurrent import GRU, LSTM
from fedtrain.spec.network.sliding import (
    AdaptiveAvgPool1d,
    AdaptiveAvgPool2d,
    AdaptiveMaxPool1d,
    AdaptiveMaxPool2d,
    AvgPool1d,
    AvgPool2d,
    Conv1d,
    Conv2d,
    MaxPool1d,
    MaxPool2d,
)

AnyLayer = (
    Conv1d
    | Conv2d
    | Linear
    | Embedding
    | GRU
    | LSTM
    | LayerNorm
    | GroupNorm
    | MaxPool1d
    | MaxPool2d
    | AvgPool1d
    | AvgPool2d
    | AdaptiveAvgPool1d
    | AdaptiveAvgPool2d
    | AdaptiveMaxPool1d
    | AdaptiveMaxPool2d
    | Dropout
    | Flatten
    | ReLU
    | LeakyReLU
    | GELU
    | SiLU
    | Tanh
    | Sigmoid
    | Reshape
    | Transpose
    | LastStep
    | Add
    | Concat
)

LAYER_TYPES: Final[Mapping[str, type[NamedLayer]]] = MappingProxyType(
    {layer.__name__: layer for layer in get_args(AnyLayer)}
)


def _naming_the_layer(value: Any, validate: ValidatorFunctionWrapHandler) -> Any:
    """A layer is known by its name, not by its place in the list."""
    try:
        return validate(value)
    except ValidationError as error:
        given = value if isinstance(value, dict) else {}
        said = "; ".join(_said(item) for item in error.errors(include_url=False)[:5])
        raise ValueError(f"layer {str(given.get('name', '?'))[:100]!r}: {said}") from error


def _said(error: Any) -> str:
    # The first part of where it is is the type, which stands in the layer.
    field = ".".join(str(part) for part in error["loc"][1:])
    if error["type"] == "union_tag_invalid":
        return f"type is {str(error['ctx']['tag'])[:100]!r}, which is none of {', '.join(LAYER_TYPES)}"
    if error["type"] == "union_tag_not_found":
        return f"type is missing: one of {', '.join(LAYER_TYPES)}"
    if error["type"] == "extra_forbidden":
        return f"{field[:100]} is not known"
    if error["type"] == "missing":
        return f"{field} is missing"
    return f"{field} is {str(error['input'])[:100]!r}: {error['msg']}"


Layer = Annotated[
    Annotated[AnyLayer, Field(discriminator="type")],
    WrapValidator(_naming_the_layer),
]
