"""Time as the parties take it: handed in, so that a test owns it."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol


class Clock(Protocol):
    """Source of a party's time. The one that reads the machine's is `fedtrain.service.runtime.system_clock`."""

    def now(self) -> datetime:
        """Return the time of day, with time zone UTC."""
        ...

    def monotonic(self) -> float:
        """Return seconds since some fixed moment; never goes back."""
        ...


def timestamp(clock: Clock) -> str:
    """Return the clock's time as messages carry it: ISO 8601 in UTC, to the millisecond, ending in Z."""
    return clock.now().isoformat(timespec="milliseconds").replace("+00:00", "Z")
