"""The seam between a round and the mathematics of a method: what an owner's half is given, and the two things it gives.

A method knows no cryptography, no slots and no wire: all between its numbers and the task client is
`fedtrain.data_owner.release`, which takes these two kinds of answers and no other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, TypeAlias

from numpy.typing import NDArray

from fedtrain.data_owner.data.moments import Integers, Moments, Rows
from fedtrain.methods.plan import Plan
from fedtrain.neural import GradientSource, Trainer
from fedtrain.protocol.messages.shared_weights import SharedWeights


class Examples(Protocol):
    """Records as they are trained on one by one, frozen in `folder` when the job was joined."""

    @property
    def folder(self) -> Path: ...

    @property
    def training_rows(self) -> int: ...

    @property
    def validation_rows(self) -> int: ...


@dataclass(frozen=True)
class Places:
    """A job's columns, the intercept last, and outputs, in X and Y of all that the dataset has for such a job.

    `encoding`: a hash of how that is encoded, and of which columns are features and which are targets.
    """

    columns: list[int]
    outputs: list[int]
    encoding: str


@dataclass(frozen=True, eq=False)
class PreparedData:
    """An owner's data of one job, ready for every round. Secret: not shown by repr.

    `places`: of its columns and outputs, for a method that needs them.
    `training`: the moments that the job's sums are taken over; `validation`: those of
    the held-out part, where the plan has one. `rows`: for a method that needs them, the job's rows, to be gone through
    as often as it likes. A network has no moments, but `examples`, and a `trainer` for them; a regression whose
    gradients carry noise has `gradients` in its place. `min_cell`: the policy's, for a method that tells of no fewer
    rows.
    """

    plan: Plan
    training: Moments | None = field(repr=False)
    validation: Moments | None = field(repr=False, default=None)
    rows: Iterable[Rows] | None = field(repr=False, default=None)
    examples: Examples | None = field(repr=False, default=None)
    trainer: Trainer | None = field(repr=False, default=None)
    gradients: GradientSource | None = field(repr=False, default=None)
    places: Places | None = None
    min_cell: int | None = None

    @classmethod
    def of(
        cls,
        moments: Moments,
        plan: Plan,
        rows: Iterable[Rows] | None = None,
        places: Places | None = None,
        min_cell: int | None = None,
    ) -> PreparedData:
        """Take the job's frozen moments apart where they were taken over both parts, side by side."""
        training, validation = moments.parts() if plan.holds_out else (moments, None)
        return cls(plan, training, validation, rows, places=places, min_cell=min_cell)

    @property
    def moments(self) -> Moments:
        """Those of the part that sums are taken over. Raises ValueError where the job was prepared without."""
        if self.training is None:
            raise ValueError("this job was prepared without moments")
        return self.training

    @property
    def training_rows(self) -> int:
        """The number of rows that the job's sums are taken over. Secret."""
        return self.moments.rows if self.examples is None else self.examples.training_rows


@dataclass(frozen=True)
class Question:
    """A request, opened. `kind`: of the round. `weights`: where the job shares them with owners, what they are.

    `seed`: what this owner draws from for this request alone, the same after any restart. Secret. `size_band`: what
    this owner's answer weighs, of `rows_total`, in place of its rows where rounds go on without an owner; None else.
    """

    kind: str
    round: int = 0
    rows_total: int | None = None
    weights: SharedWeights | None = field(repr=False, default=None)
    seed: bytes = field(repr=False, default=b"")
    size_band: int | None = None


@dataclass(frozen=True, eq=False)
class Plain:
    """Numbers of the owner's own, the sum of `parts`, each of the shape that the method's shared half declares.

    Parts are added exactly: they are Python integers at 2^−fraction_bits, or float64, each of which is rounded once to
    the plan's scale (`fraction_bits` is None then). `stochastic`: that rounding goes up or down at random, so that it
    is right on average. `names`: where the plan has noise, one a number; a number of one name carries the same noise
    wherever it is told under one noise seed. Without names an answer's noise is its own.
    """

    parts: Iterable[NDArray[Any]] = field(repr=False)
    fraction_bits: int | None = None
    names: Sequence[bytes] = ()
    stochastic: bool = False


@dataclass(frozen=True, eq=False)
class Affine:
    """matrix·w − vector, to be applied to the Enc(w) that was asked with.

    `matrix`: (outputs, inputs) Python integers at 2^−matrix_fraction_bits. `vector`: (outputs, columns of w) at
    2^−vector_fraction_bits.
    """

    matrix: Integers = field(repr=False)
    matrix_fraction_bits: int
    vector: Integers = field(repr=False)
    vector_fraction_bits: int


Answer: TypeAlias = Plain | Affine


class OwnerMethod(Protocol):
    """One method's owner's half: a pure function for each kind of round that it answers."""

    @property
    def answers(self) -> Mapping[str, Callable[[PreparedData, Question], Answer]]:
        """By kind, the answer to a question; it may raise Problem where the data are not what was joined with."""
        ...

    @property
    def needs_rows(self) -> bool:
        """True where it answers from rows, and not from their moments alone."""
        ...

    @property
    def needs_weights(self) -> frozenset[str]:
        """The kinds that are answered from opened weights, so that nothing of them is known before a round."""
        ...
