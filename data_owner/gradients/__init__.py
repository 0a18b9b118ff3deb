"""How an owner answers a round, by model type: one provider each."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from data_owner.gradients.provider import GradientProvider, Prepared
from data_owner.gradients.second_moment import SecondMoment
from protocol.model_types import MODEL_KINDS
from protocol.problems import Code, Problem
from protocol.spec import ModelType

PROVIDERS: Final[Mapping[str, GradientProvider]] = MappingProxyType(
    {name: SecondMoment(target_shift=kind.target_shift) for name, kind in MODEL_KINDS.items()}
)


def provider_of(model_type: ModelType) -> GradientProvider:
    """Return the provider of that model type. Raises Problem(POLICY_REFUSES) where this version has none."""
    try:
        return PROVIDERS[model_type]
    except KeyError:
        known = ", ".join(PROVIDERS)
        raise Problem(
            Code.POLICY_REFUSES, f"This owner's version trains no {model_type}; it trains {known}: upgrade it."
        ) from None


__all__ = ["PROVIDERS", "GradientProvider", "Prepared", "SecondMoment", "provider_of"]
