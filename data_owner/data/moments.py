"""Exact second moments: a table of any length becomes XᵀX, Xᵀy and yᵀy, as integers, in one pass.

A scaled value x is quantised once, x_q = round(x·2^64), and from there on nothing is ever rounded: the moments are
exact integers at scale 2^128, the same whatever the order of the rows, the size of the batches or the number of
threads. Two owners' moments then add up to the moments of both tables, bit for bit, which is what adding them under
encryption will do. A double has 53 bits, so that quotients come as pairs, x = value + rest.

How that is done at the speed of floating point: x_q is split into limbs of 22 bits,
x_q = Σ_i limb_i·2^(22·i) with |limb_i| ≤ 2^21. The limbs of a batch form one matrix S (limbs, rows), and S·Sᵀ is one
BLAS call.

**Why that is exact.** Every product of two limbs is an integer of magnitude at most 2^21·2^21 = 2^42. A batch
has at most 1024 = 2^10 rows, so every partial sum of products, in whatever order BLAS takes them and
fused or not, is an integer of magnitude at most 2^10·2^42 = 2^52, and float64 holds all of those exactly (to 2^53: a
top limb may be larger by what rounding adds to a bound). (This needs BLAS to add up products, in any order;
Strassen-like schemes, which no BLAS uses by default, would not be covered.) The sums of 512 = 2^9 batches stay within
2^62 and fit int64; after those they go to Python's integers, which have no bound.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from fedtrain.methods.regression.from_spec import RECORD_FRACTION_BITS

LIMB_BITS: Final = 22
MAX_BATCH_ROWS: Final = 1 << 10
MAX_PENDING_BATCHES: Final = 1 << 9
# Beyond this a raw value would need dozens of limbs, and no plan could encrypt the sums anyway.
MAX_BOUND: Final = 2.0**200

Floats = NDArray[np.float64]
Integers = NDArray[np.object_]


class MomentsError(Exception):
    """Rows that cannot be reduced: of the wrong shape, or beyond the bound they were declared to have."""


class Encoded(Protocol):
    """Rows to be reduced: X (rows, d) and Y (rows, k), both float64.

    It may also have X_rest and Y_rest, of the same shapes: values are then X + X_rest and Y + Y_rest.
    """

    @property
    def X(self) -> Floats: ...  # noqa: N802

    @property
    def Y(self) -> Floats: ...  # noqa: N802


@dataclass(frozen=True, eq=False)
class Rows:
    """Consecutive encoded rows: X (rows, d) and Y (rows, k). Secret: not shown by repr.

    `X_rest`, `Y_rest`: of the same shapes, what rounding to doubles took off them, where that is known. `imputed`:
    (rows, d) bool, where X has a constant in place of a missing value; None where nowhere.
    """

    X: Floats = field(repr=False)
    Y: Floats = field(repr=False)
    X_rest: Floats | None = field(repr=False, default=None)
    Y_rest: Floats | None = field(repr=False, default=None)
    imputed: NDArray[np.bool_] | None = field(repr=False, default=None)


@dataclass(frozen=True, eq=False, repr=False)
class Moments:
    """Exact second moments of encoded rows. Secret: neither shown by repr nor to be logged.

    rows: N. xtx: (d, d), xty: (d, k), yty: (k,) arrays of Python integers at scale 2^(2·fraction_bits).
    """

    rows: int
    xtx: Integers
    xty: Integers
    yty: Integers
    fraction_bits: int = RECORD_FRACTION_BITS

    def __post_init__(self) -> None:
        d, k = self.xty.shape
        if self.xtx.shape != (d, d) or self.yty.shape != (k,):
            raise MomentsError(f"shapes {self.xtx.shape}, {self.xty.shape}, {self.yty.shape} do not belong together")

    @classmethod
    def zero(cls, dimensions: int, outputs: int) -> Moments:
        """The moments of no rows."""
        d, k = dimensions, outputs
        return cls(0, _zeros(d, d), _zeros(d, k), _zeros(k))

    @property
    def dimensions(self) -> int:
        """d, the intercept (the last) included."""
        return int(self.xtx.shape[0])

    @property
    def outputs(self) -> int:
        """k."""
        return int(self.yty.shape[0])

    @property
    def column_sums(self) -> Integers:
        """(d,) Σ x_j over the rows, at scale 2^(2·fraction_bits): Xᵀ(y − ½) is Xᵀy less half of it.

        It is XᵀX against the column of ones, which the encoding puts last.
        """
        sums: Integers = self.xtx[:, -1].copy()
        return sums

    def block(self, features: Iterable[int], outputs: Iterable[int]) -> Moments:
        """The moments of some columns of X (positions; keep the intercept last) and of Y, of the same rows."""
        chosen, targets = list(features), list(outputs)
        xtx = self.xtx[np.ix_(chosen, chosen)]
        return Moments(self.rows, xtx, self.xty[np.ix_(chosen, targets)], self.yty[targets], self.fraction_bits)

    def parts(self) -> tuple[Moments, Moments]:
        """The training and the validation part of moments that were taken over both, side by side (`split`)."""
        d, k = self.dimensions // 2, self.outputs // 2
        training, validation = self.block(range(d), range(k)), self.block(range(d, 2 * d), range(k, 2 * k))
        return replace(training, rows=training.counted_rows), replace(validation, rows=validation.counted_rows)

    @property
    def counted_rows(self) -> int:
        """Count how many rows have a one in the column of ones, which the encoding puts last."""
        return int(self.xtx[-1, -1]) >> (2 * self.fraction_bits)

    def __add__(self, other: Moments) -> Moments:
        """The moments of both tables' rows. Raises MomentsError where shapes or scales differ."""
        if self.xty.shape != other.xty.shape or self.fraction_bits != other.fraction_bits:
            mine, theirs = (self.xty.shape, self.fraction_bits), (other.xty.shape, other.fraction_bits)
            raise MomentsError(f"moments of (d, k), fraction bits {mine} and {theirs} do not add up")
        xtx, xty, yty = self.xtx + other.xtx, self.xty + other.xty, self.yty + other.yty
        return Moments(self.rows + other.rows, xtx, xty, yty, self.fraction_bits)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Moments):
            return NotImplemented
        mine, theirs = (self.rows, self.fraction_bits), (other.rows, other.fraction_bits)
        pairs = ((self.xtx, other.xtx), (self.xty, other.xty), (self.yty, other.yty))
        return mine == theirs and all(np.array_equal(one, another) for one, another in pairs)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"Moments(dimensions={self.dimensions}, outputs={self.outputs}, fraction_bits={self.fraction_bits})"


class MomentsAccumulator:
    """Adds up the exact moments of batches of rows.

    `bounds` (d + k,) holds the largest |value| that each column of X, then each of Y, is declared to have: it
    fixes the number of limbs a column gets (3 up to |value| ≤ 2, one more for every further 22 bits).
    Raises MomentsError for a bound that is not finite, not positive or above MAX_BOUND.
    """

    def __init__(self, dimensions: int, outputs: int, bounds: Floats) -> None:
        if bounds.shape != (dimensions + outputs,):
            raise MomentsError(f"bounds are {bounds.shape}, ({dimensions + outputs},) is expected")
        if not ((bounds > 0) & (bounds <= MAX_BOUND)).all():
            raise MomentsError(f"every bound must be above 0 and at most {MAX_BOUND:g}; rescale the column")
        self._dimensions, self._outputs = dimensions, outputs
        self._rows = 0
        largest = np.rint(np.ldexp(bounds, RECORD_FRACTION_BITS))
        self._largest: Floats = largest
        # One bit more than the bound has: the top limb is no larger than the others, and may be a little beyond it.
        limbs = np.array([max(1, -(-(_ceil_log2(int(value)) + 1) // LIMB_BITS)) for value in largest])
        # Limb by limb, the columns that have it: S is ordered in the same way.
        self._members = [np.flatnonzero(limbs > limb) for limb in range(int(limbs.max()))]
        starts = np.cumsum([0, *(len(members) for members in self._members)])
        # Columns of as many limbs are split together: for each group its columns, and where each limb of them goes.
        self._groups = []
        for count in np.unique(limbs):
            columns = np.flatnonzero(limbs == count)
            places = [starts[limb] + np.searchsorted(self._members[limb], columns) for limb in range(int(count))]
            self._groups.append((_slice(columns), [_slice(place) for place in places]))
        size = int(limbs.sum())
        self._pending: NDArray[np.int64] = np.zeros((size, size), dtype=np.int64)
        self._pending_batches = 0
        self._total: Integers = _zeros(dimensions + outputs, dimensions + outputs)

    def add(self, X: Floats, Y: Floats, X_rest: Floats | None = None, Y_rest: Floats | None = None) -> None:
        """Add rows X (rows, d), Y (rows, k), with what rounding took off them, if it is known.

        Raises MomentsError for a wrong shape or a value beyond its bound.
        """
        if X.ndim != 2 or Y.ndim != 2 or len(X) != len(Y):
            raise MomentsError(f"X is {X.shape} and Y {Y.shape}: as many rows of both are expected")
        if (X.shape[1], Y.shape[1]) != (self._dimensions, self._outputs):
            expected = (self._dimensions, self._outputs)
            raise MomentsError(f"X and Y have {(X.shape[1], Y.shape[1])} columns, {expected} are expected")
        for start in range(0, len(X), MAX_BATCH_ROWS):
            rows = slice(start, start + MAX_BATCH_ROWS)
            lines = np.concatenate([X[rows].T, Y[rows].T])
            rests = None
            if X_rest is not None and Y_rest is not None:
                rests = np.concatenate([X_rest[rows].T, Y_rest[rows].T])
            self._add_batch(lines, rests)

    def result(self) -> Moments:
        """The moments of all rows so far."""
        self._settle()
        d = self._dimensions
        total = self._total
        return Moments(self._rows, total[:d, :d].copy(), total[:d, d:].copy(), total.diagonal()[d:].copy())

    def _add_batch(self, lines: Floats, rests: Floats | None) -> None:
        S = self._split(lines, rests)
        # numpy sees that both operands are one matrix, and calls syrk, at half the cost of a product.
        self._pending += (S @ S.T).astype(np.int64)
        self._pending_batches += 1
        self._rows += lines.shape[1]
        if self._pending_batches == MAX_PENDING_BATCHES:
            self._settle()

    def _split(self, lines: Floats, rests: Floats | None) -> Floats:
        """Quantise, and split into limbs: (limbs, rows) float64 of integers, |·| ≤ 2^21.

        lines, rests: (d + k, rows).
        """
        S: Floats = np.empty((len(self._pending), lines.shape[1]))
        # The power of two is exact.
        one = float(1 << RECORD_FRACTION_BITS)
        lines *= one
        # NaN is not within the bound either.
        beyond = ~(np.maximum(-lines.min(axis=1), lines.max(axis=1)) <= self._largest)
        if beyond.any():
            column = int(np.argmax(beyond))
            raise MomentsError(f"column {column} has a value that is no number or beyond its declared bound")
        for columns, places in self._groups:
            left, below = lines[columns], None if rests is None else rests[columns] * one
            for limb in range(len(places) - 1, 0, -1):
                line = left * 2.0 ** (-LIMB_BITS * limb)
                np.rint(line, out=line)
                S[places[limb]] = line
                # Exact: powers of two, and a difference that fits the bits which rint took off.
                line *= 2.0 ** (LIMB_BITS * limb)
                left -= line
                if below is not None and limb > 1:
                    left, below = _sum_pair(left, below)
            # The one rounding there is: what is left is below 2^22, so that adding the rest to it changes no integer.
            if below is not None:
                left += below
            S[places[0]] = np.rint(left, out=left)
        return S

    def _settle(self) -> None:
        """Move what int64 holds into Python's integers, limb pair by limb pair."""
        starts = np.cumsum([0, *(len(members) for members in self._members)])
        pieces = [slice(start, stop) for start, stop in itertools.pairwise(starts)]
        for i, rows in enumerate(pieces):
            for j, columns in enumerate(pieces):
                shifted = self._pending[rows, columns].astype(object) << (LIMB_BITS * (i + j))
                self._total[np.ix_(self._members[i], self._members[j])] += shifted
        self._pending[:] = 0
        self._pending_batches = 0


def moments_of(batches: Iterable[Encoded], feature_bounds: Floats, target_bounds: Floats) -> Moments:
    """Reduce encoded batches to their exact second moments.

    feature_bounds (d,), target_bounds (k,): the largest |x|, |y| declared; Encoder.feature_bounds and
    np.full(k, Encoder.target_bound). Raises MomentsError.
    """
    bounds = np.concatenate([feature_bounds, target_bounds])
    accumulator = MomentsAccumulator(len(feature_bounds), len(target_bounds), bounds)
    for batch in batches:
        accumulator.add(batch.X, batch.Y, getattr(batch, "X_rest", None), getattr(batch, "Y_rest", None))
    return accumulator.result()


def _sum_pair(values: Floats, summands: Floats) -> tuple[Floats, Floats]:
    """The sums, rounded, and what that took off them: exact where values are multiples of the summands' last places.

    Source: Dekker, "A floating-point technique for extending the available precision", 1971.
    """
    total = values + summands
    values -= total
    values += summands
    return total, values


def _slice(places: NDArray[np.intp]) -> slice | NDArray[np.intp]:
    """The same places, as a slice where they follow each other: it copies nothing."""
    first, count = int(places[0]), len(places)
    return slice(first, first + count) if int(places[-1]) == first + count - 1 else places


def _zeros(*shape: int) -> Integers:
    return np.full(shape, 0, dtype=object)


def _ceil_log2(value: int) -> int:
    """The least b with value ≤ 2^b, for value ≥ 1; 0 for 0."""
    return (value - 1).bit_length() if value > 0 else 0
