"""Sealed boxes: open for one key in one context, and for nothing else."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from fedtrain.crypto import MalformedKey, SealBroken, encode_context, open_sealed, seal

KEY = X25519PrivateKey.from_private_bytes(bytes(range(32)))
PUBLIC = KEY.public_key().public_bytes_raw()
CONTEXT = ("job", "roster", 7, b"owner")


def test_a_box_opens_for_its_recipient_in_its_context() -> None:
    ephemeral, ciphertext = seal(b"weights", PUBLIC, CONTEXT)
    assert open_sealed(KEY, ephemeral, ciphertext, CONTEXT) == b"weights"
    assert len(ciphertext) == len(b"weights") + 16


@pytest.mark.parametrize(
    "context",
    [("job", "roster", 8, b"owner"), ("jobroster", "", 7, b"owner"), ("job", "roster", 7, b"other"), CONTEXT[:3]],
)
def test_a_box_does_not_open_in_another_context(context: tuple[bytes | str | int, ...]) -> None:
    with pytest.raises(SealBroken):
        open_sealed(KEY, *seal(b"weights", PUBLIC, CONTEXT), context)


def test_a_box_does_not_open_for_another_key() -> None:
    with pytest.raises(SealBroken):
        open_sealed(X25519PrivateKey.generate(), *seal(b"weights", PUBLIC, CONTEXT), CONTEXT)


@pytest.mark.parametrize("place", [0, 6, 22])
def test_an_altered_box_does_not_open(place: int) -> None:
    ephemeral, ciphertext = seal(b"weights", PUBLIC, CONTEXT)
    altered = bytearray(ciphertext)
    altered[place] ^= 1
    with pytest.raises(SealBroken):
        open_sealed(KEY, ephemeral, bytes(altered), CONTEXT)
    with pytest.raises(SealBroken):
        open_sealed(KEY, bytes([ephemeral[0] ^ 1]) + ephemeral[1:], ciphertext, CONTEXT)


def test_a_cut_box_and_an_ephemeral_key_of_low_order_do_not_open() -> None:
    ephemeral, ciphertext = seal(b"weights", PUBLIC, CONTEXT)
    with pytest.raises(SealBroken):
        open_sealed(KEY, ephemeral, ciphertext[:-1], CONTEXT)
    with pytest.raises(SealBroken):
        open_sealed(KEY, bytes(32), ciphertext, CONTEXT)
    with pytest.raises(SealBroken):
        open_sealed(KEY, ephemeral[:31], ciphertext, CONTEXT)


@pytest.mark.parametrize("recipient", [bytes(32), b"short"])
def test_nothing_is_sealed_to_a_key_that_is_none(recipient: bytes) -> None:
    with pytest.raises(MalformedKey):
        seal(b"weights", recipient, CONTEXT)


def test_no_two_boxes_are_alike() -> None:
    boxes = [seal(b"weights", PUBLIC, CONTEXT) for _ in range(20)]
    assert len({ephemeral for ephemeral, _ in boxes}) == len({ciphertext for _, ciphertext in boxes}) == 20


def test_a_box_is_what_the_protocol_says_it_is() -> None:
    """By the primitives alone, as docs/protocol.md has it."""
    ephemeral, ciphertext = seal(b"weights", PUBLIC, CONTEXT)
    info = encode_context("seal", ephemeral, PUBLIC, *CONTEXT)
    secret = KEY.exchange(X25519PublicKey.from_public_bytes(ephemeral))
    key = HKDF(algorithm=SHA256(), length=32, salt=None, info=info).derive(secret)
    assert ChaCha20Poly1305(key).decrypt(bytes(12), ciphertext, None) == b"weights"
