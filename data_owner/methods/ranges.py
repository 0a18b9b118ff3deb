"""The owner's half of ranges: whether at least `min_cell` rows lie beyond each bound."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import numpy as np

from fedtrain.data_owner.data.moments import Floats, Integers
from fedtrain.data_owner.methods.answers import Answer, Plain, PreparedData, Question
from fedtrain.methods.ranges import KIND, RangesPlan
from fedtrain.methods.schedule import COUNTS
from fedtrain.tabular.columns import feature_codec


class RowsBeyondBounds:
    """Implements `fedtrain.data_owner.methods.answers.OwnerMethod`."""

    needs_rows = True
    needs_weights: frozenset[str] = frozenset()

    @property
    def answers(self) -> Mapping[str, Callable[[PreparedData, Question], Answer]]:
        return {COUNTS: self.rows, KIND: self.bits}

    def rows(self, data: PreparedData, _question: Question) -> Plain:
        """(1, 1): how many rows there are."""
        return Plain([np.array([[data.training_rows]], dtype=object)], fraction_bits=0)

    def bits(self, data: PreparedData, _question: Question) -> Plain:
        """(2 · bounds of all columns, 1) of 0 and 1: those for the rows below each bound, then for those above."""
        return Plain(self._bits(data), fraction_bits=0)

    def _bits(self, data: PreparedData) -> Iterator[Integers]:
        plan = data.plan
        if not isinstance(plan, RangesPlan) or data.rows is None or data.min_cell is None:
            raise ValueError("this job was prepared without its plan, its rows or the policy's min_cell")
        scaled = [scaled_bounds(plan, column) for column in range(len(plan.bounds))]
        counts = np.zeros((2, sum(map(len, scaled))), dtype=np.int64)
        for rows in data.rows:
            for column, (bounds, places) in enumerate(zip(scaled, plan.columns, strict=True)):
                values = np.sort(rows.X[:, column])
                counts[0, places] += np.searchsorted(values, bounds, side="left")
                counts[1, places] += len(values) - np.searchsorted(values, bounds, side="right")
        # One row at least, where the policy's own check is switched off.
        yield (counts >= max(data.min_cell, 1)).astype(int).astype(object).reshape(-1, 1)


def scaled_bounds(plan: RangesPlan, column: int) -> Floats:
    """(bounds,) float64, a column's bounds scaled as its values are: what is equal before is equal after."""
    bounds = np.array(plan.bounds[column])
    scaled: Floats = np.empty((1, len(bounds)))
    feature_codec(plan.features[column], "range").write(bounds, scaled)
    return scaled.ravel()
