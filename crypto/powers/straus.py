"""Π_j base_j^e_ij mod n² for many rows i of short signed exponents: matrix × encrypted vector.

Two methods, chosen by counting multiplications. *Joint tables* (Straus): bases in groups of k, a table of the
2^(k·w) products of their w-bit powers, shared by all rows; a row then takes one lookup for each group
and window position. *Buckets* (Pippenger): no table; wins where there are few rows and many bases.

Work depends on the shape only. Exponents are shifted to e + 2^exponent_bits ≥ 0, and every table entry and
bucket starts from a random unit, so that no multiplication is ever by 1; what that adds is the same for all
rows and leaves with one correction each.
Source: Straus 1964; Pippenger 1976; Bernstein, "Pippenger's exponentiation algorithm", 2002.
"""

from __future__ import annotations

import secrets
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate, pairwise

import gmpy2
import numpy as np
from gmpy2 import mpz
from numpy.typing import NDArray

from fedtrain.crypto.errors import EncodingOverflow
from fedtrain.crypto.powers.digits import window_digits
from fedtrain.crypto.powers.residues import Element, residues_modulo
from fedtrain.crypto.powers.squaring import SQUARING_COST, square_times

# 2^12 entries of a table; and in all at most 2^17 of them, 90 MB at 4,096 bits.
_LARGEST_INDEX_BITS = 12
_LARGEST_TABLES = 1 << 17
# Rows whose digits are laid out together: enough to hide numpy's call overhead.
_ROWS_AT_ONCE = 32


@dataclass(frozen=True)
class Plan:
    """Way to multiply: `group_size` 0 stands for buckets. `multiplications` is the count that chose it."""

    group_size: int
    window_bits: int
    multiplications: float


@lru_cache(maxsize=256)
def best_plan(bases: int, rows: int, exponent_bits: int) -> Plan:
    """The method and widths with the fewest multiplications, a squaring counted as SQUARING_COST of one."""
    bits = exponent_bits + 1
    plans = []
    for window_bits in range(1, _LARGEST_INDEX_BITS + 1):
        positions = -(-bits // window_bits)
        squarings = rows * (positions - 1) * window_bits * SQUARING_COST
        buckets = rows * positions * (bases + 2 * (1 << window_bits))
        plans.append(Plan(0, window_bits, buckets + squarings))
        for group_size in range(1, min(bases, _LARGEST_INDEX_BITS // window_bits) + 1):
            tables = sum(1 << (size * window_bits) for size in _group_sizes(bases, group_size))
            lookups = rows * positions * -(-bases // group_size)
            if tables <= _LARGEST_TABLES:
                plans.append(Plan(group_size, window_bits, tables + lookups + squarings))
    return min(plans, key=lambda plan: plan.multiplications)


def multi_exponentiate(
    bases: Sequence[mpz],
    rows: Sequence[Sequence[int]],
    exponent_bits: int,
    modulus: mpz,
    *,
    rows_per_group: int = 1,
    shift_bits: int = 0,
    plan: Plan | None = None,
) -> list[mpz]:
    """One product for each group of `rows_per_group` rows: Π_t row_t^(2^(shift_bits·t)), row_t as above.

    With one row a group, Π_j bases[j]^rows[i][j] for each i. More rows a group are packed into slots of
    `shift_bits` on the way, which shares the squarings. Needs |exponent| < 2^exponent_bits, else
    EncodingOverflow, and shift_bits > exponent_bits where rows_per_group > 1, else ValueError.
    """
    if rows_per_group > 1 and shift_bits <= exponent_bits:
        raise ValueError(f"{exponent_bits}-bit exponents do not fit slots of {shift_bits} bits")
    if not bases:
        _check_shape(rows, 0)
        return [mpz(1) for _ in range(0, len(rows), rows_per_group)]
    plan = plan or best_plan(len(bases), len(rows), exponent_bits)
    method = (_Buckets if plan.group_size == 0 else _JointTables)(bases, exponent_bits, modulus, plan)
    groups = [rows[start : start + rows_per_group] for start in range(0, len(rows), rows_per_group)]
    # Horner's rule starts from the last row of a group.
    indices = method.indices_by_row([row for group in groups for row in reversed(group)])
    results = []
    for group in groups:
        accumulated: Element | None = None
        # A row of zeros comes to 1, which would square faster than other rows: an own factor goes along.
        blind, unblind = map(method.residues.of, _blinding(method.modulus, shift_bits * (len(group) - 1)))
        correction = method.residues.times(method.correction, blind)
        for _ in group:
            accumulated = _accumulate(method, next(indices), accumulated, shift_bits, correction)
            correction = method.correction
        results.append(method.residues.value(method.residues.times(accumulated, unblind)))
    return results


@lru_cache(maxsize=16)
def _blinding(modulus: mpz, squarings: int) -> tuple[mpz, mpz]:
    """A random unit u, and u^(−2^squarings). Kept, because it costs as much as the packing of a row."""
    unit = _random_unit(modulus)
    return unit, gmpy2.invert(square_times(unit, squarings, modulus), modulus)


def _accumulate(
    method: _Method, indices: list[list[int]], packed: Element | None, shift_bits: int, correction: Element
) -> Element:
    """packed^(2^shift_bits)·row, with the row's own squarings shared; the row alone where nothing is packed."""
    residues, window_bits = method.residues, method.window_bits
    accumulated = packed
    squarings = shift_bits - (method.positions - 1) * window_bits
    for position in indices:
        factors = method.factors(position)
        if accumulated is not None:
            factors.append(residues.square_times(accumulated, squarings))
        accumulated = residues.product(factors)
        squarings = window_bits
    return residues.times(accumulated, correction)


class _Method(ABC):
    """Common part of both methods: the row as factors, position after position from the highest."""

    window_bits: int
    positions: int
    correction: Element

    def __init__(self, bases: Sequence[mpz], exponent_bits: int, modulus: mpz, plan: Plan) -> None:
        self.modulus = mpz(modulus)
        self.residues = residues_modulo(self.modulus)
        self.bases = [self.residues.of(base) for base in bases]
        self.exponent_bits = exponent_bits
        self.window_bits = plan.window_bits
        self.positions = -(-(exponent_bits + 1) // plan.window_bits)
        self.start = self.residues.of(_random_unit(self.modulus))

    def indices_by_row(self, rows: Sequence[Sequence[int]]) -> Iterator[list[list[int]]]:
        """For each row, the indices of `factors` for every position, from the highest."""
        _check_shape(rows, len(self.bases))
        for start in range(0, len(rows), _ROWS_AT_ONCE):
            digits = _digits(rows[start : start + _ROWS_AT_ONCE], self.exponent_bits, self.window_bits)
            yield from self._indices(digits).transpose(0, 2, 1)[:, ::-1].tolist()

    def _indices(self, digits: NDArray[np.int64]) -> NDArray[np.int64]:
        return digits

    @abstractmethod
    def factors(self, position: list[int]) -> list[Element]:
        """Return what the accumulated product is multiplied by at one position."""

    def _set_correction(self, starts_per_position: int) -> None:
        """Π bases^(−2^exponent_bits)·start^(−starts·Σ 2^(w·i)): takes away what was put in for uniformity."""
        residues = self.residues
        places = ((1 << (self.window_bits * self.positions)) - 1) // ((1 << self.window_bits) - 1)
        shifted = residues.square_times(residues.product(self.bases), self.exponent_bits)
        starts = gmpy2.powmod(residues.value(self.start), starts_per_position * places, self.modulus)
        self.correction = residues.of(gmpy2.invert(residues.value(shifted) * starts, self.modulus))


class _JointTables(_Method):
    def __init__(self, bases: Sequence[mpz], exponent_bits: int, modulus: mpz, plan: Plan) -> None:
        super().__init__(bases, exponent_bits, modulus, plan)
        sizes = _group_sizes(len(bases), plan.group_size)
        ends = list(accumulate(sizes))
        self._group_starts = [end - size for size, end in zip(sizes, ends, strict=True)]
        self._places = np.concatenate([np.arange(size) for size in sizes]) * self.window_bits
        self._tables = [self._table(self.bases[end - size : end]) for size, end in zip(sizes, ends, strict=True)]
        self._set_correction(len(sizes))

    def _table(self, group: Sequence[Element]) -> list[Element]:
        table = [self.start]
        for base in group:
            power = base
            for bit in range(self.window_bits):
                if bit:
                    power = self.residues.square_times(power, 1)
                table += self.residues.scaled(table, power)
        return table

    def _indices(self, digits: NDArray[np.int64]) -> NDArray[np.int64]:
        indices: NDArray[np.int64] = np.add.reduceat(digits << self._places[:, None], self._group_starts, axis=1)
        return indices

    def factors(self, position: list[int]) -> list[Element]:
        return [table[index] for table, index in zip(self._tables, position, strict=True)]


class _Buckets(_Method):
    def __init__(self, bases: Sequence[mpz], exponent_bits: int, modulus: mpz, plan: Plan) -> None:
        super().__init__(bases, exponent_bits, modulus, plan)
        count = 1 << self.window_bits
        self._set_correction(count * (count - 1) // 2)

    def factors(self, position: list[int]) -> list[Element]:
        """Π_j base_j^digit_j·start^(Σ digits possible), one factor: each base into the bucket of its digit."""
        times = self.residues.times
        buckets = [self.start] * (1 << self.window_bits)
        for base, digit in zip(self.bases, position, strict=True):
            buckets[digit] = times(buckets[digit], base)
        running = total = buckets[-1]
        for bucket in buckets[-2:0:-1]:
            running = times(running, bucket)
            total = times(total, running)
        return [total]


def _group_sizes(bases: int, group_size: int) -> list[int]:
    """As few groups as `group_size` allows, their sizes as equal as can be."""
    groups = -(-bases // group_size)
    edges = [bases * group // groups for group in range(groups + 1)]
    return [end - start for start, end in pairwise(edges)]


def _check_shape(rows: Sequence[Sequence[int]], bases: int) -> None:
    for row in rows:
        if len(row) != bases:
            raise ValueError(f"a row has {len(row)} exponents for {bases} bases")


def _digits(rows: Sequence[Sequence[int]], exponent_bits: int, window_bits: int) -> NDArray[np.int64]:
    """(rows, bases, positions) window digits of exponent + 2^exponent_bits, lowest position first."""
    positions = -(-(exponent_bits + 1) // window_bits)
    offset = 1 << exponent_bits
    exponents = [exponent for row in rows for exponent in row]
    if not all(-offset < exponent < offset for exponent in exponents):
        raise EncodingOverflow(f"an exponent does not fit {exponent_bits} bits and its sign")
    digits = window_digits((exponent + offset for exponent in exponents), positions, window_bits)
    return digits.astype(np.int64).reshape(len(rows), -1, positions)


def _random_unit(modulus: mpz) -> mpz:
    while True:
        unit = mpz(secrets.randbelow(int(modulus) - 1) + 1)
        if gmpy2.gcd(unit, modulus) == 1:
            return unit
