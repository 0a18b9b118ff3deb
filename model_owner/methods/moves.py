"""Questions of an optimiser, and its moves on an answer. `Ask` is also what every method asks the federation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fedtrain.model_owner.arithmetic.arrays import Floats, Integers, Json
from fedtrain.model_owner.results.remarks import Finding
from fedtrain.protocol.messages.rounds import Kind


@dataclass(frozen=True, eq=False)
class Ask:
    """The next question to the federation. `point`: (d, k) integers at f_w, exactly what is encrypted or sealed; None
    where the question needs none. `previous`: the point before it, for windows with momentum alone. `arrays`: float32
    by name, sealed once for all owners, in the place of a point.
    """

    kind: Kind
    point: Integers | None = None
    previous: Integers | None = None
    arrays: Mapping[str, NDArray[np.float32]] | None = None

    @property
    def has_weights(self) -> bool:
        return self.point is not None or self.arrays is not None


@dataclass(frozen=True, eq=False)
class Done:
    """The end. `weights`: (d, k) float64 in scaled units. `converged`: the tolerance was reached.

    `findings`: what people must know of the weights beyond that. `exact`: the same weights, (d, k) integers at
    `exact_fraction_bits`, where the optimiser knows them to more digits than a double has.
    """

    weights: Floats
    converged: bool
    why: str
    findings: tuple[Finding, ...] = ()
    exact: Integers | None = None
    exact_fraction_bits: int = 0


@dataclass(frozen=True)
class Progress:
    """State of training after an answer.

    `losses`: the training loss of each output in scaled units; None where windows hide it.
    `gradient`: the largest ‖gradient‖ / ‖b‖ of any output. Both belong to the same weights.
    """

    losses: tuple[float, ...] | None
    gradient: float


@dataclass(frozen=True, eq=False)
class Move:
    """An optimiser's move on an answer: its next state, plain JSON, what comes next, and how far it is."""

    state: Json
    next: Ask | Done
    progress: Progress | None = None
