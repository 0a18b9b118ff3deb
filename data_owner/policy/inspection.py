"""Inspecting a table before sums over it leave: its cells, and rows of which a sum could be nearly all.

Two readings, batch by batch: the first takes the moments over all declared columns and what may be most common values,
the second counts those exactly and holds every row against the moments.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal

import numpy as np

from fedtrain.data_owner.data.moments import Floats, MomentsAccumulator
from fedtrain.data_owner.policy.cells import CellTally, JointTally
from fedtrain.data_owner.policy.inspected import HighLeverage, InspectedPart, Inspection
from fedtrain.data_owner.policy.leverage import LeverageForm
from fedtrain.methods.regression.from_spec import RECORD_FRACTION_BITS
from fedtrain.tabular.dictionary import Dictionary, DictionaryBatch
from fedtrain.tabular.mapping.file import Mapping
from fedtrain.tabular.reading.convert import Mask
from fedtrain.tabular.reading.read import open_declared_table

#: A column carries a row where its weight in the row's direction is at least so much of the largest.
_CARRIES = 0.1

HoldsOut = Callable[[DictionaryBatch], Mask]


def inspect_table(
    path: Path,
    dictionary: Dictionary,
    *,
    max_leverage: float,
    joint_cells: bool = False,
    holds_out: HoldsOut | None = None,
    mapping: Mapping | None = None,
) -> Inspection:
    """Read a table twice, in memory that does not grow with it.

    `holds_out`: (rows,) which rows of a batch are in the validation part; None where there are no parts.
    `joint_cells`: count cells of two indicators, too. `mapping`: its owner's. Raises TableError.
    """
    parts = [_Part("all", dictionary)]
    if holds_out is not None:
        parts += [_Part("training", dictionary), _Part("validation", dictionary)]

    def read() -> Iterator[tuple[_Part, DictionaryBatch]]:
        table = open_declared_table(path, dictionary.props, mapping)
        for batch in dictionary.encode_all(table.batches(dictionary.columns)):
            yield parts[0], batch
            if holds_out is not None:
                held = holds_out(batch)
                yield parts[1], batch.taking(~held)
                yield parts[2], batch.taking(held)

    for part, batch in read():
        part.take(batch)
    for part in parts:
        part.between(joint_cells)
    for part, batch in read():
        part.take_again(batch, max_leverage)
    return Inspection(
        dimensions=len(dictionary.bounds),
        max_leverage=max_leverage,
        joint_cells=joint_cells,
        parts=tuple(part.inspected() for part in parts),
    )


class _Part:
    """One part of the rows over both readings."""

    def __init__(self, name: Literal["all", "training", "validation"], dictionary: Dictionary) -> None:
        self._name = name
        self._dictionary = dictionary
        self._largest: Floats = np.rint(_on_grid(dictionary.bounds))
        self._tally = CellTally(dictionary)
        self._moments = MomentsAccumulator(len(dictionary.bounds), 0, dictionary.bounds)
        self._joint: JointTally | None = None
        self._form: LeverageForm | None = None
        self._high_rows = 0
        self._highest = 0.0
        self._columns: Counter[str] = Counter()

    def take(self, batch: DictionaryBatch) -> None:
        """First reading."""
        if len(batch.Z):
            no_targets = np.empty((len(batch.Z), 0))
            self._moments.add(batch.Z, no_targets, batch.Z_rest, no_targets)
            self._tally.add(batch, _keys(batch), self._largest)

    def between(self, joint_cells: bool) -> None:
        """After the first reading: M is whole."""
        if self._tally.rows:
            self._form = LeverageForm.of(self._moments.result().xtx, self._tally.rows, self._largest)
            if joint_cells:
                self._joint = JointTally(self._dictionary, self._tally.two_valued())

    def take_again(self, batch: DictionaryBatch, max_leverage: float) -> None:
        """Second reading."""
        if self._form is None or not len(batch.Z):
            return
        (grid, rest), keys = _integers(batch), _keys(batch)
        self._tally.count(keys)
        if self._joint is not None:
            self._joint.count(batch, keys)
        leverages = self._form.leverages(grid, rest)
        self._highest = max(self._highest, float(leverages.max()))
        high = leverages > max_leverage
        if high.any():
            self._high_rows += int(high.sum())
            for weights in self._form.directions(grid[high], rest[high]):
                lines = np.flatnonzero(weights >= _CARRIES)
                # In the order of the declaration: the same table must always give the same sentence.
                self._columns.update(list(dict.fromkeys(self._dictionary.line_columns[line] for line in lines)))

    def inspected(self) -> InspectedPart:
        """Return the result of both readings."""
        cells = self._tally.cells() + (() if self._joint is None else self._joint.cells())
        columns = dict(self._columns.most_common())
        leverage = HighLeverage(rows=self._high_rows, largest=min(self._highest, 1.0), columns=columns)
        return InspectedPart(name=self._name, rows=self._tally.rows, cells=cells, high_leverage=leverage)


def _keys(batch: DictionaryBatch) -> Floats:
    """(rows, D): equal for equal integers of the moments, and other ones for others.

    An integer that a double holds is its own key. One of 64 bits is what is left of it beside the nearest double, in
    hashed form: two of those have the same key once in 2^52.
    """
    keys, left = _integers(batch)
    beside = left != 0
    if beside.any():
        # Multipliers of splitmix64, whose products spread over all bits. Source: Steele, Lea, Flood 2014.
        mixed = keys[beside].view(np.uint64) * np.uint64(0xBF58476D1CE4E5B9)
        mixed ^= (mixed >> np.uint64(31)) + left[beside].astype(np.int64).view(np.uint64) * np.uint64(
            0x94D049BB133111EB
        )
        mixed *= np.uint64(0x9E3779B97F4A7C15)
        # Above every integer that is its own key.
        keys[beside] = np.ldexp(1.0 + (mixed >> np.uint64(12)).astype(np.float64) * 2.0**-52, 900)
    return keys


def _integers(batch: DictionaryBatch) -> tuple[Floats, Floats]:
    """(rows, D) twice: the integers of the moments, as the nearest doubles, and what is left of them."""
    scaled = _on_grid(batch.Z)
    nearest: Floats = np.rint(scaled)
    left: Floats = np.rint((scaled - nearest) + _on_grid(batch.Z_rest))
    return nearest, left


def _on_grid(values: Floats) -> Floats:
    scaled: Floats = np.ldexp(values, RECORD_FRACTION_BITS)
    return scaled
