"""The common part of all layers: a name, inputs, and fields named as PyTorch names a layer's arguments."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field, SerializerFunctionWrapHandler, StrictInt, StrictStr, model_serializer

from fedtrain.spec.columns import Strict

#: Of one record: an axis for records, which PyTorch has first, is left out.
Shape = tuple[int, ...]

Size = Annotated[StrictInt, Field(ge=1, le=10**9)]
SizeOrZero = Annotated[StrictInt, Field(ge=0, le=10**9)]
#: One number for every axis, or one an axis.
Sizes = Size | Annotated[tuple[Size, ...], Field(max_length=8)]
SizesOrZero = SizeOrZero | Annotated[tuple[SizeOrZero, ...], Field(max_length=8)]

#: A name in dots is a module inside others, as in a state_dict: features.0.
NAME = r"^[A-Za-z0-9_]{1,60}(\.[A-Za-z0-9_]{1,60}){0,7}$"
_NOT_ARGUMENTS = {"name", "type", "inputs"}


class NamedLayer(Strict, ABC):
    """A layer; a subclass has its `type`, its fields, and the shape that it gives.

    `inputs`: names of features, or of layers before it. Fields that have their default are not written.
    """

    name: Annotated[StrictStr, Field(pattern=NAME)]
    inputs: Annotated[tuple[StrictStr, ...], Field(max_length=5000)]

    @abstractmethod
    def output(self, *inputs: Shape) -> Shape:
        """Return the shape that comes out. Raises ValueError, which names a field, for one that cannot come in."""

    @property
    def parameters(self) -> Mapping[str, Shape]:
        """Weights by PyTorch's names, in its order."""
        return {}

    @property
    def arguments(self) -> dict[str, Any]:
        """The fields that PyTorch's layer of the same type takes."""
        return {name: getattr(self, name) for name in type(self).model_fields if name not in _NOT_ARGUMENTS}

    @model_serializer(mode="wrap")
    def _without_defaults(self, serialise: SerializerFunctionWrapHandler) -> dict[str, Any]:
        fields = type(self).model_fields
        written: dict[str, Any] = serialise(self)
        return {
            name: value
            for name, value in written.items()
            if fields[name].is_required() or getattr(self, name) != fields[name].default
        }


class UnaryLayer(NamedLayer):
    """A layer with one input, whose shape does not change unless a subclass says so."""

    inputs: tuple[StrictStr]

    def output(self, *inputs: Shape) -> Shape:
        return inputs[0]


def per_axis(field: str, value: int | tuple[int, ...], axes: int) -> Shape:
    """Return one number an axis. Raises ValueError where as many are not given."""
    if isinstance(value, int):
        return (value,) * axes
    if len(value) != axes:
        raise ValueError(f"{field} is {list(value)}: give one number, or {axes}")
    return value


def described(shape: Shape) -> str:
    """Say a shape to a person: 20 × 12 × 12."""
    return " × ".join(f"{size:,}" for size in shape) or "one number"


def numbers(shape: Shape) -> int:
    """Count the numbers that an array of that shape holds."""
    return math.prod(shape)
