"""The batches of one round, by a seed, and how many records are computed at once."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from fedtrain.neural.tasks import LocalSettings
from fedtrain.spec.network import CheckedNetwork, numbers

_BATCHES, _DROPOUT = b"fedtrain/batches/1", b"fedtrain/dropout/1"
#: Numbers that the layers may hold at a time, forwards; 256 MB.
_MOST_AT_ONCE = 1 << 26


def step_count(settings: LocalSettings, rows: int) -> int:
    """Return how many steps a round has: `steps`, or `epochs` times the batches of an epoch, at least 1."""
    if settings.steps is not None:
        return settings.steps
    return max(1, math.floor((settings.epochs or 0) * _batches(settings, rows) + 0.5))


def batches(settings: LocalSettings, rows: int, seed: bytes) -> Iterator[NDArray[np.int64]]:
    """Yield the rows of each step. Every epoch goes through all rows once, in an order of its own."""
    draws = np.random.Generator(np.random.Philox(key=_number(_BATCHES, seed, 16)))
    size = settings.batch_size or rows
    left = step_count(settings, rows)
    while left:
        order = np.arange(rows) if size >= rows else draws.permutation(rows)
        for start in range(0, rows, size):
            if not left:
                return
            left -= 1
            yield order[start : start + size]


def dropout_seed(seed: bytes) -> int:
    """Return what dropout draws from, apart from the order of batches."""
    return _number(_DROPOUT, seed, 8) >> 1


def rows_at_once(network: CheckedNetwork) -> int:
    """Return of how many records the layers' numbers are held at a time, at least one."""
    return max(1, _MOST_AT_ONCE // sum(numbers(shape) for shape in network.shapes.values()))


def _batches(settings: LocalSettings, rows: int) -> int:
    return -(-rows // (settings.batch_size or rows))


def _number(tag: bytes, seed: bytes, length: int) -> int:
    return int.from_bytes(hashlib.shake_256(tag + seed).digest(length))
