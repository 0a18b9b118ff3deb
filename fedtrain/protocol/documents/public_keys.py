"""Public keys that are none: points of small order, and second encodings of a point. Whoever sends one is refused.

Under a small-order Ed25519 key one signature holds for every message, so that it would be everybody's; a small-order
X25519 key gives every peer the same all-zero secret, and masks that anybody knows. A key with two encodings would be
two parties, or two mask keys, with one secret.

Source: RFC 8032 §5.1.3 and RFC 7748 §5 (encodings), RFC 7748 §6 (all-zero secrets); Chalkias, Garillot, Nikolaenko,
"Taming the many EdDSAs", 2020, on small orders.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field

_P = 2**255 - 19
_SIGN = 1 << 255

# y of the eight points whose order divides 8: of order 4, 1, 2, and the two of order 8; x has either sign.
_ORDER_8_Y = 0x05FC536D880238B13933C6D305ACDFD5F098EFF289F4C345B027B2C28F95E826
_SMALL_ORDER_Y = frozenset({0, 1, _P - 1, _ORDER_8_Y, _P - _ORDER_8_Y})

# u of the points of small order on Curve25519 and its twist.
_SMALL_ORDER_U = frozenset(
    {
        0,
        1,
        _P - 1,
        0x00B8495F16056286FDB1329CEB8D09DA6AC49FF1FAE35616AEB8413B7C7AEBE0,
        0x57119FD0DD4E22D8868E1C58C45C44045BEF839C55B1D0B1248C50A3BC959C5F,
    }
)


def doubt_of_identity(key: str) -> str | None:
    """Return why 64 hex digits are no Ed25519 identity, None where there is nothing against them."""
    y = int.from_bytes(bytes.fromhex(key), "little") & ~_SIGN
    if y >= _P:
        return "is not the canonical encoding of an Ed25519 key"
    if y in _SMALL_ORDER_Y:
        return "is an Ed25519 key of small order, under which anybody can sign"
    return None


def doubt_of_mask_key(key: str) -> str | None:
    """Return why 64 hex digits are no X25519 key, None where there is nothing against them."""
    u = int.from_bytes(bytes.fromhex(key), "little")
    if u >= _P:
        return "is not the canonical encoding of an X25519 key"
    if u in _SMALL_ORDER_U:
        return "is an X25519 key of small order, whose secrets everybody knows"
    return None


def _identity(key: str) -> str:
    doubt = doubt_of_identity(key)
    if doubt is not None:
        raise ValueError(f"{key[:16]}… {doubt}")
    return key


def _mask_key(key: str) -> str:
    doubt = doubt_of_mask_key(key)
    if doubt is not None:
        raise ValueError(f"{key[:16]}… {doubt}")
    return key


_HexKey = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
PartyId = Annotated[_HexKey, AfterValidator(_identity)]
MaskKey = Annotated[_HexKey, AfterValidator(_mask_key)]
