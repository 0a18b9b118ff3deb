"""Weights in safetensors files: names, shapes and numbers, and nothing that could run."""

from __future__ import annotations

import json
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save

from fedtrain.neural.tasks import Weights
from fedtrain.spec.network import CheckedNetwork, Network

_FLOATS = (np.float16, np.float32, np.float64)


def weights_to_bytes(network: CheckedNetwork, weights: Weights) -> bytes:
    """Return a safetensors file that has the network itself beside its weights, as text. `network_from_bytes` reads it.

    Raises ValueError for weights that are not the network's.
    """
    check_weights(network, weights)
    arrays = {name: np.ascontiguousarray(weights[name], dtype=np.float32) for name in network.parameters}
    inputs = [[label, list(shape)] for label, shape in network.inputs.items()]
    told = {"inputs": json.dumps(inputs), "network": network.network.model_dump_json(), "outputs": str(network.outputs)}
    return save(arrays, metadata=told)


def network_from_bytes(file: bytes) -> CheckedNetwork:
    """Return the network of a file that `weights_to_bytes` made. Raises ValueError for another file."""
    try:
        length = int.from_bytes(file[:8], "little")
        told = json.loads(file[8 : 8 + length])["__metadata__"]
        network, inputs = Network.model_validate_json(told["network"]), json.loads(told["inputs"])
        return network.checked({label: tuple(shape) for label, shape in inputs}, int(told["outputs"]))
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise ValueError(f"it is no exported network: {str(error)[:200]}") from None


def weights_from_bytes(file: bytes, network: CheckedNetwork) -> dict[str, NDArray[np.float32]]:
    """Return the weights of a safetensors file, in the network's order.

    Raises ValueError, which names the array, where it has others than the network, or a number that is not finite.
    """
    try:
        found = load(file)
    except (SafetensorError, KeyError, ValueError) as error:
        raise ValueError(f"it is no safetensors file: {str(error)[:200]}") from None
    check_weights(network, found)
    weights = {}
    for name in network.parameters:
        if found[name].dtype not in _FLOATS:
            raise ValueError(f"{name} has numbers of type {found[name].dtype}: float32 is needed")
        with np.errstate(over="ignore"):
            weights[name] = found[name].astype(np.float32)
        if not np.isfinite(weights[name]).all():
            raise ValueError(f"{name} has a number that is not finite as a float32")
    return weights


def check_weights(network: CheckedNetwork, weights: Mapping[str, NDArray[np.floating]]) -> None:
    """Raise ValueError, which names the array, where these are not one array for each of the network's parameters."""
    for name, shape in network.parameters.items():
        if name not in weights:
            raise ValueError(f"{name} is missing from the weights")
        if weights[name].shape != shape:
            raise ValueError(f"{name} has the shape {list(weights[name].shape)}, the network needs {list(shape)}")
    for name in weights:
        if name not in network.parameters:
            raise ValueError(f"{name[:200]!r} is no array of the network")
