"""A network as an ONNX graph, written from its layers: without PyTorch."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np

from fedtrain.neural.tasks import Weights
from fedtrain.neural.weights_file import check_weights
from fedtrain.spec.network import CheckedNetwork, Layer, Shape
from fedtrain.spec.network.layer import per_axis
from fedtrain.spec.network.sliding import AdaptivePool, Window
from fedtrain.spec.training import Loss

OPSET: Final = 20
#: What makes probabilities of scores.
_PROBABILITIES: Final = {Loss.CROSS_ENTROPY: "Softmax", Loss.BINARY_CROSS_ENTROPY: "Sigmoid"}
#: Blocks of a recurrent layer's weights, in the order in which ONNX has PyTorch's.
_GATES: Final = {"GRU": (1, 0, 2), "LSTM": (0, 3, 1, 2)}


def onnx_of(network: CheckedNetwork, weights: Weights, loss: Loss) -> bytes:
    """Return an ONNX model with one input a feature, (records, *shape): float32 as the network reads it, int64 for ids.

    An input has its feature's name with _ for whatever is neither letter nor digit, and behind it where two would have
    one name. Outputs: `scores`, and
    `probabilities` where the targets have categories. Raises ImportError where onnx is not installed, and ValueError,
    which names the layer, for a layer that ONNX does not have.
    """
    from onnx import TensorProto, checker, helper

    check_weights(network, weights)
    graph = _Graph(network, weights)
    ids = {layer.inputs[0] for layer in network.network.layers if layer.type == "Embedding"}
    names = _input_names(network)
    inputs = [
        helper.make_tensor_value_info(
            names[label], TensorProto.INT64 if label in ids else TensorProto.FLOAT, ["records", *shape]
        )
        for label, shape in network.inputs.items()
    ]
    at = dict(names)
    for layer in network.network.layers:
        at[layer.name] = graph.layer(layer, [at[name] for name in layer.inputs])
    outputs = ["scores"]
    graph.node("Identity", [at[network.network.output]], "scores")
    if loss in _PROBABILITIES:
        graph.node(_PROBABILITIES[loss], ["scores"], "probabilities")
        outputs.append("probabilities")
    given = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["records", network.outputs]) for name in outputs]
    made = helper.make_graph(graph.nodes, "network", inputs, given, graph.constants)
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=9)
    checker.check_model(model, full_check=True)
    content: bytes = model.SerializeToString()
    return content


def _input_names(network: CheckedNetwork) -> dict[str, str]:
    taken, names = {"scores", "probabilities"}, {}
    for label in network.inputs:
        name = re.sub(r"\W", "_", label, flags=re.ASCII)
        while name in taken:
            name += "_"
        taken.add(name)
        names[label] = name
    return names


class _Graph:
    """Nodes and constants, as they are added."""

    def __init__(self, network: CheckedNetwork, weights: Weights) -> None:
        self.network, self.weights = network, weights
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def node(self, operator: str, inputs: list[str], output: str | None = None, **attributes: Any) -> str:
        from onnx import helper

        name = output or f"value:{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, inputs, [name], **attributes))
        return name

    def constant(self, values: Any) -> str:
        from onnx import numpy_helper

        name = f"constant:{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(values), name))
        return name

    def reshape(self, value: str, shape: Shape | list[int]) -> str:
        return self.node("Reshape", [value, self.constant(np.array(shape, dtype=np.int64))])

    def weight(self, layer: Layer, name: str) -> Any:
        return self.weights[f"{layer.name}.{name}"]

    def layer(self, layer: Layer, inputs: list[str]) -> str:
        """Add a layer's nodes, and return the name of what it gives."""
        if isinstance(layer, Window | AdaptivePool):
            shape = self.network.shapes[layer.inputs[0]]
            if len(shape) == layer.axes:
                inputs = [self.reshape(inputs[0], [-1, 1, *shape])]
        return _LAYERS[layer.type](self, layer, inputs)


def _same(operator: str) -> Callable[[_Graph, Any, list[str]], str]:
    return lambda graph, _layer, inputs: graph.node(operator, inputs)


def _linear(graph: _Graph, layer: Any, inputs: list[str]) -> str:
    value = graph.node("MatMul", [inputs[0], graph.constant(graph.weight(layer, "weight").T)])
    return graph.node("Add", [value, graph.constant(graph.weight(layer, "bias"))]) if layer.bias else value


def _convolution(graph: _Graph, layer: Any, inputs: list[str]) -> str:
    weights = [graph.constant(graph.weight(layer, name)) for name in layer.parameters]
    padding = per_axis("padding", layer.padding, layer.axes)
    return graph.node(
        "Conv",
        [*inputs, *weights],
        strides=per_axis("stride", layer.stride, layer.axes),
        pads=[*padding, *padding],
        dilations=per_axis("dilation", layer.dilation, layer.axes),
        group=layer.groups,
    )


def _pool(operator: str) -> Callable[[_Graph, Any, list[str]], str]:
    def add(graph: _Graph, layer: Any, inputs: list[str]) -> str:
        padding = per_axis("padding", layer.padding, layer.axes)
        kernel = per_axis("kernel_size", layer.kernel_size, layer.axes)
        more = (
            {"dilations": per_axis("dilation", layer.dilation, layer.axes)}
            if operator == "MaxPool"
            else {"count_include_pad": int(layer.count_include_pad)}
        )
        return graph.node(
            operator,
            inputs,
            kernel_shape=kernel,
            strides=kernel if layer.stride is None else per_axis("stride", layer.stride, layer.axes),
            pads=[*padding, *padding],
            ceil_mode=int(layer.ceil_mode),
            **more,
        )

    return add


def _adaptive_pool(operator: str) -> Callable[[_Graph, Any, list[str]], str]:
    def add(graph: _Graph, layer: Any, inputs: list[str]) -> str:
        before = graph.network.shapes[layer.inputs[0]][-layer.axes :]
        after = graph.network.shapes[layer.name][1:]
        if any(size % places for size, places in zip(before, after, strict=True)):
            raise ValueError(
                f"layer {layer.name!r}: ONNX has no pooling of {before} to {after}, which does not divide it"
            )
        kernel = [size // places for size, places in zip(before, after, strict=True)]
        return graph.node(operator, inputs, kernel_shape=kernel, strides=kernel)

    return add


def _embedding(graph: _Graph, layer: Any, inputs: list[str]) -> str:
    return graph.node("Gather", [graph.constant(graph.weight(layer, "weight")), *inputs])


def _recurrent(graph: _Graph, layer: Any, inputs: list[str]) -> str:
    value = graph.node("Transpose", inputs, perm=[1, 0, 2])
    ends = ["", "_reverse"] if layer.bidirectional else [""]
    settings: dict[str, Any] = {"linear_before_reset": 1} if layer.type == "GRU" else {}
    for number in range(layer.num_layers):

        def stacked(name: str, number: int = number) -> Any:
            parts = [graph.weight(layer, f"{name}_l{number}{end}") for end in ends]
            return np.stack([_reordered(values, layer) for values in parts])

        arrays = [stacked("weight_ih"), stacked("weight_hh")]
        if layer.bias:
            arrays.append(np.concatenate([stacked("bias_ih"), stacked("bias_hh")], axis=1))
        value = graph.node(
            layer.type,
            [value, *(graph.constant(values) for values in arrays)],
            hidden_size=layer.hidden_size,
            direction="bidirectional" if layer.bidirectional else "forward",
            **settings,
        )
        # (steps, directions, records, hidden) to (steps, records, directions · hidden)
        value = graph.reshape(
            graph.node("Transpose", [value], perm=[0, 2, 1, 3]), [0, 0, len(ends) * layer.hidden_size]
        )
    return graph.node("Transpose", [value], perm=[1, 0, 2])


def _reordered(values: Any, layer: Any) -> Any:
    blocks = np.split(values, len(_GATES[layer.type]))
    return np.concatenate([blocks[place] for place in _GATES[layer.type]])


def _layer_norm(graph: _Graph, layer: Any, inputs: list[str]) -> str:
    sizes = graph.network.shapes[layer.name]
    axes = 1 if isinstance(layer.normalized_shape, int) else len(layer.normalized_shape)
    own = layer.parameters
    scale = graph.weight(layer, "weight") if "weight" in own else np.ones(sizes[-axes:], np.float32)
    weights = [graph.constant(scale)]
    if "bias" in own:
        weights.append(graph.constant(graph.weight(layer, "bias")))
    return graph.node("LayerNormalization", [*inputs, *weights], axis=-axes, epsilon=layer.eps)


def _group_norm(graph: _Graph, layer: Any, inputs: list[str]) -> str:
    sizes, groups = graph.network.shapes[layer.name], layer.num_groups
    one, zero = (graph.constant(np.full(groups, number, np.float32)) for number in (1, 0))
    value = graph.reshape(inputs[0], [0, groups, -1])
    value = graph.node("InstanceNormalization", [value, one, zero], epsilon=layer.eps)
    value = graph.reshape(value, [-1, *sizes])
    if not layer.affine:
        return value
    spread = [len(graph.weight(layer, "weight")), *[1] * (len(sizes) - 1)]
    value = graph.node("Mul", [value, graph.constant(graph.weight(layer, "weight").reshape(spread))])
    return graph.node("Add", [value, graph.constant(graph.weight(layer, "bias").reshape(spread))])


def _silu(graph: _Graph, _layer: Any, inputs: list[str]) -> str:
    return graph.node("Mul", [inputs[0], graph.node("Sigmoid", inputs)])


def _reshaped(graph: _Graph, layer: Any, inputs: list[str]) -> str:
    return graph.reshape(inputs[0], [-1, *graph.network.shapes[layer.name]])


def _transpose(graph: _Graph, layer: Any, inputs: list[str]) -> str:
    order = list(range(len(graph.network.shapes[layer.name]) + 1))
    order[layer.dim0], order[layer.dim1] = order[layer.dim1], order[layer.dim0]
    return graph.node("Transpose", inputs, perm=order)


def _last_step(graph: _Graph, _layer: Any, inputs: list[str]) -> str:
    return graph.node("Gather", [inputs[0], graph.constant(np.array(-1, dtype=np.int64))], axis=1)


_LAYERS: Final[Mapping[str, Callable[[_Graph, Any, list[str]], str]]] = {
    "Conv1d": _convolution,
    "Conv2d": _convolution,
    "Linear": _linear,
    "Embedding": _embedding,
    "GRU": _recurrent,
    "LSTM": _recurrent,
    "LayerNorm": _layer_norm,
    "GroupNorm": _group_norm,
    "MaxPool1d": _pool("MaxPool"),
    "MaxPool2d": _pool("MaxPool"),
    "AvgPool1d": _pool("AveragePool"),
    "AvgPool2d": _pool("AveragePool"),
    "AdaptiveAvgPool1d": _adaptive_pool("AveragePool"),
    "AdaptiveAvgPool2d": _adaptive_pool("AveragePool"),
    "AdaptiveMaxPool1d": _adaptive_pool("MaxPool"),
    "AdaptiveMaxPool2d": _adaptive_pool("MaxPool"),
    "Dropout": _same("Identity"),
    "Flatten": _reshaped,
    "ReLU": _same("Relu"),
    "LeakyReLU": lambda graph, layer, inputs: graph.node("LeakyRelu", inputs, alpha=layer.negative_slope),
    "GELU": lambda graph, layer, inputs: graph.node("Gelu", inputs, approximate=layer.approximate),
    "SiLU": _silu,
    "Tanh": _same("Tanh"),
    "Sigmoid": _same("Sigmoid"),
    "Reshape": _reshaped,
    "Transpose": _transpose,
    "LastStep": _last_step,
    "Add": _same("Sum"),
    "Concat": lambda graph, layer, inputs: graph.node("Concat", inputs, axis=layer.dim),
}
