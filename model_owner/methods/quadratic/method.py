"""The method of models whose gradient is linear in the weights, trained under encryption."""

from __future__ import annotations

import math
from dataclasses import replace

from fedtrain.methods.regression.budget import budget_of
from fedtrain.methods.regression.from_spec import weight_slope
from fedtrain.methods.regression.inputs import learning_rate
from fedtrain.methods.regression.kinds import RoundKind
from fedtrain.model_owner.arithmetic.arrays import (
    Integers,
    Json,
    floats_from_json,
    floats_to_json,
    integers_from_json,
    integers_to_json,
)
from fedtrain.model_owner.methods.learning import Learning, Pending
from fedtrain.model_owner.methods.linear import LinearMethod, completed_squares, counted, trained_model
from fedtrain.model_owner.methods.method import Finished, JobFacts, Opened, Taken
from fedtrain.model_owner.methods.moves import Ask, Done, Move
from fedtrain.model_owner.methods.quadratic import OPTIMISERS
from fedtrain.model_owner.methods.quadratic.conditioning import remarks_on_columns
from fedtrain.model_owner.methods.quadratic.conjugate_gradient import EXPLORED
from fedtrain.model_owner.methods.quadratic.evaluation import PATIENCE, mean_squares, products_and_weights
from fedtrain.model_owner.methods.quadratic.l2_choice import L2Choice, choose_l2
from fedtrain.model_owner.methods.quadratic.objective import Optimiser, Quadratic
from fedtrain.model_owner.methods.quadratic.windowed import Window, WindowedHeavyBall
from fedtrain.model_owner.results.remarks import Remark, RemarkCode, remark
from fedtrain.model_owner.results.table.coefficient_table import Fit, NoTable, SummedMoments, coefficient_table
from fedtrain.model_owner.results.table.raw_units import raw_coefficients
from fedtrain.spec.model_spec import ModelSpec, Optimizer
from fedtrain.spec.problems import Code, Problem
from fedtrain.tabular.encode import Encoder

_MOST_IN_A_TABLE = 256  # coefficients; for more it would take minutes


class QuadraticMethod(LinearMethod[Quadratic]):
    """Gradients A·w − b, all moments at once, weights updated by the Facilitator in windows, and evaluations."""

    def numbers_in_all(self, spec: ModelSpec, rounds: int) -> int:  # noqa: ARG002
        """Count what the moments (A, b) hold, A being symmetric; the rounds cannot tell more than that."""
        d, k = spec.data_props.dimensions, spec.outputs
        return (d * (d + 1) // 2 + d * k) * (2 if spec.validates else 1)

    def goal(self, job: JobFacts, rows_total: int, targets_squared: tuple[int, ...]) -> Quadratic:
        budget = budget_of(job.plan)
        inputs, training = budget.inputs, job.spec.training
        return Quadratic(
            dimensions=inputs.dimensions,
            outputs=inputs.outputs,
            rows_total=rows_total,
            owners=job.owners,
            moment_fraction_bits=inputs.moment_fraction_bits,
            weight_fraction_bits=inputs.weight_fraction_bits,
            targets_squared=targets_squared,
            counts_fraction_bits=budget.counts_fraction_bits,
            rounds=job.rounds,
            tolerance=training.tolerance,
            learning_rate=float(learning_rate(inputs, rows_total)),
            momentum=training.momentum,
            l2=float(inputs.l2),
            weight_limit=budget.steps[0].weight_bound,
            newton_fraction_bits=inputs.newton_fraction_bits,
            largest_feature=float(inputs.largest_feature),
            slope=weight_slope(job.spec),
            column_roundings=Encoder.of_spec(job.spec).roundings,
        )

    def first_move(self, job: JobFacts, goal: Quadratic) -> Move:
        return _window_optimiser(job, goal).start(goal) if _windowed(job) else _optimiser(job).start(goal)

    def answered(self, job: JobFacts, goal: Quadratic, learning: Learning, opened: Opened) -> Taken:
        if opened.kind == RoundKind.VALIDATION_LOSS:
            return self._evaluated(job, goal, learning, opened)
        if opened.kind == RoundKind.MOMENTS:
            return self._moments(job, goal, learning, opened)
        if _windowed(job):
            return self._window(job, goal, learning, opened)
        learning = self.with_classes(learning, opened, goal.rows_total, opened.values[-1], goal.answer_fraction_bits)
        move = _optimiser(job).step(goal, learning.optimiser, opened.values)
        return _to_evaluate(job, goal, self.moved(job, goal, learning, move, opened), opened.round)

    def _moments(self, job: JobFacts, goal: Quadratic, learning: Learning, opened: Opened) -> Taken:
        """All moments; where l2 is to be chosen, those of the training and of the validation parts.

        Where all is told at once, N and Σy² are in them, and take the place of what stood in for the counts.
        """
        values, choice = opened.values, None
        if job.spec.signs_off:
            values, squares = values[: -goal.outputs], values.ravel()[-goal.outputs :]
            d, bits = goal.dimensions, goal.newton_fraction_bits
            rows, completed = counted(job, int(values[d * (d + 1) // 2 - 1, 0]), [int(one) for one in squares], bits)
            learning = learning.model_copy(update={"targets_squared": completed})
            goal = self.goal(job, rows, completed)
        if job.spec.validates:
            choice, goal, values = self._chosen_l2(job, goal, values)
        slopes = -values.ravel()[-goal.outputs :]
        learning = self.with_classes(learning, opened, goal.rows_total, slopes, goal.newton_fraction_bits)
        move = _optimiser(job).step(goal, learning.optimiser, values)
        taken = replace(self.moved(job, goal, learning, move, opened), rows_total=goal.rows_total)
        if choice is None or not isinstance(taken.next, Finished):
            return taken
        model = taken.next.model.reporting(l2_choice=choice.model_dump(mode="json"))
        return replace(taken, next=replace(taken.next, model=model))

    def _window(self, job: JobFacts, goal: Quadratic, learning: Learning, opened: Opened) -> Taken:
        inputs = budget_of(job.plan).inputs
        scales = (inputs.weights_fraction_bits_at(opened.rounds), inputs.weights_fraction_bits_at(opened.rounds - 1))
        window = Window(opened.rounds, opened.values, scales[0], opened.previous, scales[1])
        move = _window_optimiser(job, goal).take(goal, learning.optimiser, window)
        return self.moved(job, goal, learning, move, opened)

    def _evaluated(self, job: JobFacts, goal: Quadratic, learning: Learning, opened: Opened) -> Taken:
        """The validation loss is known: on with the point that waited, or the end where it falls no more."""
        validation, plan = learning.validation, budget_of(job.plan).validation
        if validation is None or validation.pending is None or plan is None:
            raise Problem(Code.WRONG_STATE, "The job waits for no evaluation.")
        pending = validation.pending
        squares = mean_squares(opened.values, plan.answer_fraction_bits, goal, validation.squares, validation.rows)
        loss = self.loss(job, squares)
        history = pending.history.model_copy(update={"validation_loss": loss, "at": opened.at})
        if validation.best is None or loss < validation.best:
            kept = {"best": loss, "best_weights": pending.weights, "best_round": history.round, "worse": 0}
        else:
            kept = {"worse": validation.worse + 1}
        after = validation.model_copy(update={**kept, "pending": None})
        learned = learning.model_copy(update={"validation": after})
        follows: Ask | Finished = Ask(RoundKind.GRADIENT, integers_from_json(pending.point))
        number = opened.round + 1
        if after.worse >= PATIENCE:
            weights = floats_from_json(after.best_weights) / float(goal.slope)
            no_table = "training ended before its minimum, where the validation loss was least"
            model = trained_model(weights, Encoder.of_spec(job.spec), no_coefficient_table=no_table)
            why = (
                f"the validation loss has not fallen for {PATIENCE} evaluations: the weights are those of round "
                f"{after.best_round}"
            )
            follows, number = Finished(model, False, why), opened.round
        return Taken(learned, follows, number, opened.values.size, history=history)

    def _chosen_l2(self, job: JobFacts, goal: Quadratic, values: Integers) -> tuple[L2Choice, Quadratic, Integers]:
        def complete(squares: tuple[int, ...], rows: int) -> tuple[int, ...]:
            return completed_squares(job.spec, squares, goal.newton_fraction_bits, rows, goal.counts_fraction_bits)

        return choose_l2(goal, values, complete, lambda losses: self.loss(job, losses))

    def loss(self, job: JobFacts, losses: tuple[float, ...]) -> float:
        return raw_loss(losses, job.spec)

    def model(self, job: JobFacts, goal: Quadratic, state: Json, end: Done, remarks: tuple[Remark, ...]) -> Finished:
        """Return the model; where the rounds told all moments the fit is taken from them, so that table, coefficients
        and predictions are one.
        """
        encoder = Encoder.of_spec(job.spec)
        remarks = (*remarks, *_on_columns(job, goal, state, encoder))
        fit: Fit | None
        try:
            if not job.spec.kind.least_squares or goal.l2:
                raise NoTable("standard errors follow from the moments for least squares without l2 alone")
            table, fit = coefficient_table(_summed_moments(job, goal, state), encoder)
            members: dict[str, object] = {"coefficient_table": table.model_dump(mode="json")}
        except NoTable as reason:
            fit, members = reason.fit, {"no_coefficient_table": str(reason)}
        except (ArithmeticError, ValueError):
            fit, members = None, {"no_coefficient_table": "its numbers are beyond what a double holds"}
        if fit is not None:
            model = trained_model(fit.weights, encoder, remarks, fit.coefficients, **members)
            told = "the rounds told all moments, and the minimum was solved from them in 512 bits"
            return Finished(model, True, end.why if end.converged else told)
        coefficients = None
        if end.exact is not None:
            coefficients = raw_coefficients(end.exact, end.exact_fraction_bits, goal.slope, encoder)
        model = trained_model(end.weights / float(goal.slope), encoder, remarks, coefficients, **members)
        return Finished(model, end.converged, end.why)


def raw_loss(losses: tuple[float, ...], spec: ModelSpec) -> float:
    """The training loss in raw units, averaged over the outputs, from each output's mean square in scaled units.

    Raises Problem(DIVERGED) where one is beyond float64.
    """
    widths = [float(width) for width in Encoder.of_spec(spec).target_half_width]
    try:
        raw = [spec.kind.loss(loss, width, spec.training) for loss, width in zip(losses, widths, strict=True)]
        mean = math.fsum(loss / len(raw) for loss in raw)
    except OverflowError:
        mean = math.inf
    if not math.isfinite(mean):
        raise Problem(Code.DIVERGED, "Training diverged: the training loss is beyond what a double holds.")
    return mean


def _optimiser(job: JobFacts) -> Optimiser:
    return OPTIMISERS[job.spec.training.optimizer]


def _windowed(job: JobFacts) -> bool:
    return budget_of(job.plan).inputs.reencrypt_every > 1


def _window_optimiser(job: JobFacts, goal: Quadratic) -> WindowedHeavyBall:
    auto_rate = learning_rate(replace(budget_of(job.plan).inputs, learning_rate=None), goal.rows_total)
    uses_momentum = job.spec.training.optimizer is Optimizer.MOMENTUM
    return WindowedHeavyBall(uses_momentum=uses_momentum, auto_rate=float(auto_rate))


def _to_evaluate(job: JobFacts, goal: Quadratic, taken: Taken, number: int) -> Taken:
    """The evaluation that comes before the next point, where this round's turn it is."""
    every, validation, ask = job.spec.training.evaluate_every, taken.learning.validation, taken.next
    if validation is None or taken.history is None or not isinstance(ask, Ask) or ask.point is None or number % every:
        return taken
    weights = _optimiser(job).evaluated_weights(goal, taken.learning.optimiser)
    pending = Pending(point=integers_to_json(ask.point), weights=floats_to_json(weights), history=taken.history)
    learning = taken.learning.model_copy(update={"validation": validation.model_copy(update={"pending": pending})})
    point = products_and_weights(weights, goal.weight_fraction_bits)
    return replace(taken, learning=learning, next=Ask(RoundKind.VALIDATION_LOSS, point), round=number, history=None)


def _summed_moments(job: JobFacts, goal: Quadratic, state: Json) -> SummedMoments:
    if goal.dimensions > _MOST_IN_A_TABLE:
        raise NoTable(f"{goal.dimensions} coefficients are more than a table is made for, {_MOST_IN_A_TABLE}")
    return _optimiser(job).summed_moments(goal, state)


def _on_columns(job: JobFacts, goal: Quadratic, state: Json, encoder: Encoder) -> tuple[Remark, ...]:
    """Findings on the columns, where they are known and d³ products of long integers take little time."""
    if goal.dimensions > EXPLORED:
        return ()
    try:
        A = _optimiser(job).known_moments(goal, state)
        return () if A is None else remarks_on_columns(A, encoder.names, encoder.feature_bounds.tolist())
    except (ArithmeticError, ValueError):
        return (remark(RemarkCode.COLUMNS_NOT_JUDGED),)
