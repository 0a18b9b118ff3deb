"""Weights to begin with, by a seed: PyTorch's own distributions, drawn without PyTorch."""

from __future__ import annotations

import hashlib
import math

import numpy as np
from numpy.typing import NDArray

from fedtrain.spec.network import CheckedNetwork, Layer, Shape

_TAG = b"fedtrain/initial-weights/1"


def initial_weights(network: CheckedNetwork, seed: int) -> dict[str, NDArray[np.float32]]:
    """Return float32 arrays by name, in the network's order; the same for the same seed on every machine.

    Linear, convolutional and recurrent weights and biases are uniform in ±1/√n, with n what enters one number, or for
    recurrent ones the hidden size; embeddings are standard normal, `padding_idx` zero; normalisation begins as none.
    Source: PyTorch, torch.nn.Linear, Conv2d, GRU, Embedding, "Variables".
    """
    found = {}
    for layer in network.network.layers:
        for name, shape in layer.parameters.items():
            draws = _draws(seed, f"{layer.name}.{name}")
            found[f"{layer.name}.{name}"] = _begin(layer, name, shape, draws).astype(np.float32)
    return found


def _draws(seed: int, name: str) -> np.random.Generator:
    digest = hashlib.shake_256(_TAG + seed.to_bytes(16) + name.encode()).digest(16)
    return np.random.Generator(np.random.Philox(key=int.from_bytes(digest)))


def _begin(layer: Layer, name: str, shape: Shape, draws: np.random.Generator) -> NDArray[np.float64]:
    if layer.type in ("LayerNorm", "GroupNorm"):
        return np.ones(shape) if name == "weight" else np.zeros(shape)
    if layer.type == "Embedding":
        vectors = draws.standard_normal(shape)
        if layer.padding_idx is not None:
            vectors[layer.padding_idx] = 0
        return vectors
    incoming = layer.hidden_size if layer.type in ("GRU", "LSTM") else math.prod(layer.parameters["weight"][1:])
    return draws.uniform(-1, 1, shape) / math.sqrt(incoming)
