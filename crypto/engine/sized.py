"""Large work to one engine, small work to another, decided by counting multiplications.

Handing numbers to another process costs about as much as a multiplication each, and a round trip some
milliseconds: below that the calling thread is the faster one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from gmpy2 import mpz
from phe.paillier import PaillierPrivateKey

from fedtrain.crypto.engine import Engine, T
from fedtrain.crypto.powers.fixed_base import FixedBaseTable
from fedtrain.crypto.powers.squaring import SQUARING_COST
from fedtrain.crypto.powers.straus import best_plan

# In multiplications modulo a 4,096-bit number (20 to 25 ms of one core): ten times a worker's round trip.
LEAST_MULTIPLICATIONS = 5000
_REFERENCE_BITS = 4096
# Fixed windows of five or six bits: one multiplication for so many squarings.
_POWER_WINDOW_BITS = 6


class SizedEngine:
    """Implements `fedtrain.crypto.engine.Engine`: `large` from `least_multiplications` on, `small` below.

    A multiplication modulo a number of b bits counts as (b / 4096)² of one. What cannot be divided, one row or
    one power, stays with `small`, and so do products, whose numbers take longer to hand over than to multiply.
    """

    def __init__(self, small: Engine, large: Engine, least_multiplications: int = LEAST_MULTIPLICATIONS) -> None:
        self._small = small
        self._large = large
        self._least = least_multiplications

    def multi_exponentiate(
        self, bases: Sequence[mpz], rows: Sequence[Sequence[int]], exponent_bits: int, modulus: mpz
    ) -> list[mpz]:
        count = _multi_exponentiation(len(bases), len(rows), exponent_bits)
        engine = self._engine(len(rows), count, modulus)
        return engine.multi_exponentiate(bases, rows, exponent_bits, modulus)

    def multi_exponentiate_packed(
        self,
        bases: Sequence[mpz],
        rows: Sequence[Sequence[int]],
        exponent_bits: int,
        modulus: mpz,
        rows_per_group: int,
        shift_bits: int,
    ) -> list[mpz]:
        count = _multi_exponentiation(len(bases), len(rows), exponent_bits) + len(rows) * shift_bits * SQUARING_COST
        engine = self._engine(-(-len(rows) // rows_per_group), count, modulus)
        return engine.multi_exponentiate_packed(bases, rows, exponent_bits, modulus, rows_per_group, shift_bits)

    def horner(self, groups: Sequence[Sequence[mpz]], shift_bits: int, modulus: mpz) -> list[mpz]:
        count = sum(map(len, groups)) * (shift_bits * SQUARING_COST + 1)
        return self._engine(len(groups), count, modulus).horner(groups, shift_bits, modulus)

    def product(self, columns: Sequence[Sequence[mpz]], modulus: mpz) -> list[mpz]:
        return self._small.product(columns, modulus)

    def powers(self, bases: Sequence[mpz], exponent: int, modulus: mpz, *, secret: bool = False) -> list[mpz]:
        count = len(bases) * _power(int(exponent).bit_length())
        return self._engine(len(bases), count, modulus).powers(bases, exponent, modulus, secret=secret)

    def fixed_base_powers(self, table: FixedBaseTable, exponents: Sequence[int]) -> list[mpz]:
        # A worker builds the table's entries for itself: with fewer powers than that costs, it does not pay.
        pays = len(exponents) >= 1 << table.window_bits
        count = len(exponents) * table.positions if pays else 0
        return self._engine(len(exponents), count, table.modulus).fixed_base_powers(table, exponents)

    def crt_decrypt(self, ciphertexts: Sequence[mpz], private_key: PaillierPrivateKey) -> list[mpz]:
        p_square = mpz(private_key.p) ** 2
        count = len(ciphertexts) * 2 * _power(p_square.bit_length() // 2)
        return self._engine(len(ciphertexts), count, p_square).crt_decrypt(ciphertexts, private_key)

    def in_parts(self, count: int, part: Callable[[int, int], list[T]]) -> list[T]:
        return self._small.in_parts(count, part)

    def _engine(self, parts: int, multiplications: float, modulus: mpz) -> Engine:
        work = multiplications * (int(modulus).bit_length() / _REFERENCE_BITS) ** 2
        return self._large if parts > 1 and work >= self._least else self._small


def _multi_exponentiation(bases: int, rows: int, exponent_bits: int) -> float:
    return best_plan(bases, rows, exponent_bits).multiplications if bases and rows else 0.0


def _power(exponent_bits: int) -> float:
    return exponent_bits * (SQUARING_COST + 1 / _POWER_WINDOW_BITS)
