"""Steps of the Model Owner along the mean of the owners' updates.

In float64, element by element and without sums, so that every machine comes to the same bits; weights are float32.
Source: McMahan et al. 2017 (average); Hsu, Qi, Brown, "Measuring the effects of non-identical data distribution", 2019
(momentum); Reddi et al., "Adaptive federated optimization", 2021, algorithm 2 (Adam, without bias correction).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from fedtrain.methods.network.settings import ServerSettings
from fedtrain.model_owner.arithmetic.arrays import Floats
from fedtrain.spec.training import ServerOptimizer

#: Adam's second decay, and what keeps its step finite where updates vanish.
SECOND_DECAY: Final = 0.99
ADAPTIVITY: Final = 1e-3


@dataclass(frozen=True, eq=False)
class Stepped:
    """Weights (n,) float64 after a step, and the moments that the next one needs."""

    weights: Floats
    first: Floats | None
    second: Floats | None


def server_step(
    settings: ServerSettings, weights: Floats, mean: Floats, first: Floats | None, second: Floats | None
) -> Stepped:
    """Return `weights` (n,) after one step along `mean` (n,). `first`, `second`: None before the first step."""
    rate, decay = settings.learning_rate, settings.momentum
    if settings.optimizer is ServerOptimizer.AVERAGE:
        return Stepped(weights + rate * mean, None, None)
    before = np.zeros_like(mean) if first is None else first
    if settings.optimizer is ServerOptimizer.MOMENTUM:
        velocity = decay * before + mean
        return Stepped(weights + rate * velocity, velocity, None)
    along = decay * before + (1 - decay) * mean
    spread = np.zeros_like(mean) if second is None else second
    spread = SECOND_DECAY * spread + (1 - SECOND_DECAY) * np.square(mean)
    return Stepped(weights + rate * along / (np.sqrt(spread) + ADAPTIVITY), along, spread)
