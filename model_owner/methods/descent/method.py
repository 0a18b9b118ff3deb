"""The method of models whose owners see the weights, and answer with the true gradient and loss of their rows."""

from __future__ import annotations

from dataclasses import replace

from fedtrain.methods.regression.budget import Budget, budget_of
from fedtrain.methods.regression.inputs import learning_rate
from fedtrain.model_owner.arithmetic.arrays import Json
from fedtrain.model_owner.methods.descent import DESCENTS
from fedtrain.model_owner.methods.descent.objective import Objective
from fedtrain.model_owner.methods.learning import Learning
from fedtrain.model_owner.methods.linear import LinearMethod, trained_model
from fedtrain.model_owner.methods.method import Finished, JobFacts, Opened, Taken
from fedtrain.model_owner.methods.moves import Done, Move
from fedtrain.model_owner.results.remarks import Remark
from fedtrain.spec.model_spec import ModelSpec
from fedtrain.tabular.encode import Encoder

_NO_TABLE = "standard errors follow from the moments for least squares without l2 alone"


class DescentMethod(LinearMethod[Objective]):
    """Value and gradient of a convex loss at one point a round."""

    leakage_theorem = False

    def numbers_in_all(self, spec: ModelSpec, rounds: int) -> int:
        """Every round's gradient and loss are numbers of their own."""
        return rounds * (spec.data_props.dimensions * spec.outputs + 1)

    def goal(self, job: JobFacts, rows_total: int, targets_squared: tuple[int, ...]) -> Objective:  # noqa: ARG002
        return objective(budget_of(job.plan), job.spec, job.rounds, rows_total)

    def first_move(self, job: JobFacts, goal: Objective) -> Move:
        return DESCENTS[job.spec.training.optimizer].start(goal)

    def answered(self, job: JobFacts, goal: Objective, learning: Learning, opened: Opened) -> Taken:
        slopes = opened.values.ravel()[-1 - goal.outputs : -1]
        learning = self.with_classes(learning, opened, goal.rows_total, slopes, goal.gradient_fraction_bits)
        move = DESCENTS[job.spec.training.optimizer].step(goal, learning.optimiser, opened.values)
        return self.moved(job, goal, learning, move, opened)

    def loss(self, job: JobFacts, losses: tuple[float, ...]) -> float:  # noqa: ARG002
        return losses[0]

    def model(self, job: JobFacts, goal: Objective, state: Json, end: Done, remarks: tuple[Remark, ...]) -> Finished:  # noqa: ARG002
        model = trained_model(end.weights, Encoder.of_spec(job.spec), remarks, no_coefficient_table=_NO_TABLE)
        return Finished(model, end.converged, end.why)


def objective(budget: Budget, spec: ModelSpec, rounds: int, rows_total: int) -> Objective:
    """The public numbers of a job as the optimisers take them."""
    inputs, training = budget.inputs, spec.training
    return Objective(
        dimensions=inputs.dimensions,
        outputs=inputs.outputs,
        rows_total=rows_total,
        rounds=rounds,
        tolerance=training.tolerance,
        rate=float(learning_rate(replace(inputs, learning_rate=None), rows_total)),
        learning_rate=None if training.learning_rate == "auto" else training.learning_rate,
        momentum=training.momentum,
        l2=float(inputs.l2),
        weight_fraction_bits=inputs.weight_fraction_bits,
        weight_limit=budget.steps[0].weight_bound,
        gradient_fraction_bits=budget.steps[0].answer_fraction_bits,
        loss_shift_bits=budget.loss_shift_bits,
        largest_feature=float(inputs.largest_feature),
        columns=Encoder.of_spec(spec).names,
        classifies=spec.kind.classifies,
    )
