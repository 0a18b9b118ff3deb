"""Where frozen examples lie: two files a part, which a worker maps into memory."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fedtrain.neural.tasks import ExamplesPart


def x_file(examples: ExamplesPart) -> Path:
    """(rows, numbers of all features) float32, in the order of the features; ids are whole numbers."""
    return examples.folder / f"{examples.part}-x.npy"


def y_file(examples: ExamplesPart) -> Path:
    """(rows, outputs) float32: one column a target with a range, scaled; 0 or 1 for categories, one column each.

    Two categories have one column.
    """
    return examples.folder / f"{examples.part}-y.npy"


def open_examples(examples: ExamplesPart) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return X and Y, mapped into memory. Raises ValueError where their rows do not go together."""
    X = np.load(x_file(examples), mmap_mode="r", allow_pickle=False)
    Y = np.load(y_file(examples), mmap_mode="r", allow_pickle=False)
    if X.ndim != 2 or Y.ndim != 2 or len(X) != len(Y) or X.dtype != np.float32 or Y.dtype != np.float32:
        raise ValueError(f"examples: X is {X.dtype} {X.shape}, Y {Y.dtype} {Y.shape}: these are no frozen examples")
    return X, Y
