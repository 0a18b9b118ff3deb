from __future__ import annotations

import math

import gmpy2
import pytest

from fedtrain.crypto import (
    LEAST_MODULUS_BITS,
    KeyTooSmall,
    MalformedKey,
    ciphertext_width_bytes,
    generate_keypair,
    key_id,
    modulus_width_bytes,
    private_key_from_dict,
    private_key_to_dict,
)


@pytest.mark.parametrize("modulus_bits", [64, 130, 512])
def test_a_key_has_the_exact_size_and_primes_of_the_promised_form(modulus_bits: int) -> None:
    public_key, private_key = generate_keypair(modulus_bits, allow_small=True)
    p, q = private_key.p, private_key.q
    assert public_key.n == p * q
    assert public_key.n.bit_length() == modulus_bits
    assert p.bit_length() == q.bit_length() == modulus_bits // 2
    assert p % 4 == q % 4 == 3
    assert math.gcd(p - 1, q - 1) == 2
    assert gmpy2.is_prime(p) and gmpy2.is_prime(q)


def test_two_keys_differ() -> None:
    first, _ = generate_keypair(128, allow_small=True)
    second, _ = generate_keypair(128, allow_small=True)
    assert first.n != second.n


def test_a_small_key_needs_to_be_asked_for() -> None:
    with pytest.raises(KeyTooSmall) as refusal:
        generate_keypair(LEAST_MODULUS_BITS - 2)
    assert (refusal.value.bits, refusal.value.least_bits) == (2046, 2048)


@pytest.mark.parametrize("modulus_bits", [513, 8, -512])
def test_an_impossible_size_is_refused(modulus_bits: int) -> None:
    with pytest.raises(ValueError, match="modulus_bits"):
        generate_keypair(modulus_bits, allow_small=True)


def test_key_id_is_32_hex_digits_and_depends_on_n() -> None:
    assert len(key_id(2**511 + 9)) == 32
    assert int(key_id(2**511 + 9), 16) >= 0
    assert key_id(2**511 + 9) == key_id(2**511 + 9)
    assert key_id(2**511 + 9) != key_id(2**511 + 11)


def test_widths_hold_the_largest_residue_and_no_byte_more() -> None:
    for n in (2**512 - 1, 2**511 + 1, 2**505 + 3):
        assert 256 ** (modulus_width_bytes(n) - 1) <= n < 256 ** modulus_width_bytes(n)
        assert 256 ** (ciphertext_width_bytes(n) - 1) <= n * n < 256 ** ciphertext_width_bytes(n)


def test_a_private_key_comes_back_from_its_dict(small_keypair) -> None:
    _, private_key = small_keypair
    stored = private_key_to_dict(private_key)
    assert set(stored) == {"p", "q"}
    again = private_key_from_dict(stored)
    assert again == private_key
    assert again.public_key == private_key.public_key


@pytest.mark.parametrize(
    "stored",
    [
        {"p": "b"},
        {"p": "b", "q": "7", "n": "4d"},
        {"p": "zz", "q": "7"},
        {"p": "b", "q": "b"},
        {"p": "b", "q": "9"},
        {"p": "2", "q": "b"},
        {"p": 11, "q": 7},
    ],
)
def test_a_stored_private_key_that_is_none_is_refused(stored: dict) -> None:
    with pytest.raises(MalformedKey):
        private_key_from_dict(stored)


def test_refusing_a_stored_key_does_not_print_it() -> None:
    with pytest.raises(MalformedKey) as refusal:
        private_key_from_dict({"p": "secret-typo-1234", "q": "7"})
    assert "1234" not in str(refusal.value)
    assert refusal.value.__cause__ is None
    assert refusal.value.__suppress_context__
