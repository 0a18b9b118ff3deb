"""Length-prefixed encoding of what a hash or a key derivation is bound to."""

from __future__ import annotations

import hashlib

# A uniform integer of 128 bits more than the modulus is within 2^−128 of uniform once it is reduced.
EXTRA_BITS = 128


def encode_context(*parts: bytes | str | int) -> bytes:
    """Injective encoding: a type byte, an 8-byte big-endian length, the content, for each part.

    Different part lists never give the same bytes, and b"1", "1" and 1 are three different parts.
    Raises TypeError for any other type.
    """
    return b"".join(_encode_part(part) for part in parts)


def _encode_part(part: bytes | str | int) -> bytes:
    if isinstance(part, bytes):
        kind, content = b"b", part
    elif isinstance(part, str):
        kind, content = b"s", part.encode()
    elif isinstance(part, int) and not isinstance(part, bool):
        kind, content = b"i", part.to_bytes(part.bit_length() // 8 + 1, "big", signed=True)
    else:
        raise TypeError(f"a context part is bytes, str or int, received {type(part).__name__}")
    return kind + len(content).to_bytes(8, "big") + content


def hash_to_residue(seed: bytes, n: int) -> int:
    """SHAKE256(seed), |n| + 128 bits of it (rounded up to bytes), reduced mod n."""
    width_bytes = (int(n).bit_length() + EXTRA_BITS + 7) // 8
    return int.from_bytes(hashlib.shake_256(seed).digest(width_bytes), "big") % int(n)
