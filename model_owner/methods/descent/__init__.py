"""Optimisers for jobs in which owners see the weights, by the name that a spec gives: of a convex loss of which value
and gradient are asked for, point by point. Adding one is a module here and a line below."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from fedtrain.model_owner.methods.descent.first_order import Adam, HeavyBall
from fedtrain.model_owner.methods.descent.lbfgs import LBFGS
from fedtrain.model_owner.methods.descent.objective import Descent, Evaluation, Objective
from fedtrain.spec.model_spec import Optimizer

__all__ = ["DESCENTS", "Descent", "Evaluation", "Objective"]

DESCENTS: Final[Mapping[Optimizer, Descent]] = MappingProxyType(
    {
        Optimizer.GRADIENT_DESCENT: HeavyBall(uses_momentum=False),
        Optimizer.MOMENTUM: HeavyBall(uses_momentum=True),
        Optimizer.ADAM: Adam(),
        Optimizer.LBFGS: LBFGS(),
    }
)
