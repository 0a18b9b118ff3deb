"""The owner's half of each method: how an owner answers its rounds. Pure functions of data, without cryptography."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from fedtrain.data_owner.methods.answers import OwnerMethod
from fedtrain.data_owner.methods.network import NetworkUpdate
from fedtrain.data_owner.methods.noised_moments import NoisedMoments
from fedtrain.data_owner.methods.private_network import PrivateNetworkGradient
from fedtrain.data_owner.methods.ranges import RowsBeyondBounds
from fedtrain.data_owner.methods.row_gradient import RowGradient
from fedtrain.data_owner.methods.second_moment import SecondMoment
from fedtrain.spec.model_spec import ModelType
from fedtrain.spec.model_types import MODEL_KINDS
from fedtrain.spec.problems import Code, Problem

#: Methods with rounds of their own, by model type; every other one is a regression.
_OWN: Final[Mapping[str, OwnerMethod]] = {
    "NEURAL_NETWORK": NetworkUpdate(),
    "RANGES": RowsBeyondBounds(),
}
#: With encrypted weights, and with weights that owners see.
ENCRYPTED: Final[Mapping[str, OwnerMethod]] = MappingProxyType(
    {name: SecondMoment(kind.target_shift) for name, kind in MODEL_KINDS.items() if not kind.has_network}
)
SHARED: Final[Mapping[str, OwnerMethod]] = MappingProxyType(
    {name: RowGradient(kind.row_loss) for name, kind in MODEL_KINDS.items() if kind.row_loss is not None}
)
#: Where a job claims privacy: of moments, and of gradients, where owners see the weights.
NOISED: Final[OwnerMethod] = NoisedMoments()
NOISED_GRADIENTS: Final[Mapping[str, OwnerMethod]] = MappingProxyType(
    dict.fromkeys([*SHARED, *_OWN], PrivateNetworkGradient())
)


def method_of(model_type: ModelType, *, shares_weights: bool = False, noised: bool = False) -> OwnerMethod:
    """Return the owner's half for that model type. Raises Problem(POLICY_REFUSES) where this version has none.

    `noised`: of a job that claims privacy; which model types take that, their shared half says.
    """
    if noised and not shares_weights:
        return NOISED
    methods = NOISED_GRADIENTS if noised else {**(SHARED if shares_weights else ENCRYPTED), **_OWN}
    try:
        return methods[model_type]
    except KeyError:
        known = ", ".join(methods)
        raise Problem(
            Code.POLICY_REFUSES, f"This owner's version trains no {model_type}; it trains {known}: upgrade it."
        ) from None
