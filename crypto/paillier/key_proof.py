"""Checks on a modulus from someone else, and the proof that gcd(n, φ(n)) = 1.

Masks live mod n and nonces in the n-th residues. With n = p²q, or p dividing q − 1, taking n-th powers is
not a bijection mod n and both could be pierced by who made the key. The proof is a batch of n-th roots of
numbers that nobody chose.
Source: Gennaro, Micciancio, Rabin, "An efficient non-interactive statistical zero-knowledge proof system
for quasi-safe prime products", 1998; Goldberg et al., "Efficient noninteractive certification of RSA moduli", 2019.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache

import gmpy2
from phe.paillier import PaillierPrivateKey

from fedtrain.crypto.context import encode_context, hash_to_residue
from fedtrain.crypto.errors import KeyTooSmall, MalformedKey
from fedtrain.crypto.paillier.keys import LEAST_MODULUS_BITS

# With no factor under 2^16, a bad n has a root for at most one number in 2^16: eight give 2^−128.
ROOTS = 8
LEAST_FACTOR = 1 << 16
_TAG = "federated-trainer key proof v1"
_PRIMALITY_ROUNDS = 40


def prove_key(private_key: PaillierPrivateKey, identity: bytes, nonce: bytes) -> list[int]:
    """σ_1 … σ_8 with σ_i^n ≡ ρ_i mod n, bound to the prover's identity and to this job's nonce."""
    p, q = int(private_key.p), int(private_key.q)
    n = p * q
    root_p, root_q = pow(n, -1, p - 1), pow(n, -1, q - 1)
    p_inverse = pow(p, -1, q)
    proof = []
    for rho in _challenges(n, identity, nonce):
        sigma_p = int(gmpy2.powmod_sec(rho % p, root_p, p)) if rho % p else 0
        sigma_q = int(gmpy2.powmod_sec(rho % q, root_q, q)) if rho % q else 0
        proof.append(sigma_p + p * ((sigma_q - sigma_p) * p_inverse % q))
    return proof


def check_key(
    n: int,
    modulus_bits: int,
    proof: Sequence[int],
    identity: bytes,
    nonce: bytes,
    *,
    allow_small: bool = False,
) -> None:
    """Raise MalformedKey, with the reason, unless n is fit to encrypt under.

    n is composite, odd, of exactly `modulus_bits` bits (KeyTooSmall below LEAST_MODULUS_BITS unless
    `allow_small`), has no prime factor under 2^16, and `proof` is `prove_key` for it, for this identity
    and this nonce.
    """
    n = int(n)
    if modulus_bits < LEAST_MODULUS_BITS and not allow_small:
        raise KeyTooSmall(modulus_bits, LEAST_MODULUS_BITS)
    if n <= 0 or n.bit_length() != modulus_bits:
        raise MalformedKey(f"the modulus was promised with {modulus_bits} bits and has {n.bit_length()}")
    if n % 2 == 0:
        raise MalformedKey("the modulus is even")
    if math.gcd(n, _small_primes_product()) != 1:
        raise MalformedKey(f"the modulus has a prime factor under {LEAST_FACTOR}")
    if gmpy2.is_prime(n, _PRIMALITY_ROUNDS):
        raise MalformedKey("the modulus is a prime: anybody could decrypt")
    _check_roots(n, proof, identity, nonce)


def _check_roots(n: int, proof: Sequence[int], identity: bytes, nonce: bytes) -> None:
    if len(proof) != ROOTS:
        raise MalformedKey(f"the proof has {len(proof)} roots in place of {ROOTS}")
    for index, (sigma, rho) in enumerate(zip(proof, _challenges(n, identity, nonce), strict=True), start=1):
        if isinstance(sigma, bool) or not isinstance(sigma, int) or not 0 < sigma < n:
            raise MalformedKey(f"root {index} of the proof is out of range")
        if gmpy2.powmod(sigma, n, n) != rho:
            raise MalformedKey(f"root {index} of the proof is wrong for this key, identity and nonce")


def _challenges(n: int, identity: bytes, nonce: bytes) -> list[int]:
    return [hash_to_residue(encode_context(_TAG, n, identity, nonce, index), n) for index in range(1, ROOTS + 1)]


@cache
def _small_primes_product() -> int:
    return int(gmpy2.primorial(LEAST_FACTOR))
