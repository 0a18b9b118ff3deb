"""Layers on single numbers and on the last axis: linear ones, embeddings, normalisation, activations."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field, StrictBool

from fedtrain.spec.network.layer import Shape, Size, SizeOrZero, UnaryLayer, described

Share = Annotated[float, Field(strict=True, ge=0, lt=1)]
Epsilon = Annotated[float, Field(strict=True, gt=0, lt=1)]


class Linear(UnaryLayer):
    """A matrix, and a bias, for the last axis."""

    type: Literal["Linear"]
    in_features: Size
    out_features: Size
    bias: StrictBool = True

    def output(self, *inputs: Shape) -> Shape:
        (shape,) = inputs
        if shape[-1] != self.in_features:
            flat = ": is a Flatten missing before it?" if len(shape) > 1 else ""
            raise ValueError(
                f"in_features is {self.in_features:,}, {described(shape)} comes in, whose last axis is "
                f"{shape[-1]:,}{flat}"
            )
        return (*shape[:-1], self.out_features)

    @property
    def parameters(self) -> Mapping[str, Shape]:
        weight: dict[str, Shape] = {"weight": (self.out_features, self.in_features)}
        return weight | ({"bias": (self.out_features,)} if self.bias else {})


class Embedding(UnaryLayer):
    """A learnt vector for each id; `padding_idx` stays at zero."""

    type: Literal["Embedding"]
    num_embeddings: Size
    embedding_dim: Size
    padding_idx: SizeOrZero | None = None

    def output(self, *inputs: Shape) -> Shape:
        if self.padding_idx is not None and self.padding_idx >= self.num_embeddings:
            raise ValueError(f"padding_idx is {self.padding_idx:,}, num_embeddings only {self.num_embeddings:,}")
        return (*inputs[0], self.embedding_dim)

    @property
    def parameters(self) -> Mapping[str, Shape]:
        return {"weight": (self.num_embeddings, self.embedding_dim)}


class LayerNorm(UnaryLayer):
    """Mean 0 and variance 1 over the last axes of each record."""

    type: Literal["LayerNorm"]
    normalized_shape: Size | Annotated[tuple[Size, ...], Field(min_length=1, max_length=8)]
    eps: Epsilon = 1e-5
    elementwise_affine: StrictBool = True
    bias: StrictBool = True

    def output(self, *inputs: Shape) -> Shape:
        (shape,) = inputs
        if shape[-len(self._shape) :] != self._shape:
            raise ValueError(f"normalized_shape is {described(self._shape)}, {described(shape)} comes in")
        return shape

    @property
    def _shape(self) -> Shape:
        return (self.normalized_shape,) if isinstance(self.normalized_shape, int) else self.normalized_shape

    @property
    def parameters(self) -> Mapping[str, Shape]:
        if not self.elementwise_affine:
            return {}
        return {"weight": self._shape} | ({"bias": self._shape} if self.bias else {})


class GroupNorm(UnaryLayer):
    """Mean 0 and variance 1 over groups of channels of each record: what takes the place of BatchNorm."""

    type: Literal["GroupNorm"]
    num_groups: Size
    num_channels: Size
    eps: Epsilon = 1e-5
    affine: StrictBool = True

    def output(self, *inputs: Shape) -> Shape:
        (shape,) = inputs
        if shape[0] != self.num_channels:
            raise ValueError(f"num_channels is {self.num_channels:,}, {shape[0]:,} channels come in")
        if self.num_channels % self.num_groups:
            raise ValueError(f"num_groups is {self.num_groups:,}, which does not divide {self.num_channels:,} channels")
        return shape

    @property
    def parameters(self) -> Mapping[str, Shape]:
        return {"weight": (self.num_channels,), "bias": (self.num_channels,)} if self.affine else {}


class Dropout(UnaryLayer):
    """A share `p` of the numbers is 0 while training."""

    type: Literal["Dropout"]
    p: Share = 0.5


class ReLU(UnaryLayer):
    """max(x, 0)."""

    type: Literal["ReLU"]


class LeakyReLU(UnaryLayer):
    """max(x, negative_slope · x)."""

    type: Literal["LeakyReLU"]
    negative_slope: Share = 0.01


class GELU(UnaryLayer):
    """x · Φ(x), or its approximation by tanh."""

    type: Literal["GELU"]
    approximate: Literal["none", "tanh"] = "none"


class SiLU(UnaryLayer):
    """x · sigmoid(x)."""

    type: Literal["SiLU"]


class Tanh(UnaryLayer):
    """tanh(x)."""

    type: Literal["Tanh"]


class Sigmoid(UnaryLayer):
    """1 / (1 + exp(−x))."""

    type: Literal["Sigmoid"]
