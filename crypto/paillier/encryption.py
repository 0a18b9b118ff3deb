"""Fresh encryption of one's own plaintexts, and decryption. Ordinary Paillier with g = n + 1: phe reads it."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from threading import Lock
from typing import NoReturn, Protocol

import gmpy2
import numpy as np
from gmpy2 import mpz
from numpy.typing import NDArray
from phe.paillier import PaillierPrivateKey, PaillierPublicKey

from fedtrain.crypto.engine import Engine
from fedtrain.crypto.errors import KeyMismatch
from fedtrain.crypto.packing.slots import PackedPlaintexts, SlotLayout, joined, slots_of
from fedtrain.crypto.paillier.factor_pool import FactorPool
from fedtrain.crypto.paillier.keys import key_id as key_id_of
from fedtrain.crypto.paillier.plain_terms import add_plaintexts
from fedtrain.crypto.paillier.rerandomise import draw_unit
from fedtrain.crypto.paillier.vector import EncryptedVector
from fedtrain.crypto.powers.fixed_base import FixedBaseTable

# What the window of a table is chosen for, unless the caller knows better.
DEFAULT_EXPECTED_COUNT = 1000
# Ciphertexts of one's own plaintexts in one answer from which on a table of nonces pays.
TABLE_PAYS_FROM = 257


class Encryptor(Protocol):
    """Encrypts signed plaintexts, each with a nonce that is used once."""

    def encrypt(self, plaintexts: Sequence[int]) -> list[mpz]:
        """One ciphertext a plaintext; a plaintext stands for its residue mod n."""
        ...


class FreshNonces:
    """h^r mod n², r of |n|/2 bits, through a fixed-base table: factors for plaintexts of one's own, and nothing else.

    h = (−x²)^n mod n² for a random x that is drawn here, at first use: one from the key holder could be of low order.
    Source: Damgård, Jurik, Nielsen, "A generalization of Paillier's public-key system", 2010, §4.
    """

    def __init__(self, n: int, engine: Engine, expected_count: int = DEFAULT_EXPECTED_COUNT) -> None:
        self._n = mpz(n)
        self._engine = engine
        self._nonce_bits = (self._n.bit_length() + 1) // 2
        self._expected_count = expected_count
        self._table: FixedBaseTable | None = None
        self._drawing_base = Lock()

    @property
    def table(self) -> FixedBaseTable:
        """The powers of h."""
        with self._drawing_base:
            if self._table is None:
                square = self._n * self._n
                x = draw_unit(int(self._n))
                h = gmpy2.powmod(-x * x % self._n, self._n, square)
                self._table = FixedBaseTable.for_count(h, square, self._nonce_bits, self._expected_count)
            return self._table

    def draw(self, count: int) -> list[mpz]:
        """`count` factors, each of an exponent of its own."""
        return self._engine.fixed_base_powers(self.table, [secrets.randbits(self._nonce_bits) for _ in range(count)])

    def __reduce__(self) -> NoReturn:
        raise TypeError("what draws nonces stays in its process")


class FreshNoncePool(FactorPool):
    """`FreshNonces` ahead of need, for answers of many ciphertexts. Never for what came from someone else's ciphertext.

    Source: docs/threat-model.md, what the kept nonces would tell.
    """

    def __init__(self, n: int, engine: Engine, target: int) -> None:
        super().__init__(FreshNonces(n, engine, max(target, DEFAULT_EXPECTED_COUNT)).draw, target, at_once=64)


class PublicEncryptor:
    """Encryption by who holds only the public key, under `FreshNonces`."""

    def __init__(
        self, public_key: PaillierPublicKey, engine: Engine, expected_count: int = DEFAULT_EXPECTED_COUNT
    ) -> None:
        self._n = mpz(public_key.n)
        self._engine = engine
        self._nonces = FreshNonces(public_key.n, engine, expected_count)

    def encrypt(self, plaintexts: Sequence[int]) -> list[mpz]:
        return self._engine.in_parts(
            len(plaintexts),
            lambda start, end: add_plaintexts(self._nonces.draw(end - start), plaintexts[start:end], self._n),
        )

    def __reduce__(self) -> NoReturn:
        raise TypeError("an encryptor stays in its process")


class KeyHolderEncryptor:
    """Encryption by the key holder: fixed-base tables mod p² and q², exponents uniform over the order.

    The n-th residues mod p² are the cyclic group of order p − 1. Its generator here is tested against every
    prime factor of p − 1 under 2^16, so that a uniform exponent gives the distribution of rⁿ for uniform r,
    unless a larger prime divides the index, of probability below |p|/16·2^−16, which leaves at most that
    one large factor out. `pool`: factors made ahead of need, none unless its target is raised.
    """

    def __init__(
        self, private_key: PaillierPrivateKey, engine: Engine, expected_count: int = DEFAULT_EXPECTED_COUNT
    ) -> None:
        self._engine = engine
        self._p, self._q = mpz(private_key.p), mpz(private_key.q)
        self._n = self._p * self._q
        self._p_square, self._q_square = self._p**2, self._q**2
        self._p_square_inverse = gmpy2.invert(self._p_square, self._q_square)
        self._table_p = _residue_table(self._p, expected_count)
        self._table_q = _residue_table(self._q, expected_count)
        self.pool = FactorPool(self._factors, target=0)

    def encrypt(self, plaintexts: Sequence[int]) -> list[mpz]:
        return self._engine.in_parts(
            len(plaintexts),
            lambda start, end: add_plaintexts(self.pool.take(end - start), plaintexts[start:end], self._n),
        )

    def _factors(self, count: int) -> list[mpz]:
        powers_p = self._engine.fixed_base_powers(self._table_p, _exponents(self._p, count))
        powers_q = self._engine.fixed_base_powers(self._table_q, _exponents(self._q, count))
        return [
            a + self._p_square * ((b - a) * self._p_square_inverse % self._q_square)
            for a, b in zip(powers_p, powers_q, strict=True)
        ]

    def __repr__(self) -> str:
        return f"<KeyHolderEncryptor for {key_id_of(int(self._n))}>"

    def __reduce__(self) -> NoReturn:
        raise TypeError("an encryptor that holds a private key stays in its process")


def _exponents(prime: mpz, count: int) -> list[int]:
    return [secrets.randbelow(int(prime) - 1) for _ in range(count)]


def _residue_table(prime: mpz, expected_count: int) -> FixedBaseTable:
    square = prime * prime
    order = prime - 1
    # From n-th powers, mod p², to p-th powers is no difference: q is prime to p(p − 1) once n is accepted.
    small_factors = [r for r in _primes_under_2_16() if order % r == 0]
    while True:
        generator = gmpy2.powmod(2 + secrets.randbelow(int(prime) - 3), prime, square)
        if all(gmpy2.powmod(generator, order // r, square) != 1 for r in small_factors):
            return FixedBaseTable.for_count(generator, square, order.bit_length(), expected_count, secret=True)


def _primes_under_2_16() -> list[int]:
    sieve = np.ones(1 << 16, dtype=bool)
    sieve[:2] = False
    for number in range(2, 1 << 8):
        if sieve[number]:
            sieve[number * number :: number] = False
    return [int(prime) for prime in np.flatnonzero(sieve)]


def encrypt_array(
    values: NDArray[np.object_],
    layout: SlotLayout,
    fraction_bits: int,
    bound: int,
    encryptor: Encryptor,
    key_id: str,
) -> EncryptedVector:
    """Encrypt a (layout.rows, layout.columns) object array of integers at 2^−fraction_bits.

    `key_id` names the encryptor's key. Raises EncodingOverflow for a magnitude above `bound`,
    CapacityExceeded where the bound does not fit a slot, LayoutMismatch for another shape.
    """
    ciphertexts = encryptor.encrypt(PackedPlaintexts(values, layout, bound))
    return EncryptedVector(key_id, fraction_bits, bound, layout, tuple(ciphertexts))


def decrypt(ciphertexts: EncryptedVector | Sequence[mpz], private_key: PaillierPrivateKey, engine: Engine) -> list[int]:
    """Residues mod n, one a ciphertext. Raises KeyMismatch for a vector under another key."""
    if isinstance(ciphertexts, EncryptedVector):
        _check_key(ciphertexts, private_key)
        ciphertexts = ciphertexts.ciphertexts
    return [int(plaintext) for plaintext in engine.crt_decrypt(ciphertexts, private_key)]


def decrypt_array(vector: EncryptedVector, private_key: PaillierPrivateKey, engine: Engine) -> NDArray[np.object_]:
    """(rows, columns) object array of signed integers at 2^−fraction_bits.

    Raises KeyMismatch, and DecodedOutOfBound where any slot is beyond the vector's bound.
    """
    _check_key(vector, private_key)
    n, ciphertexts = private_key.public_key.n, vector.ciphertexts

    def part(start: int, end: int) -> list[Sequence[int]]:
        residues = engine.crt_decrypt(ciphertexts[start:end], private_key)
        return slots_of(residues, vector.layout, n, vector.bound, start)

    return joined(engine.in_parts(len(ciphertexts), part), vector.layout)


def _check_key(vector: EncryptedVector, private_key: PaillierPrivateKey) -> None:
    own_id = key_id_of(private_key.public_key.n)
    if vector.key_id != own_id:
        raise KeyMismatch(expected=own_id, received=vector.key_id)
