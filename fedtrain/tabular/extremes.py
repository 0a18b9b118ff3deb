"""The ends of a column's values, where codes for "no value" and wrong ranges show.

-999 in a column of ages is no age. Clipped to the declared range it would count as its low end, and nobody would see.
Only the table's owner can tell, so it is asked: counts and values are for its eyes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from fedtrain.tabular.reading.convert import Floats

# Beyond this share a clipped column is more likely declared wrongly than full of outliers.
CLIPPED_SHARE: Final = 0.05
# Fewer values show no pattern, except for the codes that everybody uses.
_ENOUGH_VALUES: Final = 20
# A column that keeps to less than this share of its range is nearly an intercept, which slow optimisers take for one.
_LEAST_SHARE_OF_RANGE: Final = 0.01
_USUAL_CODE: Final = re.compile(r"-?9{2,}|-[19]|-8{2,}")


@dataclass(frozen=True)
class Question:
    """Something that only the table's owner can tell.

    `code`: "may-mean-missing", "many-clipped" or "hardly-varies"; of a draft also "may-be-identifier" or
    "may-be-classes"; for a job that claims privacy also that of a problem which other jobs would be refused for, or
    "rows-beyond-plan".
    """

    code: str
    column: str
    message: str
    count: int


@dataclass
class End:
    """The value furthest out at one side, how many there are of it, and the next one; infinite where there is none."""

    value: float = np.inf
    count: int = 0
    next: float = np.inf

    def add(self, values: Floats) -> None:
        """Take in values, not empty, of which the smallest are looked for."""
        smallest = float(values.min())
        larger = values[values > smallest]
        count, following = len(values) - len(larger), float(larger.min()) if len(larger) else np.inf
        if smallest < self.value:
            self.value, self.count, self.next = smallest, count, min(following, self.value)
        elif smallest == self.value:
            self.count, self.next = self.count + count, min(following, self.next)
        else:
            self.next = min(smallest, self.next)


@dataclass
class Extremes:
    """Both ends of a column's finite values; `upper` holds their negatives. `count`: how many values there are."""

    lower: End = field(default_factory=End)
    upper: End = field(default_factory=End)
    count: int = 0

    def add(self, values: Floats) -> None:
        """Take in a batch of finite values."""
        if len(values):
            self.count += len(values)
            self.lower.add(values)
            self.upper.add(-values)

    @property
    def low(self) -> float:
        """The smallest value, infinite where there is none."""
        return self.lower.value

    @property
    def high(self) -> float:
        """The largest value, minus infinity where there is none."""
        return -self.upper.value

    def questions(
        self, label: str, declared: tuple[float, float] | None = None, clipped: tuple[int, int] = (0, 0)
    ) -> list[Question]:
        """Questions for the owner. `declared`: the range that `clipped` values are below and above of."""
        found = []
        for place, (side, sign, end) in enumerate((("below", 1, self.lower), ("above", -1, self.upper))):
            value, following = sign * end.value, sign * end.next
            bound = -np.inf if declared is None else sign * declared[place]
            beyond = end.value < bound <= end.next
            if self._alone(end, beyond, usual=_USUAL_CODE.fullmatch(f"{value:.15g}") is not None):
                where = f"the only value {side} the range" if beyond else f"and the next value is {following:.15g}"
                words = f"{label}: {_records(end.count)} {value:.15g}, {where}: does it mean that there is no value?"
                found.append(Question("may-mean-missing", label, words, end.count))
            elif clipped[place] > CLIPPED_SHARE * self.count:
                words = (
                    f"{label}: {clipped[place]:,} of {self.count:,} values are {side} the range and count as its end"
                )
                found.append(Question("many-clipped", label, f"{words}: is the range right?", clipped[place]))
        if declared is not None and not found and self._hardly_varies(declared):
            words = (
                f"{label}: all {self.count:,} values lie between {self.low:.15g} and {self.high:.15g}, less than a "
                "hundredth of the declared range: a narrower one keeps more of what they tell"
            )
            found.append(Question("hardly-varies", label, f"{words}. Is the range right?", self.count))
        return found

    def _hardly_varies(self, declared: tuple[float, float]) -> bool:
        """Return True for enough values that differ, and by little of the range. One value alone is `constant`."""
        spread, width = self.high - self.low, declared[1] - declared[0]
        return self.count >= _ENOUGH_VALUES and 0 < spread < _LEAST_SHARE_OF_RANGE * width

    def _alone(self, end: End, beyond: bool, usual: bool) -> bool:
        """Return True for one value alone: beyond the range, or further from the others than they lie apart.

        `usual`: it is one of the codes that everybody uses, and need not be frequent.
        """
        if not np.isfinite(end.next):
            return False
        if beyond:
            return usual or end.count > 1
        other = self.upper if end is self.lower else self.lower
        spread = -other.value - end.next
        return 0 < spread < end.next - end.value and (usual or (end.count > 1 and self.count >= _ENOUGH_VALUES))


def _records(count: int) -> str:
    return "1 record has" if count == 1 else f"{count:,} records have"
