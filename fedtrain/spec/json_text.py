"""JSON from others, held against a number of values and a depth before anything is built of it."""

from __future__ import annotations

#: Of lists and objects within each other. A row of a picture's pixels has four, a layer in a spec some twelve.
MAX_JSON_DEPTH = 32
_BLOCK_BYTES = 64 << 10
_QUOTE, _COMMA, _COLON = b'",:'
# In ASCII a bracket and a brace differ by one bit.
_TO_BRACE, _OPEN, _CLOSE = 0x20, *b"{}"
_MARKS = (b",", b":", b"[", b"{")


class JsonRefusedError(Exception):
    """JSON from somebody else that is not to be read; its text says why, as "it …"."""


class TooManyValuesError(JsonRefusedError):
    """It has more values than is allowed here."""


class UnreadableJsonError(JsonRefusedError):
    """It nests too deep, or is no JSON in UTF-8."""


def check_json(data: bytes, most_values: int, most_depth: int = MAX_JSON_DEPTH) -> None:
    """Hold JSON against `most_values`, keys included, and `most_depth`. Raises JsonRefusedError.

    An empty list or object counts as two values. Of what is no JSON, texts and marks are counted: at least what a
    reader has built when it finds that out. Takes some five milliseconds a megabyte, nearly all of them without the
    interpreter's lock: a service goes on answering while it counts in a thread.
    """
    # A zero byte has no place in JSON, and every text in UTF-16 or UTF-32 has one: its marks could not be told.
    if b"\0" in data:
        raise UnreadableJsonError("it is not in UTF-8")
    # Marks within texts can only make it more, so that most bodies are through here.
    marks = [data.count(mark) for mark in _MARKS]
    if 1 + sum(marks) <= most_values and sum(marks[2:]) <= most_depth:
        return
    import numpy as np  # half a second, for `fedtrain --help` too

    values, quotes, depth, start = 1, 0, 0, 0
    while start < len(data):
        end = _block_end(data, start)
        block, start = data[start:end], end
        if b"\\" in block:  # escapes go, from the left, so that what is left of quotes begins or ends a text
            block = block.replace(b"\\\\", b"").replace(b'\\"', b"")
        if not block:
            continue
        given = np.frombuffer(block, np.uint8)
        is_quote = given == _QUOTE
        # The parity of an 8-bit count is that of the number.
        outside = ((np.cumsum(is_quote, dtype=np.uint8) + np.uint8(quotes % 2)) & 1) == 0
        braces = given | np.uint8(_TO_BRACE)
        opens = (braces == _OPEN) & outside
        depths = np.cumsum(opens.view(np.int8) - ((braces == _CLOSE) & outside).view(np.int8), dtype=np.int32)
        values += int(np.count_nonzero(((given == _COMMA) | (given == _COLON)) & outside) + np.count_nonzero(opens))
        quotes += int(np.count_nonzero(is_quote))
        if max(values, quotes // 2) > most_values:
            raise TooManyValuesError(f"it has more than {most_values:,} values")
        if depth + int(depths.max()) > most_depth:
            raise UnreadableJsonError(f"it nests deeper than {most_depth}")
        depth += int(depths[-1])


def _block_end(data: bytes, start: int) -> int:
    """Return where a block ends that cuts no escape in two."""
    end = min(start + _BLOCK_BYTES, len(data))
    block = data[start:end]
    cut = (len(block) - len(block.rstrip(b"\\"))) % 2
    return min(end + cut, len(data))


__all__ = ["MAX_JSON_DEPTH", "JsonRefusedError", "TooManyValuesError", "UnreadableJsonError", "check_json"]
