"""Rows that are predicted for at the end of a declared range, or not at all: what is told of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from fedtrain.model_owner.results.remarks import Remark, RemarkCode, remark
from fedtrain.tabular.encode import Encoder
from fedtrain.tabular.reading.read import TableBatch

Json = dict[str, Any]


def clipped_rows(encoder: Encoder, batch: TableBatch, kept: Sequence[int]) -> list[tuple[int, str]]:
    """Return (row, column) of every feature's value outside its range; the row by its place in `kept`.

    `kept`: the rows of the batch, from 0, that have a prediction.
    """
    places = {row: place for place, row in enumerate(kept)}
    found = []
    for codec, cells in zip(encoder.features, batch.cells, strict=False):
        reading = codec.read(*cells)
        for side in (reading.low, reading.high):
            if side is not None:
                found += [(places[row], codec.label) for row in np.flatnonzero(side).tolist() if row in places]
    return found


def as_json(found: Iterable[tuple[int, str]]) -> list[Json]:
    """Return {"row", "columns"} of each row with any, in order."""
    by_row: dict[int, list[str]] = {}
    for row, column in sorted(found):
        by_row.setdefault(row, []).append(column)
    return [{"row": row, "columns": columns} for row, columns in by_row.items()]


def remarks_on_rows(document: Json) -> tuple[Remark, ...]:
    """Return the remarks on a test set's rows, of a prediction's document: those left out, and those clipped."""
    scored, left_out = len(document["values"]), len(document.get("left_out", ()))
    told = remarks_on_clipped(document.get("clipped", ()), scored)
    if not left_out:
        return told
    return (remark(RemarkCode.ROWS_LEFT_OUT, count=left_out, rows=scored + left_out), *told)


def remarks_on_clipped(clipped: Sequence[Json], rows: int) -> tuple[Remark, ...]:
    """Return a remark on each column with values outside its range: in how many of the rows."""
    counts: dict[str, int] = {}
    for each in clipped:
        for column in each["columns"]:
            counts[column] = counts.get(column, 0) + 1
    return tuple(remark(RemarkCode.OUTSIDE_RANGE, column, count=count, rows=rows) for column, count in counts.items())
