"""A checked network as a torch.nn.Module, whose state_dict has the network's parameters by the same names."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from fedtrain.neural.tasks import Weights
from fedtrain.neural.weights_file import check_weights
from fedtrain.spec.network import CheckedNetwork, Layer, numbers
from fedtrain.spec.network.sliding import AdaptivePool, Window


class NetworkModule(torch.nn.Module):
    """Takes one tensor a feature, (records, *shape), in the network's order; gives (records, outputs) scores."""

    def __init__(self, network: CheckedNetwork) -> None:
        super().__init__()
        self.network = network
        for layer in network.network.layers:
            _add_module(self, layer.name.split("."), module_of(layer))

    def forward(self, *features: Any) -> Any:
        values = dict(zip(self.network.inputs, features, strict=True))
        for layer in self.network.network.layers:
            values[layer.name] = _applied(layer, _module_at(self, layer.name), [values[name] for name in layer.inputs])
        return values[self.network.network.output]


def build(network: CheckedNetwork, weights: Weights | None = None) -> NetworkModule:
    """Return the module, with these weights where they are given. Raises ValueError for others than the network's."""
    module = NetworkModule(network)
    if weights is not None:
        set_weights(module, weights)
    return module


def set_weights(module: NetworkModule, weights: Weights) -> None:
    """Give the module other weights. Raises ValueError for names or shapes that are not the network's."""
    check_weights(module.network, weights)
    own = module.state_dict()
    with torch.no_grad():
        for name, values in weights.items():
            own[name].copy_(torch.from_numpy(np.array(values, dtype=np.float32)))


def weights_of(module: NetworkModule) -> dict[str, NDArray[np.float32]]:
    """Return copies of the weights in the network's order."""
    own = module.state_dict()
    return {name: own[name].detach().cpu().numpy().copy() for name in module.network.parameters}


def features_of(network: CheckedNetwork, X: NDArray[np.float32], device: str = "cpu") -> list[Any]:
    """Return rows (records, numbers of all features) as one tensor a feature."""
    ends = itertools.accumulate((numbers(shape) for shape in network.inputs.values()), initial=0)
    return [
        torch.from_numpy(np.array(X[:, start:end])).reshape(len(X), *shape).to(device)
        for (start, end), shape in zip(itertools.pairwise(ends), network.inputs.values(), strict=True)
    ]


def module_of(layer: Layer) -> Any:
    """Return PyTorch's module of a layer, with weights of its own."""
    make = _OWN[layer.type] if layer.type in _OWN else getattr(torch.nn, layer.type)
    return make(**layer.arguments)


def _add_module(parent: Any, path: list[str], module: Any) -> None:
    # `add_module` refuses names that a module has for other things, such as "type", which a layer may have.
    first, *rest = path
    if not rest:
        parent._modules[first] = module
        return
    if first not in parent._modules:
        parent._modules[first] = torch.nn.Module()
    _add_module(parent._modules[first], rest, module)


def _module_at(parent: Any, name: str) -> Any:
    for part in name.split("."):
        parent = parent._modules[part]
    return parent


def _applied(layer: Layer, module: Any, inputs: list[Any]) -> Any:
    (first, *_) = inputs
    if isinstance(layer, Window | AdaptivePool) and first.dim() == layer.axes + 1:
        first = first.unsqueeze(1)
    if layer.type == "Embedding":
        first = first.long()
    if layer.type in ("GRU", "LSTM"):
        return module(first)[0]
    return module(*inputs) if len(inputs) > 1 else module(first)


class _Arrangement(torch.nn.Module):
    """A layer without weights that PyTorch has as a function only."""

    def __init__(self, function: Callable[..., Any], fields: Mapping[str, Any]) -> None:
        super().__init__()
        self.function, self.fields = function, fields

    def forward(self, *inputs: Any) -> Any:
        return self.function(*inputs, **self.fields)


def _added(*inputs: Any) -> Any:
    total = inputs[0]
    for other in inputs[1:]:
        total = total + other
    return total


def _arrangement(function: Callable[..., Any]) -> Callable[..., _Arrangement]:
    return lambda **fields: _Arrangement(function, fields)


_OWN: Mapping[str, Callable[..., Any]] = {
    "Add": _arrangement(_added),
    "Concat": _arrangement(lambda *inputs, dim: torch.cat(inputs, dim)),
    "LastStep": _arrangement(lambda value: value[:, -1]),
    "Reshape": _arrangement(lambda value, shape: value.reshape(value.shape[0], *shape)),
    "Transpose": _arrangement(lambda value, dim0, dim1: value.transpose(dim0, dim1)),
}
