"""A first schema for a table that has none, as `plan` and `check` take it, for a person to complete.

Lists of numbers become vectors, and PNG and JPEG images images; free text is left for a person to declare.

A range is as wide as whole steps of 1, 2 or 5 times a power of ten no smaller than the values' own spread: it tells
others where about the values lie, and no value. Columns that cannot be used are left out, with the reason.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa

from fedtrain.spec.columns import MAX_COLUMNS, MAX_NAME, check_range
from fedtrain.spec.model_spec import Column, DataProps, DecimalMark, ThousandsMark
from fedtrain.tabular.arrays.sketch import ArraySketch, holds_arrays
from fedtrain.tabular.errors import ColumnMismatch, UnreadableTable
from fedtrain.tabular.extremes import Extremes, Question
from fedtrain.tabular.findings import shown
from fedtrain.tabular.reading.convert import Fault, Floats, Mask, cell_category, to_numbers
from fedtrain.tabular.reading.marks import NumberMarks
from fedtrain.tabular.reading.read import Table, open_table

MAX_CATEGORIES: Final = 50
# A column of which so many values are numbers, of more than a few kinds, is one of numbers that has mistakes in it.
_MOSTLY: Final = 0.9
_FEW: Final = 10
# Of fewer records than this nobody can see that their numbers only rise.
_ENOUGH_TO_RISE: Final = 20
_Rounding = Callable[[float, float], tuple[float, float]]


@dataclass(frozen=True)
class LeftOut:
    """A column that is not in the draft, and why. `marks`: because its numbers read in two ways."""

    column: str
    why: str
    marks: bool


@dataclass(frozen=True)
class Draft:
    """A schema, and what a person should know of it. `rows` and `missing`, by column, are for the table's owner.

    `questions`: what looks like something else than a value, in words. `target_chosen`: whether the target was asked
    for by name, or left open; otherwise it is the last column that can be one.
    """

    schema: DataProps
    left_out: tuple[LeftOut, ...]
    rows: int
    missing: dict[str, int]
    questions: tuple[Question, ...]
    target_chosen: bool

    def as_dict(self) -> dict[str, Any]:
        """The schema as a file has it."""
        return self.schema.model_dump(mode="json", exclude_none=True, exclude_defaults=True)


@dataclass
class _Sketch:
    """One column, as far as it has been read. `faults`: by code, the first value that is no number, in words.

    `rises`, `falls`: how often a number is larger, or smaller, than the one before it, which is `last`.
    """

    whole: bool = True
    infinite: bool = False
    faults: dict[str, str] = field(default_factory=dict)
    values: int = 0
    missing: int = 0
    rises: int = 0
    falls: int = 0
    last: float | None = None
    extremes: Extremes = field(default_factory=Extremes)
    texts: set[str] | None = field(default_factory=set)

    @property
    def numeric(self) -> bool:
        """True where every value is a number."""
        return not self.faults

    def add(self, array: Any, marks: NumberMarks, first_row: int) -> None:
        values, faults = to_numbers(array, marks)
        for fault in faults:
            row = int(np.argmax(fault.rows))
            self.faults.setdefault(fault.code, f"record {first_row + row} has {shown(array[row])}; {fault.expected}")
        missing = _missing(values, faults)
        self.missing += int(missing.sum())
        self.values += int((~missing).sum())
        self.infinite = self.infinite or bool(np.isinf(values).any())
        finite = values[np.isfinite(values)]
        self.extremes.add(finite)
        self.whole = self.whole and bool((finite == np.rint(finite)).all())
        self._follow(finite)
        if self.texts is not None and pa.types.is_nested(array.type):
            self.texts = None
        if self.texts is not None and not pa.types.is_null(array.type):
            self.texts |= {text for value in array.unique().to_pylist() if (text := cell_category(value)) is not None}
            if len(self.texts) > MAX_CATEGORIES:
                self.texts = None

    def unusable(self, rounded: _Rounding) -> str | None:
        """Return the reason why this column cannot be in a schema, None where it can."""
        if not self.values:
            return "no record has a value"
        if self.numeric:
            return self._unusable_numbers(rounded)
        not_text = [why for code, why in self.faults.items() if code != "text-in-numeric-column"]
        if len(not_text) == len(self.faults):
            return not_text[0]
        if self.extremes.count >= _MOSTLY * self.values and (self.texts is None or len(self.texts) > _FEW):
            return self.faults["text-in-numeric-column"]
        if self.texts is None:
            return f"it holds more than {MAX_CATEGORIES} different texts, as names, identifiers and free text do"
        if len(self.texts) > _FEW and 2 * len(self.texts) > self.values:
            # Categories are told to all: these would be nearly the records themselves.
            return "more than every second record has a text of its own, as of names, identifiers, dates and free text"
        return "it holds one value only" if len(self.texts) < 2 else None

    def questions(self, label: str, is_target: bool) -> list[Question]:
        """Return what only the table's owner can tell of a column of numbers, after all batches."""
        found = self.extremes.questions(label)
        low, high = self.extremes.low, self.extremes.high
        if is_target and self.extremes.lower.next == high:
            classes = f'["{low:.15g}", "{high:.15g}"]'
            words = f"it has two values alone: are they classes? Then give it categories {classes}, and no range"
            found.append(Question("may-be-classes", label, f"{label}: {words}", self.values))
        if self.whole and not self.falls and self.rises >= max(_ENOUGH_TO_RISE, _MOSTLY * self.values):
            words = f"{label}: its numbers rise from record to record: do they number the records? Then take it out"
            found.append(Question("may-be-identifier", label, words, self.values))
        return found

    def _follow(self, finite: Floats) -> None:
        steps = np.diff(finite, prepend=finite[:1] if self.last is None else self.last)
        self.rises += int((steps > 0).sum())
        self.falls += int((steps < 0).sum())
        self.last = float(finite[-1]) if len(finite) else self.last

    def _unusable_numbers(self, rounded: _Rounding) -> str | None:
        if self.infinite:
            return "it holds an infinite value"
        if self.extremes.low == self.extremes.high:
            return "it holds one value only"
        try:
            check_range(rounded(self.extremes.low, self.extremes.high))
        except (ValueError, OverflowError):
            return "its values are too far apart, or too close together, for a range"
        return None

    def declaration(self, rounded: _Rounding) -> dict[str, Any]:
        """This column's part of the schema, after all batches, if it is usable."""
        missing = {"missing": "drop"} if self.missing else {}
        if not self.numeric:
            return {"type": "nominal", "categories": sorted(self.texts or ()), **missing}
        kind = "discrete" if self.whole else "continuous"
        return {"type": kind, "range": list(rounded(self.extremes.low, self.extremes.high)), **missing}


def describe_table(
    path: str | Path,
    header: bool = True,
    *,
    target: str | None = None,
    open_target: bool = False,
    with_ranges: bool = False,
    decimal: DecimalMark | None = None,
    thousands: ThousandsMark | None = None,
) -> Draft:
    """Draft a schema: numbers with a range, up to MAX_CATEGORIES different texts as nominal categories.

    `target`: a column's name, or its position where columns have no names; by default the last that can be used.
    `open_target`: none, each job names its own.
    `with_ranges`: the values' own ends, rounded outward to two digits, in place of ranges that hide them. Where values
    are missing, the draft says "drop". Raises TableError, also where there are not two columns to use.
    """
    table = open_table(path, header, decimal, thousands)
    if len(table.columns) > MAX_COLUMNS:
        message = f"{path}: a schema has at most {MAX_COLUMNS:,} columns, and the table {len(table.columns):,}"
        raise UnreadableTable("unreadable-file", message)
    rounded = rounded_outward if with_ranges else in_steps
    wanted = None if target is None else _position(table, target)
    columns = [Column(col_idx=index) for index in range(len(table.columns))]
    sketches: list[_Sketch | ArraySketch] = []
    rows = 0
    for batch in table.batches(columns):
        sketches = sketches or [ArraySketch() if holds_arrays(one.type) else _Sketch() for one in batch.arrays]
        for sketch, cells in zip(sketches, batch.cells, strict=True):
            sketch.add(*cells, first_row=rows + 1)
        rows += batch.rows
    if not rows:
        alone = "the name of one column" if len(columns) == 1 else f"the names of {len(columns)} columns"
        raise UnreadableTable("no-rows", f"{path}: there is no record in it, only {alone}")
    labels = [_label(table, index) for index in range(len(columns))]
    left_out = {index: why for index, sketch in enumerate(sketches) if (why := sketch.unusable(rounded))}
    used = [index for index in range(len(columns)) if index not in left_out]
    for index in _keep_some_record(table, sketches, used):
        left_out[index] = "no record has a value in every column of the draft; this is the one that lacks most"
        used.remove(index)
    arrays = {index for index in used if isinstance(sketches[index], ArraySketch)}
    single = [index for index in used if index not in arrays]
    chosen = single[-1] if wanted is None and single and not open_target else wanted
    if chosen in arrays:
        why = "each of its values is an array"
        raise ColumnMismatch("column-not-in-file", f"{path}: {labels[chosen]} can be no target: {why}")
    if chosen in left_out:
        raise ColumnMismatch("column-not-in-file", f"{path}: {labels[chosen]} can be no target: {left_out[chosen]}")
    if (chosen is None and not open_target) or len(used) < 2:
        why = "".join(f"; {labels[index]}: {reason}" for index, reason in left_out.items())
        raise UnreadableTable("no-rows", f"{path}: a schema needs a target and a feature, two columns to use{why}")
    declared = {index: {**_reference(table, index), **sketches[index].declaration(rounded)} for index in used}
    last = None if chosen is None else declared.pop(chosen)
    if last is not None:
        last.pop("type")
    marks = {"decimal": decimal, "thousands": thousands}
    schema = DataProps.model_validate(
        {"header": table.header, **marks, "features": list(declared.values()), "target": last}
    )
    return Draft(
        schema,
        tuple(
            LeftOut(labels[index], left_out[index], "number-ambiguous" in sketches[index].faults)
            for index in sorted(left_out)
        ),
        rows,
        {labels[index]: sketch.missing for index, sketch in enumerate(sketches)},
        tuple(
            question
            for index in used
            if isinstance(sketch := sketches[index], _Sketch) and sketch.numeric
            for question in sketch.questions(labels[index], index == chosen)
        ),
        target is not None or open_target,
    )


def _missing(values: Floats, faults: Sequence[Fault]) -> Mask:
    missing: Mask = np.isnan(values)
    for fault in faults:
        missing = missing & ~fault.rows
    return missing


def _keep_some_record(table: Table, sketches: Sequence[_Sketch | ArraySketch], used: Sequence[int]) -> list[int]:
    """The columns to leave out, of those used, so that some record lacks nothing: those that lack most."""
    lacking = sorted((index for index in used if sketches[index].missing), key=lambda index: sketches[index].missing)
    left_out: list[int] = []
    while lacking and not _any_complete(table, lacking):
        left_out.append(lacking.pop())
    return left_out


def _any_complete(table: Table, positions: Sequence[int]) -> bool:
    for batch in table.batches([Column(col_idx=index) for index in positions]):
        masks = [_missing(*to_numbers(*cells)) for cells in batch.cells]
        if not np.logical_or.reduce(masks).all():
            return True
    return False


def _position(table: Table, name: str) -> int:
    """A column by its name, or by its position where columns have none."""
    if not table.header and name.isascii() and name.isdigit():
        return table.resolve(Column(col_idx=int(name)))
    return table.resolve(Column(name=name))


def _reference(table: Table, index: int) -> dict[str, Any]:
    name = table.columns[index]
    named = table.header and 0 < len(name) <= MAX_NAME and table.columns.count(name) == 1
    return {"name": name} if named else {"col_idx": index}


def _label(table: Table, index: int) -> str:
    return Column.model_validate(_reference(table, index)).label


def in_steps(low: float, high: float) -> tuple[float, float]:
    """The range widened to whole steps of 1, 2 or 5 times a power of ten, no smaller than high − low, which is above 0.

    Raises OverflowError beyond the doubles.
    """
    spread = Fraction(high) - Fraction(low)
    tens = Fraction(10) ** math.floor(math.log10(high - low))
    # The logarithm may fall a last digit short.
    step = next(step for factor in (1, 2, 5, 10, 20) if (step := factor * tens) >= spread)
    return float(math.floor(Fraction(low) / step) * step), float(math.ceil(Fraction(high) / step) * step)


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
