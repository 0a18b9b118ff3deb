"""Server optimisers of networks, against their definitions."""

from __future__ import annotations

import numpy as np
import pytest

from fedtrain.methods.network.settings import ServerSettings
from fedtrain.model_owner.methods.network.server_optimizer import ADAPTIVITY, SECOND_DECAY, Stepped, server_step
from fedtrain.spec.training import ServerOptimizer

DRAW = np.random.default_rng(3)
BEGIN = DRAW.normal(size=7)
MEANS = DRAW.normal(size=(4, 7))


def stepped(settings: ServerSettings) -> Stepped:
    after = Stepped(BEGIN, None, None)
    for mean in MEANS:
        after = server_step(settings, after.weights, mean, after.first, after.second)
    return after


def test_the_average_is_added_as_it_is() -> None:
    after = stepped(ServerSettings(ServerOptimizer.AVERAGE, 1.0, 0.9))
    np.testing.assert_allclose(after.weights, BEGIN + MEANS.sum(axis=0), rtol=1e-14)
    assert after.first is after.second is None


def test_momentum_goes_on_in_the_direction_of_earlier_rounds() -> None:
    after = stepped(ServerSettings(ServerOptimizer.MOMENTUM, 0.5, 0.9))
    # A round's mean is in its own step and, each time by 0.9 less, in all that follow.
    shares = [0.5 * sum(0.9**later for later in range(len(MEANS) - round_)) for round_ in range(len(MEANS))]
    np.testing.assert_allclose(after.weights, BEGIN + np.array(shares) @ MEANS, rtol=1e-13)


def test_adam_divides_by_the_root_of_the_second_moment() -> None:
    after = stepped(ServerSettings(ServerOptimizer.ADAM, 0.01, 0.9))
    weights, first, second = BEGIN.copy(), np.zeros(7), np.zeros(7)
    for mean in MEANS:
        for place in range(7):
            first[place] = 0.9 * first[place] + 0.1 * mean[place]
            second[place] = SECOND_DECAY * second[place] + (1 - SECOND_DECAY) * mean[place] ** 2
            weights[place] += 0.01 * first[place] / (second[place] ** 0.5 + ADAPTIVITY)
    np.testing.assert_allclose(after.weights, weights, rtol=1e-13)
    assert after.second is not None
    np.testing.assert_allclose(after.second, second, rtol=1e-13)


@pytest.mark.parametrize("optimizer", list(ServerOptimizer))
def test_the_same_rounds_give_the_same_bits(optimizer: ServerOptimizer) -> None:
    settings = ServerSettings(optimizer, 0.3, 0.8)
    assert stepped(settings).weights.tobytes() == stepped(settings).weights.tobytes()
