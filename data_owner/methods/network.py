"""The update of local training, weighted by this owner's share of the rows, and the loss of what it holds out.

(N_i/N)·Δ_i, ‖Δ_i‖ ≤ clip, beside N_i/N times the mean loss and the share of hits: the sum over owners is the mean over
the federation's rows. Source: McMahan et al., "Communication-efficient learning of deep networks from decentralized
data", 2017; docs/networks.md.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

import numpy as np

from fedtrain.data_owner.data.moments import Floats
from fedtrain.data_owner.methods.answers import Answer, Examples, Plain, PreparedData, Question
from fedtrain.methods.network.kinds import NetworkKind
from fedtrain.methods.network.plan import LOSS_BOUND, NetworkPlan, network_plan_of
from fedtrain.neural import EvaluationTask, ExamplesPart, Trainer, TrainingResult, TrainingTask, Weights
from fedtrain.spec.problems import Code, Problem

#: Norms are of float32 numbers: what is longer than `clip` by less than this is as long as it.
_CLIP_SLACK: Final = 1e-5


class NetworkUpdate:
    """Implements `fedtrain.data_owner.methods.answers.OwnerMethod`."""

    needs_rows = False
    needs_weights: frozenset[str] = frozenset({NetworkKind.UPDATE, NetworkKind.VALIDATION})

    @property
    def answers(self) -> Mapping[str, Callable[[PreparedData, Question], Answer]]:
        return {
            NetworkKind.COUNTS: self.counts,
            NetworkKind.UPDATE: self.update,
            NetworkKind.VALIDATION: self.validation,
        }

    def counts(self, data: PreparedData, _question: Question) -> Plain:
        """N, and where owners hold rows out, how many those are; as the plan has them, in one column."""
        examples = examples_of(data)
        rows = [examples.training_rows, *([examples.validation_rows] if data.plan.holds_out else [])]
        return Plain([np.array(rows, dtype=object).reshape(-1, 1)], fraction_bits=0)

    def update(self, data: PreparedData, question: Question) -> Plain:
        """(numbers of the weights + 2, 1) float64: the update array by array, the loss and the share of hits.

        Where rounds go on without an owner it is the update alone, weighted by this owner's size band.

        Raises Problem: DIVERGED for an update that is not finite, INTERNAL for one that is longer than `clip`, and
        what the trainer raises.
        """
        plan, examples = network_plan_of(data.plan), examples_of(data)
        weights, rows_total = weights_of(question), question.rows_total
        if rows_total is None:
            raise ValueError("an update is weighted by the share of all rows, and their number was not told")
        task = TrainingTask(
            plan.checked,
            plan.local,
            weights,
            ExamplesPart(examples.folder, "training"),
            question.seed,
            question.round,
        )
        result = trainer_of(data).train(task)
        weight = examples.training_rows if question.size_band is None else question.size_band
        return Plain([_column(plan, result) * (weight / rows_total)], stochastic=True)

    def validation(self, data: PreparedData, question: Question) -> Plain:
        """(2, 1) float64: the sum of the losses of the rows that are held out, and the hits among them."""
        plan, examples = network_plan_of(data.plan), examples_of(data)
        part = ExamplesPart(examples.folder, "validation")
        weights = weights_of(question)
        found = trainer_of(data).evaluate(EvaluationTask(plan.checked, plan.local.loss, weights, part))
        if found.rows != examples.validation_rows or not 0 <= found.hits <= found.rows:
            raise refused("counts that are not those of the rows which are held out")
        return Plain([np.array([[_loss(found.loss_sum, found.rows) * found.rows], [float(found.hits)]])])


def _column(plan: NetworkPlan, result: TrainingResult) -> Floats:
    """The update's numbers in the plan's order, then loss and hits where they are told, each at most `clip`."""
    parts = []
    for name, shape in plan.checked.parameters.items():
        found = result.update.get(name)
        if found is None or found.shape != shape:
            raise refused(f"an update without {name} in its shape")
        parts.append(np.asarray(found, dtype=np.float64).ravel())
    update = np.concatenate(parts)
    clip = plan.local.clip
    if not np.isfinite(update).all():
        raise Problem(
            Code.DIVERGED,
            "Local training gave an update that is not finite, and none of it leaves: a lower learning_rate, or fewer "
            "local_steps or local_epochs, would help. The job has to be deployed again.",
        )
    if float(np.sqrt(np.square(update).sum())) > clip * (1 + _CLIP_SLACK):
        raise refused(f"an update that is longer than clip, {clip:g}")
    if result.rows < 1 or not 0 <= result.hits <= result.rows:
        raise refused("a training over no rows, or with more hits than rows")
    loss = np.ldexp(_loss(result.loss_sum, result.rows), -plan.loss_shift_bits)
    hits = np.ldexp(result.hits / result.rows, -plan.hits_shift_bits)
    told = [loss, hits] if plan.tells_loss else []
    column: Floats = np.clip(np.append(update, told), -clip, clip).reshape(-1, 1)
    return column


def _loss(loss_sum: float, rows: int) -> float:
    """The mean loss of so many rows, 0 of none; one that is no number counts as the bound."""
    mean = loss_sum / rows if rows else 0.0
    return min(mean, float(LOSS_BOUND)) if mean >= 0 else float(LOSS_BOUND)


def examples_of(data: PreparedData) -> Examples:
    """Return the frozen examples. Raises ValueError where the job was prepared without."""
    if data.examples is None:
        raise ValueError("this job was prepared without its examples")
    return data.examples


def trainer_of(data: PreparedData) -> Trainer:
    """Return what trains. Raises ValueError where the job was prepared without."""
    if data.trainer is None:
        raise ValueError("this job was prepared without what trains it")
    return data.trainer


def weights_of(question: Question) -> Weights:
    """Return the opened weights as float32. Raises ValueError where a round was asked without."""
    if question.weights is None:
        raise ValueError(f"a {question.kind} round was asked without weights")
    return {name: np.asarray(values, dtype=np.float32) for name, values in question.weights.arrays.items()}


def refused(what: str) -> Problem:
    """Return the problem of a trainer that gave what it must not give."""
    return Problem(Code.INTERNAL, f"This owner's trainer gave {what}: nothing of it leaves.")
