"""The engine over the compiled kernel: eight residues at a time, threads for further cores.

The kernel has the arithmetic modulo m² for odd m of up to 4,104 bits: n², and p² and q² of a private key. For any
other modulus gmpy2 does the work, with the same results.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from functools import lru_cache
from threading import Lock, local
from typing import TypeVar
from weakref import WeakKeyDictionary

import gmpy2
import numpy as np
from gmpy2 import mpz
from numpy.typing import NDArray
from phe.paillier import PaillierPrivateKey

from fedtrain.crypto.engine import T
from fedtrain.crypto.engine.local import LocalEngine
from fedtrain.crypto.engine.native.ring import (
    DIGIT_BITS,
    LANES,
    LEAST_DIGITS,
    MOST_DIGITS,
    MOST_WHOLE_DIGITS,
    Ring,
    digits_of,
    ring_modulo,
    square_ring,
    width_bytes,
)
from fedtrain.crypto.errors import EncodingOverflow
from fedtrain.crypto.powers.digits import window_digits
from fedtrain.crypto.powers.fixed_base import FixedBaseTable

try:
    from fedtrain.crypto.engine.native import _kernel
except ImportError:  # built where there is a C compiler
    _BUILT = False
else:
    _BUILT = True

P = TypeVar("P")

_LOCAL = LocalEngine()
# Windows of secret exponents: every entry is read each time, so that a wider window reads more than it saves. Of a
# table that is one for all lanes sixteen entries are read at once.
_SECRET_WINDOW_BITS = 4
_LEAST_SECRET_TABLE_WINDOW_BITS = 4
SECRET_TABLE_WINDOW_BITS = 5
_WINDOW_BITS = 5
_LARGEST_INDEX_BITS = 12
_LARGEST_TABLES_BYTES = 1 << 26
# Parts a thread, so that the interpreter's share of one is done while others compute, and the fewest items of one.
_PARTS_A_THREAD = 8
_LEAST_PART = 8 * LANES
# One squaring, in products: 7 passes of multiply-adds against 10 (residues.h).
_SQUARING_COST = 0.7


def why_not() -> str | None:
    """Return why the kernel can't be used here, in words; None where it can."""
    if not _BUILT:
        return "it was not built: there was no C compiler when the project was installed"
    if not _kernel.can_run():
        return "this processor lacks AVX-512 IFMA"
    return None if _computes_rightly() else "it computes wrongly on this machine"


@dataclass(frozen=True)
class JointPlan:
    """Widths of joint tables, and into how many parts the groups of a row's bases are cut, a lane each."""

    group_size: int
    window_bits: int
    segments: int
    products: float


@lru_cache(maxsize=256)
def joint_plan(bases: int, rows: int, exponent_bits: int, entry_bytes: int) -> JointPlan:
    """The plan with the fewest products of eight lanes each, its tables within 64 MiB."""
    bits = exponent_bits + 1
    plans = []
    for window_bits in range(1, 9):
        positions = -(-bits // window_bits)
        for group_size in range(1, min(bases, _LARGEST_INDEX_BITS // window_bits) + 1):
            groups = -(-bases // group_size)
            entries = groups << (group_size * window_bits)
            if entries * entry_bytes > _LARGEST_TABLES_BYTES and (group_size, window_bits) != (1, 1):
                continue
            for segments in {1, min(2, groups), min(4, groups), min(8, groups)}:
                tables = groups * sum(
                    ((1 << window_bits) - 1) * _batches(1 << (base * window_bits)) for base in range(group_size)
                )
                each = positions * -(-groups // segments) + (positions - 1) * window_bits * _SQUARING_COST
                products = (
                    tables + _batches(rows * segments) * each + (_batches(rows) * segments if segments > 1 else 0)
                )
                plans.append(JointPlan(group_size, window_bits, segments, products))
    return min(plans, key=lambda plan: (plan.products, plan.segments))


def _batches(count: int) -> int:
    return -(-count // LANES)


class NativeEngine:
    """Implements `fedtrain.crypto.engine.Engine` by the kernel. Any thread may share it.

    `executor`: threads that do parts of large work, `threads` of them; the caller's to start and stop. Without one the
    calling thread does all. Raises RuntimeError where the kernel can't be used.
    """

    def __init__(self, executor: Executor | None = None, threads: int = 1) -> None:
        reason = why_not()
        if reason is not None:
            raise RuntimeError(f"the compiled kernel can't be used: {reason}")
        if threads < 1:
            raise ValueError(f"threads must be at least 1, received {threads}")
        self._executor = executor
        self._threads = threads if executor is not None else 1
        # Kept as long as their bases' tables, and no longer: some are a private key's.
        self._tables: WeakKeyDictionary[FixedBaseTable, _Entries] = WeakKeyDictionary()
        self._making_tables = Lock()
        self._within = local()

    def multi_exponentiate(
        self, bases: Sequence[mpz], rows: Sequence[Sequence[int]], exponent_bits: int, modulus: mpz
    ) -> list[mpz]:
        return self.multi_exponentiate_packed(bases, rows, exponent_bits, modulus, 1, 0)

    def multi_exponentiate_packed(
        self,
        bases: Sequence[mpz],
        rows: Sequence[Sequence[int]],
        exponent_bits: int,
        modulus: mpz,
        rows_per_group: int,
        shift_bits: int,
    ) -> list[mpz]:
        ring = ring_modulo(mpz(modulus))
        if ring is None or not bases or not rows:
            return _LOCAL.multi_exponentiate_packed(bases, rows, exponent_bits, modulus, rows_per_group, shift_bits)
        if rows_per_group > 1 and shift_bits <= exponent_bits:
            raise ValueError(f"{exponent_bits}-bit exponents do not fit slots of {shift_bits} bits")
        products = self._joint_products(ring, bases, rows, exponent_bits, modulus)
        return self._packed(ring, products, rows_per_group, shift_bits)

    def _joint_products(
        self, ring: Ring, bases: Sequence[mpz], rows: Sequence[Sequence[int]], exponent_bits: int, modulus: mpz
    ) -> bytes:
        plan = joint_plan(len(bases), len(rows), exponent_bits, _residue_bytes(ring))
        size, width = plan.group_size, plan.window_bits
        groups = -(-len(bases) // size)
        indices = _indices(rows, len(bases), exponent_bits, plan)
        positions = indices.shape[1]
        residues = _kernel.load(*ring.parameters, ring.bytes_of([base % modulus for base in bases]))
        # Exponents are shifted to e + 2^bits ≥ 0, which (Π bases)^(−2^bits) takes back: it starts a row's squarings.
        everything = gmpy2.invert(_LOCAL.product([bases], modulus)[0], modulus)
        first = _kernel.load(*ring.parameters, ring.bytes_of([everything]))
        one_group = size * _residue_bytes(ring)
        tables = self._in_parts(
            groups,
            lambda start, end: _kernel.joint_tables(
                *ring.parameters, residues[start * one_group : end * one_group], size, width
            ),
        )
        factors = self._in_parts(
            len(rows),
            lambda start, end: _kernel.joint_products(
                *ring.parameters,
                tables,
                first,
                exponent_bits - (positions - 1) * width,
                indices[start:end].tobytes(),
                positions,
                groups,
                plan.segments,
                size,
                width,
            ),
            max(1, LANES // plan.segments),
        )
        return factors if plan.segments == 1 else _kernel.horner(*ring.parameters, factors, plan.segments, 0)

    def horner(self, groups: Sequence[Sequence[mpz]], shift_bits: int, modulus: mpz) -> list[mpz]:
        ring = ring_modulo(mpz(modulus))
        size = max(map(len, groups), default=0)
        if ring is None or size == 0:
            return _LOCAL.horner(groups, shift_bits, modulus)
        padded = [entry % modulus for group in groups for entry in [*group, *[mpz(1)] * (size - len(group))]]
        return self._packed(ring, _kernel.load(*ring.parameters, ring.bytes_of(padded)), size, shift_bits)

    def _packed(self, ring: Ring, residues: bytes, size: int, shift_bits: int) -> list[mpz]:
        if size > 1:
            one_group = size * _residue_bytes(ring)
            residues = self._in_parts(
                -(-len(residues) // one_group),
                lambda start, end: _kernel.horner(
                    *ring.parameters, residues[start * one_group : end * one_group], size, shift_bits
                ),
            )
        return _values(ring, residues)

    def product(self, columns: Sequence[Sequence[mpz]], modulus: mpz) -> list[mpz]:
        modulus = mpz(modulus)
        digits = digits_of(modulus)
        rows = max(map(len, columns), default=0)
        if rows < 2 or modulus % 2 == 0 or not LEAST_DIGITS <= digits <= MOST_WHOLE_DIGITS:
            return _LOCAL.product(columns, modulus)
        if any(len(column) != rows for column in columns):
            return _LOCAL.product(columns, modulus)
        width = width_bytes(digits)
        back = gmpy2.powmod(mpz(1) << (DIGIT_BITS * digits), rows, modulus)
        constants = b"".join(number.to_bytes(width, "little") for number in (modulus, mpz(0), back))

        def part(start: int, end: int) -> bytes:
            numbers = b"".join(
                (factor % modulus).to_bytes(width, "little") for column in columns[start:end] for factor in column
            )
            return _kernel.product(digits, constants, rows, numbers)

        raw = self._in_parts(len(columns), part)
        return [mpz.from_bytes(raw[at : at + width], "little") % modulus for at in range(0, len(raw), width)]

    def powers(self, bases: Sequence[mpz], exponent: int, modulus: mpz, *, secret: bool = False) -> list[mpz]:
        modulus, exponent = mpz(modulus), mpz(exponent)
        # A square's root tells its factors where it is a prime's, so that nothing of a secret call is remembered.
        ring = square_ring(modulus) if secret else ring_modulo(modulus)
        if ring is None or exponent < 1:
            return _LOCAL.powers(bases, int(exponent), modulus, secret=secret)
        bits = exponent.bit_length()
        words = exponent.to_bytes(-(-bits // 64) * 8, "little")
        window_bits = _SECRET_WINDOW_BITS if secret else _WINDOW_BITS

        def part(start: int, end: int) -> list[mpz]:
            residues = _kernel.load(*ring.parameters, ring.bytes_of([base % modulus for base in bases[start:end]]))
            return _values(ring, _kernel.powers(*ring.parameters, residues, words, bits, True, window_bits, secret))

        return self.in_parts(len(bases), part)

    def fixed_base_powers(self, table: FixedBaseTable, exponents: Sequence[int]) -> list[mpz]:
        entries = self._entries(table) if exponents else None
        if entries is None:
            return _LOCAL.fixed_base_powers(table, exponents)
        table.check(exponents)
        bits, ring = table.exponent_bits, entries.ring
        bytes_each = -(-bits // 64) * 8
        # Few public powers are cut into parts that fill the lanes.
        segments = 1 if table.secret else max(1, LANES // len(exponents))

        def part(start: int, end: int) -> list[mpz]:
            words = b"".join(int(exponent).to_bytes(bytes_each, "little") for exponent in exponents[start:end])
            powers = _kernel.fixed_base_powers(
                *ring.parameters, entries.table, words, end - start, bits, entries.window_bits, segments, table.secret
            )
            if segments > 1:
                powers = _kernel.horner(*ring.parameters, powers, segments, 0)
            return _values(ring, powers)

        return self.in_parts(len(exponents), part)

    def _entries(self, table: FixedBaseTable) -> _Entries | None:
        with self._making_tables:
            entries = self._tables.get(table) or _entries(table)
            if entries is not None:
                self._tables[table] = entries
            return entries

    def crt_decrypt(self, ciphertexts: Sequence[mpz], private_key: PaillierPrivateKey) -> list[mpz]:
        p, q = mpz(private_key.p), mpz(private_key.q)
        if p % 2 == 0 or not all(LEAST_DIGITS <= digits_of(prime) <= MOST_DIGITS for prime in (p, q)):
            return _LOCAL.crt_decrypt(ciphertexts, private_key)
        p_square, q_square = p * p, q * q
        ring = Ring.of(p, q)
        bits = max(p.bit_length(), q.bit_length())
        bytes_each = -(-bits // 64) * 8
        exponents = (p - 1).to_bytes(bytes_each, "little") + (q - 1).to_bytes(bytes_each, "little")
        p_inverse, hp, hq = mpz(private_key.p_inverse), mpz(private_key.hp), mpz(private_key.hq)

        def part(start: int, end: int) -> list[mpz]:
            # Both halves of a ciphertext in lanes side by side: one alone fills two.
            halves = [c % square for c in ciphertexts[start:end] for square in (p_square, q_square)]
            residues = _kernel.load(*ring.parameters, ring.bytes_of(halves))
            powers = _kernel.powers(
                *ring.parameters, residues, exponents * (end - start), bits, False, _SECRET_WINDOW_BITS, True
            )
            plaintexts = []
            values = _values(ring, powers)
            for power_p, power_q in zip(values[::2], values[1::2], strict=True):
                m_p, m_q = (power_p - 1) // p * hp % p, (power_q - 1) // q * hq % q
                plaintexts.append(m_p + (m_q - m_p) * p_inverse % q * p)
            return plaintexts

        return self._listed(len(ciphertexts), part, LANES // 2)

    def _in_parts(self, count: int, part: Callable[[int, int], bytes], multiple: int = LANES) -> bytes:
        """part(start, end) over all of `count` items, in as many parts of whole `multiple`s as there are threads."""
        return b"".join(self._over_threads(count, part, -(-count // (multiple * self._threads)) * multiple))

    def in_parts(self, count: int, part: Callable[[int, int], list[T]]) -> list[T]:
        return self._listed(count, part, LANES)

    def _listed(self, count: int, part: Callable[[int, int], list[T]], multiple: int) -> list[T]:
        each, finer = (-(-count // (multiple * self._threads * parts)) * multiple for parts in (1, _PARTS_A_THREAD))
        of_parts = self._over_threads(count, part, min(each, max(finer, _LEAST_PART)))
        return [item for of_part in of_parts for item in of_part]

    def _over_threads(self, count: int, part: Callable[[int, int], P], each: int) -> list[P]:
        """part(start, end) for every `each` items. A part's own parts would wait for threads that wait for them."""
        if self._executor is None or each >= count or getattr(self._within, "part", False):
            return [part(0, count)]

        def marked(start: int, end: int) -> P:
            self._within.part = True
            try:
                return part(start, end)
            finally:
                self._within.part = False

        parts = [self._executor.submit(marked, start, min(start + each, count)) for start in range(0, count, each)]
        return [future.result() for future in parts]


def _residue_bytes(ring: Ring) -> int:
    return -(-2 * ring.digits // LANES) * LANES * 8


def _values(ring: Ring, residues: bytes) -> list[mpz]:
    return ring.values_of(_kernel.store(*ring.parameters, residues))


def _indices(rows: Sequence[Sequence[int]], bases: int, exponent_bits: int, plan: JointPlan) -> NDArray[np.uint16]:
    """(rows, positions, groups), the highest position first. Raises EncodingOverflow, ValueError."""
    shift = 1 << exponent_bits
    for row in rows:
        if len(row) != bases:
            raise ValueError(f"a row of {len(row)} exponents for {bases} bases")
        if not all(-shift < exponent < shift for exponent in row):
            raise EncodingOverflow(f"an exponent is beyond the {exponent_bits} bits planned for it")
    size, width = plan.group_size, plan.window_bits
    positions, groups = -(-(exponent_bits + 1) // width), -(-bases // size)
    shifted = (int(exponent) + shift for row in rows for exponent in row)
    digits = window_digits(shifted, positions, width).reshape(len(rows), bases, positions)
    joint = np.zeros((len(rows), groups, positions), dtype=np.uint16)
    for base in range(size):
        of_base = digits[:, base::size]
        joint[:, : of_base.shape[1]] |= of_base << np.uint16(base * width)
    return np.ascontiguousarray(joint.transpose(0, 2, 1)[:, ::-1, :])


@lru_cache(maxsize=1)
def _computes_rightly() -> bool:
    """Return whether powers, public and secret, and products agree with gmpy2's, at the digits' edges."""
    root = (mpz(1) << 250) - 57
    square = root * root
    ring = Ring.of(root)
    values = [mpz(0), mpz(1), square - 1, root, root + 1, (mpz(1) << 499) - 1, mpz(3) ** 250 % square, mpz(2)]
    residues = _kernel.load(*ring.parameters, ring.bytes_of(values))
    exponent = (1 << 64) - 59
    expected = [gmpy2.powmod(value, exponent, square) for value in values]
    words = exponent.to_bytes(8, "little")
    for secret in (False, True):
        powers = _kernel.powers(*ring.parameters, residues, words, 64, True, 4, secret)
        if _values(ring, powers) != expected:
            return False
    pairs = _kernel.horner(*ring.parameters, residues, 2, 1)
    return _values(ring, pairs) == [a * b * b % square for a, b in zip(values[::2], values[1::2], strict=True)]


@dataclass(frozen=True, eq=False)
class _Entries:
    """A fixed base's table as the kernel reads it."""

    ring: Ring = field(repr=False)
    window_bits: int
    table: bytes = field(repr=False)


def _entries(table: FixedBaseTable) -> _Entries | None:
    """The kernel's own table; None for a modulus that it lacks."""
    ring = square_ring(table.modulus)
    if ring is None:
        return None
    window_bits = table.window_bits
    if table.secret:
        window_bits = max(_LEAST_SECRET_TABLE_WINDOW_BITS, min(window_bits, SECRET_TABLE_WINDOW_BITS))
    residue = _kernel.load(*ring.parameters, ring.bytes_of([table.base % table.modulus]))
    positions = -(-table.exponent_bits // window_bits)
    entries = _kernel.fixed_base_table(*ring.parameters, residue, positions, window_bits, table.secret)
    return _Entries(ring, window_bits, entries)
