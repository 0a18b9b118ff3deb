"""Search for the step along a direction, one question at a time: a bracket of the step, narrowed until it will do.

The objective is convex, so that its slope along the direction only grows: where it is still steep the step is too
short, where it has turned or the value is no lower the step is too long. Near the minimum values differ by less than
their rounding, and slopes decide alone.
Steps that will do are those of Wolfe's conditions.
Source: J. Nocedal and S. Wright, "Numerical optimization", 2006, §3.1; W. Hager and H. Zhang, "A new conjugate
gradient method with guaranteed descent and an efficient line search", 2005, §4, for the condition on slopes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum
from typing import Final

from fedtrain.model_owner.arithmetic.arrays import HexFloat

SUFFICIENT: Final = 1e-4
CURVATURE: Final = 0.9
#: Values are taken as equal where they differ by less than this part: sums of losses are rounded by far less.
VALUE_NOISE: Final = 1e-10
LONGEST_SEARCH: Final = 40


class Verdict(Enum):
    TAKE = "take"
    SHORTER = "shorter"
    LONGER = "longer"


@dataclass(frozen=True)
class Search:
    """A search along one direction. `value`, `slope` (below 0): where it starts. `step`: the one that is asked.

    `low`: the longest step known to be too short, with its slope; `high`: the shortest that is too long, and its slope.
    """

    value: HexFloat
    slope: HexFloat
    step: HexFloat
    low: HexFloat
    low_slope: HexFloat
    high: HexFloat | None = None
    high_slope: HexFloat | None = None
    asked: int = 1

    @classmethod
    def begin(cls, value: float, slope: float, step: float = 1.0) -> Search:
        return cls(value, slope, step, 0.0, slope)

    def judge(self, value: float, slope: float) -> Verdict:
        """Judge what value and slope at `step` say of it."""
        falls = value <= self.value + SUFFICIENT * self.step * self.slope
        falls_within_noise = (
            value <= self.value + VALUE_NOISE * abs(self.value) and slope <= (2 * SUFFICIENT - 1) * self.slope
        )
        if not (falls or falls_within_noise):
            return Verdict.SHORTER
        if slope < CURVATURE * self.slope:
            return Verdict.LONGER
        return Verdict.TAKE

    def narrowed(self, verdict: Verdict, slope: float) -> Search:
        """The next step to ask, after one that is not taken."""
        if verdict is Verdict.LONGER:
            after = replace(self, low=self.step, low_slope=slope)
        else:
            after = replace(self, high=self.step, high_slope=slope)
        return replace(after, step=after._next(), asked=self.asked + 1)

    def _next(self) -> float:
        """Return where the slope would be 0 if it grew evenly, kept away from the ends."""
        if self.high is None:
            growth = (self.slope - self.low_slope) / self.slope  # how much of the slope is used up by `low`
            wanted = self.low / growth if growth > 0 else 10 * self.low
            return min(max(wanted, 2 * self.low), 10 * self.low)
        width = self.high - self.low
        share = 0.5
        if self.high_slope is not None and self.high_slope > self.low_slope:
            share = min(max(-self.low_slope / (self.high_slope - self.low_slope), 0.1), 0.9)
        return self.low + share * width
