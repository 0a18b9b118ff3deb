"""The shared half of networks: the counts, then rounds of updates, with the validation parts' loss between."""

from __future__ import annotations

from fedtrain.methods.network.kinds import NetworkKind
from fedtrain.methods.network.plan import NetworkPlan, network_plan
from fedtrain.methods.network.settings import ROUNDS
from fedtrain.methods.schedule import Schedule
from fedtrain.spec.model_spec import ModelSpec


class NetworkRounds:
    """Implements `fedtrain.methods.method.Method`."""

    def plan(self, spec: ModelSpec) -> NetworkPlan:
        return network_plan(spec)

    def schedule(self, spec: ModelSpec) -> Schedule:
        training = spec.training
        rounds = ROUNDS if training.rounds == "auto" else training.rounds
        every = training.evaluate_every
        return Schedule(
            NetworkKind.UPDATE, rounds, 1, NetworkKind.VALIDATION if every else "", every, evaluates_last=True
        )
