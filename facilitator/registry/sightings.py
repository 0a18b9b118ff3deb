"""Parties as their latest polls showed them to this process: when, of which version, and by which clock.

Kept in memory, since it is of now. What a party says of itself here is its word, and nothing rests on it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from fedtrain.protocol.clock import Clock
from fedtrain.protocol.documents.identity import sha256_hex
from fedtrain.protocol.http_dates import moment_of
from fedtrain.protocol.states import Role
from fedtrain.service.health.facilitator import WARN_CLOCK_S

#: More at once than any federation here has; on an open Facilitator anybody may say to be another party.
MOST_PARTIES: Final = 10_000
_VERSION = re.compile(r"fedtrain/([0-9A-Za-z.+-]{1,40})")
#: A poll waits for a minute at most, and the next one follows it.
SILENT_AFTER_S: Final = 90.0
#: Date has whole seconds, so that its moment lies half a second later on the average (RFC 9110 §6.6.1).
_HALF_S = 0.5


@dataclass(frozen=True)
class Sighting:
    """A party at its latest poll. `role`: its token's, None where there is none.

    `clock_ahead_s`: its clock less this one, to about a second and less the way between them; None, as `version`, where
    it did not say.
    """

    seen_at: datetime
    role: Role | None
    version: str | None
    clock_ahead_s: int | None

    @property
    def clock(self) -> str | None:
        """Its clock beside this one, as far as that is worth telling."""
        if self.clock_ahead_s is None:
            return None
        if abs(self.clock_ahead_s) <= WARN_CLOCK_S:
            return "agrees"
        return "ahead" if self.clock_ahead_s > 0 else "behind"


class Sightings:
    """The latest sighting of each party, since this process started."""

    def __init__(self, clock: Clock) -> None:
        self.since = clock.now()
        self._clock = clock
        self._seen: dict[str, Sighting] = {}

    def note(self, party: str, role: Role | None, headers: Mapping[str, str]) -> None:
        """Take note of a poll. `headers` is read case-insensitively."""
        now = self._clock.now()
        version = _VERSION.match(headers.get("User-Agent", ""))
        theirs = moment_of(headers.get("Date", ""))
        ahead_s = None if theirs is None else round((theirs - now).total_seconds() + _HALF_S)
        self._seen.pop(party, None)
        if len(self._seen) >= MOST_PARTIES:  # who was seen longest ago makes room
            del self._seen[next(iter(self._seen))]
        self._seen[party] = Sighting(now, role, None if version is None else version[1], ahead_s)

    def all(self) -> Mapping[str, Sighting]:
        """Return each party's latest sighting."""
        return dict(self._seen)

    def is_silent(self, seen: Sighting) -> bool:
        """Say whether a party has not polled for longer than one that runs would."""
        return (self._clock.now() - seen.seen_at).total_seconds() > SILENT_AFTER_S

    def edition(self) -> str:
        """Return a text that is another one once a party is new, silent, back, of another version, or its clock off.

        Polls that say what the one before said change nothing.
        """
        found = [
            (who, one.role, one.version, one.clock, self.is_silent(one)) for who, one in sorted(self.all().items())
        ]
        return sha256_hex(repr(found).encode())
