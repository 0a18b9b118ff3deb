"""The order of a job's rounds: which may come after which, and how many there can be."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

#: The kind of round 0 of every job, before which nobody knows N: it asks with nothing.
COUNTS: Final = "counts"


@dataclass(frozen=True)
class Turn:
    """One round as it is asked: its number, its kind, and how many updates its window has had."""

    round: int
    kind: str
    window_step: int = 0


_FIRST: Final = Turn(0, COUNTS)


@dataclass(frozen=True)
class Schedule:
    """The counts as round 0, then rounds 1, 2, … `rounds` of one `kind`, in windows of `window` rounds.

    `stepped`: the plan's document has the worst cases of each step of a window under `steps`. `counts`: there is a
    round 0; not where N is public, or nobody may know it yet. `goes_on`: rounds go on without an owner that is not
    there, and a number is used once: what follows a round that came to nothing is the next one. `signs_off`: the one
    round tells the counts too, since nothing opens before it is signed off.
    After every `evaluate_every`-th of them one of the kind `evaluation` may be asked, under the same number; 0: never.
    `evaluates_last`: after the last of them too, where evaluations choose the weights, and not only when to stop.
    """

    kind: str
    rounds: int
    window: int = 1
    evaluation: str = ""
    evaluate_every: int = 0
    stepped: bool = False
    evaluates_last: bool = False
    goes_on: bool = False
    signs_off: bool = False
    counts: bool = True

    @property
    def self_masked(self) -> bool:
        """Say whether answers carry masks of the owners' own."""
        return self.goes_on or self.signs_off

    def following(self, number: int | None, kind: str | None = None) -> tuple[Turn, ...]:
        """Return the turns that may follow round `number` of that kind; the first one where there was none.

        The last of them is the one that need not come: an evaluation. `rounds` is not held against them.
        """
        if number is None:
            return (_FIRST if self.counts else Turn(1, self.kind),)
        after = Turn(number + 1, self.kind, number % self.window)
        evaluates = kind == self.kind and self.evaluates(number)
        return (after, Turn(number, self.evaluation)) if evaluates else (after,)

    def evaluates(self, number: int) -> bool:
        """Say whether an evaluation may follow round `number`."""
        if not self.evaluate_every or not number:
            return False
        return number % self.evaluate_every == 0 or (self.evaluates_last and number == self.rounds)

    def skips_to(self, number: int, kind: str, last: int | None) -> Turn | None:
        """Return the turn of round `number` for whoever saw no more than round `last`, None where it cannot come.

        Only where rounds go on: those between came to nothing, or were without the one that asks.
        """
        later = number > (0 if last is None else last)
        return Turn(number, kind) if self.goes_on and kind == self.kind and later else None

    def every_turn(self) -> Iterator[Turn]:
        """Return all turns of a job that takes its `rounds`."""
        if self.counts:
            yield _FIRST
        for number in range(1, self.rounds + 1):
            yield Turn(number, self.kind, (number - 1) % self.window)
            # After the last round nothing is left to stop early.
            if self.evaluates(number) and (number < self.rounds or self.evaluates_last):
                yield Turn(number, self.evaluation)

    def evaluations(self, later_than: int = 0) -> int:
        """Return the most evaluations after rounds beyond `later_than`."""
        every = self.evaluate_every
        if not every:
            return 0
        last = self.evaluates_last and later_than < self.rounds
        return (self.rounds - 1) // every - min(later_than, self.rounds - 1) // every + last

    def rounds_from(self, number: int) -> int:
        """Return how many rounds the window that begins at round `number` has: the last of a job may be short."""
        return min(self.window, self.rounds - number + 1)
