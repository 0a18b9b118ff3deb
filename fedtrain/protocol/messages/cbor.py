"""CBOR (RFC 8949) from and for other parties: one deterministic encoding, and nothing else is accepted.

What is signed and hashed is bytes, so two encodings of one meaning would be two messages. Whatever does not
encode back to the very bytes that came in is refused: trailing bytes, duplicate or unsorted keys, longer than
shortest lengths. Tags are refused before anything is built from them.
"""

from __future__ import annotations

from io import BufferedReader, BufferedWriter, BytesIO, RawIOBase
from mmap import mmap
from typing import Any, NoReturn, TypeAlias, cast

import cbor2

from fedtrain.protocol.messages.items import MOST_ITEMS
from fedtrain.spec.problems import Code, Problem

MAX_DEPTH = 8
_PIECE_BYTES = 1 << 18

#: An encoding in memory, or in a file that is mapped.
Encoded: TypeAlias = bytes | mmap
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


def compare(data: Encoded, value: Plain) -> int:
    """Return how many of the bytes of `data` the encoding of `value` is the beginning of; -1 where it is not.

    The encoding, which may be large, is held against them piece by piece.
    """
    held = _Held(data)
    with BufferedWriter(held) as writer:
        cbor2.dump(value, writer, canonical=True)
        writer.flush()
        return held.compared if held.same else -1


class _Held(RawIOBase):
    """Takes pieces without keeping them, and holds them against what is there already."""

    def __init__(self, data: Encoded) -> None:
        self._data = data
        self.compared, self.same = 0, True

    def writable(self) -> bool:
        return True

    def write(self, piece: Any) -> int:
        for at in range(0, len(piece), _PIECE_BYTES):
            part = bytes(piece[at : at + _PIECE_BYTES])
            start, self.compared = self.compared, self.compared + len(part)
            self.same = self.same and self._data[start : self.compared] == part
        return len(piece)


class _Mapped(RawIOBase):
    """Reads a mapped file, of which nothing is copied before it is asked for."""

    def __init__(self, data: mmap) -> None:
        self._data = data
        self._at = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        piece = self._data[self._at : self._at + len(buffer)]
        buffer[: len(piece)] = piece
        self._at += len(piece)
        return len(piece)


def decode(data: Encoded, most_items: int = MOST_ITEMS) -> Plain:
    """Return the plain value that `data` encodes. Raises Problem(MALFORMED_CBOR) on anything else.

    Also on more than `most_items` values, keys included, before any of them is built.
    """
    _check_heads(data, most_items)
    try:
        value = cbor2.CBORDecoder(
            BytesIO(data) if isinstance(data, bytes) else BufferedReader(_Mapped(data)),
            tag_hook=_refuse,
            semantic_decoders=dict.fromkeys(_BUILT_IN_TAGS, _refuse),
            max_depth=MAX_DEPTH,
            allow_indefinite=False,
            allow_duplicate_keys=False,
        ).decode()
        if not _is_plain(value):
            raise _malformed("it holds a type other than null, boolean, 64-bit integer, text, bytes, array or map")
        compared = compare(data, value)
    except _TagRefusedError:
        raise _malformed("it holds a tag") from None
    except (cbor2.CBORError, UnicodeError, ValueError, TypeError, RecursionError, MemoryError, OverflowError) as error:
        text = str(error)
        if isinstance(error.__cause__, _TagRefusedError) or "_TagRefused" in text:
            raise _malformed("it holds a tag") from None
        raise _malformed(type(error).__name__ if len(text) > 200 else text) from None
    if compared != len(data):
        raise _malformed("bytes follow the value" if compared >= 0 else "its encoding is not the deterministic one")
    return cast(Plain, value)


def _check_heads(data: Encoded, most_items: int) -> None:
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
