"""Notices that the time of day was set: by hand, by NTP, or by a machine that slept."""

from __future__ import annotations

from datetime import datetime

from fedtrain.protocol.clock import Clock

#: Smaller steps than this are what keeping a clock right takes; no timeout is shorter.
LEAST_JUMP_S = 5.0


class ClockWatch:
    """Holds the time of day against the monotonic clock, which nobody sets and which stands while a machine sleeps."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._settled = self._seen = (clock.now(), clock.monotonic())

    @property
    def now(self) -> datetime:
        """The time of day as `jump_s` saw it last: what is due at it is due, whatever the clock was set to since."""
        return self._seen[0]

    def jump_s(self) -> float:
        """Return by how many seconds the time of day was set since the last `settle`; 0.0 below LEAST_JUMP_S."""
        self._seen = now, monotonic = self._clock.now(), self._clock.monotonic()
        passed_s = (now - self._settled[0]).total_seconds()
        by_s = passed_s - (monotonic - self._settled[1])
        return by_s if abs(by_s) >= LEAST_JUMP_S else 0.0

    def settle(self) -> None:
        """Take the time of day as right that `jump_s` saw last; what was set since is the next call's to tell."""
        self._settled = self._seen
