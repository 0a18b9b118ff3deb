"""The engine in the calling thread, over gmpy2."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import gmpy2
from gmpy2 import mpz
from phe.paillier import PaillierPrivateKey

from fedtrain.crypto.engine import T
from fedtrain.crypto.powers import straus
from fedtrain.crypto.powers.fixed_base import FixedBaseTable
from fedtrain.crypto.powers.residues import PairResidues, public_power, residues_modulo
from fedtrain.crypto.powers.squaring import horner

# Shorter exponents do not repay the odd powers that a window needs.
_LEAST_POWER_BITS = 256


class LocalEngine:
    """Implements `fedtrain.crypto.engine.Engine` on one core. Stateless, so that any thread may share it."""

    def multi_exponentiate(
        self, bases: Sequence[mpz], rows: Sequence[Sequence[int]], exponent_bits: int, modulus: mpz
    ) -> list[mpz]:
        return straus.multi_exponentiate(bases, rows, exponent_bits, modulus)

    def multi_exponentiate_packed(
        self,
        bases: Sequence[mpz],
        rows: Sequence[Sequence[int]],
        exponent_bits: int,
        modulus: mpz,
        rows_per_group: int,
        shift_bits: int,
    ) -> list[mpz]:
        return straus.multi_exponentiate(
            bases, rows, exponent_bits, modulus, rows_per_group=rows_per_group, shift_bits=shift_bits
        )

    def horner(self, groups: Sequence[Sequence[mpz]], shift_bits: int, modulus: mpz) -> list[mpz]:
        return [horner(group, shift_bits, modulus) for group in groups]

    def product(self, columns: Sequence[Sequence[mpz]], modulus: mpz) -> list[mpz]:
        return [_product(column, modulus) for column in columns]

    def powers(self, bases: Sequence[mpz], exponent: int, modulus: mpz, *, secret: bool = False) -> list[mpz]:
        if secret:
            return [gmpy2.powmod_sec(base, exponent, modulus) for base in bases]
        residues = residues_modulo(modulus)
        if isinstance(residues, PairResidues) and exponent >> _LEAST_POWER_BITS:
            return [public_power(residues, base, exponent) for base in bases]
        # Releases the GIL for as long as it runs.
        return list(gmpy2.powmod_base_list(list(bases), exponent, modulus))

    def fixed_base_powers(self, table: FixedBaseTable, exponents: Sequence[int]) -> list[mpz]:
        return table.powers(exponents)

    def crt_decrypt(self, ciphertexts: Sequence[mpz], private_key: PaillierPrivateKey) -> list[mpz]:
        p, q = mpz(private_key.p), mpz(private_key.q)
        p_inverse, hp, hq = mpz(private_key.p_inverse), mpz(private_key.hp), mpz(private_key.hq)
        p_square, q_square = p * p, q * q
        plaintexts = []
        for c in ciphertexts:
            # Paillier 1999, §7: each half decrypts mod its own prime, a quarter of the work each.
            m_p = (gmpy2.powmod_sec(c % p_square, p - 1, p_square) - 1) // p * hp % p
            m_q = (gmpy2.powmod_sec(c % q_square, q - 1, q_square) - 1) // q * hq % q
            plaintexts.append(m_p + (m_q - m_p) * p_inverse % q * p)
        return plaintexts

    def in_parts(self, count: int, part: Callable[[int, int], list[T]]) -> list[T]:
        return part(0, count)


def _product(column: Sequence[mpz], modulus: mpz) -> mpz:
    if not column:
        return mpz(1)
    result = column[0]
    for factor in column[1:]:
        result = result * factor % modulus
    return result % modulus
