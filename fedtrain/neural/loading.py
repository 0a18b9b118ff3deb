"""Exported networks, as PyTorch has them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fedtrain.neural.module import NetworkModule


def load(path: str | os.PathLike[str]) -> NetworkModule:
    """Return an exported network, a safetensors file, as a torch.nn.Module that is ready to give scores.

    It takes one tensor a feature, (records, *shape), as the network was trained on it. Nothing of the file is run.
    Raises OSError, ValueError for another file, and ImportError where PyTorch is not installed.
    """
    from fedtrain.neural.module import build
    from fedtrain.neural.weights_file import network_from_bytes, weights_from_bytes

    file = Path(path).read_bytes()
    try:
        network = network_from_bytes(file)
        module = build(network, weights_from_bytes(file, network))
    except ValueError as error:
        raise ValueError(f"{os.fspath(path)}: {error}") from None
    module.eval()
    return module
