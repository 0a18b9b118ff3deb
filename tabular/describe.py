"""A first schema for a table that has none: types and categories, as a draft for a person to complete.

Ranges are left out unless asked for: a range taken from the data tells its extreme values to everyone the
schema is shared with. Those asked for are widened to two digits; better ones come from what is possible.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa

from protocol.spec import Column
from tabular.convert import MISSING_TEXTS, to_numbers
from tabular.errors import UnreadableTable
from tabular.marks import NumberMarks
from tabular.read import open_table

MAX_CATEGORIES: Final = 50


@dataclass
class _Sketch:
    """What has been seen of one column."""

    numeric: bool = True
    whole: bool = True
    low: float = math.inf
    high: float = -math.inf
    missing: int = 0
    texts: set[str] | None = field(default_factory=set)

    def add(self, array: Any, marks: NumberMarks) -> None:
        values, faults = to_numbers(array, marks)
        bad = np.logical_or.reduce([fault.rows for fault in faults]) if faults else None
        if faults:
            self.numeric = False
        finite = values[np.isfinite(values)]
        self.missing += int(np.isnan(values).sum()) - (0 if bad is None else int(bad.sum()))
        if len(finite):
            self.low, self.high = min(self.low, float(finite.min())), max(self.high, float(finite.max()))
            self.whole = self.whole and bool((finite == np.rint(finite)).all())
        if self.texts is not None and pa.types.is_nested(array.type):
            self.texts = None
        if self.texts is not None and not pa.types.is_null(array.type):
            distinct = array.dictionary_encode().dictionary.to_pylist()
            self.texts |= {str(value).strip() for value in distinct if value is not None}
            if len(self.texts) > MAX_CATEGORIES + len(MISSING_TEXTS):
                self.texts = None

    def declaration(self, with_ranges: bool) -> dict[str, Any]:
        """This column's part of the schema, after all batches."""
        if self.numeric and self.low <= self.high:
            kind = "discrete" if self.whole else "continuous"
            return {"type": kind, "range": list(rounded_outward(self.low, self.high)) if with_ranges else None}
        categories = None if self.texts is None else sorted(self.texts - MISSING_TEXTS)
        if categories is not None and 2 <= len(categories) <= MAX_CATEGORIES:
            return {"type": "nominal", "categories": categories}
        return {"type": "text" if categories is None or len(categories) > 1 else "constant"}


def describe_table(path: str | Path, header: bool = True, with_ranges: bool = False) -> dict[str, Any]:
    """Describe every column of a table: {"header", "rows", "features": [{"name" or "col_idx", "type", …}]}.

    A numeric column's "range" is None, to be filled in, unless `with_ranges`. Types "text" (more than 50 distinct
    texts) and "constant" cannot be used as they are. Nothing is left out, so a target is among the features.
    Raises TableError.
    """
    table = open_table(path, header)
    columns = [Column(col_idx=index) for index in range(len(table.columns))]
    sketches = [_Sketch() for _ in columns]
    rows = 0
    for batch in table.batches(columns):
        rows += batch.rows
        for sketch, cells in zip(sketches, batch.cells, strict=True):
            sketch.add(*cells)
    if not rows:
        alone = "the name of one column" if len(columns) == 1 else f"the names of {len(columns)} columns"
        raise UnreadableTable("no-rows", f"{path}: there is no record in it, only {alone}")
    features = []
    for index, (name, sketch) in enumerate(zip(table.columns, sketches, strict=True)):
        named = table.header and name and table.columns.count(name) == 1
        reference = {"name": name} if named else {"col_idx": index}
        missing = {"missing": "drop"} if sketch.missing else {}
        features.append({**reference, **sketch.declaration(with_ranges), **missing})
    return {"header": header, "rows": rows, "features": features}


def rounded_outward(low: float, high: float) -> tuple[float, float]:
    """The range widened to two significant digits at either end, and to some width where it has none."""
    if low == high:
        margin = abs(low) or 1.0
        low, high = low - margin, high + margin
    # Rounding is done in floating point, which may itself fall a last digit short.
    return min(low, _rounded(low, math.floor)), max(high, _rounded(high, math.ceil))


def _rounded(value: float, direction: Any) -> float:
    if value == 0.0:
        return 0.0
    digits = 1 - math.floor(math.log10(abs(value)))
    return float(direction(value * 10.0**digits) / 10.0**digits) if abs(digits) < 300 else value
