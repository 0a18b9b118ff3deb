"""Optimisers by the name that a spec gives. Adding one is a module here and a line below."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from fedtrain.model_owner.methods.quadratic.conjugate_gradient import ConjugateGradient
from fedtrain.model_owner.methods.quadratic.heavy_ball import HeavyBall
from fedtrain.model_owner.methods.quadratic.newton import Newton
from fedtrain.model_owner.methods.quadratic.objective import Optimiser
from fedtrain.spec.model_spec import Optimizer

OPTIMISERS: Final[Mapping[Optimizer, Optimiser]] = MappingProxyType(
    {
        Optimizer.GRADIENT_DESCENT: HeavyBall(uses_momentum=False),
        Optimizer.MOMENTUM: HeavyBall(uses_momentum=True),
        Optimizer.CONJUGATE_GRADIENT: ConjugateGradient(),
        Optimizer.NEWTON: Newton(),
    }
)
