"""Ours against phe's own objects, both ways, and what decryption refuses."""

from __future__ import annotations

import pickle

import gmpy2
import numpy as np
import pytest
from gmpy2 import mpz
from phe import EncodedNumber, EncryptedNumber

from fedtrain.crypto import (
    CapacityExceeded,
    DecodedOutOfBound,
    EncodingOverflow,
    EncryptedVector,
    KeyHolderEncryptor,
    KeyMismatch,
    LocalEngine,
    PublicEncryptor,
    SlotLayout,
    decrypt,
    decrypt_array,
    encrypt_array,
    generate_keypair,
    key_id,
)

ENGINE = LocalEngine()


@pytest.fixture(params=["public", "key holder"])
def encryptor(request, small_keypair):
    public_key, private_key = small_keypair
    if request.param == "public":
        return PublicEncryptor(public_key, ENGINE, expected_count=20)
    return KeyHolderEncryptor(private_key, ENGINE, expected_count=20)


def test_what_we_encrypt_phe_decrypts(small_keypair, encryptor) -> None:
    public_key, private_key = small_keypair
    n = public_key.n
    plaintexts = [0, 1, -1, 12345, -(n // 2), n // 2, n - 1]
    ciphertexts = encryptor.encrypt(plaintexts)
    assert [private_key.raw_decrypt(int(c)) for c in ciphertexts] == [m % n for m in plaintexts]
    number = EncryptedNumber(public_key, int(ciphertexts[3]), exponent=0)
    assert private_key.decrypt(number) == 12345
    assert private_key.decrypt(number * 3 + 7) == 3 * 12345 + 7


def test_what_phe_encrypts_we_decrypt(small_keypair) -> None:
    public_key, private_key = small_keypair
    numbers = [public_key.encrypt(value) for value in (0, 1, -1, 98765, -98765)]
    ciphertexts = [mpz(number.ciphertext()) for number in numbers]
    n = public_key.n
    assert decrypt(ciphertexts, private_key, ENGINE) == [v % n for v in (0, 1, -1, 98765, -98765)]
    encoded = EncodedNumber.encode(public_key, -2.5)
    scaled = decrypt([mpz(public_key.encrypt(encoded).ciphertext())], private_key, ENGINE)[0]
    assert EncodedNumber(public_key, scaled, encoded.exponent).decode() == -2.5


def test_a_whole_array_encrypted_here_decrypts_slot_by_slot_in_phe(small_keypair, encryptor) -> None:
    public_key, private_key = small_keypair
    layout = SlotLayout(3, 2, 30, 1, 2)
    values = np.array([[5, -5], [0, 2**20], [-(2**20), 1]], dtype=object)
    vector = encrypt_array(values, layout, 12, 2**20, encryptor, key_id(public_key.n))
    for row, ciphertext in zip(values, vector.ciphertexts, strict=True):
        packed = EncodedNumber(public_key, private_key.raw_decrypt(int(ciphertext)), 0).decode()
        assert packed == row[0] + (row[1] << 30)
    assert (decrypt_array(vector, private_key, ENGINE) == values).all()
    assert (vector.fraction_bits, vector.bound, vector.key_id) == (12, 2**20, key_id(public_key.n))


def test_a_nonce_is_never_used_twice(encryptor) -> None:
    ciphertexts = encryptor.encrypt([7] * 50) + encryptor.encrypt([7] * 50)
    assert len(set(ciphertexts)) == 100


def test_nonces_are_nth_residues_and_the_public_base_is_minus_a_square(small_keypair, encryptor) -> None:
    public_key, private_key = small_keypair
    order = (private_key.p - 1) * (private_key.q - 1)
    zero, one = encryptor.encrypt([0, 1])
    assert pow(int(zero), order, public_key.nsquare) == 1
    assert pow(int(one), order, public_key.nsquare) != 1
    base = PublicEncryptor(public_key, ENGINE, expected_count=1)._nonces.table.base
    # −1 is no square mod p or q, so that the base reaches elements that squares alone would not.
    assert gmpy2.jacobi(base, private_key.p) == gmpy2.jacobi(base, private_key.q) == -1


def test_nonce_exponents_are_as_wide_as_they_must_be(small_keypair) -> None:
    public_key, private_key = small_keypair
    seen: list[tuple[int, int]] = []

    class WatchedEngine(LocalEngine):
        def fixed_base_powers(self, table, exponents):
            seen.append((table.exponent_bits, max(exponent.bit_length() for exponent in exponents)))
            return super().fixed_base_powers(table, exponents)

    PublicEncryptor(public_key, WatchedEngine(), expected_count=10).encrypt([0] * 20)
    KeyHolderEncryptor(private_key, WatchedEngine(), expected_count=10).encrypt([0] * 20)
    # Half of 512 bits; then p − 1 and q − 1. Twenty draws that all lack 10 bits come once in 2^200 times.
    assert [exponent_bits for exponent_bits, _ in seen] == [256, 256, 256]
    assert all(widest > 246 for _, widest in seen)


def test_decryption_takes_powers_of_the_secret_in_constant_time_only(small_keypair, monkeypatch) -> None:
    from fedtrain.crypto.engine import local as local_engine

    public_key, private_key = small_keypair
    exponents: list[int] = []

    class ConstantTimeOnly:
        @staticmethod
        def powmod_sec(base, exponent, modulus):
            exponents.append(int(exponent))
            return gmpy2.powmod_sec(base, exponent, modulus)

    monkeypatch.setattr(local_engine, "gmpy2", ConstantTimeOnly)
    assert decrypt([mpz(public_key.raw_encrypt(9))], private_key, ENGINE) == [9]
    assert exponents == [private_key.p - 1, private_key.q - 1]
    with pytest.raises(AttributeError):
        ENGINE.powers([mpz(3)], 5, mpz(7))
    assert ENGINE.powers([mpz(3)], 5, mpz(7), secret=True) == [5]


def test_each_public_encryptor_picks_its_own_base(small_keypair) -> None:
    public_key, _ = small_keypair
    first, second = (PublicEncryptor(public_key, ENGINE, expected_count=1) for _ in range(2))
    assert first._nonces.table.base != second._nonces.table.base
    assert pow(int(first._nonces.table.base), 1, public_key.n) not in (1, public_key.n - 1)


def test_the_key_holders_nonce_exponents_reach_the_whole_group() -> None:
    # A key small enough to see every n-th residue mod p²: of 250 at most, 8000 draws leave one out once in 10^11 times.
    _, private_key = generate_keypair(16, allow_small=True)
    n = private_key.p * private_key.q
    expected = {pow(r, n, private_key.psquare) for r in range(1, private_key.p)}
    ciphertexts = KeyHolderEncryptor(private_key, ENGINE, expected_count=4000).encrypt([0] * 8000)
    assert {int(c) % private_key.psquare for c in ciphertexts} == expected
    assert {int(c) % private_key.qsquare for c in ciphertexts} == {
        pow(r, n, private_key.qsquare) for r in range(1, private_key.q)
    }


def test_a_vector_under_another_key_is_refused(small_keypair, encryptor) -> None:
    public_key, private_key = small_keypair
    _, other_private_key = generate_keypair(512, allow_small=True)
    layout = SlotLayout(1, 1, 30, 1, 1)
    vector = encrypt_array(np.array([[3]], dtype=object), layout, 0, 3, encryptor, key_id(public_key.n))
    assert decrypt(vector, private_key, ENGINE) == [3]
    with pytest.raises(KeyMismatch) as refusal:
        decrypt(vector, other_private_key, ENGINE)
    assert refusal.value.received == key_id(public_key.n)
    assert refusal.value.expected == key_id(other_private_key.public_key.n)


def test_a_decrypted_slot_is_held_against_the_vectors_bound_not_only_its_width(small_keypair, encryptor) -> None:
    public_key, private_key = small_keypair
    layout = SlotLayout(1, 2, 30, 1, 2)
    vector = encrypt_array(np.array([[9, 10]], dtype=object), layout, 0, 10, encryptor, key_id(public_key.n))
    tight = EncryptedVector(vector.key_id, 0, 9, layout, vector.ciphertexts)
    with pytest.raises(DecodedOutOfBound) as refusal:
        decrypt_array(tight, private_key, ENGINE)
    assert refusal.value.slot == 1


def test_values_beyond_their_bound_and_bounds_beyond_their_slot_are_refused(small_keypair, encryptor) -> None:
    kid = key_id(small_keypair[0].n)
    layout = SlotLayout(1, 1, 10, 1, 1)
    with pytest.raises(EncodingOverflow, match="entry 0"):
        encrypt_array(np.array([[11]], dtype=object), layout, 0, 10, encryptor, kid)
    with pytest.raises(CapacityExceeded):
        encrypt_array(np.array([[1]], dtype=object), layout, 0, 512, encryptor, kid)


def test_an_encryptor_cannot_be_copied_to_another_process(encryptor) -> None:
    with pytest.raises(TypeError, match="stays in its process"):
        pickle.dumps(encryptor)


def test_reprs_hold_no_key(small_keypair) -> None:
    _, private_key = small_keypair
    text = repr(KeyHolderEncryptor(private_key, ENGINE, expected_count=1))
    assert str(private_key.p) not in text
    assert f"{private_key.p:x}" not in text
