"""Identity of a party: an Ed25519 key. A party's id is its public key in hex; signatures cover exact bytes.

Source: RFC 8032 for the signature; `docs/protocol.md` for what is signed where.
"""

from __future__ import annotations

import hashlib

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from fedtrain.protocol.documents.public_keys import doubt_of_identity
from fedtrain.spec.problems import Code, Problem

#: Tags keep a signature on one kind of message from being one on another.
TAG_PREFIX = "federated-trainer/1 "


def sha256_hex(data: bytes) -> str:
    """Return SHA-256 of `data` as 64 hex digits: how messages name each other."""
    return hashlib.sha256(data).hexdigest()


def _tagged(tag: str, body: bytes) -> bytes:
    name = (TAG_PREFIX + tag).encode()
    return len(name).to_bytes(2, "big") + name + body


class Identity:
    """A party's own signing key."""

    def __init__(self, private_key: Ed25519PrivateKey) -> None:
        self._private_key = private_key
        self.party_id = private_key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw).hex()

    def __repr__(self) -> str:
        return f"Identity({self.party_id[:16]}…)"

    @classmethod
    def generate(cls) -> Identity:
        return cls(Ed25519PrivateKey.generate())

    @classmethod
    def from_private_bytes(cls, raw: bytes) -> Identity:
        """Raises ValueError unless `raw` is 32 bytes."""
        return cls(Ed25519PrivateKey.from_private_bytes(raw))

    def private_bytes(self) -> bytes:
        """The 32 secret bytes, for the party's own 0600 file."""
        return self._private_key.private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption())

    def sign(self, tag: str, body: bytes) -> bytes:
        """Return the 64-byte signature over the tag and the exact bytes of `body`."""
        return self._private_key.sign(_tagged(tag, body))


def is_party_id(text: str) -> bool:
    """Return whether this is a party id: 64 hex digits, in lower case, of a key that is one party's alone."""
    is_hex = len(text) == 64 and all(char in "0123456789abcdef" for char in text)
    return is_hex and doubt_of_identity(text) is None


def verify(party_id: str, tag: str, body: bytes, signature: bytes) -> None:
    """Raises Problem(BAD_SIGNATURE) unless `party_id` signed exactly this."""
    if len(party_id) == 64 and not is_party_id(party_id):
        raise Problem(Code.BAD_SIGNATURE, f"The {tag} is signed by {party_id[:16]}…, which is nobody's key alone.")
    try:
        Ed25519PublicKey.from_public_bytes(bytes.fromhex(party_id)).verify(signature, _tagged(tag, body))
    except (InvalidSignature, ValueError):
        raise Problem(
            Code.BAD_SIGNATURE, f"The {tag} is not signed by {party_id[:16]}…, who it says sent it."
        ) from None
