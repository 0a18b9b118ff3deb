from __future__ import annotations

import gmpy2
import pytest

from fedtrain.crypto import KeyTooSmall, MalformedKey, check_key, generate_keypair, prove_key
from fedtrain.crypto.context import encode_context, hash_to_residue
from fedtrain.crypto.paillier.key_proof import ROOTS

IDENTITY, NONCE = b"model owner", b"job nonce"


def prime_of(bits: int, start: int) -> int:
    return int(gmpy2.next_prime((1 << (bits - 1)) + (1 << (bits - 2)) + start))


def best_roots(n: int, totient: int) -> list[int]:
    """Return what a cheating prover would send: the n-th roots wherever taking them is possible."""
    exponent = totient
    while (shared := int(gmpy2.gcd(n, exponent))) != 1:
        exponent //= shared
    root = int(gmpy2.invert(n, exponent))
    challenges = [
        hash_to_residue(encode_context("federated-trainer key proof v1", n, IDENTITY, NONCE, index), n)
        for index in range(1, ROOTS + 1)
    ]
    return [int(gmpy2.powmod(rho, root, n)) for rho in challenges]


def refused(n: int, proof: list[int], bits: int | None = None, **context: bytes) -> str:
    with pytest.raises(MalformedKey) as refusal:
        check_key(
            n,
            n.bit_length() if bits is None else bits,
            proof,
            context.get("identity", IDENTITY),
            context.get("nonce", NONCE),
            allow_small=True,
        )
    return refusal.value.reason


def test_an_honest_key_with_its_proof_is_accepted(small_keypair) -> None:
    public_key, private_key = small_keypair
    proof = prove_key(private_key, IDENTITY, NONCE)
    assert len(proof) == 8
    check_key(public_key.n, 512, proof, IDENTITY, NONCE, allow_small=True)


def test_the_cheating_prover_of_these_tests_convinces_where_the_key_is_sound(small_keypair) -> None:
    public_key, private_key = small_keypair
    proof = best_roots(public_key.n, (private_key.p - 1) * (private_key.q - 1))
    assert proof == prove_key(private_key, IDENTITY, NONCE)


def test_a_proof_for_another_nonce_or_identity_is_refused(small_keypair) -> None:
    public_key, private_key = small_keypair
    proof = prove_key(private_key, IDENTITY, NONCE)
    assert "root 1" in refused(public_key.n, proof, nonce=b"another")
    assert "root 1" in refused(public_key.n, proof, identity=b"another")
    # The boundary between identity and nonce is part of what is hashed.
    assert "root 1" in refused(public_key.n, proof, identity=IDENTITY + NONCE[:1], nonce=NONCE[1:])


def test_each_of_the_eight_roots_is_checked(small_keypair) -> None:
    public_key, private_key = small_keypair
    proof = prove_key(private_key, IDENTITY, NONCE)
    for index in range(8):
        altered = list(proof)
        altered[index] = altered[index] * 2 % public_key.n
        assert f"root {index + 1} of the proof is wrong" in refused(public_key.n, altered)


def test_a_proof_of_the_wrong_length_or_range_is_refused(small_keypair) -> None:
    public_key, private_key = small_keypair
    proof = prove_key(private_key, IDENTITY, NONCE)
    assert "7 roots" in refused(public_key.n, proof[:-1])
    assert "9 roots" in refused(public_key.n, [*proof, 1])
    for out_of_range in (proof[0] + public_key.n, proof[0] - public_key.n, 0, True):
        assert "root 1 of the proof is out of range" in refused(public_key.n, [out_of_range, *proof[1:]])


def test_a_modulus_with_a_squared_prime_is_refused() -> None:
    p, q = prime_of(160, 1), prime_of(192, 7)
    n = p * p * q
    assert "is wrong" in refused(n, best_roots(n, p * (p - 1) * (q - 1)))


def test_a_modulus_where_one_prime_divides_the_other_minus_one_is_refused() -> None:
    p = prime_of(200, 5)
    factor = 2
    while not gmpy2.is_prime(factor * p + 1):
        factor += 2
    q = factor * p + 1
    assert "is wrong" in refused(p * q, best_roots(p * q, (p - 1) * (q - 1)))


def test_a_modulus_that_is_even_small_factored_prime_or_of_another_size_is_refused(small_keypair) -> None:
    public_key, private_key = small_keypair
    proof = prove_key(private_key, IDENTITY, NONCE)
    prime = prime_of(512, 3)
    assert "even" in refused(2 * prime, best_roots(2 * prime, prime - 1))
    small = 65_521 * prime_of(496, 3)
    assert "prime factor under 65536" in refused(small, proof)
    assert "prime: anybody" in refused(prime, best_roots(prime, prime - 1))
    assert "promised with 514 bits and has 512" in refused(public_key.n, proof, bits=514)
    assert "has" in refused(-public_key.n, proof, bits=512)


def test_a_key_of_the_least_size_is_accepted_outside_tests() -> None:
    public_key, private_key = generate_keypair(2048)
    check_key(public_key.n, 2048, prove_key(private_key, IDENTITY, NONCE), IDENTITY, NONCE)


def test_a_small_key_is_refused_outside_tests() -> None:
    public_key, private_key = generate_keypair(128, allow_small=True)
    with pytest.raises(KeyTooSmall):
        check_key(public_key.n, 128, prove_key(private_key, IDENTITY, NONCE), IDENTITY, NONCE)
