"""Powers of one base, many times: tables of base^(digit·2^(w·i)), so that a power needs no squaring.

Source: Brickell, Gordon, McCurley, Wilson, "Fast exponentiation with precomputation", 1992.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import gmpy2
from gmpy2 import mpz

from fedtrain.crypto.powers.digits import window_digits
from fedtrain.crypto.powers.residues import Element, Residues, residues_modulo

# Their products, half a kilobyte each, are to stay in a core's own cache beside one position's entries.
_POWERS_AT_ONCE = 128
# Beyond 10 bits a table for a 1,024-bit exponent mod a 4,096-bit number takes over 100 MB.
_WIDEST_WINDOW_BITS = 10


class FixedBaseTable:
    """base^e mod modulus for 0 ≤ e < 2^exponent_bits, in ⌈exponent_bits / window_bits⌉ − 1 multiplications.

    Built at first use. Only the parameters are pickled: another process builds its own entries. `secret`: modulus and
    exponents are the key holder's, so that an engine that can reads every entry for each digit.
    """

    def __init__(self, base: mpz, modulus: mpz, exponent_bits: int, window_bits: int, *, secret: bool = False) -> None:
        if exponent_bits < 1 or not 1 <= window_bits <= 16:
            raise ValueError(f"exponent_bits {exponent_bits} or window_bits {window_bits} out of range")
        self.base = mpz(base)
        self.modulus = mpz(modulus)
        self.exponent_bits = exponent_bits
        self.window_bits = window_bits
        self.secret = secret

    @classmethod
    def for_count(
        cls, base: mpz, modulus: mpz, exponent_bits: int, count: int, *, secret: bool = False
    ) -> FixedBaseTable:
        """The window that needs fewest multiplications, the table's own included, for `count` powers."""
        return cls(base, modulus, exponent_bits, best_window_bits(exponent_bits, count), secret=secret)

    @property
    def positions(self) -> int:
        return -(-self.exponent_bits // self.window_bits)

    @property
    def parameters(self) -> tuple[mpz, mpz, int, int]:
        return self.base, self.modulus, self.exponent_bits, self.window_bits

    @property
    def entries(self) -> list[list[Element]]:
        """Entry [i][digit], of `residues`; shared by all tables with the same parameters in this process."""
        return _entries(*self.parameters)

    @property
    def residues(self) -> Residues:
        return residues_modulo(self.modulus)

    def check(self, exponents: Sequence[int]) -> None:
        """Raise ValueError for an exponent out of range."""
        if not all(0 <= exponent < 1 << self.exponent_bits for exponent in exponents):
            raise ValueError(f"an exponent is out of range: the table covers {self.exponent_bits} bits")

    def powers(self, exponents: Sequence[int]) -> list[mpz]:
        """base^exponent mod modulus for each. Raises ValueError for an exponent out of range."""
        self.check(exponents)
        starts = range(0, len(exponents), _POWERS_AT_ONCE)
        return [power for at in starts for power in self._powers(exponents[at : at + _POWERS_AT_ONCE])]

    def _powers(self, exponents: Sequence[int]) -> list[mpz]:
        """All of them position by position: one position's entries stay in the cache, all positions' do not."""
        residues = self.residues
        digits = window_digits(exponents, self.positions, self.window_bits).T.tolist()
        first, *rest = zip(self.entries, digits, strict=True)
        products = list(map(first[0].__getitem__, first[1]))
        for table, column in rest:
            products = residues.times_each(products, map(table.__getitem__, column))
        return [residues.value(product) for product in products]

    def __repr__(self) -> str:
        return f"<FixedBaseTable exponent_bits={self.exponent_bits} window_bits={self.window_bits}>"


def best_window_bits(exponent_bits: int, count: int) -> int:
    """The window width with fewest multiplications, to build the table and take `count` powers."""

    def multiplications(window_bits: int) -> int:
        positions = -(-exponent_bits // window_bits)
        return positions * (1 << window_bits) + max(count, 1) * positions

    return min(range(1, _WIDEST_WINDOW_BITS + 1), key=multiplications)


@lru_cache(maxsize=8)
def _entries(base: mpz, modulus: mpz, exponent_bits: int, window_bits: int) -> list[list[Element]]:
    residues = residues_modulo(modulus)
    positions = -(-exponent_bits // window_bits)
    tables = []
    step = residues.of(base)
    shifts = []
    for _ in range(positions):
        # Digit d holds step^(d + 1): no entry is 1, so that a digit of zero costs what any other does.
        table = [step]
        for _ in range((1 << window_bits) - 1):
            table.append(residues.times(table[-1], step))
        tables.append(table)
        shifts.append(step)
        step = table[-1]
    # The steps too many, Σ 2^(w·i), leave again through the first table.
    correction = gmpy2.invert(residues.value(residues.product(shifts)), modulus)
    tables[0] = residues.scaled(tables[0], residues.of(correction))
    return tables
