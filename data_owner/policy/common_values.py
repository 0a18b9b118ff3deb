"""The most common value of a column, in bounded memory: Misra and Gries' candidates, then an exact count.

Source: Misra, Gries 1982; Agarwal et al. 2012, Mergeable summaries, for taking in a batch at a time.
"""

from __future__ import annotations

from collections import Counter
from typing import Final

import numpy as np

from fedtrain.data_owner.data.moments import Floats

#: Counters a column. A value that more than one in so many rows has is among the candidates.
CAPACITY: Final = 64
#: From so many on, it does not matter how many rows differ from the most common value.
MANY_ROWS: Final = 10_000


class CommonValues:
    """Candidates for the most common of a stream of values.

    counts: rows by candidate, each at most `error` below the truth; a value that is no candidate has at most `error`.
    varied: MANY_ROWS rows or more differ from whatever is the most common value; then nothing more is counted.
    """

    def __init__(self) -> None:
        self.rows = 0
        self.error = 0
        self.counts: Counter[float] = Counter()
        self.varied = False

    def add(self, values: Floats) -> None:
        """Take in further values (rows,)."""
        self.rows += len(values)
        if not self.varied:
            different, counts = np.unique(values, return_counts=True)
            self._take_in(Counter(dict(zip(different.tolist(), counts.tolist(), strict=True))))

    @property
    def candidates(self) -> tuple[float, ...]:
        """Values that may be the most common one and still have to be counted; none where that is known already."""
        if self.varied or self.error == 0:
            return ()
        best = max(self.counts.values(), default=0)
        return tuple(value for value, count in self.counts.items() if count + self.error >= best)

    def differing(self, counted: Counter[float]) -> int:
        """Return how many rows differ from the most common value, MANY_ROWS where it is that many or more.

        `counted`: the candidates' exact counts. Never above the truth. 0 where no value occurs twice: none is common.
        """
        if self.varied:
            return MANY_ROWS
        most = max((self.counts if self.error == 0 else counted).values(), default=0)
        if self.error == 0 and most == 1:
            return 0
        return min(self.rows - max(most, self.error), MANY_ROWS)

    def _take_in(self, counts: Counter[float]) -> None:
        self.counts += counts
        if len(self.counts) > CAPACITY:
            least = sorted(self.counts.values())[-CAPACITY - 1]
            self.error += least
            # Adding up counters keeps positive ones alone.
            self.counts -= Counter(dict.fromkeys(self.counts, least))
        self.varied |= self.rows - max(self.counts.values(), default=0) - self.error >= MANY_ROWS
