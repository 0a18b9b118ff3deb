"""Paillier key pairs: primes made here, held in phe's key objects."""

from __future__ import annotations

import hashlib
import math
import secrets
from collections.abc import Mapping

import gmpy2
from phe.paillier import PaillierPrivateKey, PaillierPublicKey

from fedtrain.crypto.errors import KeyTooSmall, MalformedKey

LEAST_MODULUS_BITS = 2048
DEFAULT_MODULUS_BITS = 3072

# Miller–Rabin with random bases: each round passes a composite with probability below 1/4.
_PRIMALITY_ROUNDS = 40
_KEY_ID_TAG = b"federated-trainer paillier key id v1"


def generate_keypair(
    modulus_bits: int = DEFAULT_MODULUS_BITS, *, allow_small: bool = False
) -> tuple[PaillierPublicKey, PaillierPrivateKey]:
    """A fresh key pair with a modulus of exactly `modulus_bits` bits (even, at least 16).

    Primes p ≡ q ≡ 3 mod 4 of modulus_bits/2 bits each, gcd(p − 1, q − 1) = 2, each from independent
    uniform candidates. Raises KeyTooSmall below LEAST_MODULUS_BITS unless `allow_small`.
    Source: Damgård, Jurik, Nielsen, "A generalization of Paillier's public-key system", 2010, §4.
    """
    if modulus_bits < LEAST_MODULUS_BITS and not allow_small:
        raise KeyTooSmall(modulus_bits, LEAST_MODULUS_BITS)
    if modulus_bits % 2 or modulus_bits < 16:
        raise ValueError(f"modulus_bits must be even and at least 16, received {modulus_bits}")
    p = _random_prime(modulus_bits // 2)
    q = _random_prime(modulus_bits // 2)
    while p == q or math.gcd(p - 1, q - 1) != 2 or math.gcd(p * q, (p - 1) * (q - 1)) != 1:
        q = _random_prime(modulus_bits // 2)
    public_key = PaillierPublicKey(p * q)
    return public_key, PaillierPrivateKey(public_key, p, q)


def _random_prime(bits: int) -> int:
    """A prime ≡ 3 mod 4 with its two top bits set, so that a product of two has exactly 2·bits bits."""
    while True:
        # Independent draws: the next prime after a random point would favour primes after long gaps.
        candidate = secrets.randbits(bits) | (0b11 << (bits - 2)) | 0b11
        if gmpy2.is_prime(candidate, _PRIMALITY_ROUNDS):
            return candidate


def key_id(n: int) -> str:
    """32 hexadecimal digits that name the public key with modulus n."""
    digest = hashlib.sha256(_KEY_ID_TAG + int(n).to_bytes(modulus_width_bytes(n), "big"))
    return digest.hexdigest()[:32]


def modulus_width_bytes(n: int) -> int:
    """Bytes that hold any residue mod n."""
    return (int(n).bit_length() + 7) // 8


def ciphertext_width_bytes(n: int) -> int:
    """Bytes that hold any residue mod n²."""
    return (int(n * n).bit_length() + 7) // 8


def private_key_to_dict(private_key: PaillierPrivateKey) -> dict[str, str]:
    """{"p": hex, "q": hex}. Secret: keep it 0600, never in a log."""
    return {"p": f"{int(private_key.p):x}", "q": f"{int(private_key.q):x}"}


def private_key_from_dict(stored: Mapping[str, str]) -> PaillierPrivateKey:
    """The inverse of `private_key_to_dict`. Raises MalformedKey where p and q are not distinct odd primes."""
    if set(stored) != {"p", "q"}:
        raise MalformedKey(f"a private key has p and q, received {sorted(map(str, stored))}")
    try:
        p, q = int(stored["p"], 16), int(stored["q"], 16)
    except (TypeError, ValueError):
        # Without the cause, whose message would print the secret text.
        raise MalformedKey("p and q are not hexadecimal numbers") from None
    if p == q or min(p, q) < 3 or not (gmpy2.is_prime(p) and gmpy2.is_prime(q)):
        raise MalformedKey("p and q are not two distinct odd primes")
    return PaillierPrivateKey(PaillierPublicKey(p * q), p, q)
