"""A look at the columns of a table as it is: texts, numbers, marks, dates. For its owner alone."""

from __future__ import annotations

import datetime
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa

from fedtrain.spec.columns import MAX_COLUMNS, Column
from fedtrain.tabular.errors import UnreadableTable
from fedtrain.tabular.extremes import Extremes
from fedtrain.tabular.reading.convert import MISSING_TEXTS, to_numbers
from fedtrain.tabular.reading.marks import NumberMarks
from fedtrain.tabular.reading.read import open_table

#: Distinct texts beyond which a column has no categories to be told.
MOST_TEXTS: Final = 500
_DAYS: Final = ("%Y-%m-%d", "%d.%m.%Y", "%d/%m/%Y", "%m/%d/%Y", "%d-%m-%Y", "%m-%d-%Y", "%Y/%m/%d")
#: What dates look like; a day and a month that could be each other make two of them fit.
DATE_FORMS: Final = (*_DAYS, *(f"{day}{time}" for day in _DAYS for time in (" %H:%M", " %H:%M:%S", "T%H:%M:%S")))


@dataclass
class Look:
    """One column. Texts that are numbers are not in `texts`.

    every: distinct texts, numbers among them, and how often; None beyond MOST_TEXTS. texts: likewise, without those
    that are numbers or missing. forms: of DATE_FORMS, those that all texts so far are dates of; None without texts.
    typed_date: the file says that these are dates. ambiguous: numbers that read in two ways.
    """

    name: str
    position: int
    every: Counter[str] | None = field(default_factory=Counter)
    texts: Counter[str] | None = field(default_factory=Counter)
    not_dates: dict[str, int] = field(default_factory=dict)
    dated: int = 0
    typed_date: bool = False
    ambiguous: bool = False
    marks: NumberMarks | None = None
    extremes: Extremes = field(default_factory=Extremes)

    @property
    def date_forms(self) -> list[str]:
        """The forms that nine in ten of the texts are dates in, the best first."""
        fits = [(wrong, form) for form, wrong in self.not_dates.items() if self.dated and wrong * 10 <= self.dated]
        least = min((wrong for wrong, _ in fits), default=0)
        return [form for wrong, form in fits if wrong == least]

    def add(self, array: Any, marks: NumberMarks) -> None:
        """Take in a batch of values. Raises UnreadableTable."""
        self.marks = marks
        if pa.types.is_null(array.type) or pa.types.is_nested(array.type):
            return
        if pa.types.is_temporal(array.type):
            self.typed_date = True
            return
        values, faults = to_numbers(array, marks)
        self.extremes.add(values[np.isfinite(values)])
        self.ambiguous = self.ambiguous or any(fault.code == "number-ambiguous" for fault in faults)
        self.every = _added(self.every, array)
        no_number = [fault.rows for fault in faults if fault.code == "text-in-numeric-column"]
        if no_number:
            texts = array.filter(pa.array(np.logical_or.reduce(no_number)))
            self.texts = _added(self.texts, texts)
            self._dates(texts)

    def _dates(self, texts: Any) -> None:
        for pair in texts.value_counts().to_pylist():
            self.dated += pair["counts"]
            for form in DATE_FORMS:
                wrong = 0 if _is_date(str(pair["values"]).strip(), form) else pair["counts"]
                self.not_dates[form] = self.not_dates.get(form, 0) + wrong


def look_at(path: str | Path, header: bool = True) -> list[Look]:
    """Read a table once, all of its columns. Raises TableError."""
    table = open_table(path, header)
    if len(table.columns) > MAX_COLUMNS:
        message = f"{path}: a schema has at most {MAX_COLUMNS:,} columns, and the table {len(table.columns):,}"
        raise UnreadableTable("unreadable-file", message)
    looks = [Look(name, position) for position, name in enumerate(table.columns)]
    for batch in table.batches([Column(col_idx=position) for position in range(len(looks))]):
        for look, cells in zip(looks, batch.cells, strict=True):
            look.add(*cells)
    return looks


def _added(counter: Counter[str] | None, array: Any) -> Counter[str] | None:
    if counter is None:
        return None
    for pair in array.value_counts().to_pylist():
        if pair["values"] is not None and (text := str(pair["values"]).strip()) not in MISSING_TEXTS:
            counter[text] += pair["counts"]
    return counter if len(counter) <= MOST_TEXTS else None


def _is_date(text: str, form: str) -> bool:
    try:
        datetime.datetime.strptime(text, form)  # noqa: DTZ007 - only whether it is one
    except ValueError:
        return False
    return True
