"""What a decrypted sum means for the model: counts, then the optimiser's answers, then the coefficients."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from fractions import Fraction

import numpy as np

from crypto.budget import Budget, learning_rate
from model_owner.coefficient_table import NoTable, coefficient_table
from model_owner.job import Asked, ExpectedSum, HistoryRow, JobContext, JobState, Learning, TrainedModel
from model_owner.l2_choice import L2Choice, choose_l2
from model_owner.optimisers import OPTIMISERS, Ask, Done, Move, Quadratic
from model_owner.optimisers.quadratic import Floats, Integers
from model_owner.optimisers.windowed import WindowedHeavyBall
from model_owner.summed_moments import summed_moments
from protocol.messages import RoundKind
from protocol.problems import Code, Problem
from protocol.spec import ModelSpec, Optimizer
from tabular.encode import Encoder


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


def expected_sum(budget: Budget, kind: RoundKind, rows_total: int | None) -> ExpectedSum:
    """What the plan says of a sum, tightened by N once the counts are in.

    Raises Problem(WRONG_STATE) for a kind that the plan does not have.
    """
    if kind is RoundKind.COUNTS:
        return ExpectedSum(budget.counts_layout, budget.counts_fraction_bits, budget.counts_sum_bound)
    if kind is RoundKind.GRADIENT and rows_total is not None:
        bound = budget.sum_bound_for(0, rows_total)
        return ExpectedSum(budget.answer_layout, budget.steps[0].answer_fraction_bits, bound)
    if kind is RoundKind.MOMENTS and budget.newton is not None:
        return ExpectedSum(budget.newton.layout, budget.newton.fraction_bits, budget.newton.sum_bound)
    raise Problem(Code.WRONG_STATE, f"This job's plan has no sum of {kind}.")


def take(
    context: JobContext, state: JobState, learning: Learning | None, asked: Asked, values: Integers, now: datetime
) -> Taken:
    """Take the sum of the request that was asked last. Raises Problem: SUM_OUT_OF_BOUND, DIVERGED."""
    if asked.kind is RoundKind.COUNTS:
        return _counted(context, state, values)
    if learning is None or state.rows_total is None:
        raise Problem(Code.WRONG_STATE, f"Job {state.job_id} has no counts yet.")
    problem = quadratic(context, state, state.rows_total, learning.targets_squared)
    decrypted, choice = values.size, None
    if state.spec.validates:
        choice, problem, values = _chosen_l2(state.spec, problem, values)
    move = OPTIMISERS[state.spec.training.optimizer].step(problem, learning.optimiser, values)
    taken = moved(state, problem, learning, move, asked.round, decrypted, now)
    if choice is None or taken.model is None:
        return taken
    return replace(taken, model=taken.model.model_copy(update={"l2_choice": choice}))


def _chosen_l2(spec: ModelSpec, problem: Quadratic, values: Integers) -> tuple[L2Choice, Quadratic, Integers]:
    encoder = Encoder.of_spec(spec)

    def complete(squares: tuple[int, ...], rows: int) -> tuple[int, ...]:
        return completed_squares(spec, squares, problem.newton_fraction_bits, rows, problem.counts_fraction_bits)

    slope = spec.kind.slope(spec.training)
    return choose_l2(problem, values, slope, complete, lambda losses: raw_loss(losses, encoder, spec))


def completed_squares(
    spec: ModelSpec, squares: Sequence[int], from_bits: int, rows: int, to_bits: int
) -> tuple[int, ...]:
    """Σy² a target, or what the model type has in its place, as integers at another scale."""
    kind, training = spec.kind, spec.training
    sums = [kind.square_sum(Fraction(square, 1 << from_bits), rows, training) for square in squares]
    return tuple(round(value * (1 << to_bits)) for value in sums)


def _counted(context: JobContext, state: JobState, values: Integers) -> Taken:
    """(1, 1 + k): the federation's rows, and Σy² of each target."""
    scaled_rows, *squares = (int(value) for value in values.ravel())
    rows, rest = divmod(scaled_rows, 1 << context.budget.counts_fraction_bits)
    if rest or rows < len(state.owners) or rows > context.budget.inputs.max_rows_total or min(squares) < 0:
        raise Problem(
            Code.SUM_OUT_OF_BOUND,
            "The counts do not add up to a number of rows that the plan allows: an owner answered something else.",
        )
    counts_bits = context.budget.counts_fraction_bits
    completed = completed_squares(state.spec, squares, counts_bits, rows, counts_bits)
    problem = quadratic(context, state, rows, completed)
    if context.budget.inputs.reencrypt_every > 1:
        move = windowed(context, state, rows).start(problem)
    else:
        move = OPTIMISERS[state.spec.training.optimizer].start(problem)
    learning = Learning(targets_squared=completed, optimiser=move.state)
    # N and Σy² are no part of the moments (A, b) that the leak count counts.
    if not isinstance(move.next, Ask):
        return Taken(rows, learning, 0)
    return Taken(rows, learning, 0, move.next.point, move.next.previous)


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
    )


def moved(
    state: JobState, problem: Quadratic, learning: Learning, move: Move, number: int, decrypted: int, now: datetime
) -> Taken:
    """What an optimiser's move means: the history's row `number`, and the model where training is over."""
    after = learning.model_copy(update={"optimiser": move.state})
    encoder = Encoder.of_spec(state.spec)
    history = None
    if move.progress is not None:
        losses = move.progress.losses
        loss = None if losses is None else raw_loss(losses, encoder, state.spec)
        history = HistoryRow(round=number, loss=loss, gradient=move.progress.gradient, at=now)
    end = move.next
    if isinstance(end, Done):
        model = _with_table(trained_model(end.weights, encoder), state.spec, problem, move, encoder)
        return Taken(
            problem.rows_total,
            after,
            decrypted,
            history=history,
            model=model,
            converged=end.converged,
            why=end.why,
        )
    return Taken(problem.rows_total, after, decrypted, end.point, end.previous, history)


def raw_loss(losses: tuple[float, ...], encoder: Encoder, spec: ModelSpec) -> float:
    """The training loss in raw units, averaged over the outputs, from each output's mean square in scaled units.

    Raises Problem(DIVERGED) where one is beyond float64.
    """
    widths = [float(width) for width in encoder.target_half_width]
    try:
        raw = [spec.kind.loss(loss, width, spec.training) for loss, width in zip(losses, widths, strict=True)]
        mean = math.fsum(loss / len(raw) for loss in raw)
    except OverflowError:
        mean = math.inf
    if not math.isfinite(mean):
        raise Problem(Code.DIVERGED, "Training diverged: the training loss is beyond what a double holds.")
    return mean


def _with_table(model: TrainedModel, spec: ModelSpec, problem: Quadratic, move: Move, encoder: Encoder) -> TrainedModel:
    try:
        if not spec.kind.least_squares or problem.l2:
            raise NoTable("standard errors follow from the moments for least squares without l2 alone")
        moments = summed_moments(spec.training.optimizer, problem, move.state)
        return model.model_copy(update={"table": coefficient_table(moments, encoder)})
    except NoTable as reason:
        return model.model_copy(update={"no_table": str(reason)})


def trained_model(weights: Floats, encoder: Encoder) -> TrainedModel:
    """The weights (d, k) with their coefficients in raw units, by name."""
    coefficients = encoder.unscale(np.ascontiguousarray(weights))
    return TrainedModel(
        weights=tuple(tuple(float(weight).hex() for weight in row) for row in weights),
        coefficients=tuple(tuple(float(value) for value in row) for row in coefficients),
        names=encoder.names,
        output_names=encoder.output_names,
    )
