"""The Model Owner's half of a method: from opened sums to what is asked next, or to a model."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from datetime import datetime

from fedtrain.methods.plan import Plan
from fedtrain.model_owner.arithmetic.arrays import Integers
from fedtrain.model_owner.methods.learning import HistoryRow, Learning
from fedtrain.model_owner.methods.moves import Ask
from fedtrain.model_owner.results.fitted import Fitted, TrainedModel
from fedtrain.protocol.messages.rounds import Kind
from fedtrain.spec.model_spec import ModelSpec


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
    before a window's last update, with momentum alone. `at`: now.
    """

    kind: Kind
    round: int
    values: Integers = field(repr=False)
    at: datetime
    previous: Integers | None = field(default=None, repr=False)
    rounds: int = 1


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
    """

    learning: Learning
    next: Ask | Finished
    round: int
    numbers_decrypted: int
    rows_total: int | None = None
    history: HistoryRow | None = None


class Method(ABC):
    """Pure, with all its state in `Learning`: the same arguments give the same bits. One line each in the registry.

    The first answer is that to the counts, as round 0. `fitted`: how its models report, predict and are exported.
    `leakage_theorem`: it holds that no more can be learnt than there is in the sums.
    """

    fitted: type[Fitted] = Fitted
    leakage_theorem: bool = True

    def numbers_in_all(self, spec: ModelSpec, rounds: int) -> int | None:  # noqa: ARG002
        """Count the numbers that the sums have to tell in so many rounds; None where each is told once."""
        return None

    @abstractmethod
    def step(self, job: JobFacts, learning: Learning | None, opened: Opened) -> Taken:
        """Take the answer to the last question. `learning`: None before the first one.

        Raises Problem: SUM_OUT_OF_BOUND, DIVERGED, WRONG_STATE for an answer that is not due.
        """
