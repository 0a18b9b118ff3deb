"""Pairwise masks: what each owner adds to its plaintexts, and what cancels in the sum over all of them.

Owners i < j share a 32-byte key for every (manifest, roster, round, kind, request); i adds the stream
that it expands to, j subtracts it. Whoever was shown another context derives another key, and nothing
cancels. Where rounds go on without an owner, each adds a mask of its own too (`self_mask_key`).
Source: Bonawitz et al., "Practical secure aggregation for privacy-preserving machine learning", 2017.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from gmpy2 import mpz

from fedtrain.crypto.context import encode_context as encode_context  # part of this module's own surface
from fedtrain.crypto.context import hash_to_residue
from fedtrain.crypto.errors import MalformedKey
from fedtrain.crypto.paillier.plain_terms import add_plaintexts

ROUND_KEY_BYTES = 32
_SELF_MASK = "self-mask"
_COMMITMENT = "mask-key-commitment"


def shared_round_key(own_private: X25519PrivateKey, other_public_bytes: bytes, info: bytes) -> bytes:
    """32 bytes that both ends derive: HKDF-SHA256 of the X25519 secret, bound to `info`.

    Raises MalformedKey for a public key that is not 32 bytes or that gives the all-zero secret (RFC 7748 §6).
    """
    try:
        # Raises ValueError for the all-zero secret too.
        secret = own_private.exchange(X25519PublicKey.from_public_bytes(other_public_bytes))
    except ValueError:
        raise MalformedKey("a peer's mask key is no X25519 public key, or one of low order") from None
    return HKDF(algorithm=SHA256(), length=ROUND_KEY_BYTES, salt=None, info=info).derive(secret)


def pair_mask(key: bytes, index: int, n: int) -> int:
    """The mask of plaintext `index`, in [0, n): SHAKE256(key ‖ index as 8 bytes), |n| + 128 bits, mod n."""
    if len(key) != ROUND_KEY_BYTES:
        raise ValueError(f"a round key has {ROUND_KEY_BYTES} bytes, received {len(key)}")
    return hash_to_residue(key + index.to_bytes(8, "big"), n)


def pair_keys(
    own_id: bytes, own_private: X25519PrivateKey, peers: Mapping[bytes, bytes], context: Sequence[bytes | str | int]
) -> dict[bytes, bytes]:
    """The 32-byte key that this party shares with each of `peers` in that context, by the peer's id.

    `peers`: the id and X25519 public key of everyone else on the roster. Raises ValueError where `own_id` is among the
    peers, MalformedKey for a peer's bad key.
    """
    if own_id in peers:
        raise ValueError("own id is among the peers: the roster names this party twice")
    return {
        peer_id: shared_round_key(own_private, peer_public, encode_context(*context, *sorted((own_id, peer_id))))
        for peer_id, peer_public in peers.items()
    }


def masks_of_pairs(own_id: bytes, keys: Mapping[bytes, bytes], count: int, n: int) -> list[int]:
    """`count` residues mod n: the masks that `own_id` adds for the keys that it shares, by the id of the other."""
    totals = [0] * count
    for peer_id, key in keys.items():
        sign = 1 if own_id < peer_id else -1
        for index in range(count):
            totals[index] += sign * pair_mask(key, index, n)
    return [total % n for total in totals]


def sum_of_masks(
    own_id: bytes,
    own_private: X25519PrivateKey,
    peers: Mapping[bytes, bytes],
    context: Sequence[bytes | str | int],
    count: int,
    n: int,
) -> list[int]:
    """`count` residues mod n; over all parties of one roster they add up to zero.

    `context`: what the masks are bound to. No peers: masks of zero. Raises as `pair_keys`.
    """
    return masks_of_pairs(own_id, pair_keys(own_id, own_private, peers, context), count, n)


def self_mask_key(own_private: X25519PrivateKey, context: Sequence[bytes | str | int]) -> bytes:
    """32 bytes that nobody but the key's holder can derive: b of the mask F(b), which no other party's mask cancels.

    The same context gives the same bytes, whatever was lost meanwhile; another context gives bytes that tell nothing
    of these (HKDF-SHA256, RFC 5869).
    """
    info = encode_context(_SELF_MASK, *context)
    derivation = HKDF(algorithm=SHA256(), length=ROUND_KEY_BYTES, salt=None, info=info)
    return derivation.derive(own_private.private_bytes_raw())


def key_commitment(key: bytes) -> bytes:
    """SHA-256 that binds its maker to a mask's key: of 32 bytes that nobody can guess, it tells nothing."""
    return hashlib.sha256(encode_context(_COMMITMENT, key)).digest()


def blind(ciphertexts: Sequence[mpz], masks: Sequence[int], n: int) -> list[mpz]:
    """c·g^mask for each: the mask is added inside the plaintext. Does not touch the nonce."""
    return add_plaintexts(ciphertexts, masks, n)
