"""Notices that the time of day was set: by hand, by NTP, or by a machine that slept."""

from __future__ import annotations

from protocol.clock import Clock

#: Smaller steps than this are what keeping a clock right takes; no timeout is shorter.
LEAST_JUMP_S = 5.0


class ClockWatch:
    """Holds the time of day against the monotonic clock, which nobody sets and which stands while a machine sleeps."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.settle()

    def jump_s(self) -> float:
        """Return by how many seconds the time of day was set since the last `settle`; 0.0 below LEAST_JUMP_S."""
        passed_s = (self._clock.now() - self._now).total_seconds()
        by_s = passed_s - (self._clock.monotonic() - self._monotonic)
        return by_s if abs(by_s) >= LEAST_JUMP_S else 0.0

    def settle(self) -> None:
        """Take the time of day as right from now on."""
        self._now, self._monotonic = self._clock.now(), self._clock.monotonic()
