"""Layers whose window slides over an array of channels: convolutions and pooling."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

from pydantic import StrictBool

from fedtrain.spec.network.layer import Shape, Size, Sizes, SizesOrZero, UnaryLayer, described, per_axis


def with_channels(shape: Shape, axes: int) -> Shape:
    """Return (channels, *axes); an array without channels, such as a grey image, has one."""
    if len(shape) == axes:
        return (1, *shape)
    if len(shape) != axes + 1:
        raise ValueError(f"takes (channels, {'length' if axes == 1 else 'height, width'}), {described(shape)} comes in")
    return shape


def window_places(length: int, kernel: int, stride: int, padding: int, dilation: int = 1, ceil: bool = False) -> int:
    """Return at how many places a window fits into an axis; 0 or less where it is too short.

    With `ceil` a last window may hang over the end, if it begins within the axis or the padding before it.
    Source: PyTorch, torch.nn.Conv2d and MaxPool2d, "Shape".
    """
    room = length + 2 * padding - dilation * (kernel - 1) - 1
    places = (-(-room // stride) if ceil else room // stride) + 1
    return places - 1 if ceil and (places - 1) * stride >= length + padding else places


class Window(UnaryLayer):
    """Base of the layers with a kernel."""

    axes: ClassVar[int]
    kernel_size: Sizes

    def _slide(
        self,
        shape: Shape,
        stride: int | Shape,
        padding: int | Shape,
        dilation: int | Shape = 1,
        ceil: bool = False,
    ) -> Shape:
        settings = (
            per_axis("kernel_size", self.kernel_size, self.axes),
            per_axis("stride", stride, self.axes),
            per_axis("padding", padding, self.axes),
            per_axis("dilation", dilation, self.axes),
        )
        out = tuple(
            window_places(length, kernel, step, pad, spread, ceil)
            for length, kernel, step, pad, spread in zip(shape[1:], *settings, strict=True)
        )
        if min(out) < 1:
            raise ValueError(f"kernel_size {described(settings[0])} does not fit into {described(shape[1:])}")
        return out


class _Convolution(Window):
    in_channels: Size
    out_channels: Size
    stride: Sizes = 1
    padding: SizesOrZero = 0
    dilation: Sizes = 1
    groups: Size = 1
    bias: StrictBool = True

    def output(self, *inputs: Shape) -> Shape:
        shape = with_channels(inputs[0], self.axes)
        if shape[0] != self.in_channels:
            raise ValueError(f"in_channels is {self.in_channels:,}, {shape[0]:,} channels come in")
        for field, channels in (("in_channels", self.in_channels), ("out_channels", self.out_channels)):
            if channels % self.groups:
                raise ValueError(f"groups is {self.groups:,}, which does not divide {field} {channels:,}")
        return (self.out_channels, *self._slide(shape, self.stride, self.padding, self.dilation))

    @property
    def parameters(self) -> Mapping[str, Shape]:
        kernel = per_axis("kernel_size", self.kernel_size, self.axes)
        weight = {"weight": (self.out_channels, self.in_channels // self.groups, *kernel)}
        return weight | ({"bias": (self.out_channels,)} if self.bias else {})


class Conv1d(_Convolution):
    """(channels, length) to (out_channels, …)."""

    axes = 1
    type: Literal["Conv1d"]


class Conv2d(_Convolution):
    """(channels, height, width) to (out_channels, …)."""

    axes = 2
    type: Literal["Conv2d"]


class _Pool(Window):
    stride: Sizes | None = None
    padding: SizesOrZero = 0
    ceil_mode: StrictBool = False

    def _pooled(self, shape: Shape, dilation: int | Shape = 1) -> Shape:
        shape = with_channels(shape, self.axes)
        kernel, padding = (
            per_axis("kernel_size", self.kernel_size, self.axes),
            per_axis("padding", self.padding, self.axes),
        )
        if any(2 * pad > size for pad, size in zip(padding, kernel, strict=True)):
            raise ValueError(f"padding is {described(padding)}, half of kernel_size {described(kernel)} at most")
        stride = self.kernel_size if self.stride is None else self.stride
        return (shape[0], *self._slide(shape, stride, self.padding, dilation, self.ceil_mode))


class _MaxPool(_Pool):
    dilation: Sizes = 1

    def output(self, *inputs: Shape) -> Shape:
        return self._pooled(inputs[0], self.dilation)


class _AvgPool(_Pool):
    count_include_pad: StrictBool = True

    def output(self, *inputs: Shape) -> Shape:
        return self._pooled(inputs[0])


class MaxPool1d(_MaxPool):
    """The largest number of each window."""

    axes = 1
    type: Literal["MaxPool1d"]


class MaxPool2d(_MaxPool):
    """The largest number of each window."""

    axes = 2
    type: Literal["MaxPool2d"]


class AvgPool1d(_AvgPool):
    """The mean of each window."""

    axes = 1
    type: Literal["AvgPool1d"]


class AvgPool2d(_AvgPool):
    """The mean of each window."""

    axes = 2
    type: Literal["AvgPool2d"]


class AdaptivePool(UnaryLayer):
    """Base of the layers that give as many numbers as they are told."""

    axes: ClassVar[int]
    output_size: Sizes

    def output(self, *inputs: Shape) -> Shape:
        return (with_channels(inputs[0], self.axes)[0], *per_axis("output_size", self.output_size, self.axes))


class AdaptiveAvgPool1d(AdaptivePool):
    """The mean of each of `output_size` windows; 1 is that of a whole channel."""

    axes = 1
    type: Literal["AdaptiveAvgPool1d"]


class AdaptiveAvgPool2d(AdaptivePool):
    """The mean of each of `output_size` windows; 1 is that of a whole channel."""

    axes = 2
    type: Literal["AdaptiveAvgPool2d"]


class AdaptiveMaxPool1d(AdaptivePool):
    """The largest number of each of `output_size` windows; 1 is that of a whole channel."""

    axes = 1
    type: Literal["AdaptiveMaxPool1d"]


class AdaptiveMaxPool2d(AdaptivePool):
    """The largest number of each of `output_size` windows; 1 is that of a whole channel."""

    axes = 2
    type: Literal["AdaptiveMaxPool2d"]
