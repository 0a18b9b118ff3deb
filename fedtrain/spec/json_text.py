"""JSON from others, held against a number of items before anything is built of it."""

from __future__ import annotations

import re

# A text, or a mark between values. Possessive: a text of a million escapes leaves nothing to go back to.
_TOKEN = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"|[,:\[{]', re.DOTALL)
_MARKS = b",:[{"


def has_more_items(data: bytes, most: int) -> bool:
    """Return whether JSON has more than `most` values, keys included.

    An empty list or object counts as two. Of what is no JSON, texts and marks are counted. Takes no memory, and half a
    microsecond an item.
    """
    # Marks within texts can only make it more, so that most bodies are through here.
    if 1 + sum(data.count(mark) for mark in (b",", b":", b"[", b"{")) <= most:
        return False
    marks = texts = 0
    for token in _TOKEN.finditer(data):
        if data[token.start()] in _MARKS:
            marks += 1
        else:
            texts += 1
        if 1 + marks > most or texts > most:
            return True
    return False
