"""Rows as sums under differential privacy take them: of bounded length, on a coarse grid, targets centred.

A bound on what one record changes holds only if it holds of the integers: lengths are checked there, after rounding
towards zero. Source: docs/privacy.md.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fedtrain.data_owner.data.moments import Floats
from fedtrain.methods.noised_moments import GRID_BITS
from fedtrain.spec.model_spec import ModelSpec

_ONE = float(1 << GRID_BITS)
#: A row that rounding left too long gets shorter by this much at a time.
_SHORTER = 1 - 2.0**-20


@dataclass(frozen=True)
class RowClip:
    """`squared_length`: the most that the squares of a row's features, the ones apart, may add up to, in units of the
    grid. `centres`: of each output, what is taken off it; it is then within ± `target_bound`.
    """

    squared_length: int
    centres: tuple[float, ...]
    target_bound: float

    @classmethod
    def of(cls, spec: ModelSpec, target_centres: Sequence[float]) -> RowClip | None:
        """Return the clip of a job's rows, whose targets have these centres; None for a job that claims no privacy."""
        if spec.privacy is None:
            return None
        squared = (spec.privacy.longest_row**2 - 1) * (1 << 2 * GRID_BITS)
        largest = 0.5 if spec.kind.classifies else 1.0
        return cls(math.floor(squared), tuple(map(float, target_centres)), largest)

    def __call__(self, X: Floats, Y: Floats) -> tuple[Floats, Floats]:
        """Return X (rows, d), the ones last, and Y (rows, k): multiples of 2^−GRID_BITS within the bounds."""
        features = X[:, :-1]
        longest = math.sqrt(self.squared_length) / _ONE
        lengths = np.sqrt((features**2).sum(axis=1, keepdims=True))
        scale = np.divide(longest, lengths, out=np.ones_like(lengths), where=lengths > longest)
        grid = np.trunc(features * scale * _ONE).astype(np.int64)
        while (beyond := (grid * grid).sum(axis=1) > self.squared_length).any():
            grid[beyond] = np.trunc(grid[beyond] * _SHORTER).astype(np.int64)
        clipped = np.ones_like(X)
        clipped[:, :-1] = grid / _ONE
        centred = np.clip(Y - np.array(self.centres), -self.target_bound, self.target_bound)
        return clipped, np.trunc(centred * _ONE) / _ONE
