"""Cells of a table's part: the groups of its rows that a sum can tell from the others, counted after encoding.

A sum over few columns sees what encoding and rounding made of the records, so that is where cells are counted: a range
that rounds all values but one to the same number makes that one a cell, whatever the file holds. `policy.rules` says
which are too small.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import combinations

import numpy as np

from fedtrain.data_owner.data.moments import Floats
from fedtrain.data_owner.policy.common_values import CommonValues
from fedtrain.data_owner.policy.inspected import Cell
from fedtrain.tabular.columns import CategoryCodec
from fedtrain.tabular.dictionary import Dictionary, DictionaryBatch
from fedtrain.tabular.reading.convert import Ints
from fedtrain.tabular.tally import clipped_parts


class CellTally:
    """Adds up one part's cells over two readings of its rows: what may be the most common value shows after the first.

    Batches go to `add`, then all again to `count`.
    """

    def __init__(self, dictionary: Dictionary) -> None:
        self._dictionary = dictionary
        self.rows = 0
        self._categories: dict[int, Ints] = {
            place: np.zeros(len(codec.texts), dtype=np.int64)
            for place, codec in enumerate(dictionary.codecs)
            if isinstance(codec, CategoryCodec)
        }
        self._clipped: Counter[tuple[int, str]] = Counter()
        self._at_end: Counter[tuple[int, str]] = Counter()
        self._imputed: Counter[int] = Counter()
        self._common = {place: CommonValues() for place in dictionary.numeric}
        self._counted: dict[int, Counter[float]] = {place: Counter() for place in dictionary.numeric}

    def add(self, batch: DictionaryBatch, grid: Floats, largest: Floats) -> None:
        """First reading. grid: (rows, D), Z in units of the grid; largest: (D,) the largest |z| that there can be."""
        self.rows += len(grid)
        for place, codes in batch.codes.items():
            self._categories[place] += np.bincount(codes, minlength=len(self._categories[place]))
        for place, mask in batch.imputed.items():
            self._imputed[place] += int(mask.sum())
        for side, masks, sign in (("low", batch.low, -1.0), ("high", batch.high, 1.0)):
            for place, mask in masks.items():
                self._clipped[place, side] += int(mask.sum())
            for place in self._dictionary.numeric:
                line = self._dictionary.lines[place].start
                self._at_end[place, side] += int((grid[:, line] == sign * largest[line]).sum())
        for place, common in self._common.items():
            common.add(grid[:, self._dictionary.lines[place].start])

    def count(self, grid: Floats) -> None:
        """Second reading."""
        for place, common in self._common.items():
            line = grid[:, self._dictionary.lines[place].start]
            for value in common.candidates:
                self._counted[place][value] += int((line == value).sum())

    def cells(self) -> tuple[Cell, ...]:
        """All cells that hold any row. Of a clipped column both tails and what is between them: a range can single
        out any of the three."""
        found = [cell for place in range(len(self._dictionary.codecs)) for cell in self._cells_of(place)]
        return tuple(cell for cell in found if cell.rows > 0)

    def _cells_of(self, place: int) -> Iterator[Cell]:
        codec = self._dictionary.codecs[place]
        label = codec.label
        if isinstance(codec, CategoryCodec):
            for text, rows in zip(codec.texts, self._categories[place].tolist(), strict=True):
                yield Cell(kind="category", columns=(label,), label=f"{label} = {text}", rows=rows)
            return
        yield Cell(kind="imputed", columns=(label,), label=f"{label} missing", rows=self._imputed[place])
        # What was clipped is one number now with whatever was there before.
        low, high = (self._at_end[place, side] if self._clipped[place, side] else 0 for side in ("low", "high"))
        for name, rows in clipped_parts(label, low, high, self.rows).items():
            yield Cell(kind="tail", columns=(label,), label=name, rows=rows)
        differing = self._common[place].differing(self._counted[place])
        yield Cell(kind="common", columns=(label,), label=f"{label} other than its most common value", rows=differing)

    def two_valued(self) -> dict[int, tuple[float, float]]:
        """Columns of numbers that hold two values, which makes them indicators, in units of the grid."""
        known = {place: sorted(common.counts) for place, common in self._common.items() if common.error == 0}
        return {place: (values[0], values[1]) for place, values in known.items() if len(values) == 2}


class JointTally:
    """Rows by pair of indicators: categories of two columns, or values of a column of numbers that has two."""

    def __init__(self, dictionary: Dictionary, two_valued: Mapping[int, tuple[float, float]]) -> None:
        self._dictionary = dictionary
        self._two_valued = two_valued
        self._names: list[tuple[int, str]] = []
        for place, codec in enumerate(dictionary.codecs):
            if isinstance(codec, CategoryCodec):
                self._names += [(place, f"{codec.label} = {text}") for text in codec.texts]
            elif place in two_valued:
                self._names += [(place, f"{codec.label} {which}") for which in ("lower value", "higher value")]
        self._counts: Floats = np.zeros((len(self._names), len(self._names)))

    def count(self, batch: DictionaryBatch, grid: Floats) -> None:
        """Second reading."""
        lines: list[Floats] = []
        for place, codec in enumerate(self._dictionary.codecs):
            if isinstance(codec, CategoryCodec):
                lines.append(batch.codes[place][:, None] == np.arange(len(codec.texts)))
            elif place in self._two_valued:
                line = grid[:, self._dictionary.lines[place].start]
                lines.append(line[:, None] == np.array(self._two_valued[place]))
        if lines:
            indicators = np.hstack(lines).astype(np.float64)
            # Whole numbers below 2^53: exact.
            self._counts += indicators.T @ indicators

    def cells(self) -> tuple[Cell, ...]:
        """Those that hold any row, of two different columns each."""
        found = []
        for (i, (place, name)), (j, (other, also)) in combinations(enumerate(self._names), 2):
            if place != other and self._counts[i, j] > 0:
                columns = (self._dictionary.codecs[place].label, self._dictionary.codecs[other].label)
                found.append(
                    Cell(kind="joint", columns=columns, label=f"{name} and {also}", rows=int(self._counts[i, j]))
                )
        return tuple(found)
