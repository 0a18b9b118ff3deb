"""A message for one recipient alone: ephemeral X25519 → HKDF-SHA256 → ChaCha20-Poly1305.

Each box has an ephemeral key of its own, so that its symmetric key is used once and the nonce may be all zeros. Both
public keys and the caller's context are in the derivation: a box opens for the recipient and in the context that it
was made for, and nowhere else. Source: RFC 7748, RFC 5869, RFC 8439; the construction is that of RFC 9180's base mode.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from fedtrain.crypto.context import encode_context
from fedtrain.crypto.errors import MalformedKey, SealBroken
from fedtrain.crypto.masks import shared_round_key

PUBLIC_KEY_BYTES = 32
#: What a box is longer than its plaintext by, the authenticator.
OVERHEAD_BYTES = 16
#: Of the key that a text is sealed under once, for many.
CONTENT_KEY_BYTES = 32
_TAG = "seal"
_ONCE_TAG = "seal-once"
_NONCE = bytes(12)


def seal(plaintext: bytes, recipient: bytes, context: Sequence[bytes | str | int]) -> tuple[bytes, bytes]:
    """(ephemeral public key of 32 bytes, ciphertext 16 bytes longer than `plaintext`) for the holder of `recipient`.

    `recipient`: an X25519 public key. Raises MalformedKey for one that is none, or of low order.
    """
    ephemeral = X25519PrivateKey.generate()
    public = ephemeral.public_key().public_bytes_raw()
    key = shared_round_key(ephemeral, recipient, _info(public, recipient, context))
    return public, ChaCha20Poly1305(key).encrypt(_NONCE, plaintext, None)


def open_sealed(
    private: X25519PrivateKey, ephemeral: bytes, ciphertext: bytes, context: Sequence[bytes | str | int]
) -> bytes:
    """The plaintext of a box. Raises SealBroken unless it was made for this key, in this context, and is unaltered."""
    info = _info(ephemeral, private.public_key().public_bytes_raw(), context)
    try:
        return ChaCha20Poly1305(shared_round_key(private, ephemeral, info)).decrypt(_NONCE, ciphertext, None)
    except (InvalidTag, MalformedKey):
        raise SealBroken from None


def seal_once(plaintext: bytes, context: Sequence[bytes | str | int]) -> tuple[bytes, bytes]:
    """(content key of 32 bytes, ciphertext 16 bytes longer than `plaintext`), of a text for many recipients.

    The key is fresh and used for this alone; each recipient gets a box of it.

    One ciphertext can be made to open under two keys, to two plaintexts: who shares it binds what follows to the hash
    of what was opened.
    """
    key = secrets.token_bytes(CONTENT_KEY_BYTES)
    return key, ChaCha20Poly1305(key).encrypt(_NONCE, plaintext, encode_context(_ONCE_TAG, *context))


def open_once(key: bytes, ciphertext: bytes, context: Sequence[bytes | str | int]) -> bytes:
    """The plaintext. Raises SealBroken unless it was made under this key, in this context, and is unaltered."""
    try:
        return ChaCha20Poly1305(key).decrypt(_NONCE, ciphertext, encode_context(_ONCE_TAG, *context))
    except (InvalidTag, ValueError):
        raise SealBroken from None


def _info(ephemeral: bytes, recipient: bytes, context: Sequence[bytes | str | int]) -> bytes:
    return encode_context(_TAG, ephemeral, recipient, *context)
