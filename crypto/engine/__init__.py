"""The array-wide seam: lists in, lists out, so that threads, processes, a cluster or a compiled kernel can
stand behind it unseen."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

from gmpy2 import mpz
from phe.paillier import PaillierPrivateKey

from fedtrain.crypto.powers.fixed_base import FixedBaseTable

T = TypeVar("T")


class Engine(Protocol):
    """Modular arithmetic on arrays. Every result is the exact residue; only the speed differs."""

    def multi_exponentiate(
        self, bases: Sequence[mpz], rows: Sequence[Sequence[int]], exponent_bits: int, modulus: mpz
    ) -> list[mpz]:
        """Π_j bases[j]^rows[i][j] mod modulus for every row i, with signed |rows[i][j]| < 2^exponent_bits.

        Which multiplications are done depends on the shape and on `exponent_bits`, never on the exponents.
        Raises EncodingOverflow for a larger exponent, ValueError for a row of another length, and
        ZeroDivisionError for bases that share a factor with the modulus.
        """
        ...

    def multi_exponentiate_packed(
        self,
        bases: Sequence[mpz],
        rows: Sequence[Sequence[int]],
        exponent_bits: int,
        modulus: mpz,
        rows_per_group: int,
        shift_bits: int,
    ) -> list[mpz]:
        """`multi_exponentiate` and `horner` in one, which shares squarings: one result a group of rows.

        Raises also ValueError unless shift_bits > exponent_bits (where a group has more than one row).
        """
        ...

    def horner(self, groups: Sequence[Sequence[mpz]], shift_bits: int, modulus: mpz) -> list[mpz]:
        """Π_t group[t]^(2^(shift_bits·t)) mod modulus for every group: ciphertexts into slots."""
        ...

    def product(self, columns: Sequence[Sequence[mpz]], modulus: mpz) -> list[mpz]:
        """The product of each column's entries mod modulus, one result a column (1 for an empty one)."""
        ...

    def powers(self, bases: Sequence[mpz], exponent: int, modulus: mpz, *, secret: bool = False) -> list[mpz]:
        """base^exponent mod modulus for every base; with `secret` in time that the exponent does not show.

        `secret` needs an odd modulus and an exponent above 0.
        """
        ...

    def fixed_base_powers(self, table: FixedBaseTable, exponents: Sequence[int]) -> list[mpz]:
        """table.base^exponent mod table.modulus for 0 ≤ exponent < 2^table.exponent_bits."""
        ...

    def crt_decrypt(self, ciphertexts: Sequence[mpz], private_key: PaillierPrivateKey) -> list[mpz]:
        """The plaintext residue mod n of each ciphertext, by constant-time powers mod p² and q²."""
        ...

    def in_parts(self, count: int, part: Callable[[int, int], list[T]]) -> list[T]:
        """part(start, end) over `count` items, joined in their order: several at once where the engine has threads.

        For work around its operations, which those within a part then do in the part's own thread.
        """
        ...
