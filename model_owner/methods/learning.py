"""What a job learns, and what comes of it: kept beside its state, because it grows with the rounds."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from fedtrain.model_owner.methods.l2_choice import L2Choice
from fedtrain.model_owner.results.coefficient_table import CoefficientTable
from fedtrain.model_owner.results.remarks import Remark
from fedtrain.spec.model_spec import Strict


class HistoryRow(Strict):
    """One turn: the training loss in raw units, and ‖gradient‖/‖b‖, at the same weights.

    With windows there is no loss, and `gradient` is what the whole window tells of it (see `optimisers.windowed`).
    `validation_loss`: of the owners' validation parts, where the round was evaluated.
    """

    round: int
    loss: float | None
    gradient: float
    at: datetime
    validation_loss: float | None = None


class Pending(Strict):
    """What waits for an evaluation: the point that is asked next, the weights evaluated (d, k), and the round's row."""

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
    """What the counts told, and the optimiser's state. Secret: never in a log or a message.

    `missing_classes`: places of the declared classes that occur in no row, as the first sums told.
    """

    targets_squared: tuple[int, ...]
    optimiser: Any
    validation: Validation | None = None
    missing_classes: tuple[int, ...] = ()

    def __repr__(self) -> str:
        return "Learning(…)"


class TrainedModel(Strict):
    """The result. `weights` (d, k) in scaled units as exact hexadecimal floats; `coefficients` (d, k) in raw units.

    `table`: what least squares tell of the coefficients, else `no_table` says why there is none. `remarks`: what people
    must know of it, as far as training found it.
    """

    weights: tuple[tuple[str, ...], ...]
    coefficients: tuple[tuple[float, ...], ...]
    names: tuple[str, ...]
    output_names: tuple[str, ...]
    table: CoefficientTable | None = None
    no_table: str | None = None
    l2_choice: L2Choice | None = None
    remarks: tuple[Remark, ...] = ()

    def __repr__(self) -> str:
        return f"TrainedModel({len(self.names)} × {len(self.output_names)})"
