"""A method's plan of a job before it starts: for each kind of round what is asked, and what is answered.

Numbers are named arrays of any shape; in a ciphertext they lie one after another, each row by row. Bounds are
magnitudes of integers at `fraction_bits`. The planner proves `sum_bound` against the key; every party holds what it
receives against what stands here.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from fedtrain.crypto import EncryptedVector, SlotLayout
from fedtrain.crypto.engine import Engine
from fedtrain.crypto.errors import CryptoError
from fedtrain.methods.schedule import COUNTS
from fedtrain.privacy.cost import Cost
from fedtrain.spec.privacy import Privacy

#: Names and shapes, in the order in which the arrays are laid out.
Arrays = Mapping[str, tuple[int, ...]]


def numbers_in(arrays: Arrays) -> int:
    """Return how many numbers the arrays have together."""
    return sum(math.prod(shape) for shape in arrays.values())


def split(numbers: NDArray[Any], arrays: Arrays) -> dict[str, NDArray[Any]]:
    """Return the arrays that lie one after another in `numbers`. Raises ValueError where they have not as many."""
    flat, found, start = numbers.ravel(), {}, 0
    if flat.size != numbers_in(arrays):
        raise ValueError(f"{flat.size} numbers do not fill arrays of {numbers_in(arrays)}")
    for name, shape in arrays.items():
        found[name] = flat[start : start + math.prod(shape)].reshape(shape)
        start += math.prod(shape)
    return found


@dataclass(frozen=True)
class EncryptedWeights:
    """Weights that owners are asked with under encryption. `bound`: the largest magnitude of one.

    `with_previous`: those before the last update come too.
    """

    arrays: Arrays
    layout: SlotLayout
    fraction_bits: int
    bound: int
    with_previous: bool = False


@dataclass(frozen=True)
class Update:
    """One update of the weights under encryption: from w_t, at t = `step` of a window, by the `total` of the gradients.

    `previous`: w_{t−1} for momentum, else None.
    """

    rows_total: int
    step: int
    weights: EncryptedVector
    previous: EncryptedVector | None
    total: EncryptedVector


@dataclass(frozen=True)
class SharedArrays:
    """Weights that owners see, sealed to each of them. `bound`: the largest magnitude of one.

    `once`: they are large. They travel as float32, sealed once for all, and each owner gets a box with the key to them.
    """

    arrays: Arrays
    bound: Fraction
    once: bool = False


@dataclass(frozen=True)
class AffineMap:
    """Worst case of the matrix that an owner applies to encrypted weights, and of the vector that it takes off.

    `rows`, `columns`: the matrix's. `row_bounds`: Σ_j |entry_ij|, row by row. `vector_bound`: at the answer's scale.
    `work_bound`: of an entry once N is known, which fixes the work and is not to show in the answer's bound.
    """

    rows: int
    columns: int
    fraction_bits: int
    entry_bound: int
    row_bounds: Sequence[int]
    vector_bound: int
    work_bound: int

    def result_bound(self, weight_bound: int) -> int:
        """Return the largest magnitude of an entry of the result."""
        row = min(max(self.row_bounds), self.columns * self.entry_bound)
        return row * max(weight_bound, 1) + self.vector_bound


@dataclass(frozen=True)
class Noise:
    """The noise that each owner adds to its numbers, as the owners' privacy claims need it.

    `variances`: of one owner's share of each number, as integers at the answer's scale. `tail`: where each share ends,
    on either side of 0. Numbers end where rows do, and noise at its tail, each for itself: a number that ended together
    with its noise would have less of it. `per_answer`: each answer has noise of its own, and no number that carries the
    same wherever it is told.
    """

    variances: Sequence[int]
    tail: int
    per_answer: bool = False


class NoiseClaim(Protocol):
    """A claim of privacy, and what it costs the records of each owner once anything of the job was told."""

    @property
    def privacy(self) -> Privacy: ...

    @property
    def epsilon(self) -> float: ...

    @property
    def cost(self) -> Cost: ...


@dataclass(frozen=True)
class Answer:
    """The numbers that each owner answers with, and their sum.

    `owner_bound`: the bound that one owner's encrypted vector names; `sum_bound`: of all owners' together. An answer
    is masked, so that only the sum can be held against its bound. `applied`: where owners apply a map of theirs to
    encrypted weights; None where the numbers are plain ones of their own. `noise`: what is added to plain ones, for
    whose tail `owner_bound` has room.
    """

    arrays: Arrays
    layout: SlotLayout
    fraction_bits: int
    owner_bound: int
    sum_bound: int
    applied: AffineMap | None = None
    noise: Noise | None = None


@dataclass(frozen=True)
class Round:
    """One kind of round at one step of a window. `weights`: what it asks with, None for nothing.

    `revealed`: how many numbers the Model Owner learns by its turn after it. `updates`: the Facilitator applies the sum
    to the weights under encryption, and the Model Owner gets those, not the sum, at the window's end.
    """

    kind: str
    answer: Answer
    weights: EncryptedWeights | SharedArrays | None = None
    revealed: int = 0
    updates: bool = False


def counts_of(plan: Plan, rows_total: int) -> NDArray[Any]:
    """Return the answer to the counts that N is the first number of, (numbers, 1), where nobody was asked for it."""
    if COUNTS not in plan.kinds:
        return np.array([[rows_total]], dtype=object)
    answer = plan.round(COUNTS).answer
    numbers = [rows_total << answer.fraction_bits, *[0] * (numbers_in(answer.arrays) - 1)]
    return np.array(numbers, dtype=object).reshape(-1, 1)


class NotPlanned(LookupError):  # noqa: N818 - named for what happened
    """A plan has no round of that kind, or not at that step of a window."""


class DoesNotFit(CryptoError):  # noqa: N818 - named for what happened, as the other errors of crypto
    """The worst case needs more bits than the key gives. `fixes`: changes, each of which alone is enough."""

    def __init__(self, subject: str, needed_bits: int, available_bits: int, fixes: tuple[str, ...]) -> None:
        advice = "use " + ", or ".join(fixes) if fixes else "no change of a single field is enough: change several"
        super().__init__(f"{subject} needs {needed_bits:,} bits, the key gives {available_bits:,}: {advice}")
        self.subject = subject
        self.needed_bits = needed_bits
        self.available_bits = available_bits
        self.fixes = fixes

    def __reduce__(self) -> tuple[type[DoesNotFit], tuple[str, int, int, tuple[str, ...]]]:
        return type(self), (self.subject, self.needed_bits, self.available_bits, self.fixes)


class Plan(ABC):
    """All rounds of a job, proven to fit its key."""

    @property
    @abstractmethod
    def modulus_bits(self) -> int:
        """|n|."""

    @property
    @abstractmethod
    def max_rows_total(self) -> int:
        """The most rows that a federation of this job can have."""

    @property
    @abstractmethod
    def kinds(self) -> tuple[str, ...]:
        """All kinds of rounds that the job can have, the counts first."""

    @abstractmethod
    def round(self, kind: str, window_step: int = 0, rows_total: int | None = None) -> Round:
        """Return what is asked and answered, bounds tightened by N = rows_total where that is given.

        Raises NotPlanned, and ValueError for rows_total outside 1…max_rows_total.
        """

    @abstractmethod
    def to_dict(self) -> dict[str, object]:
        """Return JSON types only, for manifests, which parties compare, and for people."""

    @property
    def numbers_in_all(self) -> int | None:
        """Numbers that there are for the Model Owner to learn, whatever it asks; None where there is no end."""
        return None

    @property
    def keep_rounds(self) -> int | None:
        """Rounds, the last ones, whose ciphertexts the Facilitator keeps while the job runs; None for all of them."""
        return None

    @property
    def holds_out(self) -> bool:
        """True where owners keep a part of their rows for validation, apart from the part that answers are over."""
        return False

    @property
    def claim(self) -> NoiseClaim | None:
        """Return what its numbers' noise claims; None for a plan of exact numbers."""
        return None

    @property
    def rows_supposed(self) -> int | None:
        """N as the spec alone has it, in jobs that ask nobody for it; None in all others."""
        return None

    @property
    def may_go_on(self) -> bool:
        """Say whether rounds may go on without an owner: no two answers of one owner tell the same secret.

        Answers that are linear in fixed moments do: the sum of a round less that of another, without an owner, is that
        owner's alone. There, no method may say so.
        """
        return False

    @property
    def shares_weights(self) -> bool:
        """True where owners see the weights."""
        return any(isinstance(self.round(kind).weights, SharedArrays) for kind in self.kinds)

    @property
    def ciphertext_bytes(self) -> int:
        """Length of one ciphertext: n has exactly modulus_bits bits, and n² fills twice as many, or one less."""
        return -(-2 * self.modulus_bits // 8)

    def weights_after(self, updates: int) -> EncryptedWeights:
        """Return what is encrypted after so many updates of a window. Raises NotPlanned without windows."""
        raise NotPlanned(f"This job's plan has no weights after {updates} updates under encryption.")

    def update_exponents(self) -> tuple[int, ...]:
        """Return the bits of the powers of one update under encryption, one a vector; none where there is no update."""
        return ()

    def next_weights(self, update: Update, modulus: int, engine: Engine) -> EncryptedVector:
        """Return the encrypted weights after the update, which anyone can recompute."""
        raise NotImplementedError(f"{type(self).__name__} has no updates under encryption")
