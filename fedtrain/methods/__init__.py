"""The registry of methods, by model type. A method with rounds of its own is a module here and a line in `_OWN`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Final

from fedtrain.methods.method import Method
from fedtrain.methods.network.method import NetworkRounds
from fedtrain.methods.network.private import PrivateNetwork
from fedtrain.methods.noised_moments import NoisedMoments
from fedtrain.methods.ranges import RangesRounds
from fedtrain.methods.regression.method import Regression
from fedtrain.methods.schedule import Schedule
from fedtrain.spec.model_spec import ModelSpec
from fedtrain.spec.model_types import MODEL_KINDS

_OWN: Final[Mapping[str, Method]] = {
    "NEURAL_NETWORK": NetworkRounds(),
    "RANGES": RangesRounds(),
}

#: Every other model type is a regression: its rules in `fedtrain.spec.model_types` say all that differs.
METHODS: Final[Mapping[str, Method]] = MappingProxyType({**dict.fromkeys(MODEL_KINDS, Regression()), **_OWN})
#: Of specs that claim privacy; which model types they take, their plans say.
NOISED: Final[Method] = NoisedMoments()
NOISED_GRADIENTS: Final[Method] = PrivateNetwork()


def method_of(spec: ModelSpec) -> Method:
    """Return the method of the spec's model type, that for noise where it claims privacy."""
    if spec.privacy is None:
        return METHODS[spec.model_type]
    return NOISED_GRADIENTS if spec.tells_gradients else NOISED


def schedule_of(spec: ModelSpec) -> Schedule:
    """Return the order of the rounds of the spec's job."""
    schedule = method_of(spec).schedule(spec)
    counts = schedule.counts and not spec.self_masked
    return replace(schedule, goes_on=spec.training.goes_on, signs_off=spec.signs_off, counts=counts)


__all__ = ["METHODS", "Method", "method_of", "schedule_of"]
