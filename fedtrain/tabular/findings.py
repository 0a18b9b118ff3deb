"""One column of one batch as it was read, and its values that do not fit what is declared of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from fedtrain.spec.model_spec import Column, Target
from fedtrain.tabular.errors import BadValues
from fedtrain.tabular.reading.convert import Floats, Ints, Mask

Scaling = Literal["range", "none"]
SHOWN_CHARACTERS: Final = 40
TARGET_OUT_OF_RANGE: Final = "target-out-of-range"


@dataclass(frozen=True)
class Finding:
    """Values of one column in one batch that do not fit. `first` counts from 0 within the batch; `rows`: a mask."""

    code: str
    column: str
    count: int
    first: int
    example: str
    expected: str
    rows: Mask = field(repr=False, compare=False)

    @property
    def what(self) -> str:
        """The first offending value, for the owner's eyes."""
        return "no value" if self.code == "missing-values" else self.example

    def error(self, first_row: int) -> BadValues:
        """The error for the owner's eyes, with the value and its record number."""
        row = first_row + self.first
        more = f", and {self.count - 1} more among the records after it" if self.count > 1 else ""
        message = f"{self.column}: record {row} has {self.what}{more}; {self.expected}"
        return BadValues(self.code, message, column=self.column, rows=(row,))


@dataclass(frozen=True)
class Reading:
    """One column of one batch.

    values: (rows,) float64 as the file has them, missing ones replaced where the declaration says by what; or
        int64 codes of categories. Not to be written to.
    dropped: rows to leave out because the value is missing, or None.
    low, high: rows beyond either end of the declared range, or None.
    missing: how many values were missing, whatever became of them.
    imputed: rows whose missing value was replaced by the declared constant, or None.
    """

    values: Floats | Ints
    dropped: Mask | None = None
    low: Mask | None = None
    high: Mask | None = None
    missing: int = 0
    findings: tuple[Finding, ...] = ()
    imputed: Mask | None = None

    @property
    def unfit(self) -> tuple[Mask, ...]:
        """Rows of each finding, but for targets out of range, which have an end to be clipped to."""
        return tuple(one.rows for one in self.findings if one.code != TARGET_OUT_OF_RANGE)


def missing_advice(column: Column) -> str:
    """Say what to do about a missing value."""
    constant = "" if isinstance(column, Target) else ' or "missing" to the value to use instead,'
    return f'set "missing" to "drop" in its declaration to leave such records out,{constant} or complete the data'


def finding(code: str, label: str, rows: NDArray[np.bool_], array: Any, expected: str) -> Finding:
    """A Finding about the rows of a mask, of which at least one is set."""
    first = int(np.argmax(rows))
    return Finding(code, label, int(rows.sum()), first, shown(array[first]), expected, rows)


def shown(cell: Any) -> str:
    """A cell for its owner's eyes: quoted, control characters escaped, and cut where it is long."""
    text = str(cell.as_py())
    return repr(text if len(text) <= SHOWN_CHARACTERS else text[:SHOWN_CHARACTERS] + "…")
