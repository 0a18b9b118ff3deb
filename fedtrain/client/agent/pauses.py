"""How long to wait before something is tried again."""

from __future__ import annotations

from email.utils import parsedate_to_datetime

import httpx

from fedtrain.spec.problems import Problem

FIRST_BACKOFF_S = 0.25
LONGEST_BACKOFF_S = 15.0
#: A peer, or a proxy before it, may ask for longer pauses than these; not for any length.
LONGEST_ASKED_S = 300.0


def backoff_s(failures: int, jitter: float) -> float:
    """Return the pause after so many failures in a row, at least 1: doubling, and between half and all of it.

    `jitter` in [0, 1) is drawn by each caller, so that parties that lost a peer together do not return together.
    """
    longest = min(LONGEST_BACKOFF_S, FIRST_BACKOFF_S * 2.0 ** min(failures - 1, 16))
    return longest * (0.5 + jitter / 2)


def asked_s(problem: Problem) -> float:
    """Return the pause that the peer asked for by Retry-After, at most LONGEST_ASKED_S; 0.0 where it asked for none."""
    asked = problem.extra.get("retry_after_s")
    if isinstance(asked, bool) or not isinstance(asked, int | float) or not asked > 0:
        return 0.0
    return min(float(asked), LONGEST_ASKED_S)


def retry_after_s(headers: httpx.Headers) -> float | None:
    """Return what Retry-After says (RFC 9110 §10.2.3), None where there is none that can be read.

    A date is held against the sender's own, so that the two machines' clocks may differ.
    """
    said = headers.get("retry-after", "").strip()
    if said.isascii() and said.isdigit():
        return float(said[:9])
    try:
        return max(0.0, (parsedate_to_datetime(said) - parsedate_to_datetime(headers["date"])).total_seconds())
    except (KeyError, TypeError, ValueError):
        return None
