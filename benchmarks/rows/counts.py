"""Multiplications counted, and what they cost here and now: the arithmetic floor of an operation.

The cost of one is measured at that moment: of gmpy2 x·y mod m and x·x mod m in a bare loop, of the kernel an eighth of
eight side by side. Counts: a table's entries, lookups and squarings as `crypto.powers.straus.best_plan` and
`crypto.FixedBaseTable` have them; powers as their squarings and one multiplication for every six bits.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterable
from dataclasses import dataclass

from gmpy2 import isqrt, mpz

from benchmarks.fixtures.engines import NATIVE, name_here
from benchmarks.rows.measure import processor_seconds
from fedtrain.crypto import FixedBaseTable, SlotLayout
from fedtrain.crypto.engine.native.speed import product_seconds
from fedtrain.crypto.powers.squaring import SQUARING_COST
from fedtrain.crypto.powers.straus import best_plan

LOOP = 1000
# GMP's sliding window for exponents of some thousand bits.
POWER_WINDOW_BITS = 6


@dataclass(frozen=True)
class Count:
    """Multiplications that an operation cannot do without, modulo `modulus`."""

    modulus: mpz
    multiplications: float
    squarings: float = 0


def floor_seconds(counts: Iterable[Count], engine: str | None = None) -> float:
    """Processor seconds that so many multiplications take by that engine, by default the one that a service takes
    here; each modulus measured at this moment."""
    found = 0.0
    for count in counts:
        multiplication, squaring = cost_of_one(count.modulus, engine or name_here())
        found += count.multiplications * multiplication + count.squarings * squaring
    return found


def cost_of_one(modulus: mpz, engine: str) -> tuple[float, float]:
    """Processor seconds of one multiplication and of one squaring modulo `modulus`."""
    root = isqrt(modulus)
    if engine == NATIVE and root * root == modulus:
        return product_seconds(root.bit_length(), time.process_time)
    numbers = [number_below(modulus) for _ in range(LOOP)]
    factor = number_below(modulus)
    multiplication, _ = processor_seconds(lambda: [x * factor % modulus for x in numbers])
    squaring, _ = processor_seconds(lambda: [x * x % modulus for x in numbers])
    return multiplication / LOOP, squaring / LOOP


def matrix(d: int, exponent_bits: int, layout: SlotLayout, modulus: mpz) -> Count:
    """A (d, d) matrix of signed exponents × d ciphertexts, the rows packed as `layout` says."""
    plan = best_plan(d, d, exponent_bits)
    # A row's own squarings are among those that shift it into its slot; only a group's first row has no shift.
    positions = -(-(exponent_bits + 1) // plan.window_bits)
    own = (positions - 1) * plan.window_bits
    multiplications = plan.multiplications - d * own * SQUARING_COST
    squarings = layout.row_groups * own + (d - layout.row_groups) * layout.slot_bits
    return Count(modulus, multiplications, squarings)


def powers(count: int, exponent_bits: int, modulus: mpz) -> Count:
    """So many powers of different bases."""
    return Count(modulus, count * exponent_bits / POWER_WINDOW_BITS, count * exponent_bits)


def table_entries(table: FixedBaseTable) -> Count:
    """A table of one base's powers, once."""
    return Count(table.modulus, table.positions << table.window_bits)


def fixed_base_powers(table: FixedBaseTable, count: int) -> Count:
    """So many powers of the table's base."""
    return Count(table.modulus, count * (table.positions - 1))


def number_below(modulus: mpz) -> mpz:
    """Uniform in [2, modulus)."""
    return mpz(secrets.randbelow(int(modulus) - 2) + 2)
