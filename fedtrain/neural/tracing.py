"""A torch.nn.Module, turned into layers of the fixed list. Nothing of its code travels."""

from __future__ import annotations

import math
import operator
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import fx

from fedtrain.spec.network import LAYER_TYPES, Network

Fields = dict[str, Any]
#: What a layer of the list cannot be told, and the one value that is meant where it is left out.
_FIXED: Mapping[str, Any] = {
    "padding_mode": "zeros",
    "max_norm": None,
    "scale_grad_by_freq": False,
    "sparse": False,
    "return_indices": False,
    "divisor_override": None,
    "proj_size": 0,
    "batch_first": True,
}
_ADVICE: Mapping[str, str] = {
    "BatchNorm": "its statistics would be of one owner's records: take GroupNorm",
    "Softmax": "leave it out at the end: the loss takes scores, which prediction turns into probabilities",
    "softmax": "leave it out at the end: the loss takes scores, which prediction turns into probabilities",
}


@dataclass(frozen=True)
class Traced:
    """A module as data: its network, and the weights that it has now."""

    network: Network
    weights: Mapping[str, NDArray[np.float32]]


def from_module(module: torch.nn.Module, examples: Mapping[str, Any]) -> Traced:
    """Return a module's layers and weights.

    `examples`: by a feature's label, a tensor or array with some records of it, in the order in which the module's
    `forward` takes them. Layers keep the names that they have in the module, so that its state_dict fits.
    Raises ValueError, which names the layer, for what has no place among the layers.
    """
    was_training = module.training
    # Dropout by the function of that name is traced as it is called in training.
    module.train()
    try:
        graph = fx.symbolic_trace(module)
    except Exception as error:  # the tracer runs the caller's own code, which may raise anything
        raise ValueError(f"{type(module).__name__}: its forward cannot be followed: {str(error)[:300]}") from error
    finally:
        module.train(was_training)
    taken = [str(node.target) for node in graph.graph.nodes if node.op == "placeholder"]
    if len(taken) > len(examples):
        raise ValueError(f"forward takes {taken[len(examples)]}, for which there is no feature")
    if len(taken) < len(examples):
        raise ValueError(f"forward does not take the feature {list(examples)[len(taken)]!r}")
    graph.eval()
    try:
        with torch.no_grad():
            shapes = _Shapes(graph)
            shapes.extra_traceback = False
            shapes.run(*(_records(example) for example in examples.values()), enable_io_processing=False)
    except Exception as error:  # its own code, once more
        raise ValueError(f"{type(module).__name__} does not run on such records: {str(error)[:300]}") from error
    return _Tracing(graph, list(examples)).traced()


class _Shapes(fx.Interpreter):
    """Runs a traced module, and notes at each node the shape of what it gives."""

    def run_node(self, n: fx.Node) -> Any:
        given = super().run_node(n)
        if isinstance(given, torch.Tensor):
            n.meta["shape"] = tuple(given.shape)
        return given


@dataclass(frozen=True)
class _State:
    """State that a GRU or LSTM gives beside its sequence; `pair`: an LSTM's (h, c)."""

    layer: str
    pair: bool


class _Tracing:
    """Walks through a traced graph, and keeps which name stands for which node."""

    def __init__(self, graph: fx.GraphModule, labels: Sequence[str]) -> None:
        self.graph, self.labels = graph, list(labels)
        self.names: dict[fx.Node, str] = {}
        self.states: dict[fx.Node, _State] = {}
        self.sizes: set[fx.Node] = set()
        self.layers: list[dict[str, Any]] = []
        self.used = set(labels)
        self.modules = dict(graph.named_modules())

    def traced(self) -> Traced:
        for node in self.graph.graph.nodes:
            if node.op == "placeholder":
                self.names[node] = self.labels.pop(0)
            elif node.op == "call_module":
                self._module(node)
            elif node.op in ("call_function", "call_method"):
                self._function(node)
            elif node.op == "get_attr":
                raise ValueError(f"{node.target}: weights outside of a layer have no place: take a layer that has them")
            else:
                return self._end(node.args[0])
        raise ValueError("forward returns nothing")

    def _end(self, output: Any) -> Traced:
        if not isinstance(output, fx.Node) or not self.layers:
            raise ValueError("forward returns no single tensor that a layer gives")
        (name,) = self._named([output], "the output")
        network = Network.model_validate({"layers": self.layers, "output": name})
        state = self.graph.state_dict()
        weights = {
            f"{layer.name}.{name}": state[f"{layer.name}.{name}"].detach().cpu().numpy().astype(np.float32)
            for layer in network.layers
            for name in layer.parameters
        }
        return Traced(network, weights)

    # Modules

    def _module(self, node: fx.Node) -> None:
        module, target = self.modules[str(node.target)], str(node.target)
        type_ = type(module).__name__
        if isinstance(module, torch.nn.Identity):
            self._same(node, node.args[0])
        elif isinstance(module, torch.nn.Flatten | torch.nn.Unflatten):
            self._reshape(node, target)
        elif type_ in LAYER_TYPES and type(module).__module__.startswith("torch.nn."):
            repeated = any(layer["name"] == target for layer in self.layers)
            if repeated and any(True for _ in module.parameters()):
                raise ValueError(f"{target}: a layer with weights is used twice, and each layer has its own")
            self._add(node, type_, node.args[:1], _fields_of(module, target), node.name if repeated else target)
        else:
            raise _no_place(f"{target} ({type_})", type_)

    # Functions and methods

    def _function(self, node: fx.Node) -> None:
        function = node.target
        name = function if isinstance(function, str) else getattr(function, "__name__", str(function))
        if function is operator.getitem:
            self._item(node)
        elif name == "size" or (function is getattr and node.args[1] == "shape"):
            self.sizes.add(node)
        elif name == "dropout" and _bound(node, ("input", *_FUNCTIONS[name][1])).get("training") is False:
            self._same(node, node.args[0])
        elif name in _RESHAPES:
            self._reshape(node, node.name)
        elif name in ("add", "iadd") and all(isinstance(one, fx.Node) for one in node.args) and not node.kwargs:
            self._add(node, "Add", node.args, {}, node.name)
        elif name in ("cat", "concat", "concatenate"):
            arguments = _bound(node, ("tensors", "dim"))
            self._add(node, "Concat", arguments["tensors"], {"dim": arguments.get("dim", 0)}, node.name)
        elif name in ("transpose", "swapaxes"):
            arguments = _bound(node, ("input", "dim0", "dim1"))
            self._add(node, "Transpose", node.args[:1], {axis: arguments[axis] for axis in ("dim0", "dim1")}, node.name)
        elif name == "permute":
            self._permute(node)
        elif name == "contiguous":
            self._same(node, node.args[0])
        elif name in _FUNCTIONS:
            type_, parameters = _FUNCTIONS[name]
            given = _bound(node, ("input", *parameters))
            fields = {field: value for field, value in given.items() if field in LAYER_TYPES[type_].model_fields}
            for field, value in given.items():
                if field in _FIXED and value != _FIXED[field]:
                    raise ValueError(f"{node.name} ({name}): {field} {value!r} has no place")
            self._add(node, type_, [given["input"]], fields, node.name)
        else:
            raise _no_place(f"{node.name} ({name})", name)

    def _item(self, node: fx.Node) -> None:
        source, index = node.args
        if source in self.sizes:
            self.sizes.add(node)
        elif source in self.states:
            self._state_item(node, self.states[source], index)
        elif isinstance(self._module_behind(source), torch.nn.GRU | torch.nn.LSTM):
            if index == 0:
                self._same(node, source)
            else:
                self.states[node] = _State(self.names[source], pair=self._module_behind(source).mode == "LSTM")
        elif index in ((slice(None), -1), (slice(None), -1, slice(None))):
            self._add(node, "LastStep", [source], {}, node.name)
        else:
            raise ValueError(f"{node.name}: taking {index!r} has no place: only [:, -1], the last step of a sequence")

    def _state_item(self, node: fx.Node, state: _State, index: Any) -> None:
        """h of an LSTM's (h, c), and h[-1]: the last layer's last step."""
        module = self.modules[state.layer]
        if state.pair and index == 0:
            self.states[node] = _State(state.layer, pair=False)
        elif state.pair or module.bidirectional or not (index == -1 or (index == 0 and module.num_layers == 1)):
            raise ValueError(f"{node.name}: of the state of {state.layer}, only the last layer's h has a place: h[-1]")
        else:
            self._layer(node, "LastStep", [state.layer], {}, node.name)

    def _module_behind(self, node: Any) -> Any:
        return self.modules.get(str(node.target)) if node.op == "call_module" else None

    def _permute(self, node: fx.Node) -> None:
        axes = [axis for one in node.args[1:] for axis in (one if isinstance(one, list | tuple) else [one])]
        axes = [axis % len(axes) for axis in axes]
        moved = [place for place, axis in enumerate(axes) if place != axis]
        if len(moved) != 2:
            raise ValueError(f"{node.name}: permute of {axes} has no place: only one that swaps two axes")
        self._add(node, "Transpose", node.args[:1], {"dim0": moved[0], "dim1": moved[1]}, node.name)

    def _reshape(self, node: fx.Node, name: str) -> None:
        """Anything that gives the same numbers of each record in another shape."""
        before, after = _shape(node.args[0], name), _shape(node, name)
        if before[0] != after[0]:
            raise ValueError(f"{name}: the first axis, that of records, has to stay as it is: {before} becomes {after}")
        if before == after:
            self._same(node, node.args[0])
        elif len(after) == 1:
            self._same(node, node.args[0])  # one score a record: the axis of length 1 stays
        elif after[1:] == (math.prod(before[1:]),):
            self._add(node, "Flatten", node.args[:1], {}, name)
        else:
            self._add(node, "Reshape", node.args[:1], {"shape": list(after[1:])}, name)

    def _same(self, node: fx.Node, source: Any) -> None:
        (self.names[node],) = self._named([source], node.name)

    def _add(self, node: fx.Node, type_: str, sources: Any, fields: Fields, name: str) -> None:
        self._layer(node, type_, self._named(sources, f"{name} ({type_})"), fields, name)

    def _layer(self, node: fx.Node, type_: str, inputs: list[str], fields: Fields, name: str) -> None:
        while name in self.used:
            name += "_"
        self.used.add(name)
        self.layers.append({"name": name, "type": type_, "inputs": inputs, **_plain(fields, name)})
        self.names[node] = name

    def _named(self, sources: Any, name: str) -> list[str]:
        for source in sources:
            if source in self.states:
                raise ValueError(f"{name}: the state of {self.states[source].layer} has no place here: take h[-1]")
            if source not in self.names:
                raise ValueError(f"{name}: {source!r} is not what a layer gives")
        return [self.names[source] for source in sources]


_RECORDS = 13
_RESHAPES = frozenset({"flatten", "view", "reshape", "unsqueeze", "squeeze", "unflatten"})
#: By the name of a function or method: the layer, and the parameters that follow the input.
_FUNCTIONS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "relu": ("ReLU", ("inplace",)),
    "leaky_relu": ("LeakyReLU", ("negative_slope", "inplace")),
    "gelu": ("GELU", ("approximate",)),
    "silu": ("SiLU", ("inplace",)),
    "tanh": ("Tanh", ()),
    "sigmoid": ("Sigmoid", ()),
    "dropout": ("Dropout", ("p", "training", "inplace")),
    **{
        f"{kind}_pool{axes}d": (f"{layer}Pool{axes}d", parameters)
        for axes in (1, 2)
        for kind, layer, parameters in (
            ("max", "Max", ("kernel_size", "stride", "padding", "dilation", "ceil_mode", "return_indices")),
            ("avg", "Avg", ("kernel_size", "stride", "padding", "ceil_mode", "count_include_pad", "divisor_override")),
            ("adaptive_avg", "AdaptiveAvg", ("output_size",)),
            ("adaptive_max", "AdaptiveMax", ("output_size", "return_indices")),
        )
    },
}


def _fields_of(module: Any, name: str) -> Fields:
    fields: Fields = {}
    for attribute, meant in _FIXED.items():
        if getattr(module, attribute, meant) != meant:
            advice = f": only {meant!r} has" if meant is not None else ""
            raise ValueError(f"{name}: {attribute} {getattr(module, attribute)!r} has no place{advice}")
    layer = LAYER_TYPES[type(module).__name__]
    for field in layer.model_fields:
        if field in ("name", "type", "inputs"):
            continue
        value = getattr(module, field)
        fields[field] = (value is not None and value is not False) if field == "bias" else value
    return {field: value for field, value in fields.items() if value != layer.model_fields[field].default}


def _plain(fields: Fields, name: str) -> Fields:
    """Return what JSON can hold; a tuple of equal numbers is one number, as people write it."""
    plain: Fields = {}
    for field, value in fields.items():
        if isinstance(value, tuple | list | torch.Size) and field not in ("shape", "normalized_shape"):
            plain[field] = value[0] if len(set(value)) == 1 else list(value)
        else:
            plain[field] = list(value) if isinstance(value, tuple | torch.Size) else value
        if isinstance(plain[field], str) and field in ("padding", "kernel_size"):
            raise ValueError(f"{name}: {field} {value!r} has no place: give it as a number")
    return plain


def _records(example: Any) -> Any:
    """A record, so often as no axis is likely to be long: that of records is known by it."""
    tensor = torch.as_tensor(np.asarray(example))
    tensor = tensor if tensor.dtype == torch.long else tensor.float()
    return tensor[:1].expand(_RECORDS, *tensor.shape[1:]).contiguous()


def _bound(node: fx.Node, parameters: tuple[str, ...]) -> Fields:
    given = dict(zip(parameters, node.args, strict=False)) | dict(node.kwargs)
    for name in given:
        if name not in parameters:
            raise ValueError(f"{node.name}: {name} has no place")
    return given


def _shape(node: Any, name: str) -> tuple[int, ...]:
    if not isinstance(node, fx.Node) or "shape" not in node.meta:
        raise ValueError(f"{name}: its input is no tensor")
    shape: tuple[int, ...] = node.meta["shape"]
    return shape


def _no_place(name: str, kind: str) -> ValueError:
    advice = next((text for part, text in _ADVICE.items() if part in kind), f"there are {', '.join(LAYER_TYPES)}")
    return ValueError(f"{name} has no place among the layers of a network: {advice}")
