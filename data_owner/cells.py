"""Cells of an encoded table: the groups of its rows that a sum could tell apart, counted for the owner's policy."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from data_owner.store.records import Cell
from tabular.encode import EncodedBatch, Encoder
from tabular.tally import clipped_parts


class CellTally:
    """Rows by category, and by clipped tail, over all batches."""

    def __init__(self, encoder: Encoder, positions: list[int]) -> None:
        self._positions = {column.label: place for column, place in zip(encoder.columns, positions, strict=True)}
        self._texts = {column.label: column.category_texts for column in encoder.columns}
        self._low: Counter[str] = Counter()
        self._high: Counter[str] = Counter()
        self._categories: Counter[tuple[str, int]] = Counter()

    def counting(self, batches: Iterable[EncodedBatch]) -> Iterator[EncodedBatch]:
        for batch in batches:
            self._low.update(batch.clipped_low)
            self._high.update(batch.clipped_high)
            for label, counts in batch.categories.items():
                self._categories.update({(label, code): int(count) for code, count in enumerate(counts)})
            yield batch

    def cells(self, rows: int) -> tuple[Cell, ...]:
        """Of a clipped column both tails and what is between them: a range can single out any of the three."""
        found = [
            Cell(position=self._positions[label], label=f"{label} = {self._texts[label][code]}", rows=count)
            for (label, code), count in self._categories.items()
        ]
        for label in {*self._low, *self._high}:
            parts = clipped_parts(label, self._low[label], self._high[label], rows)
            found += [Cell(position=self._positions[label], label=name, rows=count) for name, count in parts.items()]
        return tuple(found)
