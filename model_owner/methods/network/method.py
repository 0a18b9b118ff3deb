"""Rounds of a network: the counts, then updates, with the validation parts' loss between; the best weights are kept."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from fedtrain.methods import schedule_of
from fedtrain.methods.network.kinds import NetworkKind
from fedtrain.methods.network.plan import NetworkPlan, network_plan_of
from fedtrain.methods.network.private import PrivateNetworkPlan
from fedtrain.methods.network.settings import server_settings
from fedtrain.methods.noised_moments import claim_shown
from fedtrain.methods.plan import split
from fedtrain.model_owner.arithmetic.arrays import Floats, from_json, to_floats, to_json
from fedtrain.model_owner.methods.learning import HistoryRow, Learning
from fedtrain.model_owner.methods.method import Finished, JobFacts, Method, Opened, Taken
from fedtrain.model_owner.methods.moves import Ask
from fedtrain.model_owner.methods.network.server_optimizer import server_step
from fedtrain.model_owner.methods.network.state import Best, NetworkState
from fedtrain.model_owner.results.fitted import Array, Fitted, TrainedModel
from fedtrain.model_owner.results.remarks import Remark, RemarkCode, remark
from fedtrain.neural import Weights
from fedtrain.neural.initial import initial_weights
from fedtrain.planning.plans import plan_spec
from fedtrain.spec.model_spec import ModelSpec
from fedtrain.spec.problems import Code, Problem

#: Evaluations without a lower loss, after which training ends.
PATIENCE = 3


class NetworkMethod(Method):
    """`Learning.optimiser` holds a `NetworkState`; before the counts it may hold weights to begin with."""

    leakage_theorem = False

    def __init__(self, fitted: type[Fitted]) -> None:
        self.fitted = fitted

    def numbers_in_all(self, spec: ModelSpec, rounds: int) -> int:
        """Every round's mean is of other updates, and every evaluation of other weights."""
        plan = network_plan_of(plan_spec(spec))
        evaluation = plan.round(NetworkKind.VALIDATION).revealed if plan.evaluates else 0
        return rounds * plan.round(NetworkKind.UPDATE).revealed + schedule_of(spec).evaluations() * evaluation

    def step(self, job: JobFacts, learning: Learning | None, opened: Opened) -> Taken:
        plan = network_plan_of(job.plan)
        if opened.kind == NetworkKind.COUNTS:
            return _counted(job, plan, learning, opened)
        if learning is None or job.rows_total is None:
            raise Problem(Code.WRONG_STATE, "The job has no counts yet.")
        state = from_json(NetworkState, learning.optimiser)
        if opened.kind == NetworkKind.VALIDATION:
            return _evaluated(job, state, opened)
        return _updated(job, plan, state, opened)

    def again(self, job: JobFacts, learning: Learning, round_: int) -> Taken:
        """Ask for updates from the same weights, as a new round; the owners draw other batches for it."""
        state = from_json(NetworkState, learning.optimiser)
        if round_ < job.rounds:
            return Taken(learning, _asking(state, NetworkKind.UPDATE), round_ + 1, 0)
        return Taken(learning, _finished(job, state, f"all {job.rounds} rounds are done"), round_, 0)


def _counted(job: JobFacts, plan: NetworkPlan, learning: Learning | None, opened: Opened) -> Taken:
    rows, *held = (int(value) for value in opened.values.ravel())
    if rows < job.owners or rows > plan.max_rows_total or (held and held[0] < 1):
        raise Problem(
            Code.SUM_OUT_OF_BOUND,
            "The counts do not add up to a number of rows that the plan allows: an owner answered something else.",
        )
    if learning is not None and learning.optimiser is not None:
        weights = from_json(NetworkState, learning.optimiser).weights
    else:
        weights = initial_weights(plan.checked, job.spec.training.seed or 0)
    state = NetworkState(weights, validation_rows=held[0] if held else 0)
    return Taken(_learned(state), _asking(state, NetworkKind.UPDATE), 1, 0, rows_total=rows)


def _updated(job: JobFacts, plan: NetworkPlan, state: NetworkState, opened: Opened) -> Taken:
    """Apply the mean of a round's updates. Raises Problem(DIVERGED) for weights beyond the plan's bound."""
    bits = plan.round(NetworkKind.UPDATE).answer.fraction_bits
    numbers = to_floats(opened.values.ravel(), bits)
    told = numbers[numbers.size - 2 :] if plan.tells_loss else None
    # Of the owners that are in the sum: those that were not there share their weight among the others.
    mean = numbers[: numbers.size - (0 if told is None else 2)] / float(opened.share) * plan.update_factor
    settings = server_settings(job.spec.training)
    stepped = server_step(settings, _column(state.weights), mean, state.first, state.second)
    with np.errstate(over="ignore"):
        found = stepped.weights.astype(np.float32)
    # NaN is not at most the bound either.
    if not bool((np.abs(found) <= float(plan.weight_bound)).all()):
        raise Problem(
            Code.DIVERGED,
            f"Training diverged in round {opened.round}: a weight is beyond {float(plan.weight_bound):g}, "
            "weight_bound. Lower learning_rate, server_learning_rate or clip.",
        )
    after = replace(
        state,
        weights=split(found, plan.checked.parameters),
        first=stepped.first,
        second=stepped.second,
        loss=None if told is None else float(np.ldexp(told[0], plan.loss_shift_bits)),
        accuracy=None if told is None or not job.spec.classifies else float(np.ldexp(told[1], plan.hits_shift_bits)),
        # Correctly rounded, and so the same on every machine.
        norm=math.sqrt(math.fsum(np.square(mean).tolist())),
    )
    if schedule_of(job.spec).evaluates(opened.round):
        return Taken(_learned(after), _asking(after, NetworkKind.VALIDATION), opened.round, numbers.size)
    history = _row(after, opened)
    if opened.round < job.rounds:
        return Taken(_learned(after), _asking(after, NetworkKind.UPDATE), opened.round + 1, numbers.size, None, history)
    end = _finished(job, after, f"all {job.rounds} rounds are done")
    return Taken(_learned(after), end, opened.round, numbers.size, None, history)


def _evaluated(job: JobFacts, state: NetworkState, opened: Opened) -> Taken:
    """Take the validation parts' loss; end where it has not fallen for so many evaluations."""
    bits = network_plan_of(job.plan).round(NetworkKind.VALIDATION).answer.fraction_bits
    loss_sum, hits = (int(value) / (1 << bits) for value in opened.values.ravel())
    loss, accuracy = loss_sum / state.validation_rows, hits / state.validation_rows
    best = state.best
    if best is None or loss < best.loss:
        best = Best(loss, opened.round, state.weights)
    else:
        best = replace(best, worse=best.worse + 1)
    after = replace(state, best=best)
    history = _row(after, opened).model_copy(
        update={"validation_loss": loss, "validation_accuracy": accuracy if job.spec.classifies else None}
    )
    over = opened.round >= job.rounds
    if over or best.worse >= PATIENCE:
        why = f"the validation loss has not fallen for {PATIENCE} evaluations"
        end = _finished(job, after, f"all {job.rounds} rounds are done" if over else why)
        return Taken(_learned(after), end, opened.round, opened.values.size, None, history, after.weights)
    ask = _asking(after, NetworkKind.UPDATE)
    return Taken(_learned(after), ask, opened.round + 1, opened.values.size, None, history, after.weights)


def _finished(job: JobFacts, state: NetworkState, why: str) -> Finished:
    weights, report, remarks = state.weights, dict[str, object](), tuple[Remark, ...]()
    if state.best is not None:
        weights, report = state.best.weights, {"best_round": state.best.round}
        why = f"{why}: the weights are those of round {state.best.round}, with the least validation loss"
    arrays = {name: Array.of(values) for name, values in weights.items()}
    parameters = {name: list(values.shape) for name, values in weights.items()}
    if isinstance(job.plan, PrivateNetworkPlan) and (noise := job.plan.noise) is not None:
        claim = noise.privacy
        told = {"honest_owners": noise.honest_owners, "noise_multiplier": noise.multiplier}
        report = {**report, "privacy": {**claim_shown(claim, noise.epsilon), **told}}
        remarks = (remark(RemarkCode.NOISED_STEPS, epsilon=noise.epsilon, delta=claim.delta, rounds=noise.rounds),)
    model = TrainedModel(arrays=arrays, report={"parameters": parameters, **report}, remarks=remarks)
    return Finished(model, True, why)


def _asking(state: NetworkState, kind: NetworkKind) -> Ask:
    return Ask(kind, arrays=state.weights)


def _learned(state: NetworkState) -> Learning:
    return Learning(optimiser=to_json(state))


def _row(state: NetworkState, opened: Opened) -> HistoryRow:
    return HistoryRow(round=opened.round, loss=state.loss, gradient=state.norm, at=opened.at, accuracy=state.accuracy)


def _column(weights: Weights) -> Floats:
    return np.concatenate([values.ravel() for values in weights.values()]).astype(np.float64)


def starting_from(plan: NetworkPlan, weights: Weights) -> Learning:
    """Return what a job begins with where the network's weights are given.

    Raises ValueError for a weight beyond the plan's bound.
    """
    if not bool((np.abs(_column(weights)) <= float(plan.weight_bound)).all()):
        raise ValueError(f"a weight is beyond {float(plan.weight_bound):g}, weight_bound")
    return _learned(NetworkState(weights))
