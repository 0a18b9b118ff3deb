"""Optimisers by the name that a spec gives. Adding one is a module here and a line below."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from model_owner.optimisers.conjugate_gradient import ConjugateGradient
from model_owner.optimisers.heavy_ball import HeavyBall
from model_owner.optimisers.newton import Newton
from model_owner.optimisers.quadratic import Ask, Done, Json, Move, Optimiser, Progress, Quadratic
from protocol.spec import Optimizer

__all__ = ["OPTIMISERS", "Ask", "Done", "Json", "Move", "Optimiser", "Progress", "Quadratic"]

OPTIMISERS: Final[Mapping[Optimizer, Optimiser]] = MappingProxyType(
    {
        Optimizer.GRADIENT_DESCENT: HeavyBall(uses_momentum=False),
        Optimizer.MOMENTUM: HeavyBall(uses_momentum=True),
        Optimizer.CONJUGATE_GRADIENT: ConjugateGradient(),
        Optimizer.NEWTON: Newton(),
    }
)
