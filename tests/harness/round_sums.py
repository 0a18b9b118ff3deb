"""A method of tests alone whose rounds may go on without an owner: each answers with other numbers in every round."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from fractions import Fraction
from typing import Any
from unittest import mock

import numpy as np

import fedtrain.data_owner.methods
import fedtrain.methods
import fedtrain.model_owner.methods
from fedtrain.data_owner.data.moments import Moments
from fedtrain.data_owner.methods.answers import Answer, Plain, PreparedData, Question
from fedtrain.methods.plain import ROWS, PlainAnswer, PlainPlan
from fedtrain.methods.schedule import COUNTS, Schedule
from fedtrain.model_owner.methods.learning import Learning
from fedtrain.model_owner.methods.method import Finished, JobFacts, Method, Opened, Taken
from fedtrain.model_owner.methods.moves import Ask
from fedtrain.model_owner.results.fitted import TrainedModel
from fedtrain.spec.model_spec import ModelSpec

KIND = "update"
#: It stands in for this model type, so that specs need no new one.
MODEL_TYPE = "LINEAR_REGRESSION"
ROW_BOUND = 1000


def numbers_of(moments: Moments, size_band: int, round_: int) -> list[int]:
    """Return what an owner answers in a round, other owners and rounds something else."""
    own = hashlib.sha256(repr(moments.xtx.tolist()).encode()).digest()
    return [int.from_bytes(own[:2], "big") % 997 * (round_ * 37 % 47), size_band, own[2] + round_]


class _Plan(PlainPlan):
    @property
    def may_go_on(self) -> bool:
        return True


class RoundSums:
    def plan(self, spec: ModelSpec) -> PlainPlan:
        training = spec.training
        answers = {COUNTS: ROWS, KIND: PlainAnswer({"numbers": (3,)}, Fraction(ROW_BOUND))}
        return _Plan(training.key_bits, training.max_rows, training.max_data_owners, answers)

    def schedule(self, spec: ModelSpec) -> Schedule:
        assert spec.training.rounds != "auto"
        return Schedule(KIND, rounds=spec.training.rounds)


class OwnersNumbers:
    needs_rows = False
    needs_weights: frozenset[str] = frozenset()

    @property
    def answers(self) -> Mapping[str, Callable[[PreparedData, Question], Answer]]:
        return {KIND: self.update}

    def update(self, data: PreparedData, question: Question) -> Plain:
        # Before the job is joined, what it would answer is tried without a roster.
        numbers = numbers_of(data.training, question.size_band or 1, question.round)
        return Plain([np.array(numbers, dtype=object).reshape(-1, 1)], fraction_bits=0)


class SumsAsTheyAre(Method):
    """`learning.optimiser`: round, numbers and share of every sum that was opened."""

    def step(self, job: JobFacts, learning: Learning | None, opened: Opened) -> Taken:
        if opened.kind == COUNTS:
            return Taken(Learning(optimiser=[]), Ask(KIND), 1, 0, rows_total=int(opened.values[0, 0]))
        assert learning is not None
        found: list[Any] = [opened.round, [int(one) for one in opened.values.ravel()], str(opened.share)]
        return self._next(job, Learning(optimiser=[*learning.optimiser, found]), opened.round)

    def again(self, job: JobFacts, learning: Learning, round_: int) -> Taken:
        return self._next(job, learning, round_)

    def _next(self, job: JobFacts, learning: Learning, round_: int) -> Taken:
        if round_ < job.rounds:
            return Taken(learning, Ask(KIND), round_ + 1, 3)
        model = TrainedModel(arrays={}, report={"sums": learning.optimiser})
        return Taken(learning, Finished(model, True, "all rounds are over"), round_, 3)


@contextmanager
def registered() -> Iterator[None]:
    """Let the method stand in for linear regression, at all parties of this process."""
    with ExitStack() as stack:
        shared = {**fedtrain.methods.METHODS, MODEL_TYPE: RoundSums()}
        stack.enter_context(mock.patch.object(fedtrain.methods, "METHODS", shared))
        for module, half in (
            (fedtrain.data_owner.methods, OwnersNumbers()),
            (fedtrain.model_owner.methods, SumsAsTheyAre()),
        ):
            stack.enter_context(mock.patch.object(module, "_OWN", {**module._OWN, MODEL_TYPE: half}))
        yield
