from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from gmpy2 import mpz

from fedtrain.crypto import MalformedKey, blind, encode_context, pair_mask, shared_round_key, sum_of_masks

N = (1 << 511) + 187
CONTEXT = [b"manifest", "gradient", 3]


@pytest.fixture(scope="module")
def keys() -> dict[bytes, X25519PrivateKey]:
    return {identity: X25519PrivateKey.generate() for identity in (b"\xff", b"a", b"ab", b"b")}


def public(key: X25519PrivateKey) -> bytes:
    return key.public_key().public_bytes_raw()


def masks_of(own: bytes, keys, context=CONTEXT, count: int = 4, n: int = N) -> list[int]:
    peers = {identity: public(key) for identity, key in keys.items() if identity != own}
    return sum_of_masks(own, keys[own], peers, context, count, n)


def test_masks_of_a_whole_roster_cancel(keys) -> None:
    masks = [masks_of(own, keys) for own in keys]
    assert [sum(column) % N for column in zip(*masks, strict=True)] == [0] * 4
    assert all(0 <= mask < N for row in masks for mask in row)
    assert len({mask for row in masks for mask in row}) == 16


def test_masks_do_not_cancel_where_one_party_is_missing_or_saw_another_context(keys) -> None:
    masks = {own: masks_of(own, keys) for own in keys}
    for absent in keys:
        rest = [mask for own, mask in masks.items() if own != absent]
        assert all(sum(column) % N for column in zip(*rest, strict=True))
        for context in (
            [b"manifest", "gradient", 4],
            [b"manifest", "loss", 3],
            [b"manifes", b"t", "gradient", 3],
        ):
            mixed = [*rest, masks_of(absent, keys, context)]
            assert all(sum(column) % N for column in zip(*mixed, strict=True))


def test_the_lower_id_adds_and_the_higher_subtracts() -> None:
    low, high = X25519PrivateKey.generate(), X25519PrivateKey.generate()
    key = shared_round_key(low, public(high), encode_context(*CONTEXT, b"a", b"b"))
    expected = [pair_mask(key, index, N) for index in range(3)]
    assert sum_of_masks(b"a", low, {b"b": public(high)}, CONTEXT, 3, N) == expected
    assert sum_of_masks(b"b", high, {b"a": public(low)}, CONTEXT, 3, N) == [N - mask for mask in expected]


def test_both_ends_derive_one_key_and_another_info_another_key() -> None:
    a, b = X25519PrivateKey.generate(), X25519PrivateKey.generate()
    assert shared_round_key(a, public(b), b"info") == shared_round_key(b, public(a), b"info")
    assert shared_round_key(a, public(b), b"info") != shared_round_key(a, public(b), b"info2")
    assert len(shared_round_key(a, public(b), b"")) == 32


def test_nobody_else_means_masks_of_zero() -> None:
    assert sum_of_masks(b"a", X25519PrivateKey.generate(), {}, CONTEXT, 3, N) == [0, 0, 0]


def test_own_id_among_the_peers_is_refused(keys) -> None:
    with pytest.raises(ValueError, match="own id"):
        sum_of_masks(b"a", keys[b"a"], {b"a": public(keys[b"b"])}, CONTEXT, 1, N)


@pytest.mark.parametrize(
    "bad", [bytes(32), (1).to_bytes(32, "little"), (2**255 - 19).to_bytes(32, "little"), b"short", bytes(33)]
)
def test_a_peer_key_of_low_order_or_of_another_length_is_refused(keys, bad: bytes) -> None:
    with pytest.raises(MalformedKey, match="mask key"):
        sum_of_masks(b"a", keys[b"a"], {b"b": public(keys[b"b"]), b"c": bad}, CONTEXT, 1, N)


def test_a_mask_is_a_residue_that_depends_on_key_and_index() -> None:
    key = bytes(range(32))
    masks = {pair_mask(key, index, N) for index in range(50)} | {pair_mask(key[::-1], 0, N)}
    assert len(masks) == 51
    assert max(masks) < N
    assert max(masks).bit_length() > 500
    with pytest.raises(ValueError, match="32 bytes"):
        pair_mask(key[:31], 0, N)


def test_contexts_that_read_alike_are_encoded_apart() -> None:
    contexts = [
        ("ab", "c"),
        ("a", "bc"),
        ("abc",),
        (b"abc",),
        (b"a", "bc"),
        (b"", "abc"),
        (1,),
        ("1",),
        (b"1",),
        (b"\x01",),
        (-1,),
        (255,),
        (0,),
        (),
        (b"",),
        (encode_context("abc"),),
    ]
    assert len({encode_context(*context) for context in contexts}) == len(contexts)
    assert encode_context("abc", 7) == encode_context("abc", 7)


@pytest.mark.parametrize("part", [1.0, None, True, bytearray(b"a"), ("a",)])
def test_a_context_part_of_another_type_is_refused(part) -> None:
    with pytest.raises(TypeError, match="context part"):
        encode_context("tag", part)


def test_blinding_adds_inside_the_plaintext(small_keypair) -> None:
    public_key, private_key = small_keypair
    n = public_key.n
    ciphertexts = [mpz(public_key.raw_encrypt(m)) for m in (0, 5, n - 3)]
    masks = [n - 1, 0, 10]
    blinded = blind(ciphertexts, masks, n)
    assert [private_key.raw_decrypt(int(c)) for c in blinded] == [n - 1, 5, 7]
    assert blinded[1] == ciphertexts[1]
    with pytest.raises(ValueError, match="zip"):
        blind(ciphertexts, masks[:2], n)
