"""Steps of a regression along noised gradients: made as those of a network of one layer, and reported as a regression.

There are no standard errors: they would have to know of the noise. Source: docs/privacy.md.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np

from fedtrain.methods.network.one_layer import WEIGHTS
from fedtrain.methods.network.plan import network_plan_of
from fedtrain.model_owner.methods.learning import Learning
from fedtrain.model_owner.methods.linear import trained_model
from fedtrain.model_owner.methods.method import Finished, JobFacts, Opened, Taken
from fedtrain.model_owner.methods.network.method import NetworkMethod, starting_from
from fedtrain.tabular.encode import Encoder

NO_TABLE: Final = "the steps carry noise, of which standard errors would have to know"


class NoisedSteps(NetworkMethod):
    """From w = 0, as regressions do without noise."""

    def step(self, job: JobFacts, learning: Learning | None, opened: Opened) -> Taken:
        if learning is None:
            plan = network_plan_of(job.plan)
            zeros = {name: np.zeros(shape, np.float32) for name, shape in plan.checked.parameters.items()}
            learning = starting_from(plan, zeros)
        return _reported(job, super().step(job, learning, opened))

    def again(self, job: JobFacts, learning: Learning, round_: int) -> Taken:
        return _reported(job, super().again(job, learning, round_))


def _reported(job: JobFacts, taken: Taken) -> Taken:
    """The same, with a finished network as the regression that it is."""
    if not isinstance(taken.next, Finished):
        return taken
    layer = taken.next.model
    weights = layer.arrays[WEIGHTS].singles.astype(np.float64).T
    members = {"privacy": layer.report["privacy"], "no_coefficient_table": NO_TABLE}
    model = trained_model(weights, Encoder.of_spec(job.spec), layer.remarks, **members)
    return replace(taken, next=replace(taken.next, model=model))
