"""Leverage of each row: its largest share in any wᵀMw, M = Σzzᵀ over one owner's rows.

The leverage of a row z is zᵀM⁺z. It is the largest (wᵀz)² / wᵀMw over all w, and lies in [0, 1]: at 1 there is a
linear combination of columns that is this row and nothing else. Scaling and centring of columns do not change it.

Three steps, each sound where columns are collinear or nearly so:

1. `independent_columns` decides the rank in exact arithmetic, modulo two primes. zᵀM⁺z is the squared length of the
   projection of a unit vector onto the column space of Z, which a largest independent set of columns spans as well.
2. M over those columns is regular. It is scaled to diagonals of at most 1 and factored, M = LLᵀ, in float64 or, where
   that would not do, in as many bits as it takes; T = L⁻¹, so that the leverage of z is ‖Tz‖².
3. Tz cancels where M is ill-conditioned. Then T is written in fixed point and the product taken in limbs, exactly,
   as `moments` does.

Source: Hoaglin and Welsch 1978 (the hat matrix); Higham, Accuracy and Stability of Numerical Algorithms, §10.1, for the
error of Cholesky's method, relative to the smallest eigenvalue of the scaled matrix.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

import gmpy2
import numpy as np
from numpy.typing import NDArray

from fedtrain.data_owner.data.moments import LIMB_BITS, Floats, Integers

#: Below 2^31, so that products of residues fit int64.
_PRIMES: Final = ((1 << 31) - 1, (1 << 31) - 19)
_FLOAT_BITS: Final = 53
_LEAST_BITS: Final = 256
#: A leverage is right to about 2^-20, a component of Tz to 2^-30.
_LEVERAGE_BITS: Final = 20
_COMPONENT_BITS: Final = 30


def independent_columns(gram: Integers) -> list[int]:
    """Positions of a largest set of independent columns of Z, the first ones that are; `gram` (D, D) is ZᵀZ, exact.

    A column is never taken for independent when it is not. It is taken for dependent wrongly only where two primes of
    31 bits both divide the numerator of its pivot.
    """
    return max((_independent_modulo(gram, prime) for prime in _PRIMES), key=len)


def _independent_modulo(gram: Integers, prime: int) -> list[int]:
    """Symmetric elimination in order. The pivot of a dependent column is 0, and so is the rest of its line."""
    rest: NDArray[np.int64] = np.array([[int(value) % prime for value in line] for line in gram], dtype=np.int64)
    found = []
    for column in range(len(rest)):
        pivot = int(rest[column, column])
        if pivot == 0:
            continue
        found.append(column)
        factors = rest[column + 1 :, column] * pow(pivot, -1, prime) % prime
        rest[column + 1 :] -= factors[:, None] * rest[column] % prime
        rest[column + 1 :] %= prime
    return found


@dataclass(frozen=True, eq=False)
class LeverageForm:
    """z → zᵀM⁺z for one M. Secret, as M is.

    columns: (r,) positions of the independent columns. inverse: (r, r) float64, T with ‖Tz‖² the leverage of z in units
    of the grid. limbs: T in fixed point, one array a limb, the least significant first, at 2^-fraction_bits; empty
    where float64 does. spread: (D,) float64, the columns' standard deviations, in units of the grid.
    """

    columns: list[int]
    inverse: Floats
    limbs: tuple[Floats, ...]
    fraction_bits: int
    spread: Floats

    @classmethod
    def of(cls, gram: Integers, rows: int, largest: Floats) -> LeverageForm:
        """The form of M = `gram`, (D, D) exact integers in units of the grid, over `rows` rows; column 0 is the ones.

        largest: (D,) float64, the largest |z| of each column in units of the grid.
        """
        chosen = independent_columns(gram)
        regular = gram[np.ix_(chosen, chosen)]
        # Powers of two: scaling by them is exact.
        scales = [(int(value).bit_length() + 1) // 2 for value in regular.diagonal()]
        spread = _spread(gram, rows)
        scaled = np.array(
            [
                [int(value) / (1 << (scales[i] + scales[j])) for j, value in enumerate(line)]
                for i, line in enumerate(regular)
            ]
        )
        factor = _float_inverse_factor(scaled)
        if factor is not None:
            return cls(chosen, np.ldexp(factor, [-scale for scale in scales]), (), 0, spread)
        room = int(np.ceil(np.log2(largest[chosen].max()))) + len(chosen).bit_length() + _COMPONENT_BITS
        inverse, fixed = _inverse_factor(regular, scales, room)
        return cls(chosen, inverse, _limbs(fixed), room, spread)

    def leverages(self, rows: Floats, rests: Floats | None = None) -> Floats:
        """(rows,) float64, the leverage of each of `rows` + `rests`, both (rows, D) whole numbers in units of the grid.

        `rests`: what of the rows' integers is beyond the bits of a double; None for nothing.
        """
        components = self._components(rows, rests)
        leverages: Floats = np.einsum("ij,ij->i", components, components)
        return leverages

    def directions(self, rows: Floats, rests: Floats | None = None) -> Floats:
        """(rows, D) float64, in [0, 1]: the weight of each column in the direction that singles a row out, M⁺z.

        Weights times standard deviations, so that units do not matter; the largest of each row is 1, and the ones have
        none. All are 0 where no column varies. `rests`: as for `leverages`.
        """
        weights = np.zeros((len(rows), len(self.spread)))
        weights[:, self.columns] = np.abs(self._components(rows, rests) @ self.inverse)
        weights *= self.spread
        largest = weights.max(axis=1, initial=0.0, keepdims=True)
        relative: Floats = np.divide(weights, largest, out=np.zeros_like(weights), where=largest > 0)
        return relative

    def _components(self, rows: Floats, rests: Floats | None) -> Floats:
        """(rows, r) float64, Tz."""
        if not self.limbs:
            return rows[:, self.columns] @ self.inverse.T  # beside its own rounding the rests are nothing
        addends = [part[:, self.columns] for part in (rows, rests) if part is not None]
        split = [_split(part) for part in addends]
        places = max(map(len, split)) + len(self.limbs)
        levels = [np.zeros(addends[0].shape, dtype=np.int64) for _ in range(places)]
        for pieces in split:
            for i, piece in enumerate(pieces):
                for j, limb in enumerate(self.limbs):
                    # Limbs are below 2^20: with at most 2^13 columns the sums are below 2^53, and exact.
                    levels[i + j] += (piece @ limb.T).astype(np.int64)
        for below, above in itertools.pairwise(levels):
            carry = below >> LIMB_BITS
            below -= carry << LIMB_BITS
            above += carry
        # From the top, where a negative number's digits cancel, exactly, down to those that count.
        total: Floats = np.zeros(addends[0].shape)
        for place in reversed(range(len(levels))):
            total += np.ldexp(levels[place].astype(np.float64), LIMB_BITS * place - self.fraction_bits)
        return total


def _spread(gram: Integers, rows: int) -> Floats:
    """Standard deviations, rounded once: a column that hardly varies must not be lost beside its mean."""
    unit = int(gram[0, 0]) // rows  # the square of 1 in units of the grid
    squares = [
        int(value) * unit * rows - int(total) ** 2 for value, total in zip(gram.diagonal(), gram[0], strict=True)
    ]
    spread: Floats = np.sqrt([float(Fraction(square, rows * rows * unit)) for square in squares])
    return spread


def _float_inverse_factor(scaled: Floats) -> Floats | None:
    """L⁻¹ in float64; None where its leverages would not be right to `_LEVERAGE_BITS`."""
    try:
        inverse: Floats = np.linalg.inv(np.linalg.cholesky(scaled))
    except np.linalg.LinAlgError:
        return None
    if not _is_right(float(np.square(inverse).sum()), len(scaled), _FLOAT_BITS):
        return None
    return np.tril(inverse)


def _is_right(squares: float, size: int, bits: int) -> bool:
    """‖L⁻¹‖² bounds 1/λ of the scaled matrix, and size²·2^-bits/λ the relative error of a leverage."""
    return bool(size * size * squares < 2.0 ** (bits - _LEVERAGE_BITS))


def _inverse_factor(regular: Integers, scales: list[int], fraction_bits: int) -> tuple[Floats, Integers]:
    """T = L⁻¹ of a regular matrix, in as many bits as it takes: as float64, and as integers at 2^-fraction_bits."""
    bits, size = _LEAST_BITS, len(regular)
    while True:  # a regular matrix of integers needs no more bits than the product of its diagonal has
        with gmpy2.context(gmpy2.get_context(), precision=bits):
            lower = [
                [gmpy2.div_2exp(gmpy2.mpfr(int(regular[i, j])), scales[i] + scales[j]) for j in range(i + 1)]
                for i in range(size)
            ]
            inverse = _factored(lower)
            if inverse is not None:
                squares = sum((value * value for line in inverse for value in line), gmpy2.mpfr(0))
                if size * size * squares < gmpy2.exp2(bits - _LEVERAGE_BITS):
                    return _both(inverse, scales, fraction_bits)
        bits *= 2


def _both(inverse: list[list[gmpy2.mpfr]], scales: list[int], fraction_bits: int) -> tuple[Floats, Integers]:
    floats: Floats = np.zeros((len(inverse), len(inverse)))
    fixed: Integers = np.full((len(inverse), len(inverse)), 0, dtype=object)
    for i, line in enumerate(inverse):
        for j, value in enumerate(line):
            floats[i, j] = float(gmpy2.div_2exp(value, scales[j]))
            shift = fraction_bits - scales[j]
            at_scale = gmpy2.mul_2exp(value, shift) if shift >= 0 else gmpy2.div_2exp(value, -shift)
            fixed[i, j] = int(gmpy2.rint(at_scale))
    return floats, fixed


def _factored(lower: list[list[gmpy2.mpfr]]) -> list[list[gmpy2.mpfr]] | None:
    """L⁻¹ by rows from the lower triangle of a matrix; None where a pivot is lost at this precision."""
    factor: list[list[gmpy2.mpfr]] = []
    inverse: list[list[gmpy2.mpfr]] = []
    for i, line in enumerate(lower):
        row: list[gmpy2.mpfr] = []
        for j in range(i):
            total = line[j] - sum((a * b for a, b in zip(row, factor[j], strict=False)), gmpy2.mpfr(0))
            row.append(total / factor[j][j])
        pivot = line[i] - sum((value * value for value in row), gmpy2.mpfr(0))
        if pivot <= 0:
            return None
        root = gmpy2.sqrt(pivot)
        below = [-sum((row[k] * inverse[k][j] for k in range(j, i)), gmpy2.mpfr(0)) / root for j in range(i)]
        factor.append([*row, root])
        inverse.append([*below, 1 / root])
    return inverse


def _limbs(values: Integers) -> tuple[Floats, ...]:
    """Integers as limbs of 20 bits, the least significant first; the top ones, of a sign, are −1 or below 2^20."""
    limbs = []
    bits = max(int(value).bit_length() for value in values.flat)
    for place in range(0, bits + 1, LIMB_BITS):
        above = values >> LIMB_BITS
        is_top = place + LIMB_BITS > bits
        limbs.append((values if is_top else values - (above << LIMB_BITS)).astype(np.float64))
        values = above
    return tuple(limbs)


def _split(values: Floats) -> list[Floats]:
    """Whole numbers as limbs of at most 20 bits, the least significant first, each with the sign of its number."""
    pieces = []
    while values.any():
        above = np.trunc(np.ldexp(values, -LIMB_BITS))
        pieces.append(values - np.ldexp(above, LIMB_BITS))
        values = above
    return pieces
