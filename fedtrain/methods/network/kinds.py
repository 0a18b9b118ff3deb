"""The kinds of rounds of a network, as they stand on the wire."""

from __future__ import annotations

from enum import StrEnum


class NetworkKind(StrEnum):
    """Questions that a round asks."""

    COUNTS = "counts"  # rows, once, before anything else; where owners hold some out, of both parts
    UPDATE = "update"  # what local training changed, weighted by rows, with its loss and hits
    VALIDATION = "validation"  # loss and hits of the validation parts
