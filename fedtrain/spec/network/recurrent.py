"""Layers that read a sequence, (steps, width), step by step."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

from pydantic import Field, StrictBool, StrictInt

from fedtrain.spec.network.layer import Shape, Size, UnaryLayer, described


class _Recurrent(UnaryLayer):
    """Gives its output at every step; `LastStep` takes the last one."""

    gates: ClassVar[int]
    input_size: Size
    hidden_size: Size
    num_layers: Annotated[StrictInt, Field(ge=1, le=100)] = 1
    bias: StrictBool = True
    batch_first: Literal[True] = True
    dropout: Annotated[float, Field(strict=True, ge=0, lt=1)] = 0.0
    bidirectional: StrictBool = False

    def output(self, *inputs: Shape) -> Shape:
        (shape,) = inputs
        if len(shape) != 2:
            raise ValueError(f"takes a sequence (steps, input_size), {described(shape)} comes in")
        if shape[1] != self.input_size:
            raise ValueError(f"input_size is {self.input_size:,}, steps of {shape[1]:,} numbers come in")
        return (shape[0], self.hidden_size * (2 if self.bidirectional else 1))

    @property
    def parameters(self) -> Mapping[str, Shape]:
        rows, found = self.gates * self.hidden_size, dict[str, Shape]()
        directions = ("", "_reverse") if self.bidirectional else ("",)
        width = self.input_size
        for layer in range(self.num_layers):
            for direction in directions:
                end = f"_l{layer}{direction}"
                found |= {f"weight_ih{end}": (rows, width), f"weight_hh{end}": (rows, self.hidden_size)}
                found |= {f"bias_ih{end}": (rows,), f"bias_hh{end}": (rows,)} if self.bias else {}
            width = self.hidden_size * len(directions)
        return found


class GRU(_Recurrent):
    """A gated recurrent unit."""

    gates = 3
    type: Literal["GRU"]


class LSTM(_Recurrent):
    """A long short-term memory."""

    gates = 4
    type: Literal["LSTM"]
