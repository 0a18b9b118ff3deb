"""Signatures: over one tag and one sequence of bytes, by one party."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedtrain.protocol.documents.identity import Identity, is_party_id, sha256_hex, verify
from fedtrain.spec.problems import Code, Problem

ALICE, BOB = Identity.generate(), Identity.generate()
SIGNATURE = ALICE.sign("manifest", b"body")


def assert_bad(party_id: str, tag: str, body: bytes, signature: bytes) -> None:
    with pytest.raises(Problem) as caught:
        verify(party_id, tag, body, signature)
    assert caught.value.code is Code.BAD_SIGNATURE
    assert tag in caught.value.detail


def test_what_a_party_signed_holds() -> None:
    verify(ALICE.party_id, "manifest", b"body", SIGNATURE)
    assert len(SIGNATURE) == 64


@pytest.mark.parametrize(
    ("party_id", "tag", "body", "signature"),
    [
        (BOB.party_id, "manifest", b"body", SIGNATURE),
        (ALICE.party_id, "roster", b"body", SIGNATURE),
        (ALICE.party_id, "manifest", b"bodY", SIGNATURE),
        (ALICE.party_id, "manifest", b"", SIGNATURE),
        (ALICE.party_id, "manifest", b"body", SIGNATURE[:-1]),
        (ALICE.party_id, "manifest", b"body", b""),
        (ALICE.party_id, "manifest", b"body", SIGNATURE[:-1] + bytes([SIGNATURE[-1] ^ 1])),
        (ALICE.party_id, "manifest", b"body", bytes(64)),
        ("no hex", "manifest", b"body", SIGNATURE),
        (ALICE.party_id[:-2], "manifest", b"body", SIGNATURE),
        ("", "manifest", b"body", SIGNATURE),
    ],
    ids=["party", "tag", "body", "no body", "short", "empty", "a bit", "zeros", "no id", "short id", "empty id"],
)
def test_a_signature_does_not_hold_for_anything_else(party_id: str, tag: str, body: bytes, signature: bytes) -> None:
    assert_bad(party_id, tag, body, signature)


@pytest.mark.parametrize(("tag", "body"), [("ab", b"c"), ("a", b"bc"), ("", b"abc"), ("abc", b"")])
def test_the_tag_and_the_body_cannot_be_shifted_into_each_other(tag: str, body: bytes) -> None:
    signature = ALICE.sign(tag, body)
    for other_tag, other_body in (("ab", b"c"), ("a", b"bc"), ("", b"abc"), ("abc", b"")):
        if other_tag == tag:
            verify(ALICE.party_id, other_tag, other_body, signature)
        else:
            assert_bad(ALICE.party_id, other_tag, other_body, signature)


@given(st.text(max_size=20), st.binary(max_size=100), st.binary(max_size=70))
def test_random_bytes_are_nobodys_signature(tag: str, body: bytes, signature: bytes) -> None:
    assert_bad(ALICE.party_id, tag, body, signature)


def test_an_identity_comes_back_from_its_32_bytes_and_from_no_others() -> None:
    again = Identity.from_private_bytes(ALICE.private_bytes())
    assert again.party_id == ALICE.party_id
    assert again.sign("manifest", b"body") == SIGNATURE
    for length in (0, 31, 33):
        with pytest.raises(ValueError, match="32"):
            Identity.from_private_bytes(bytes(length))


def test_an_identity_does_not_show_its_key() -> None:
    for shown in (repr(ALICE), str(ALICE), f"{ALICE!r}"):
        assert ALICE.private_bytes().hex() not in shown
        assert ALICE.party_id[:16] in shown


def test_party_ids_are_64_lower_case_hex_digits() -> None:
    assert is_party_id(ALICE.party_id)
    for wrong in ("", ALICE.party_id[:-1], ALICE.party_id + "0", "A" * 64, "g" * 64, "٣" * 64):
        assert not is_party_id(wrong)


def test_hashes_are_sha256_in_hex() -> None:
    assert sha256_hex(b"") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
