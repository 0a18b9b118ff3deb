"""The common part of all methods of linear models: the counts come first, and moves of an optimiser become a model."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Sequence
from fractions import Fraction
from typing import Any, Generic, TypeVar

import numpy as np

from fedtrain.methods.regression.budget import budget_of
from fedtrain.methods.regression.kinds import RoundKind
from fedtrain.model_owner.arithmetic.arrays import Floats, Integers, Json
from fedtrain.model_owner.methods.learning import HistoryRow, Learning, Validation
from fedtrain.model_owner.methods.method import Finished, JobFacts, Method, Opened, Taken
from fedtrain.model_owner.methods.moves import Ask, Done, Move
from fedtrain.model_owner.results.classes import remarks_on_classes
from fedtrain.model_owner.results.fitted import TrainedModel, linear_arrays, linear_report
from fedtrain.model_owner.results.linear import LinearModel
from fedtrain.model_owner.results.remarks import Remark, remarks_of
from fedtrain.spec.model_spec import ModelSpec
from fedtrain.spec.problems import Code, Problem
from fedtrain.tabular.encode import Encoder

Goal = TypeVar("Goal")


class LinearMethod(Method, Generic[Goal]):
    """A method that asks for the counts, and then for what an optimiser minimises a `Goal` by."""

    fitted: type[LinearModel]

    def __init__(self, fitted: type[LinearModel]) -> None:
        self.fitted = fitted

    def step(self, job: JobFacts, learning: Learning | None, opened: Opened) -> Taken:
        if opened.kind == RoundKind.COUNTS:
            return self._counted(job, opened)
        if learning is None or job.rows_total is None:
            raise Problem(Code.WRONG_STATE, "The job has no counts yet.")
        return self.answered(job, self.goal(job, job.rows_total, learning.targets_squared), learning, opened)

    @abstractmethod
    def goal(self, job: JobFacts, rows_total: int, targets_squared: tuple[int, ...]) -> Goal:
        """The public numbers of the job as its optimisers take them."""

    @abstractmethod
    def first_move(self, job: JobFacts, goal: Goal) -> Move:
        """The optimiser's first."""

    @abstractmethod
    def answered(self, job: JobFacts, goal: Goal, learning: Learning, opened: Opened) -> Taken:
        """`step` for what follows the counts."""

    @abstractmethod
    def model(self, job: JobFacts, goal: Goal, state: Json, end: Done, remarks: tuple[Remark, ...]) -> Finished:
        """The model at an optimiser's end. No number beside the weights may lose the model."""

    @abstractmethod
    def loss(self, job: JobFacts, losses: tuple[float, ...]) -> float:
        """The training loss in raw units, from an optimiser's losses. Raises Problem(DIVERGED) beyond float64."""

    def _counted(self, job: JobFacts, opened: Opened) -> Taken:
        """(1, 1 + k): the federation's rows, and Σy² of each target; then, for evaluation, of the validation parts."""
        numbers = [int(value) for value in opened.values.ravel()]
        budget = budget_of(job.plan)
        inputs, counts_bits = budget.inputs, budget.counts_fraction_bits
        told, held = numbers[: 1 + inputs.outputs], numbers[1 + inputs.outputs :]
        rows, completed = counted(job, told[0], told[1:], counts_bits)
        move = self.first_move(job, self.goal(job, rows, completed))
        validation = None
        if held:
            held_rows = held[0] >> counts_bits
            if held_rows < 1:
                raise Problem(
                    Code.SUM_OUT_OF_BOUND, "The validation parts have no rows: an owner answered something else."
                )
            held_squares = completed_squares(job.spec, held[1:], counts_bits, held_rows, counts_bits)
            validation = Validation(rows=held_rows, squares=held_squares)
        learning = Learning(targets_squared=completed, optimiser=move.state, validation=validation)
        if isinstance(move.next, Done):
            raise ValueError("an optimiser ends with an answer")
        # N and Σy² are no part of the moments (A, b) that the leak count counts.
        return Taken(learning, move.next, 1, 0, rows_total=rows)

    def with_classes(
        self, learning: Learning, opened: Opened, rows: int, slopes: Integers, fraction_bits: int
    ) -> Learning:
        """Learn which classes there are from the first answer, at w = 0: `slopes` (k,) are the intercept's gradient."""
        if opened.round != 1:
            return learning
        sums = [Fraction(int(slope), 1 << fraction_bits) for slope in slopes]
        return learning.model_copy(update={"missing_classes": self.fitted.missing_classes(sums, rows)})

    def moved(self, job: JobFacts, goal: Goal, learning: Learning, move: Move, opened: Opened) -> Taken:
        """Return what an optimiser's move means: the history's row, and the model where training is over."""
        number = opened.round + opened.rounds - 1
        after = learning.model_copy(update={"optimiser": move.state})
        history = None
        if move.progress is not None:
            losses = move.progress.losses
            loss = None if losses is None else self.loss(job, losses)
            if not math.isfinite(move.progress.gradient):
                raise Problem(Code.DIVERGED, "Training diverged: the gradient is beyond what a double holds.")
            history = HistoryRow(round=number, loss=loss, gradient=move.progress.gradient, at=opened.at)
        decrypted = opened.values.size + (0 if opened.previous is None else opened.previous.size)
        if isinstance(move.next, Ask):
            return Taken(after, move.next, number + 1, decrypted, history=history)
        found = remarks_of(move.next.findings, Encoder.of_spec(job.spec).names)
        remarks = (*remarks_on_classes(job.spec, learning.missing_classes), *found)
        model = self.model(job, goal, move.state, move.next, remarks)
        return Taken(after, model, number, decrypted, history=history)


def counted(job: JobFacts, scaled_rows: int, squares: Sequence[int], bits: int) -> tuple[int, tuple[int, ...]]:
    """Return N, and Σy² a target as it completes the squares, at the scale of the counts; both are told at 2^−bits.

    Raises Problem(SUM_OUT_OF_BOUND) for what no owners of the plan's can have.
    """
    budget = budget_of(job.plan)
    rows, rest = divmod(scaled_rows, 1 << bits)
    if rest or rows < job.owners or rows > budget.inputs.max_rows_total or min(squares) < 0:
        raise Problem(
            Code.SUM_OUT_OF_BOUND,
            "The counts do not add up to a number of rows that the plan allows: an owner answered something else.",
        )
    return rows, completed_squares(job.spec, squares, bits, rows, budget.counts_fraction_bits)


def completed_squares(
    spec: ModelSpec, squares: Sequence[int], from_bits: int, rows: int, to_bits: int
) -> tuple[int, ...]:
    """Σy² a target, or what the model type has in its place, as integers at another scale."""
    kind, training = spec.kind, spec.training
    sums = [kind.square_sum(Fraction(square, 1 << from_bits), rows, training) for square in squares]
    return tuple(round(value * (1 << to_bits)) for value in sums)


def trained_model(
    weights: Floats,
    encoder: Encoder,
    remarks: tuple[Remark, ...] = (),
    coefficients: Floats | None = None,
    **members: Any,
) -> TrainedModel:
    """The weights (d, k) with their coefficients in raw units: those given, where they are known better than from the
    weights. `members`: further ones of the report.

    Raises Problem(DIVERGED), which names the column, where a coefficient is beyond float64.
    """
    if coefficients is None:
        with np.errstate(over="ignore", invalid="ignore"):  # whatever is not finite is found below
            coefficients = encoder.unscale(np.ascontiguousarray(weights))
    for name, row in zip(encoder.names, coefficients, strict=True):
        if not np.isfinite(row).all():
            raise Problem(
                Code.DIVERGED,
                f"The coefficient of {name} is beyond what a double holds: declare ranges nearer to the values, "
                "or give the column in another unit.",
            )
    return TrainedModel(
        arrays=linear_arrays(weights, coefficients),
        report=linear_report(coefficients.tolist(), encoder.names, encoder.output_names, **members),
        remarks=remarks,
    )
