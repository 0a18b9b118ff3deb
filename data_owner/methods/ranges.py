"""The owner's half of ranges: whether at least `min_cell` rows lie beyond each bound."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import numpy as np

from fedtrain.data_owner.data.moments import Floats, Integers
from fedtrain.data_owner.methods.answers import Answer, Plain, PreparedData, Question
from fedtrain.methods.ranges import KIND, RangesPlan
from fedtrain.tabular.columns import feature_codec


class RowsBeyondBounds:
    """Implements `fedtrain.data_owner.methods.answers.OwnerMethod`."""

    needs_rows = True
    needs_weights: frozenset[str] = frozenset()

    @property
    def answers(self) -> Mapping[str, Callable[[PreparedData, Question], Answer]]:
        return {KIND: self.bits}

    def bits(self, data: PreparedData, _question: Question) -> Plain:
        """(2 · bounds of all columns, 1) of 0 and 1: those for the rows below each bound, then for those above."""
        return Plain(self._bits(data), fraction_bits=0)

    def _bits(self, data: PreparedData) -> Iterator[Integers]:
        plan = data.plan
        if not isinstance(plan, RangesPlan) or data.rows is None or data.min_cell is None:
            raise ValueError("this job was prepared without its plan, its rows or the policy's min_cell")
        scaled = [scaled_bounds(plan, column) for column in range(len(plan.bounds))]
        counts = np.zeros((2, sum(map(len, scaled))), dtype=np.int64)
        held = np.zeros(len(scaled), dtype=np.int64)
        for rows in data.rows:
            for column, (bounds, places) in enumerate(zip(scaled, plan.columns, strict=True)):
                values = rows.X[:, column]
                if rows.imputed is not None:  # whoever asks chooses what stands there
                    values = values[~rows.imputed[:, column]]
                values = np.sort(values)
                held[column] += len(values)
                counts[0, places] += np.searchsorted(values, bounds, side="left")
                counts[1, places] += len(values) - np.searchsorted(values, bounds, side="right")
        # One row at least, where the policy's own check is switched off.
        least = max(data.min_cell, 1)
        bits = counts >= least
        for places, values_held in zip(plan.columns, held, strict=True):
            # Of fewer, the `least` rows at one end hold some of the outermost at the other.
            bits[:, places] &= values_held >= 2 * least - 1
        yield bits.astype(int).astype(object).reshape(-1, 1)


def scaled_bounds(plan: RangesPlan, column: int) -> Floats:
    """(bounds,) float64, a column's bounds scaled as its values are: what is equal before is equal after."""
    bounds = np.array(plan.bounds[column])
    scaled: Floats = np.empty((1, len(bounds)))
    feature_codec(plan.features[column], "range").write(bounds, scaled)
    return scaled.ravel()
