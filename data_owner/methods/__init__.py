"""How an owner answers a round, by model type and by whether owners see the weights: one provider each."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from fedtrain.data_owner.methods.provider import GradientProvider, Prepared
from fedtrain.data_owner.methods.second_moment import SecondMoment
from fedtrain.data_owner.methods.shared_weights import RowGradient
from fedtrain.spec.model_spec import ModelType
from fedtrain.spec.model_types import MODEL_KINDS
from fedtrain.spec.problems import Code, Problem

PROVIDERS: Final[Mapping[str, GradientProvider]] = MappingProxyType(
    {name: SecondMoment(target_shift=kind.target_shift) for name, kind in MODEL_KINDS.items()}
)
SHARED_PROVIDERS: Final[Mapping[str, RowGradient]] = MappingProxyType(
    {
        name: RowGradient(kind.row_loss, kind.target_shift)
        for name, kind in MODEL_KINDS.items()
        if kind.row_loss is not None
    }
)


def provider_of(model_type: ModelType, *, shares_weights: bool = False) -> GradientProvider:
    """Return the provider of that model type. Raises Problem(POLICY_REFUSES) where this version has none."""
    providers: Mapping[str, GradientProvider] = SHARED_PROVIDERS if shares_weights else PROVIDERS
    try:
        return providers[model_type]
    except KeyError:
        known = ", ".join(providers)
        raise Problem(
            Code.POLICY_REFUSES, f"This owner's version trains no {model_type}; it trains {known}: upgrade it."
        ) from None


__all__ = [
    "PROVIDERS",
    "SHARED_PROVIDERS",
    "GradientProvider",
    "Prepared",
    "RowGradient",
    "SecondMoment",
    "provider_of",
]
