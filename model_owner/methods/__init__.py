"""The Model Owner's half of every method. One with rounds of its own is a module here and a line in `_OWN`."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from fedtrain.model_owner.methods.descent.method import DescentMethod
from fedtrain.model_owner.methods.method import Method
from fedtrain.model_owner.methods.network.method import NetworkMethod
from fedtrain.model_owner.methods.noised_moments import NoisedMoments
from fedtrain.model_owner.methods.noised_steps import NoisedSteps
from fedtrain.model_owner.methods.quadratic.method import QuadraticMethod
from fedtrain.model_owner.methods.ranges import ProposedRanges
from fedtrain.model_owner.results.classes import Classes, SurrogateClasses
from fedtrain.model_owner.results.linear import Values, ValuesOfSharedWeights
from fedtrain.model_owner.results.network import NetworkClasses, NetworkValues
from fedtrain.spec.model_spec import ModelSpec

#: By model type.
_OWN: Final[Mapping[str, Method]] = {
    "RANGES": ProposedRanges(),
}

#: Networks, by whether they classify.
NETWORKS: Final[Mapping[bool, Method]] = MappingProxyType(
    {False: NetworkMethod(NetworkValues), True: NetworkMethod(NetworkClasses)}
)

#: Every other model type is a regression: by how its weights travel, and whether it classifies.
REGRESSIONS: Final[Mapping[tuple[str, bool], Method]] = MappingProxyType(
    {
        ("encrypted", False): QuadraticMethod(Values),
        ("encrypted", True): QuadraticMethod(SurrogateClasses),
        ("shared_with_owners", False): DescentMethod(ValuesOfSharedWeights),
        ("shared_with_owners", True): DescentMethod(Classes),
    }
)


#: Regressions that claim privacy of gradients, by whether they classify.
NOISED_STEPS: Final[Mapping[bool, Method]] = MappingProxyType(
    {False: NoisedSteps(ValuesOfSharedWeights), True: NoisedSteps(Classes)}
)
#: Those that claim it of moments.
NOISED: Final[Mapping[bool, Method]] = MappingProxyType(
    {False: NoisedMoments(Values), True: NoisedMoments(SurrogateClasses)}
)


def method_of(spec: ModelSpec) -> Method:
    """The method that trains a job of that spec."""
    if spec.kind.has_network:
        return NETWORKS[spec.classifies]
    if spec.claims_gradients:
        return NOISED_STEPS[spec.kind.classifies]
    if spec.privacy is not None:
        return NOISED[spec.kind.classifies]
    return _OWN.get(spec.model_type) or REGRESSIONS[spec.training.weights, spec.kind.classifies]
