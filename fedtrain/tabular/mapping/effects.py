"""The effects of a mapping on a table: how many values each rule touches, before and after. For its owner alone."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from fedtrain.spec.columns import Column
from fedtrain.tabular.mapping.apply import NO_DATE, Replacement, lined_up
from fedtrain.tabular.mapping.file import ColumnMapping, Mapping
from fedtrain.tabular.reading.read import open_table

#: Recoded values and missing codes that are listed a column.
MOST_LISTED: Final = 50


@dataclass
class ColumnEffects:
    """One column of the dictionary. Counts are of records.

    source: the table's column. values: records with a value before; missing: made missing by a code; recoded: given
    another text or the number of a date; no_date: dates that cannot be read. listed: value before, after (None for
    missing), and how often, the most frequent first, dates left out. unit: what numbers are multiplied by and what is
    added, None where nothing is.
    """

    column: str
    source: str
    values: int = 0
    missing: int = 0
    recoded: int = 0
    no_date: int = 0
    listed: list[tuple[str, str | None, int]] = field(default_factory=list)
    unit: tuple[float, float] | None = None


def mapping_effects(path: str | Path, mapping: Mapping, header: bool = True) -> list[ColumnEffects]:
    """Read the mapped columns of a table once. `header`: where the mapping does not say. Raises TableError."""
    table = open_table(path, header if mapping.header is None else mapping.header)
    lined = lined_up(mapping, table.columns, path)
    found = [
        _Effects(lined.names[position], table.columns[position], rule) for position, rule in sorted(lined.rules.items())
    ]
    columns = [Column(col_idx=position) for position in sorted(lined.rules)]
    for batch in table.batches(columns) if columns else ():
        for effects, array in zip(found, batch.arrays, strict=True):
            effects.add(array)
    return [effects.result() for effects in found]


class _Effects:
    def __init__(self, name: str, source: str, rule: ColumnMapping) -> None:
        units = (rule.factor, rule.offset)
        unit = None if units == (None, None) else (1.0 if rule.factor is None else rule.factor, rule.offset or 0.0)
        self._found = ColumnEffects(name, source, unit=unit)
        self._rule = rule
        self._texts = Replacement(rule)
        self._listed: Counter[tuple[str, str | None]] = Counter()

    def add(self, array: Any) -> None:
        self._found.values += len(array) - array.null_count
        if not self._rule.replaces:
            return
        for pair in array.value_counts().to_pylist():
            before, count = pair["values"], pair["counts"]
            if before is None:
                continue
            text = str(before).strip()
            after = self._texts.of(before)
            if after is None:
                self._found.missing += count
            elif after.startswith(NO_DATE):
                self._found.no_date += count
            elif after != text:
                self._found.recoded += count
            if after != text and (after is None or not self._is_date(text)):
                self._listed[text, after] += count

    def _is_date(self, text: str) -> bool:
        return self._rule.date is not None and self._rule.key(text) not in map(self._rule.key, self._rule.recode)

    def result(self) -> ColumnEffects:
        self._found.listed = [(*pair, count) for pair, count in self._listed.most_common(MOST_LISTED)]
        return self._found
