"""Layers that only rearrange, take or join numbers."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StrictInt, StrictStr

from fedtrain.spec.network.layer import NamedLayer, Shape, Size, UnaryLayer, described, numbers

#: As PyTorch counts axes, with the records' as 0; from the last one as −1.
Axis = Annotated[StrictInt, Field(ge=-8, le=8)]


def axis_of(field: str, axis: int, shape: Shape) -> int:
    """Return the index into a record's shape. Raises ValueError for an axis that is not there, or is the records'."""
    index = axis - 1 if axis > 0 else axis + len(shape)
    if axis == 0 or not 0 <= index < len(shape):
        raise ValueError(f"{field} is {axis}: {described(shape)} has the axes 1 to {len(shape)}, and 0 is the records'")
    return index


class Flatten(UnaryLayer):
    """All numbers of a record in one row."""

    type: Literal["Flatten"]

    def output(self, *inputs: Shape) -> Shape:
        return (numbers(inputs[0]),)


class Reshape(UnaryLayer):
    """The same numbers in another shape, of one record."""

    type: Literal["Reshape"]
    shape: Annotated[tuple[Size, ...], Field(min_length=1, max_length=8)]

    def output(self, *inputs: Shape) -> Shape:
        if numbers(self.shape) != numbers(inputs[0]):
            raise ValueError(
                f"shape {described(self.shape)} has {numbers(self.shape):,} numbers, {described(inputs[0])} that comes "
                f"in has {numbers(inputs[0]):,}"
            )
        return self.shape


class Transpose(UnaryLayer):
    """Two axes change places: (steps, width) becomes (channels, length)."""

    type: Literal["Transpose"]
    dim0: Axis
    dim1: Axis

    def output(self, *inputs: Shape) -> Shape:
        shape = list(inputs[0])
        one, other = axis_of("dim0", self.dim0, inputs[0]), axis_of("dim1", self.dim1, inputs[0])
        shape[one], shape[other] = shape[other], shape[one]
        return tuple(shape)


class LastStep(UnaryLayer):
    """The last step of a sequence: (steps, width) to (width,)."""

    type: Literal["LastStep"]

    def output(self, *inputs: Shape) -> Shape:
        if len(inputs[0]) != 2:
            raise ValueError(f"takes a sequence (steps, width), {described(inputs[0])} comes in")
        return inputs[0][1:]


class _Joining(NamedLayer):
    inputs: Annotated[tuple[StrictStr, ...], Field(min_length=2, max_length=5000)]


class Add(_Joining):
    """The sum of arrays of one shape."""

    type: Literal["Add"]

    def output(self, *inputs: Shape) -> Shape:
        for name, shape in zip(self.inputs, inputs, strict=True):
            if shape != inputs[0]:
                raise ValueError(
                    f"inputs: {name!r} is {described(shape)}, {self.inputs[0]!r} {described(inputs[0])}: only arrays "
                    "of one shape have a sum"
                )
        return inputs[0]


class Concat(_Joining):
    """Arrays one behind the other along an axis."""

    type: Literal["Concat"]
    dim: Axis = 1

    def output(self, *inputs: Shape) -> Shape:
        first = inputs[0]
        axis = axis_of("dim", self.dim, first)
        for name, shape in zip(self.inputs, inputs, strict=True):
            if (*shape[:axis], *shape[axis + 1 :]) != (*first[:axis], *first[axis + 1 :]) or len(shape) != len(first):
                raise ValueError(
                    f"inputs: {name!r} is {described(shape)}, {self.inputs[0]!r} {described(first)}: they may differ "
                    f"in axis {axis + 1} only"
                )
        return (*first[:axis], sum(shape[axis] for shape in inputs), *first[axis + 1 :])
