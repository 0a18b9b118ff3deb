"""What a decrypted sum means for the model: counts, then the optimiser's answers, then the coefficients."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from fractions import Fraction

import numpy as np

from fedtrain.methods.regression.budget import Budget, learning_rate
from fedtrain.methods.regression.from_spec import weight_slope
from fedtrain.methods.regression.kinds import RoundKind
from fedtrain.model_owner.job import Asked, JobContext, JobState
from fedtrain.model_owner.methods.conditioning import known_moments, remarks_on_columns
from fedtrain.model_owner.methods.descent import DESCENTS, Objective
from fedtrain.model_owner.methods.evaluation import (
    PATIENCE,
    evaluated_weights,
    mean_squares,
    products_and_weights,
)
from fedtrain.model_owner.methods.l2_choice import L2Choice, choose_l2
from fedtrain.model_owner.methods.learning import HistoryRow, Learning, Pending, TrainedModel, Validation
from fedtrain.model_owner.methods.optimisers import OPTIMISERS, Ask, Done, Json, Move, Quadratic
from fedtrain.model_owner.methods.optimisers.quadratic import (
    Floats,
    Integers,
    floats_from_json,
    floats_to_json,
    integers_from_json,
    integers_to_json,
)
from fedtrain.model_owner.methods.optimisers.windowed import WindowedHeavyBall
from fedtrain.model_owner.methods.summed_moments import summed_moments
from fedtrain.model_owner.results.class_counts import missing_classes, remarks_on_classes
from fedtrain.model_owner.results.coefficient_table import Fit, NoTable, coefficient_table
from fedtrain.model_owner.results.raw_units import raw_coefficients
from fedtrain.model_owner.results.remarks import Remark, RemarkCode, remark, remarks_of
from fedtrain.protocol.messages.rounds import Kind
from fedtrain.spec.model_spec import ModelSpec, Optimizer
from fedtrain.spec.problems import Code, Problem
from fedtrain.tabular.encode import Encoder


@dataclass(frozen=True, eq=False)
class Taken:
    """What came of a sum. `point`: what to ask next; None for all moments, or where the model is there."""

    rows_total: int
    learning: Learning
    numbers_decrypted: int
    point: Integers | None = None
    previous: Integers | None = None
    history: HistoryRow | None = None
    model: TrainedModel | None = None
    converged: bool = False
    why: str = ""
    kind: Kind = RoundKind.GRADIENT


def take(
    context: JobContext, state: JobState, learning: Learning | None, asked: Asked, values: Integers, now: datetime
) -> Taken:
    """Take the sum of the request that was asked last. Raises Problem: SUM_OUT_OF_BOUND, DIVERGED."""
    if asked.kind == RoundKind.COUNTS:
        return _counted(context, state, values)
    if learning is None or state.rows_total is None:
        raise Problem(Code.WRONG_STATE, f"Job {state.job_id} has no counts yet.")
    if context.budget.shares_weights:
        goal = objective(context.budget, state.spec, context.rounds, state.rows_total)
        slopes = values.ravel()[-1 - goal.outputs : -1]
        learning = _with_classes(state.spec, learning, asked, slopes, goal.gradient_fraction_bits, goal)
        move = DESCENTS[state.spec.training.optimizer].step(goal, learning.optimiser, values)
        return moved(state, goal, learning, move, asked.round, values.size, now)
    problem = quadratic(context, state, state.rows_total, learning.targets_squared)
    if asked.kind == RoundKind.VALIDATION_LOSS:
        return _evaluated(context, state, problem, learning, values, now)
    if asked.kind == RoundKind.GRADIENT:
        learning = _with_classes(state.spec, learning, asked, values[-1], problem.answer_fraction_bits, problem)
    decrypted, choice = values.size, None
    if asked.kind == RoundKind.MOMENTS and state.spec.validates:
        choice, problem, values = _chosen_l2(state.spec, problem, values)
    if asked.kind == RoundKind.MOMENTS:
        slopes = -values.ravel()[-problem.outputs :]
        learning = _with_classes(state.spec, learning, asked, slopes, problem.newton_fraction_bits, problem)
    move = OPTIMISERS[state.spec.training.optimizer].step(problem, learning.optimiser, values)
    taken = moved(state, problem, learning, move, asked.round, decrypted, now)
    if choice is None or taken.model is None:
        return _to_evaluate(state.spec, problem, taken, asked.round)
    return replace(taken, model=taken.model.model_copy(update={"l2_choice": choice}))


def _with_classes(
    spec: ModelSpec,
    learning: Learning,
    asked: Asked,
    slopes: Integers,
    fraction_bits: int,
    problem: Quadratic | Objective,
) -> Learning:
    """The first answer, at w = 0, tells which classes there are: the last row of its gradient is the intercept's."""
    if asked.round != 1:
        return learning
    sums = [Fraction(int(slope), 1 << fraction_bits) for slope in slopes]
    return learning.model_copy(update={"missing_classes": missing_classes(spec, sums, problem.rows_total)})


def _to_evaluate(spec: ModelSpec, problem: Quadratic, taken: Taken, number: int) -> Taken:
    """The evaluation that comes before the next point, where this round's turn it is."""
    every, validation = spec.training.evaluate_every, taken.learning.validation
    if validation is None or taken.point is None or taken.history is None or number % every:
        return taken
    weights = evaluated_weights(spec.training.optimizer, problem, taken.learning.optimiser)
    pending = Pending(point=integers_to_json(taken.point), weights=floats_to_json(weights), history=taken.history)
    learning = taken.learning.model_copy(update={"validation": validation.model_copy(update={"pending": pending})})
    point = products_and_weights(weights, problem.weight_fraction_bits)
    return replace(taken, learning=learning, point=point, history=None, kind=RoundKind.VALIDATION_LOSS)


def _evaluated(
    context: JobContext, state: JobState, problem: Quadratic, learning: Learning, values: Integers, now: datetime
) -> Taken:
    """The validation loss is known: on with the point that waited, or the end where it falls no more."""
    validation, plan = learning.validation, context.budget.validation
    if validation is None or validation.pending is None or plan is None:
        raise Problem(Code.WRONG_STATE, f"Job {state.job_id} waits for no evaluation.")
    pending, encoder = validation.pending, Encoder.of_spec(state.spec)
    squares = mean_squares(values, plan.answer_fraction_bits, problem, validation.squares, validation.rows)
    loss = raw_loss(squares, encoder, state.spec)
    history = pending.history.model_copy(update={"validation_loss": loss, "at": now})
    if validation.best is None or loss < validation.best:
        kept = {"best": loss, "best_weights": pending.weights, "best_round": history.round, "worse": 0}
    else:
        kept = {"worse": validation.worse + 1}
    after = validation.model_copy(update={**kept, "pending": None})
    learned = learning.model_copy(update={"validation": after})
    if after.worse >= PATIENCE:
        model = trained_model(floats_from_json(after.best_weights) / float(problem.slope), encoder).model_copy(
            update={"no_table": "training ended before its minimum, where the validation loss was least"}
        )
        why = (
            f"the validation loss has not fallen for {PATIENCE} evaluations: the weights are those of round "
            f"{after.best_round}"
        )
        return Taken(problem.rows_total, learned, values.size, history=history, model=model, converged=False, why=why)
    return Taken(problem.rows_total, learned, values.size, integers_from_json(pending.point), history=history)


def _chosen_l2(spec: ModelSpec, problem: Quadratic, values: Integers) -> tuple[L2Choice, Quadratic, Integers]:
    encoder = Encoder.of_spec(spec)

    def complete(squares: tuple[int, ...], rows: int) -> tuple[int, ...]:
        return completed_squares(spec, squares, problem.newton_fraction_bits, rows, problem.counts_fraction_bits)

    return choose_l2(problem, values, complete, lambda losses: raw_loss(losses, encoder, spec))


def completed_squares(
    spec: ModelSpec, squares: Sequence[int], from_bits: int, rows: int, to_bits: int
) -> tuple[int, ...]:
    """Σy² a target, or what the model type has in its place, as integers at another scale."""
    kind, training = spec.kind, spec.training
    sums = [kind.square_sum(Fraction(square, 1 << from_bits), rows, training) for square in squares]
    return tuple(round(value * (1 << to_bits)) for value in sums)


def _counted(context: JobContext, state: JobState, values: Integers) -> Taken:
    """(1, 1 + k): the federation's rows, and Σy² of each target; then, for evaluation, of the validation parts."""
    numbers = [int(value) for value in values.ravel()]
    outputs = context.budget.inputs.outputs
    (scaled_rows, *squares), held = numbers[: 1 + outputs], numbers[1 + outputs :]
    rows, rest = divmod(scaled_rows, 1 << context.budget.counts_fraction_bits)
    if rest or rows < len(state.owners) or rows > context.budget.inputs.max_rows_total or min(squares) < 0:
        raise Problem(
            Code.SUM_OUT_OF_BOUND,
            "The counts do not add up to a number of rows that the plan allows: an owner answered something else.",
        )
    counts_bits = context.budget.counts_fraction_bits
    completed = completed_squares(state.spec, squares, counts_bits, rows, counts_bits)
    move = _first_move(context, state, rows, completed)
    validation = None
    if held:
        held_rows = held[0] >> counts_bits
        if held_rows < 1:
            raise Problem(Code.SUM_OUT_OF_BOUND, "The validation parts have no rows: an owner answered something else.")
        held_squares = completed_squares(state.spec, held[1:], counts_bits, held_rows, counts_bits)
        validation = Validation(rows=held_rows, squares=held_squares)
    learning = Learning(targets_squared=completed, optimiser=move.state, validation=validation)
    # N and Σy² are no part of the moments (A, b) that the leak count counts.
    if not isinstance(move.next, Ask):
        return Taken(rows, learning, 0)
    return Taken(rows, learning, 0, move.next.point, move.next.previous)


def _first_move(context: JobContext, state: JobState, rows: int, completed: tuple[int, ...]) -> Move:
    optimizer = state.spec.training.optimizer
    if context.budget.shares_weights:
        return DESCENTS[optimizer].start(objective(context.budget, state.spec, context.rounds, rows))
    problem = quadratic(context, state, rows, completed)
    if context.budget.inputs.reencrypt_every > 1:
        return windowed(context, state, rows).start(problem)
    return OPTIMISERS[optimizer].start(problem)


def objective(budget: Budget, spec: ModelSpec, rounds: int, rows_total: int) -> Objective:
    """The public numbers of a job whose owners see the weights, as the optimisers take them."""
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


def windowed(context: JobContext, state: JobState, rows_total: int) -> WindowedHeavyBall:
    """The optimiser of a job with windows."""
    rate = learning_rate(replace(context.budget.inputs, learning_rate=None), rows_total)
    uses_momentum = state.spec.training.optimizer is Optimizer.MOMENTUM
    return WindowedHeavyBall(uses_momentum=uses_momentum, auto_rate=float(rate))


def quadratic(context: JobContext, state: JobState, rows_total: int, targets_squared: tuple[int, ...]) -> Quadratic:
    """The job's public numbers as the optimisers take them."""
    inputs, training = context.budget.inputs, state.spec.training
    return Quadratic(
        dimensions=inputs.dimensions,
        outputs=inputs.outputs,
        rows_total=rows_total,
        owners=len(state.owners),
        moment_fraction_bits=inputs.moment_fraction_bits,
        weight_fraction_bits=inputs.weight_fraction_bits,
        targets_squared=targets_squared,
        counts_fraction_bits=context.budget.counts_fraction_bits,
        rounds=context.rounds,
        tolerance=training.tolerance,
        learning_rate=float(learning_rate(inputs, rows_total)),
        momentum=training.momentum,
        l2=float(inputs.l2),
        weight_limit=context.budget.steps[0].weight_bound,
        newton_fraction_bits=inputs.newton_fraction_bits,
        largest_feature=float(inputs.largest_feature),
        slope=weight_slope(state.spec),
        column_roundings=Encoder.of_spec(state.spec).roundings,
    )


def moved(
    state: JobState,
    problem: Quadratic | Objective,
    learning: Learning,
    move: Move,
    number: int,
    decrypted: int,
    now: datetime,
) -> Taken:
    """What an optimiser's move means: the history's row `number`, and the model where training is over."""
    after = learning.model_copy(update={"optimiser": move.state})
    encoder = Encoder.of_spec(state.spec)
    history = None
    if move.progress is not None:
        losses = move.progress.losses
        loss = None if losses is None else raw_loss(losses, encoder, state.spec)
        if not math.isfinite(move.progress.gradient):
            raise Problem(Code.DIVERGED, "Training diverged: the gradient is beyond what a double holds.")
        history = HistoryRow(round=number, loss=loss, gradient=move.progress.gradient, at=now)
    end = move.next
    if isinstance(end, Done):
        remarks = (*remarks_on_classes(state.spec, learning.missing_classes), *remarks_of(end.findings, encoder.names))
        remarks = (*remarks, *_on_columns(state.spec, problem, move, encoder))
        model, converged, why = _finished(state.spec, problem, move.state, end, encoder, remarks)
        return Taken(problem.rows_total, after, decrypted, history=history, model=model, converged=converged, why=why)
    return Taken(problem.rows_total, after, decrypted, end.point, end.previous, history)


def raw_loss(losses: tuple[float, ...], encoder: Encoder, spec: ModelSpec) -> float:
    """The training loss in raw units, averaged over the outputs, from each output's mean square in scaled units; where
    owners see the weights, the one mean loss that they told of.

    Raises Problem(DIVERGED) where one is beyond float64.
    """
    widths = [float(width) for width in encoder.target_half_width]
    try:
        if spec.shares_weights:
            return losses[0]
        raw = [spec.kind.loss(loss, width, spec.training) for loss, width in zip(losses, widths, strict=True)]
        mean = math.fsum(loss / len(raw) for loss in raw)
    except OverflowError:
        mean = math.inf
    if not math.isfinite(mean):
        raise Problem(Code.DIVERGED, "Training diverged: the training loss is beyond what a double holds.")
    return mean


def _finished(
    spec: ModelSpec,
    problem: Quadratic | Objective,
    state: Json,
    end: Done,
    encoder: Encoder,
    remarks: tuple[Remark, ...],
) -> tuple[TrainedModel, bool, str]:
    """The model at an optimiser's end, whether it is the minimum, and why training ended there.

    Where the rounds told all moments the fit is taken from them, so that table, coefficients and predictions are one.
    No number beside the weights may lose the model.
    """
    weights, coefficients = end.weights, None
    if isinstance(problem, Quadratic):
        weights = end.weights / float(problem.slope)
        if end.exact is not None:
            coefficients = raw_coefficients(end.exact, end.exact_fraction_bits, problem.slope, encoder)
    fit: Fit | None
    try:
        if isinstance(problem, Objective) or not spec.kind.least_squares or problem.l2:
            raise NoTable("standard errors follow from the moments for least squares without l2 alone")
        table, fit = coefficient_table(summed_moments(spec.training.optimizer, problem, state), encoder)
        beside: dict[str, object] = {"table": table}
    except NoTable as reason:
        fit, beside = reason.fit, {"no_table": str(reason)}
    except (ArithmeticError, ValueError):
        fit, beside = None, {"no_table": "its numbers are beyond what a double holds"}
    if fit is None:
        model = trained_model(weights, encoder, remarks, coefficients)
        return model.model_copy(update=beside), end.converged, end.why
    model = trained_model(fit.weights, encoder, remarks, fit.coefficients)
    told = "the rounds told all moments, and the minimum was solved from them in 512 bits"
    return model.model_copy(update=beside), True, end.why if end.converged else told


def _on_columns(spec: ModelSpec, problem: Quadratic | Objective, move: Move, encoder: Encoder) -> tuple[Remark, ...]:
    """Return what the moments say of the columns, where they are known."""
    if isinstance(problem, Objective):
        return ()
    try:
        A = known_moments(spec.training.optimizer, problem, move.state)
        return () if A is None else remarks_on_columns(A, encoder.names, encoder.feature_bounds.tolist())
    except (ArithmeticError, ValueError):
        return (remark(RemarkCode.COLUMNS_NOT_JUDGED),)


def trained_model(
    weights: Floats, encoder: Encoder, remarks: tuple[Remark, ...] = (), coefficients: Floats | None = None
) -> TrainedModel:
    """The weights (d, k) with their coefficients in raw units, by name, where they are known better than from those.

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
        weights=tuple(tuple(float(weight).hex() for weight in row) for row in weights),
        coefficients=tuple(tuple(float(value) for value in row) for row in coefficients),
        names=encoder.names,
        output_names=encoder.output_names,
        remarks=remarks,
    )
