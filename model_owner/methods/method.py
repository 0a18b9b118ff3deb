"""The Model Owner's half of a method: from opened sums to what is asked next, or to a model."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from fedtrain.methods.plan import Plan
from fedtrain.model_owner.arithmetic.arrays import Integers
from fedtrain.model_owner.methods.learning import HistoryRow, Learning
from fedtrain.model_owner.methods.moves import Ask
from fedtrain.model_owner.results.fitted import Fitted, TrainedModel
from fedtrain.protocol.messages.rounds import Kind
from fedtrain.spec.model_spec import ModelSpec
from fedtrain.spec.problems import Code, Problem


@dataclass(frozen=True)
class JobFacts:
    """Facts of its job that a method knows. `owners`: how many are on the roster. `rows_total`: N, None until it is
    told.
    """

    spec: ModelSpec
    plan: Plan
    rounds: int
    owners: int
    rows_total: int | None


@dataclass(frozen=True, eq=False)
class Opened:
    """Answer to a question, decrypted: a sum, (rows, columns) integers within their bound, or a window's weights.

    `round`: the one that was asked. `rounds`: how many the answer took, 1 without windows. `previous`: the weights
    before a window's last update, with momentum alone. `at`: now. `share`: of the roster's weight, that of the owners
    whose answers are in the sum; below 1 where the round went on without some.
    """

    kind: Kind
    round: int
    values: Integers = field(repr=False)
    at: datetime
    previous: Integers | None = field(default=None, repr=False)
    rounds: int = 1
    share: Fraction = Fraction(1)


@dataclass(frozen=True, eq=False)
class Finished:
    """The end. `converged`: the tolerance was reached. `why`: why training ended here, for people."""

    model: TrainedModel
    converged: bool
    why: str


@dataclass(frozen=True, eq=False)
class Taken:
    """Consequences of an answer. `round`: that of the next question. `rows_total`: N, where this answer told it.

    `numbers_decrypted`: how many of the federation's numbers the answer told. `history`: the row of a finished round.
    `tested`: a network's weights whose metrics on the Model Owner's test set belong to that row, None for none.
    """

    learning: Learning
    next: Ask | Finished
    round: int
    numbers_decrypted: int
    rows_total: int | None = None
    history: HistoryRow | None = None
    tested: Mapping[str, NDArray[np.float32]] | None = field(default=None, repr=False)


class Method(ABC):
    """Pure, with all its state in `Learning`: the same arguments give the same bits. One line each in the registry.

    The first answer is that to the counts, as round 0; where rounds go on without an owner nobody is asked for them,
    and it holds the sum of all size bands. `fitted`: how its models report, predict and are exported.
    `leakage_theorem`: it holds that no more can be learnt than there is in the sums.
    """

    fitted: type[Fitted] = Fitted
    leakage_theorem: bool = True

    def numbers_in_all(self, spec: ModelSpec, rounds: int) -> int | None:  # noqa: ARG002
        """Count the numbers that the sums have to tell in so many rounds; None where each is told once."""
        return None

    def again(self, job: JobFacts, learning: Learning, round_: int) -> Taken:  # noqa: ARG002
        """Ask anew, as the round after it, what round `round_` asked and got no sum for; or finish with what there is.

        Only of methods whose rounds may go on without an owner.
        """
        raise Problem(Code.WRONG_STATE, f"Round {round_} cannot come to nothing in this job.")

    @abstractmethod
    def step(self, job: JobFacts, learning: Learning | None, opened: Opened) -> Taken:
        """Take the answer to the last question. `learning`: None before the first one.

        Raises Problem: SUM_OUT_OF_BOUND, DIVERGED, WRONG_STATE for an answer that is not due.
        """
