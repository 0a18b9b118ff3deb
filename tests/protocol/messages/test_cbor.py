"""CBOR from outside: one encoding of plain values, and one kind of refusal."""

from __future__ import annotations

import struct
import tracemalloc
from mmap import mmap

import cbor2
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fedtrain.protocol.messages import cbor
from fedtrain.spec.problems import Code, Problem

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**64), 2**64 - 1) | st.text() | st.binary(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
).filter(lambda value: depth(value) <= cbor.MAX_DEPTH)


def depth(value: object) -> int:
    if isinstance(value, list):
        return 1 + max(map(depth, value), default=0)
    if isinstance(value, dict):
        return 1 + max(map(depth, value.values()), default=0)
    return 0


@given(PLAIN)
def test_every_plain_value_comes_back_with_its_types(value: cbor.Plain) -> None:
    again = cbor.decode(cbor.encode(value))
    assert repr(again) == repr(value) or again == value
    assert cbor.encode(again) == cbor.encode(value)


def mapped(data: bytes) -> mmap:
    made = mmap(-1, len(data))
    made.write(data)
    return made


@given(PLAIN)
def test_what_is_mapped_is_the_same_value(value: cbor.Plain) -> None:
    encoded = cbor.encode(value)
    with mapped(encoded) as data:
        assert cbor.encode(cbor.decode(data)) == encoded
    assert cbor.compare(encoded, value) == cbor.compare(encoded + b"more", value) == len(encoded)
    assert cbor.compare(encoded[:-1], value) == cbor.compare(encoded[:-1] + bytes([encoded[-1] ^ 1]), value) == -1


@given(st.binary(max_size=200))
@example(cbor2.dumps({"a": [1, {"b": b"c"}]}))
def test_whatever_bytes_come_there_is_a_value_with_that_encoding_or_a_problem(data: bytes) -> None:
    try:
        value = cbor.decode(data)
    except Problem as problem:
        assert problem.code is Code.MALFORMED_CBOR
    else:
        assert cbor.encode(value) == data


@given(PLAIN, st.data())
def test_a_valid_encoding_with_some_bytes_changed_is_a_value_or_a_problem(
    value: cbor.Plain, data: st.DataObject
) -> None:
    changed = bytearray(cbor.encode(value))
    for _ in range(data.draw(st.integers(1, 3))):
        changed[data.draw(st.integers(0, len(changed) - 1))] = data.draw(st.integers(0, 255))
    try:
        again = cbor.decode(bytes(changed))
    except Problem as problem:
        assert problem.code is Code.MALFORMED_CBOR
    else:
        assert cbor.encode(again) == bytes(changed)


@given(PLAIN, st.data())
def test_a_valid_encoding_cut_short_or_made_longer_is_refused(value: cbor.Plain, data: st.DataObject) -> None:
    encoded = cbor.encode(value)
    cut = data.draw(st.integers(0, len(encoded) - 1))
    for wrong in (encoded[:cut], encoded + data.draw(st.binary(min_size=1, max_size=9))):
        with pytest.raises(Problem) as caught:
            cbor.decode(wrong)
        assert caught.value.code is Code.MALFORMED_CBOR


TAGS = [*range(40), 52, 54, 100, 256, 258, 260, 261, 1004, 43000, 55799, 4711, 2**32, 2**64 - 1]


@pytest.mark.parametrize("tag", TAGS)
@pytest.mark.parametrize(
    "content",
    [b"\x00", b"\x61a", b"\x41a", b"\x80", b"\x82\x00\x01", b"\xa0"],
    ids=["int", "text", "bytes", "list", "pair", "map"],
)
def test_no_tag_is_taken_wherever_it_stands(tag: int, content: bytes) -> None:
    tagged = b"\xdb" + tag.to_bytes(8, "big") + content
    short = cbor2.dumps(cbor2.CBORTag(tag, 0))[:-1] + content
    for data in (tagged, short, b"\x81" + short, b"\xa1\x61k" + short, b"\xa1" + short + b"\x00"):
        with pytest.raises(Problem, match="it holds a tag"):
            cbor.decode(data)


REFUSED = {
    "two values": (b"\x00\x00", "bytes follow the value"),
    "a key twice": (b"\xa2\x61a\x00\x61a\x01", "[Dd]uplicate"),
    "keys out of order": (b"\xa2\x61b\x00\x61a\x01", "not the deterministic one"),
    "an integer longer than needed": (b"\x18\x01", "not the deterministic one"),
    "a length longer than needed": (b"\x78\x01a", "not the deterministic one"),
    "a list without length": (b"\x9f\x00\xff", "indefinite"),
    "a map without length": (b"\xbf\x61a\x00\xff", "indefinite"),
    "bytes without length": (b"\x5f\x41a\xff", "indefinite"),
    "text without length": (b"\x7f\x61a\xff", "indefinite"),
    "a double": (b"\xfb" + struct.pack(">d", 1.5), "another|other than"),
    "a half": (b"\xf9\x3c\x00", "other than"),
    "not a number": (b"\xf9\x7e\x00", "other than|deterministic"),
    "undefined": (b"\xf7", "other than"),
    "a simple value": (b"\xe0", "other than"),
    "a number as key": (b"\xa1\x00\x00", "other than"),
    "bytes as key": (b"\xa1\x41a\x00", "other than"),
    "a list as key": (b"\xa1\x80\x00", "."),
    "one level too deep": (b"\x81" * 9 + b"\x00", "depth"),
    "far too deep": (b"\x81" * 100_000, "depth"),
    "maps far too deep": (b"\xa1\x61a" * 100_000, "depth"),
    "a length of 2^64 − 1": (b"\x5b" + b"\xff" * 8, "."),
    "a list of 2^32 items": (b"\x9b\x00\x00\x00\x01\x00\x00\x00\x00", "."),
    "a map of 2^63 items": (b"\xbb\x80" + b"\x00" * 7, "."),
    "text that is not UTF-8": (b"\x61\xff", "text"),
    "a break alone": (b"\xff", "break"),
    "a reserved length": (b"\x1c", "."),
    "nothing": (b"", "."),
    "JSON": (b'{"a": 1}', "."),
}


@pytest.mark.parametrize(("data", "why"), REFUSED.values(), ids=REFUSED.keys())
def test_what_is_not_the_one_encoding_of_a_plain_value_is_refused(data: bytes, why: str) -> None:
    for encoded in (data, mapped(data)) if data else (data,):
        with pytest.raises(Problem, match=f"not the CBOR that is expected here: .*({why})") as caught:
            cbor.decode(encoded)
        assert caught.value.code is Code.MALFORMED_CBOR
        assert len(caught.value.detail) < 400


def test_the_deepest_that_is_taken_and_the_widest_integers() -> None:
    assert cbor.decode(b"\x81" * 8 + b"\x00") == [[[[[[[[0]]]]]]]]
    assert cbor.decode(b"\x1b" + b"\xff" * 8) == 2**64 - 1
    assert cbor.decode(b"\x3b" + b"\xff" * 8) == -(2**64)


def test_integers_beyond_64_bits_have_no_encoding_that_is_taken() -> None:
    for value in (2**64, -(2**64) - 1):
        with pytest.raises(Problem, match="tag"):
            cbor.decode(cbor.encode(value))


def test_the_encoding_is_the_one_of_the_rfc() -> None:
    """RFC 8949 §4.2.1: shortest forms; keys by their encoded bytes, so shorter ones first here."""
    assert cbor.encode({"bb": 1, "a": 23, "c": 24}) == bytes.fromhex("a36161176163181862626201")


def container(items: int) -> bytes:
    """A list of `items` empty maps: a byte each."""
    return b"\x9a" + items.to_bytes(4, "big") + b"\xa0" * items


@pytest.mark.parametrize("data", [cbor.encode([{}] * 99), cbor.encode({str(i): i for i in range(48)} | {"a": [0]})])
def test_as_many_items_as_are_allowed_are_decoded_and_one_more_refused(data: bytes) -> None:
    assert cbor.decode(data, 100)
    with pytest.raises(Problem, match="it has more than 99 items") as caught:
        cbor.decode(data, 99)
    assert caught.value.code is Code.MALFORMED_CBOR


def test_a_bomb_of_empty_maps_is_refused_before_anything_is_built() -> None:
    bomb = container(8_000_000)
    bombs = (bomb, bomb[:9], b"\x9b" + b"\xff" * 8, b"\xbb" + b"\xff" * 8, b"\x81" * 7 + bomb)
    tracemalloc.start()
    try:
        for data in bombs:
            with pytest.raises(Problem, match="items"):
                cbor.decode(data)
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()
