"""A network's state between two answers: its weights, the server optimiser's, and the best weights so far."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from fedtrain.model_owner.arithmetic.arrays import BinaryArray, HexFloat


@dataclass(frozen=True, eq=False)
class Best:
    """The weights of the least validation loss, the round that they came of, and how many evaluations ago that was."""

    loss: HexFloat
    round: int
    weights: Mapping[str, BinaryArray]
    worse: int = 0


@dataclass(frozen=True, eq=False)
class NetworkState:
    """`weights`: float32 by name. `first`, `second`: the server optimiser's moments, float64, one column.

    `validation_rows`: those that all owners hold out together, 0 where they hold out none. `loss`, `accuracy` and
    `norm` are of the last round, whose row of the history waits for its evaluation; None where they are not told.
    """

    weights: Mapping[str, BinaryArray]
    first: BinaryArray | None = None
    second: BinaryArray | None = None
    validation_rows: int = 0
    best: Best | None = None
    loss: HexFloat | None = 0.0
    accuracy: HexFloat | None = None
    norm: HexFloat = 0.0
