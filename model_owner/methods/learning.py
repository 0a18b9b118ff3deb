"""A job's state of learning, and its history: kept beside its state, because it grows with the rounds."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from fedtrain.spec.model_spec import Strict


class HistoryRow(Strict):
    """One turn: the training loss in raw units, and ‖gradient‖/‖b‖, at the same weights.

    With windows there is no loss, and `gradient` is what the whole window tells of it (see `quadratic.windowed`).
    `validation_loss`: of the owners' validation parts, where the round was evaluated.
    Of a network the loss is the mean of the owners' while they trained, `gradient` the L2 norm of the mean update, and
    `accuracy` the share of hits, where targets have categories. `test_loss`, `test_accuracy`: of the weights after the
    round on the Model Owner's test set, where it was evaluated and there is one.
    """

    round: int
    loss: float | None
    gradient: float
    at: datetime
    validation_loss: float | None = None
    accuracy: float | None = None
    validation_accuracy: float | None = None
    test_loss: float | None = None
    test_accuracy: float | None = None


class Pending(Strict):
    """Move that waits for an evaluation: the point that is asked next, the weights evaluated (d, k), and the round's
    row.
    """

    point: Any
    weights: Any
    history: HistoryRow


class Validation(Strict):
    """The validation parts: their rows and squares (like `targets_squared`), and how their loss went so far.

    `best` is the least loss, at `best_weights` of `best_round`; `worse` counts the evaluations since then.
    """

    rows: int
    squares: tuple[int, ...]
    best: float | None = None
    best_weights: Any = None
    best_round: int = 0
    worse: int = 0
    pending: Pending | None = None


class Learning(Strict):
    """State of a method between two answers: what the counts told, and its own. Secret: in no log or message.

    `missing_classes`: places of the declared classes that occur in no row, as the first sums told.
    """

    targets_squared: tuple[int, ...] = ()
    optimiser: Any = None
    validation: Validation | None = None
    missing_classes: tuple[int, ...] = ()

    def __repr__(self) -> str:
        return "Learning(…)"
