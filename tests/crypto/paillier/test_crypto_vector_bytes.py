from __future__ import annotations

import pytest
from gmpy2 import mpz

from fedtrain.crypto import (
    CapacityExceeded,
    EncryptedVector,
    LayoutMismatch,
    MalformedCiphertext,
    SlotLayout,
    check_ciphertexts,
    ciphertext_width_bytes,
    ciphertexts_from_bytes,
    ciphertexts_to_bytes,
)


@pytest.fixture
def ciphertexts(small_keypair) -> list[mpz]:
    public_key, _ = small_keypair
    return [mpz(public_key.raw_encrypt(plaintext)) for plaintext in range(4)]


def test_ciphertexts_come_back_from_their_bytes(small_keypair, ciphertexts) -> None:
    n = small_keypair[0].n
    data = ciphertexts_to_bytes([*ciphertexts, mpz(1)], n)
    assert len(data) == 5 * ciphertext_width_bytes(n)
    assert ciphertexts_from_bytes(data, n, 5) == (*ciphertexts, mpz(1))
    assert ciphertexts_from_bytes(b"", n, 0) == ()


@pytest.mark.parametrize("change", [-1, 1, -128, 128])
def test_another_length_is_refused(small_keypair, ciphertexts, change: int) -> None:
    n = small_keypair[0].n
    data = (ciphertexts_to_bytes(ciphertexts, n) + bytes(200))[: 4 * 128 + change]
    with pytest.raises(MalformedCiphertext, match=f"received {512 + change}"):
        ciphertexts_from_bytes(data, n, 4)


@pytest.mark.parametrize("index", [0, 2, 3])
def test_a_number_that_is_no_ciphertext_is_refused_by_its_index(small_keypair, ciphertexts, index: int) -> None:
    public_key, private_key = small_keypair
    n = public_key.n
    refused = [0, n * n, n * n + 5, n, 7 * n, private_key.p, private_key.q * 3, private_key.p**2]
    for number in refused:
        data = bytearray(ciphertexts_to_bytes(ciphertexts, n))
        data[index * 128 : (index + 1) * 128] = int(number).to_bytes(128, "big")
        with pytest.raises(MalformedCiphertext) as refusal:
            ciphertexts_from_bytes(bytes(data), n, 4)
        assert refusal.value.index == index


@pytest.mark.parametrize("number", [-1, 0, -(1 << 2000)])
def test_a_number_that_is_not_positive_is_out_of_range(small_keypair, ciphertexts, number: int) -> None:
    check_ciphertexts(ciphertexts, small_keypair[0].n)
    with pytest.raises(MalformedCiphertext, match="ciphertext 4 is refused: not between"):
        check_ciphertexts([*ciphertexts, mpz(number)], small_keypair[0].n)


def test_two_bad_ones_that_hide_in_each_other_are_found(small_keypair, ciphertexts) -> None:
    public_key, private_key = small_keypair
    data = ciphertexts_to_bytes([ciphertexts[0], mpz(private_key.p), mpz(private_key.q)], public_key.n)
    with pytest.raises(MalformedCiphertext) as refusal:
        ciphertexts_from_bytes(data, public_key.n, 3)
    assert refusal.value.index == 1


def test_a_vector_knows_its_bound_in_bits_and_does_not_print_its_ciphertexts(ciphertexts) -> None:
    layout = SlotLayout(2, 2, 20, 1, 1)
    vector = EncryptedVector("ab" * 16, 10, 1000, layout, tuple(ciphertexts))
    assert vector.bound_bits == 10
    assert str(int(ciphertexts[1]))[:20] not in repr(vector)
    assert "ciphertexts=" not in repr(vector)


def test_a_vector_whose_bound_and_sign_do_not_fit_a_slot_is_refused(ciphertexts) -> None:
    layout = SlotLayout(2, 2, 20, 1, 1)
    EncryptedVector("", 0, (1 << 19) - 1, layout, tuple(ciphertexts))
    with pytest.raises(CapacityExceeded) as refusal:
        EncryptedVector("", 0, 1 << 19, layout, tuple(ciphertexts))
    assert (refusal.value.needed_bits, refusal.value.available_bits) == (21, 20)
    with pytest.raises(ValueError, match="magnitude"):
        EncryptedVector("", 0, -1, layout, tuple(ciphertexts))


def test_a_vector_with_another_number_of_ciphertexts_than_its_layout_is_refused(ciphertexts) -> None:
    with pytest.raises(LayoutMismatch):
        EncryptedVector("", 0, 1, SlotLayout(2, 2, 20, 1, 1), tuple(ciphertexts[:3]))
