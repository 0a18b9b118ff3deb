"""Keys of small order and second encodings of a key are nobody's: refused wherever a key comes in."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError
from typer.testing import CliRunner

from fedtrain.cli.main import app
from fedtrain.protocol.documents.identity import Identity, is_party_id, verify
from fedtrain.protocol.documents.public_keys import MaskKey, PartyId
from fedtrain.protocol.documents.signed import (
    Acceptance,
    Membership,
    SignedDocument,
    open_document,
    sign_document,
)
from fedtrain.protocol.documents.trust import Trust
from fedtrain.service.vault.secret_files import SecretFileError
from fedtrain.service.vault.trust_file import parse_pins
from fedtrain.service.web.caller import PARTY_HEADER, OpenGate
from fedtrain.service.web.decision_token import DecisionToken
from fedtrain.spec.problems import Code, Problem

P = 2**255 - 19
D = -121665 * pow(121666, -1, P) % P
ALICE = Identity.generate()


def _add(one: tuple[int, int], other: tuple[int, int]) -> tuple[int, int]:
    """Add two points of the twisted Edwards curve of Ed25519 (RFC 8032 §5.1.4, affine)."""
    (x1, y1), (x2, y2) = one, other
    product = D * x1 * x2 * y1 * y2 % P
    x = (x1 * y2 + x2 * y1) * pow(1 + product, -1, P) % P
    y = (y1 * y2 + x1 * x2) * pow(1 - product, -1, P) % P
    return x, y


def _point_of_order_8() -> tuple[int, int]:
    # 4·P is of order 2 for it, and 2·P of order 4, which has y = 0; doubling gives y² + x² = 0 there (with a = −1),
    # so that x = ±√−1·y and the curve's equation −x² + y² = 1 + d·x²·y² is d·y⁴ + 2·y² − 1 = 0.
    root = pow(D + 1, (P + 3) // 8, P)
    if root * root % P != (D + 1) % P:
        root = root * pow(2, (P - 1) // 4, P) % P
    assert root * root % P == (D + 1) % P
    for square in ((-1 + root) * pow(D, -1, P) % P, (-1 - root) * pow(D, -1, P) % P):
        y = pow(square, (P + 3) // 8, P)
        if y * y % P != square:
            y = y * pow(2, (P - 1) // 4, P) % P
        if y * y % P == square:
            return pow(2, (P - 1) // 4, P) * y % P, y
    raise AssertionError("no point of order 8")


def small_order_points() -> dict[int, tuple[int, int]]:
    """All eight, by k in k·(a point of order 8)."""
    point, points = (0, 1), {}
    generator = _point_of_order_8()
    for k in range(8):
        points[k] = point
        point = _add(point, generator)
    assert point == (0, 1)
    assert len(set(points.values())) == 8
    return points


def encoded(x: int, y: int, *, sign: int | None = None) -> str:
    return (y | ((x & 1) if sign is None else sign) << 255).to_bytes(32, "little").hex()


#: Every text that decodes to a point of small order: canonical, and with y + p, or with a sign where x is 0.
SMALL_ORDER = sorted(
    {encoded(x, y) for x, y in small_order_points().values()}
    | {encoded(x, y + P) for x, y in small_order_points().values() if y + P < 1 << 255}
    | {encoded(0, y, sign=1) for y in (1, P - 1, P + 1)}
)
SMALL_ORDER_U = [
    u.to_bytes(32, "little").hex()
    for u in {(1 + y) * pow(1 - y, -1, P) % P if y != 1 else 0 for _, y in small_order_points().values()} | {1, P - 1}
]
assert len(SMALL_ORDER) == 8 + 3 + 3


class Keys(BaseModel):
    party: PartyId
    mask_key: MaskKey


def test_one_signature_would_hold_for_every_message_under_the_identity_point() -> None:
    """The reason for it all: the library itself accepts such a key."""
    identity_point = encoded(0, 1)
    forged = bytes.fromhex(identity_point) + bytes(32)
    for body in (b"one", b"another"):
        Ed25519PublicKey.from_public_bytes(bytes.fromhex(identity_point)).verify(forged, body)


@pytest.mark.parametrize("key", SMALL_ORDER)
def test_a_small_order_key_is_no_identity(key: str) -> None:
    assert not is_party_id(key)
    with pytest.raises(ValidationError, match=r"party\n.*(small order|canonical)"):
        Keys.model_validate({"party": key, "mask_key": ALICE.party_id[:-1] + "0"})
    for index in range(64):
        body = b"any body %d" % index
        for forged in (bytes.fromhex(key) + bytes(32), bytes.fromhex(encoded(0, 1)) + bytes(32)):
            with pytest.raises(Problem) as caught:
                verify(key, "round-answer", body, forged)
            assert caught.value.code is Code.BAD_SIGNATURE


@pytest.mark.parametrize("y", [P, P + 2, P + 18, (1 << 255) - 1])
@pytest.mark.parametrize("sign", [0, 1])
def test_a_second_encoding_of_a_key_is_no_identity(y: int, sign: int) -> None:
    assert not is_party_id(encoded(0, y, sign=sign))


def test_a_small_order_key_is_refused_wherever_a_key_comes_in(tmp_path: Path) -> None:
    key = encoded(0, 1)
    with pytest.raises(Problem, match=PARTY_HEADER) as caught:
        OpenGate(DecisionToken(tmp_path)).identify({PARTY_HEADER: key})
    assert caught.value.code is Code.UNAUTHENTICATED
    with pytest.raises(SecretFileError, match=r"pin\.0\.key.*small order"):
        parse_pins(f'[[pin]]\nkey = "{key}"\nrole = "consortium"\nname = "x"\n'.encode())
    with pytest.raises(ValidationError, match=r"consortium\.0"):
        Trust(consortium=(key,))
    with pytest.raises(ValidationError, match="signer"):
        SignedDocument(document="{}", signer=key, signature="00" * 64)
    voucher = {"party": key, "role": "data-owner", "name": "x", "not_after": "2030-01-01T00:00:00Z"}
    with pytest.raises(ValidationError, match="party"):
        Membership.model_validate(voucher)
    result = CliRunner().invoke(
        app, ["trust", key, "--role", "data-owner", "--name", "x", "--state-dir", str(tmp_path)]
    )
    assert result.exit_code == 1
    assert "small order" in result.stderr


@pytest.mark.parametrize("key", SMALL_ORDER_U)
def test_a_mask_key_with_an_all_zero_secret_is_refused_in_an_acceptance(key: str) -> None:
    with pytest.raises(ValueError):  # the library's word for the all-zero secret
        X25519PrivateKey.generate().exchange(X25519PublicKey.from_public_bytes(bytes.fromhex(key)))
    _refused_acceptance(key, "small order")


@pytest.mark.parametrize("u", [P, P + 9, (1 << 255) - 1, (1 << 255) + 9, (1 << 256) - 1])
def test_a_second_encoding_of_a_mask_key_is_refused(u: int) -> None:
    """The rule "no mask key twice" compares texts: 9, 9 + p and 9 + 2^255 are one key."""
    _refused_acceptance(u.to_bytes(32, "little").hex(), "canonical")


def _refused_acceptance(key: str, why: str) -> None:
    sound = X25519PrivateKey.generate().public_key().public_bytes_raw().hex()
    fields = {"manifest_hash": "0" * 64, "party": ALICE.party_id, "name": "a", "moments_hash": "0" * 64}
    good = Acceptance.model_validate(fields | {"mask_key": sound, "sealing_key": sound})
    for altered in ({"mask_key": key}, {"sealing_key": key}):
        signed = sign_document(good.model_copy(update=altered), ALICE)
        with pytest.raises(Problem, match=f"{next(iter(altered))}: .*{why}") as caught:
            open_document(signed, Acceptance)
        assert caught.value.code is Code.MALFORMED_MESSAGE


@given(st.binary(min_size=32, max_size=32))
def test_every_key_that_is_made_is_accepted(seed: bytes) -> None:
    party = Identity.from_private_bytes(seed).party_id
    mask = X25519PrivateKey.from_private_bytes(hashlib.sha256(seed).digest()).public_key().public_bytes_raw().hex()
    assert Keys(party=party, mask_key=mask) == Keys.model_construct(party=party, mask_key=mask)
