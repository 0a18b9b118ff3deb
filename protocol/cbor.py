"""CBOR (RFC 8949) from and for other parties: one deterministic encoding, and nothing else is accepted.

What is signed and hashed is bytes, so two encodings of one meaning would be two messages. Whatever does not
encode back to the very bytes that came in is refused: trailing bytes, duplicate or unsorted keys, longer than
shortest lengths. Tags are refused before anything is built from them.
"""

from __future__ import annotations

from io import BytesIO
from typing import NoReturn, TypeAlias, cast

import cbor2

from protocol.problems import Code, Problem

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


def decode(data: bytes) -> Plain:
    """Return the plain value that `data` encodes. Raises Problem(MALFORMED_CBOR) on anything else."""
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
