"""Text from others, made harmless for whoever reads it: on a terminal, in a log, in a problem document."""

from __future__ import annotations

import re
from typing import TypeVar

# C0 but tab and line feed, DEL, C1; marks that reorder or hide text (bidirectional controls, U+061C, U+200B to U+200F,
# U+2028 to U+202E, U+2060 to U+206F, U+FEFF, U+FFF9 to U+FFFB, tags); lone surrogates, which no stream can encode.
_UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff"
    "\U000e0000-\U000e007f]"
)

Value = TypeVar("Value")


def shown(text: str) -> str:
    """Return the text with control characters as JSON writes them, such as \\u001b; everything else is as it was.

    So a JSON document stays one that means the same.
    """
    return _UNSEEN.sub(_escaped, text)


def _escaped(found: re.Match[str]) -> str:
    code = ord(found[0])
    if code > 0xFFFF:
        high, low = divmod(code - 0x10000, 0x400)
        return f"\\u{0xD800 + high:04x}\\u{0xDC00 + low:04x}"
    return f"\\u{code:04x}"


def all_shown(value: Value) -> Value:
    """Return a value of lists, objects and texts with every text `shown`; what is none of these is as it was."""
    if isinstance(value, str):
        return shown(value)  # type: ignore[return-value]
    if isinstance(value, dict):
        return {all_shown(key): all_shown(item) for key, item in value.items()}  # type: ignore[return-value]
    if isinstance(value, list | tuple):
        return [all_shown(item) for item in value]  # type: ignore[return-value]
    return value
