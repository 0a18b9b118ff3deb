"""CBOR (RFC 8949) from and for other parties: one deterministic encoding, and nothing else is accepted.

What is signed and hashed is bytes, so two encodings of one meaning would be two messages. Whatever does not
encode back to the very bytes that came in is refused: trailing bytes, duplicate or unsorted keys, longer than
shortest lengths. Tags are refused before anything is built from them.
"""

from __future__ import annotations

from io import BytesIO
from typing import NoReturn, TypeAlias, cast

import cbor2

from fedtrain.protocol.messages.items import MOST_ITEMS
from fedtrain.spec.problems import Code, Problem

MAX_DEPTH = 8

Plain: TypeAlias = "bool | int | str | bytes | list[Plain] | dict[str, Plain] | None"

# Every tag cbor2 knows how to build something from (dates, big numbers, regular expressions, shared references…).
_BUILT_IN_TAGS = (*range(6), 25, 28, 29, 30, 35, 36, 37, 52, 54, 100, 256, 258, 260, 261, 1004, 43000, 55799)


class _TagRefusedError(Exception):
    pass


def _refuse(*_: object) -> NoReturn:
    raise _TagRefusedError


def encode(value: Plain) -> bytes:
    """Return the one deterministic encoding (RFC 8949 §4.2.1) of plain values; keys are text, integers 64-bit."""
    return cbor2.dumps(value, canonical=True)


def head_of_bytes(size: int) -> bytes:
    """Return what comes before a byte string of that many bytes."""
    return _head(2, size)


def head_of_list(items: int) -> bytes:
    """Return what comes before the items of an array of so many."""
    return _head(4, items)


def head_of_map(entries: int) -> bytes:
    """Return what comes before the keys and values of a map of so many entries."""
    return _head(5, entries)


def _head(major: int, argument: int) -> bytes:
    """Return the shortest head (RFC 8949 §3)."""
    if argument < 24:
        return bytes([major << 5 | argument])
    width = next(width for width in (1, 2, 4, 8) if argument < 1 << (8 * width))
    return bytes([major << 5 | (23 + width.bit_length())]) + argument.to_bytes(width, "big")


def decode(data: bytes, most_items: int = MOST_ITEMS) -> Plain:
    """Return the plain value that `data` encodes. Raises Problem(MALFORMED_CBOR) on anything else.

    Also on more than `most_items` values, keys included, before any of them is built.
    """
    _check_heads(data, most_items)
    try:
        value = cbor2.CBORDecoder(
            BytesIO(data),
            tag_hook=_refuse,
            semantic_decoders=dict.fromkeys(_BUILT_IN_TAGS, _refuse),
            max_depth=MAX_DEPTH,
            allow_indefinite=False,
            allow_duplicate_keys=False,
        ).decode()
        if not _is_plain(value):
            raise _malformed("it holds a type other than null, boolean, 64-bit integer, text, bytes, array or map")
        again = cbor2.dumps(value, canonical=True)
    except _TagRefusedError:
        raise _malformed("it holds a tag") from None
    except (cbor2.CBORError, UnicodeError, ValueError, TypeError, RecursionError, MemoryError, OverflowError) as error:
        text = str(error)
        if isinstance(error.__cause__, _TagRefusedError) or "_TagRefused" in text:
            raise _malformed("it holds a tag") from None
        raise _malformed(type(error).__name__ if len(text) > 200 else text) from None
    if again != data:
        trailing = len(data) > len(again) and data.startswith(again)
        raise _malformed("bytes follow the value" if trailing else "its encoding is not the deterministic one")
    return cast(Plain, value)


def _check_heads(data: bytes, most_items: int) -> None:
    """Walk the heads of all items (RFC 8949 §3), passing over texts and bytes. Raises Problem(MALFORMED_CBOR).

    What is counted are the items that heads announce, so that a lie about a length is no work either.
    """
    at, items = 0, 1
    left = [1]  # items to come, at each depth
    while left:
        if not left[-1]:
            left.pop()
            continue
        left[-1] -= 1
        if at >= len(data):
            raise _malformed("it ends too early")
        major, info = data[at] >> 5, data[at] & 0x1F
        width = 1 << (info - 24) if 24 <= info < 28 else 0
        if info >= 28:
            raise _malformed("it holds an item of indefinite length, or a break")
        argument = int.from_bytes(data[at + 1 : at + 1 + width], "big") if width else info
        at += 1 + width
        if major in (2, 3):
            at += argument
        elif major in (4, 5):
            children = argument * (major - 3)
            items += children
            if items > most_items:
                raise _malformed(f"it has more than {most_items:,} items")
            if len(left) > MAX_DEPTH:
                raise _malformed(f"its depth is above {MAX_DEPTH}")
            left.append(children)
        elif major == 6:
            raise _malformed("it holds a tag")


def _malformed(why: str) -> Problem:
    return Problem(Code.MALFORMED_CBOR, f"The body is not the CBOR that is expected here: {why}.")


def _is_plain(value: object) -> bool:
    if value is None or isinstance(value, bool | str | bytes):
        return True
    if isinstance(value, int):
        return -(2**64) <= value < 2**64
    if isinstance(value, list):
        return all(_is_plain(item) for item in value)
    if isinstance(value, dict):
        return all(isinstance(key, str) and _is_plain(item) for key, item in value.items())
    return False
