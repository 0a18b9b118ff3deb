"""A mapping on one column's values, as they are read: other texts, dates as numbers, marks and units."""

from __future__ import annotations

import datetime
import math
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

import pyarrow as pa

from fedtrain.spec.columns import category_text as category
from fedtrain.spec.columns import plain_text
from fedtrain.tabular.errors import ColumnMismatch
from fedtrain.tabular.mapping.file import FRACTION, ColumnMapping, Mapping
from fedtrain.tabular.reading.convert import MISSING_TEXTS

_SECONDS: Final = {
    "seconds": 1,
    "minutes": 60,
    "hours": 3600,
    "days": 86_400,
    "weeks": 604_800,
    "years": 31_556_952,  # the Gregorian calendar's mean, 365.2425 days
}
_EPOCH: Final = datetime.date(1970, 1, 1)
#: Starts a text that no other rule takes for a number: "2015" is none where dates are expected.
NO_DATE: Final = "no date: "


@dataclass(frozen=True)
class MappedColumns:
    """A mapping lined up with a table. `names`: of all columns, the dictionary's where a rule says so; `rules`: by
    position."""

    names: tuple[str, ...]
    rules: dict[int, ColumnMapping]


def lined_up(mapping: Mapping, names: Sequence[str], where: object) -> MappedColumns:
    """Find each rule's column in a table with these names. Raises ColumnMismatch, naming the rule; `where` is the file.

    A column without rules keeps its name; one that has the name of another's rule is then called "NAME (unmapped)".
    """
    positions: dict[str, int] = {}
    for name in mapping.columns:
        source = mapping.source(name)
        positions[name] = _position(source, names, f"{where}: the mapping's columns.{name}")
    by_position: dict[int, str] = {}
    for name, position in positions.items():
        if position in by_position:
            message = f"{where}: the mapping takes {by_position[position]!r} and {name!r} from one column"
            raise ColumnMismatch("column-used-twice", message, column=name)
        by_position[position] = name
    called = [
        by_position.get(position, f"{name} (unmapped)" if name in mapping.columns else name)
        for position, name in enumerate(names)
    ]
    rules = {position: _with_marks(mapping.columns[name], mapping) for position, name in by_position.items()}
    return MappedColumns(tuple(called), rules)


def _with_marks(rule: ColumnMapping, mapping: Mapping) -> ColumnMapping:
    """A column's rule with the marks of the whole table, where it has none of its own."""
    if rule.date is not None or rule.decimal is not None or rule.thousands is not None:
        return rule
    return rule.model_copy(update={"decimal": mapping.decimal, "thousands": mapping.thousands})


def _position(source: str | int, names: Sequence[str], where: str) -> int:
    if isinstance(source, int):
        if source >= len(names):
            message = f"{where}: there is no column {source}; the table has {len(names)}, counted from 0"
            raise ColumnMismatch("column-not-in-file", message)
        return source
    found = [position for position, name in enumerate(names) if name == plain_text(source)]
    if len(found) > 1:
        message = f"{where}: column {source!r} occurs {len(found)} times; give its position, one of {found}"
        raise ColumnMismatch("column-ambiguous", message)
    if not found:
        there = ", ".join(map(repr, names[:20]))
        message = f"{where}: the table has no column {source!r}; it has {there}"
        raise ColumnMismatch("column-not-in-file", message)
    return found[0]


def replaced(array: Any, rule: ColumnMapping) -> Any:
    """Return a column's values with missing codes taken out, texts recoded and dates as numbers, as an array of text.

    An array that no such rule concerns is returned as it is. A date that cannot be read becomes a text that is no
    number, with NO_DATE before it.
    """
    if not rule.replaces or pa.types.is_null(array.type) or pa.types.is_nested(array.type):
        return array
    encoded = array if pa.types.is_dictionary(array.type) else array.dictionary_encode()
    texts = Replacement(rule)
    distinct = pa.array([texts.of(value) for value in encoded.dictionary.to_pylist()], pa.string())
    return distinct.take(encoded.indices)


class Replacement:
    """Replacement of single values under a column's rules."""

    def __init__(self, rule: ColumnMapping) -> None:
        self._rule = rule
        self._missing = {rule.key(category(code)) for code in rule.missing}
        self._recode = {rule.key(text): _written(category(value), rule) for text, value in rule.recode.items()}

    def of(self, value: object) -> str | None:
        """Return the text that a value of the table becomes, None for none."""
        if value is None or (isinstance(value, float) and math.isnan(value)):
            return None
        text = value.strip() if isinstance(value, str) else _text(value)
        key = self._rule.key(text)
        if key in self._missing:
            return None
        recoded = self._recode.get(key)
        if recoded is not None:
            return recoded
        if self._rule.date is None or text in MISSING_TEXTS:
            return _written(text, self._rule) if isinstance(value, float | Decimal) else text
        return _as_number(value if isinstance(value, datetime.date) else text, self._rule)


def _text(value: object) -> str:
    if isinstance(value, Decimal):
        return format(value, "f")
    is_plain = isinstance(value, bool | int) or (isinstance(value, float) and math.isfinite(value))
    return category(value) if is_plain else str(value)  # type: ignore[arg-type]


def _written(text: str, rule: ColumnMapping) -> str:
    """A number as the column's other numbers are written; other texts are as they are."""
    return text.replace(".", ",") if rule.decimal == "," and FRACTION.fullmatch(text) else text


def _as_number(value: str | datetime.date, rule: ColumnMapping) -> str:
    """A date as a number of units since a day, at full precision."""
    try:
        when = _parsed(value, rule.date or "") if isinstance(value, str) else value
    except ValueError:
        return f"{NO_DATE}{value}"
    if not isinstance(when, datetime.datetime):
        when = _midnight(when)
    if when.tzinfo is None:
        when = when.replace(tzinfo=datetime.UTC)
    passed = when - _midnight(rule.since or _EPOCH)
    microseconds = passed // datetime.timedelta(microseconds=1)
    return category(microseconds / (1_000_000 * _SECONDS[rule.unit or "days"]))


def _parsed(text: str, form: str) -> datetime.datetime:
    return datetime.datetime.strptime(text, form)  # noqa: DTZ007 - one without a zone is taken for UTC


def _midnight(day: datetime.date) -> datetime.datetime:
    return datetime.datetime.combine(day, datetime.time(tzinfo=datetime.UTC))
