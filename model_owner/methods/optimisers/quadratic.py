"""What an optimiser minimises, asks and answers: exact integers from the sum to the finished weights.

The objective, per output column: ½·wᵀ(A + l2·J)w − bᵀw, with A = XᵀX over all owners' rows, b = Xᵀy, and J the
identity without the intercept (the last row), so that l2 means what scikit-learn's `Ridge(alpha)` means. A surrogate of
slope c is the same in v = c·w with l2/c and c·rate in their place: optimisers ask about v, and know no slope.

Every inner product is of Python integers, and every division is correctly rounded: no result depends on how a
linear algebra library orders its sums, so that a job that was interrupted ends with the same bits.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from fedtrain.crypto.packing.fixed_point import decode, encode, shift_half_even
from fedtrain.model_owner.results.remarks import Finding
from fedtrain.protocol.messages.rounds import Kind

Integers: TypeAlias = NDArray[np.object_]
Floats: TypeAlias = NDArray[np.float64]
Json: TypeAlias = "str | int | bool | list[Json] | dict[str, Json] | None"


@dataclass(frozen=True)
class Quadratic:
    """The public numbers of a job, and what the counts round told. In scaled units.

    `moment_fraction_bits` f_A and `weight_fraction_bits` f_w: A·w − b comes at f_A + f_w. `targets_squared`: Σy² of
    each output at `counts_fraction_bits`. `owners` bounds the rounding of A: each owner rounds every entry once.
    `weight_limit`: the largest |weight| that may be encrypted, at f_w.
    `newton_fraction_bits`: of all moments sent at once. `largest_feature`: the largest magnitude of any column.
    `slope`: c. Weights, l2 and rate here are those of v = c·w. `column_roundings` (d,): the most by which a scaled
    value of each column may be off, as a double is; () for none.
    """

    dimensions: int
    outputs: int
    rows_total: int
    owners: int
    moment_fraction_bits: int
    weight_fraction_bits: int
    targets_squared: tuple[int, ...]
    counts_fraction_bits: int
    rounds: int
    tolerance: float
    learning_rate: float
    momentum: float
    l2: float
    weight_limit: int
    newton_fraction_bits: int = 60
    largest_feature: float = 1.0
    slope: Fraction = Fraction(1)
    column_roundings: tuple[float, ...] = ()

    @property
    def answer_fraction_bits(self) -> int:
        return self.moment_fraction_bits + self.weight_fraction_bits

    @property
    def roundings(self) -> tuple[float, ...]:
        """(d,) the most by which a scaled value of each column may be off, quantising included."""
        grid = 2.0 ** -(self.newton_fraction_bits // 2 + 1)
        return tuple(grid + own for own in self.column_roundings or (0.0,) * self.dimensions)

    @property
    def ridge(self) -> Integers:
        """(d,) l2 at f_A, 0 for the intercept."""
        ridge = np.full(self.dimensions, round(Fraction(self.l2) * (1 << self.moment_fraction_bits)), dtype=object)
        ridge[-1] = 0
        return ridge

    def losses(self, gradient: Integers, b: Integers, weights: Integers, guard_bits: int = 0) -> tuple[float, ...]:
        """Mean squared error on the training rows, one an output, in scaled units.

        ((vᵀg − bᵀv)/c + Σy²)/N for g = A·v − b without ridge, from integers: g and b (d, k) at f_A + f_w + guard_bits,
        v (d, k) at f_w + guard_bits. Exact but for the last rounding.
        """
        doubled = 2 * guard_bits + self.answer_fraction_bits + self.weight_fraction_bits
        losses = []
        for column, squares in enumerate(self.targets_squared):
            cross = dot(gradient[:, column] - b[:, column], weights[:, column])
            total = Fraction(cross, 1 << doubled) / self.slope + Fraction(squares, 1 << self.counts_fraction_bits)
            mean = total / self.rows_total
            losses.append(ratio(max(0, mean.numerator), mean.denominator))
        return tuple(losses)


@dataclass(frozen=True, eq=False)
class Ask:
    """What to ask the federation next. `point`: (d, k) integers at f_w, exactly what is encrypted; None for moments.

    `previous`: the point before it, for windows with momentum alone.
    """

    kind: Kind
    point: Integers | None = None
    previous: Integers | None = None


@dataclass(frozen=True, eq=False)
class Done:
    """The end. `weights`: (d, k) float64 in scaled units. `converged`: the tolerance was reached.

    `findings`: what people must know of the weights beyond that. `exact`: the same weights, (d, k) integers at
    `exact_fraction_bits`, where the optimiser knows them to more digits than a double has.
    """

    weights: Floats
    converged: bool
    why: str
    findings: tuple[Finding, ...] = ()
    exact: Integers | None = None
    exact_fraction_bits: int = 0


@dataclass(frozen=True)
class Progress:
    """Where training stands after an answer.

    `losses`: the training loss of each output in scaled units; None where windows hide it.
    `gradient`: the largest ‖gradient‖ / ‖b‖ of any output. Both belong to the same weights.
    """

    losses: tuple[float, ...] | None
    gradient: float


@dataclass(frozen=True, eq=False)
class Move:
    """What an optimiser makes of an answer: its next state, what comes next, and how far it is."""

    state: Json
    next: Ask | Done
    progress: Progress | None = None


class Optimiser(Protocol):
    """Pure: the same arguments give the same bits. The state is plain JSON, and all there is to keep."""

    def start(self, problem: Quadratic) -> Move:
        """The first ask."""
        ...

    def step(self, problem: Quadratic, state: Json, answer: Integers) -> Move:
        """Take the answer to the last ask: (d, k) integers A·point − b at f_A + f_w, summed over the federation.

        Raises Problem(DIVERGED) where a weight is beyond the bound.
        """
        ...


def dot(a: Integers, b: Integers) -> int:
    """Σ a_i·b_i of Python integers, exactly."""
    return int(sum(x * y for x, y in zip(a.tolist(), b.tolist(), strict=True)))


def ratio(numerator: int, denominator: int) -> float:
    """numerator / denominator ≥ 0, correctly rounded; 0/0 is 0, and inf stands for what is beyond float64."""
    if denominator == 0:
        return 0.0 if numerator == 0 else math.inf
    try:
        return numerator / denominator
    except OverflowError:
        return math.inf


def length_ratio(vector: Integers, reference: Integers) -> float:
    """‖vector‖ / ‖reference‖ of two columns at the same scale."""
    return math.sqrt(ratio(dot(vector, vector), dot(reference, reference)))


def quantise(values: Floats, fraction_bits: int) -> Integers:
    """Integers round(v·2^fraction_bits), half to even, of finite values of any size."""
    largest = float(np.abs(values).max(initial=0.0))
    return encode(values, fraction_bits, math.ceil(Fraction(largest) * (1 << fraction_bits)))


def to_floats(integers: Integers, fraction_bits: int) -> Floats:
    """integer / 2^fraction_bits, correctly rounded. Raises EncodingOverflow where one is beyond float64."""
    return decode(integers, fraction_bits)


def shifted(integers: Integers, shift: int) -> Integers:
    """round(v·2^shift), half to even, entry by entry."""
    result = np.empty(integers.shape, dtype=object)
    result.ravel()[:] = [shift_half_even(int(v), shift) for v in integers.ravel()]
    return result


def zeros(*shape: int) -> Integers:
    return np.full(shape, 0, dtype=object)


def integers_to_json(integers: Integers) -> Json:
    """Shape and hexadecimal digits, in C order."""
    return {"shape": [int(side) for side in integers.shape], "hex": " ".join(f"{int(v):x}" for v in integers.ravel())}


def integers_from_json(stored: Json) -> Integers:
    """The inverse of `integers_to_json`. Raises ValueError for anything else."""
    if not isinstance(stored, dict):
        raise ValueError("an array of integers is stored as an object with shape and hex")
    shape, digits = stored.get("shape"), stored.get("hex")
    if not isinstance(shape, list) or not isinstance(digits, str):
        raise ValueError("an array of integers is stored with its shape and its hexadecimal digits")
    flat = [int(word, 16) for word in digits.split()]
    result = np.empty(len(flat), dtype=object)
    result[:] = flat
    return result.reshape([int(str(side)) for side in shape])


def floats_to_json(values: Floats) -> Json:
    """Shape and exact hexadecimal floats, in C order."""
    return {"shape": [int(side) for side in values.shape], "hex": " ".join(float(v).hex() for v in values.ravel())}


def floats_from_json(stored: Json) -> Floats:
    """The inverse of `floats_to_json`. Raises ValueError for anything else."""
    if not isinstance(stored, dict):
        raise ValueError("an array of floats is stored as an object with shape and hex")
    shape, digits = stored.get("shape"), stored.get("hex")
    if not isinstance(shape, list) or not isinstance(digits, str):
        raise ValueError("an array of floats is stored with its shape and its hexadecimal digits")
    flat = np.array([float.fromhex(word) for word in digits.split()], dtype=np.float64)
    return flat.reshape([int(str(side)) for side in shape])
