"""The sum of clipped gradients of a sample of this owner's records, for a job of steps that claims privacy.

Nothing else is told: no loss, and not how many records were drawn. Each answer's noise, and its sample, are its own.
Source: docs/privacy.md.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from fedtrain.data_owner.methods.answers import Answer, Plain, PreparedData, Question
from fedtrain.data_owner.methods.network import examples_of, refused, trainer_of, weights_of
from fedtrain.methods.network.kinds import NetworkKind
from fedtrain.methods.network.private import PrivateNetworkPlan
from fedtrain.neural import ExamplesPart, GradientTask


class PrivateNetworkGradient:
    """Implements `fedtrain.data_owner.methods.answers.OwnerMethod`."""

    needs_rows = False
    needs_weights: frozenset[str] = frozenset({NetworkKind.UPDATE})

    @property
    def answers(self) -> Mapping[str, Callable[[PreparedData, Question], Answer]]:
        return {NetworkKind.UPDATE: self.gradient}

    def gradient(self, data: PreparedData, question: Question) -> Plain:
        """(numbers of the weights, 1) integers at the plan's scale.

        Raises Problem(INTERNAL) for a sum of another shape, and what the trainer raises.
        """
        plan = data.plan
        if not isinstance(plan, PrivateNetworkPlan):
            raise TypeError(f"a private network's plan is a PrivateNetworkPlan, received {type(plan).__name__}")
        examples = ExamplesPart(examples_of(data).folder, "training")
        task = GradientTask(plan.checked, plan.terms, weights_of(question), examples, question.seed)
        summed = (data.gradients or trainer_of(data)).gradients(task)
        if summed.dtype != np.int64 or summed.shape != (plan.checked.parameter_count,):
            raise refused(f"a sum of gradients of shape {summed.shape}")
        return Plain([summed.astype(object).reshape(-1, 1)], plan.terms.fraction_bits)
