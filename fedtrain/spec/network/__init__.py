"""A network as data: named layers from a fixed list, checked without PyTorch and before anything is allocated."""

from fedtrain.spec.network.layer import Shape, numbers
from fedtrain.spec.network.layers import LAYER_TYPES, Layer
from fedtrain.spec.network.network import MOST_ACTIVATIONS, MOST_LAYERS, MOST_PARAMETERS, CheckedNetwork, Network

__all__ = [
    "LAYER_TYPES",
    "MOST_ACTIVATIONS",
    "MOST_LAYERS",
    "MOST_PARAMETERS",
    "CheckedNetwork",
    "Layer",
    "Network",
    "Shape",
    "numbers",
]
