"""A malicious key holder with smooth p − 1 and nonces of its own choice, after the scalars of a private matrix.

It encrypts its weights with nonces γ^(2^k_j), for a generator γ of smooth order. Whatever linear map is applied
under encryption leaves Σ a_j·2^k_j in the exponent of the nonce, where no mask on the plaintext reaches, and a
smooth order makes discrete logarithms easy. Only a nonce that is uniform again hides it.
"""

from __future__ import annotations

import random
import secrets
from dataclasses import dataclass
from functools import cache

import gmpy2
import pytest
from gmpy2 import mpz
from phe.paillier import PaillierPrivateKey, PaillierPublicKey

from fedtrain.crypto import LocalEngine, RerandomiserPool, blind, check_key, prove_key, rerandomise
from fedtrain.crypto.paillier.rerandomise import draw_unit

ENGINE = LocalEngine()
SCALARS = [1, -1, 0, 8_388_607, -8_388_607, 123_456, -7_654_321]
SCALAR_BITS = 24
# As wide as 512 bits leave room for: 28 uniform slots, where nothing is to be read, hold a right scalar once in 2^31.
SLOT_BITS = 36


@dataclass(frozen=True)
class SmoothPrime:
    value: int
    factors: tuple[int, ...]
    generator: int

    def discrete_logarithm(self, x: int) -> int:
        """Pohlig–Hellman: the logarithm mod each small factor of the order, joined by the Chinese remainders."""
        logarithm, product = 0, 1
        for factor in self.factors:
            cofactor = (self.value - 1) // factor
            target, base = pow(x, cofactor, self.value), pow(self.generator, cofactor, self.value)
            digit, power = 0, 1
            while power != target:
                power, digit = power * base % self.value, digit + 1
            logarithm += (digit - logarithm) * pow(product, -1, factor) % factor * product
            product *= factor
        return logarithm


def smooth_prime(source: random.Random, candidates: list[int]) -> SmoothPrime:
    """256 bits, p − 1 = 2·(distinct primes under 2^11), the primes drawn from and removed from `candidates`."""
    while True:
        factors, product = [2], 2
        for prime in source.sample(candidates, len(candidates)):
            if product.bit_length() + prime.bit_length() <= 256:
                factors.append(prime)
                product *= prime
        value = product + 1
        if value.bit_length() == 256 and value >> 254 == 3 and value % 4 == 3 and gmpy2.is_prime(value):
            for factor in factors[1:]:
                candidates.remove(factor)
            generator = 2
            while any(pow(generator, (value - 1) // factor, value) == 1 for factor in factors):
                generator += 1
            return SmoothPrime(value, tuple(factors), generator)


class MaliciousKeyHolder:
    """Holds a key that passes every check, and encrypts weights with chosen nonces."""

    def __init__(self, seed: int = 5) -> None:
        source = random.Random(seed)
        candidates = [int(p) for p in range(3, 1 << 11) if gmpy2.is_prime(p)]
        self.p, self.q = smooth_prime(source, candidates), smooth_prime(source, candidates)
        self.public_key = PaillierPublicKey(self.p.value * self.q.value)
        self.private_key = PaillierPrivateKey(self.public_key, self.p.value, self.q.value)
        self.n = self.public_key.n
        self.square = mpz(self.n) ** 2
        # γ^n for γ that generates both groups: what it calls h.
        inverse = pow(self.p.value, -1, self.q.value)
        gamma = self.p.generator + self.p.value * ((self.q.generator - self.p.generator) * inverse % self.q.value)
        self.h = gmpy2.powmod(gamma, self.n, self.square)
        # Above what h^r of |n|/2 bits could cover: the low half of the exponent.
        self.low_bits = 256

    def encrypted_weights(self) -> list[mpz]:
        nonces = [
            gmpy2.powmod(self.h, mpz(1) << (self.low_bits + SLOT_BITS * j), self.square) for j in range(len(SCALARS))
        ]
        return blind(nonces, [secrets.randbelow(1 << 40) for _ in nonces], self.n)

    def scalars_read_from(self, ciphertext: mpz) -> list[int]:
        """Mod p and q a ciphertext is its nonce alone: 1 + m·n is 1. No plaintext, no mask is in the way."""
        p, q = self.p, self.q
        at_p = p.discrete_logarithm(int(ciphertext % p.value)) * pow(self.n, -1, p.value - 1) % (p.value - 1)
        at_q = q.discrete_logarithm(int(ciphertext % q.value)) * pow(self.n, -1, q.value - 1) % (q.value - 1)
        # gcd(p − 1, q − 1) = 2, and both logarithms agree mod 2.
        half = (q.value - 1) // 2
        exponent = at_p + (p.value - 1) * ((at_q - at_p) // 2 * pow((p.value - 1) // 2, -1, half) % half)
        order = (p.value - 1) * half
        exponent = exponent - order if exponent > order // 2 else exponent
        # Balanced slots, the low half rounded away.
        exponent = (exponent + (1 << (self.low_bits - 1))) >> self.low_bits
        scalars = []
        for _ in SCALARS:
            scalar = (exponent + (1 << (SLOT_BITS - 1))) % (1 << SLOT_BITS) - (1 << (SLOT_BITS - 1))
            scalars.append(scalar)
            exponent = (exponent - scalar) >> SLOT_BITS
        return scalars


@cache
def key_holder() -> MaliciousKeyHolder:
    return MaliciousKeyHolder()


def owners_answer(holder: MaliciousKeyHolder) -> mpz:
    """Σ a_j·w_j under encryption, and a uniform mask inside the plaintext."""
    product = ENGINE.multi_exponentiate(holder.encrypted_weights(), [SCALARS], SCALAR_BITS, holder.square)
    return blind(product, [secrets.randbelow(holder.n)], holder.n)[0]


@pytest.mark.slow
def test_the_malicious_key_passes_the_checks_on_keys_so_that_they_do_not_save_anyone() -> None:
    holder = key_holder()
    proof = prove_key(holder.private_key, b"id", b"nonce")
    check_key(holder.n, 512, proof, b"id", b"nonce", allow_small=True)


def test_without_rerandomisation_it_reads_every_scalar_through_the_masks() -> None:
    assert key_holder().scalars_read_from(owners_answer(key_holder())) == SCALARS


def test_with_a_short_power_of_the_key_holders_base_it_still_reads_every_scalar() -> None:
    holder = key_holder()
    short = gmpy2.powmod(holder.h, secrets.randbits(255), holder.square)
    answer = rerandomise([owners_answer(holder)], holder.n, [short])[0]
    assert holder.scalars_read_from(answer) == SCALARS


def test_with_a_base_of_low_order_even_full_length_exponents_do_not_help() -> None:
    holder = key_holder()
    # Of order 2: whatever its exponent, there are two cases for the key holder to try.
    order = (holder.p.value - 1) * (holder.q.value - 1) // 2
    low = gmpy2.powmod(holder.h, order // 2, holder.square)
    answer = rerandomise([owners_answer(holder)], holder.n, [gmpy2.powmod(low, secrets.randbits(512), holder.square)])[
        0
    ]
    undone = [answer, answer * gmpy2.invert(low, holder.square) % holder.square]
    assert SCALARS in [holder.scalars_read_from(candidate) for candidate in undone]


def test_against_full_uniform_rerandomisers_it_reads_nothing() -> None:
    holder = key_holder()
    pool = RerandomiserPool(holder.n, ENGINE, target=2)
    pool.fill(2)
    readings = [
        holder.scalars_read_from(rerandomise([owners_answer(holder)], holder.n, pool.take(1))[0]) for _ in range(4)
    ]
    # Two from the pool and two computed on the spot: every scalar is wrong in all of them.
    for reading in readings:
        assert all(read != scalar for read, scalar in zip(reading, SCALARS, strict=True))
    assert len({tuple(reading) for reading in readings}) == 4


def test_the_attack_reads_the_exponents_that_uniform_units_really_have() -> None:
    holder = key_holder()
    unit = draw_unit(holder.n)
    logarithm = holder.p.discrete_logarithm(int(unit % holder.p.value))
    assert pow(holder.p.generator, logarithm, holder.p.value) == unit % holder.p.value
