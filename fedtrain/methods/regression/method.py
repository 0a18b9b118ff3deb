"""The shared half of regressions: least squares and logistic, under encryption or with weights that owners see."""

from __future__ import annotations

from fedtrain.methods.regression.budget import Budget, plan
from fedtrain.methods.regression.from_spec import budget_inputs
from fedtrain.methods.regression.kinds import RoundKind
from fedtrain.methods.schedule import Schedule
from fedtrain.spec.model_spec import ModelSpec, Optimizer


class Regression:
    """Implements `fedtrain.methods.method.Method` for every type of model whose rules are `ModelKind`'s own."""

    def plan(self, spec: ModelSpec) -> Budget:
        return plan(budget_inputs(spec))

    def schedule(self, spec: ModelSpec) -> Schedule:
        """newton has one round; "auto" is what the optimiser is given."""
        training = spec.training
        if training.optimizer is Optimizer.NEWTON:
            return Schedule(RoundKind.MOMENTS, 1)
        rounds = training.rounds
        if rounds == "auto":
            rounds = 500 if training.optimizer is Optimizer.LBFGS else 1000
            if training.optimizer is Optimizer.CONJUGATE_GRADIENT:
                rounds = 4 * (spec.data_props.dimensions + 1)
        window, every = training.reencrypt_every, training.evaluate_every
        evaluation = RoundKind.VALIDATION_LOSS if every else ""
        return Schedule(RoundKind.GRADIENT, rounds, window, evaluation, every, stepped=True)
