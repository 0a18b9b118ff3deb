"""Moments as HTTP writes them (RFC 9110 §5.6.7), and how far two clocks are apart by them."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime
from typing import Final

#: A Date has whole seconds, and servers keep one for a second or two.
_KEPT_S: Final = 2.0


def http_date(moment: datetime) -> str:
    """Return a moment, with a time zone, as the header Date has it."""
    return format_datetime(moment.astimezone(UTC), usegmt=True)


def moment_of(date: str) -> datetime | None:
    """Return the moment that a header Date says, None for what is none."""
    try:
        found = parsedate_to_datetime(date)
    except (ValueError, OverflowError):
        return None
    # "-0000": of UTC, wherever the clock stands (RFC 5322 §3.3).
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)


def seconds_apart(date: str, asked_at: datetime, answered_at: datetime) -> float | None:
    """Return by how many seconds at least a service's clock differs that dated its answer so, None without a date.

    It was written between question and answer, so that neither the way nor a wait counts.
    """
    theirs = moment_of(date)
    if theirs is None:
        return None
    return max(0.0, (asked_at - theirs).total_seconds() - _KEPT_S, (theirs - answered_at).total_seconds())
