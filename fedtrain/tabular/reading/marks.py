"""Decimal and thousands marks: how the numbers of one text column are written, and where that cannot be told.

"1.234" is a thousand in one country and a fraction in another. What a column's marks mean is declared for the table,
or else follows from the column's own values, all of them: the first number that can be read with one decimal mark
alone, such as "0.5" or "1.234.567", settles it. Where there is none, the declared range may: every number has a mark,
and all are within it in one reading, and outside in the other. Otherwise a number that reads in two ways is refused.

Thousands are marked by a point, comma, apostrophe or space, in groups of three digits; by commas also in the Indian
way (12,34,567).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from fedtrain.spec.model_spec import DecimalMark

# What people and programs write for one mark: spaces that do not break, and the typographer's apostrophe.
_WRITTEN: Final[dict[str, str]] = {",": ",", ".": ".", "'": "'\u2019", " ": " \u00a0\u2009\u202f"}
_OTHER: Final[dict[str, DecimalMark]] = {".": ",", ",": "."}


@dataclass
class NumberMarks:
    """The marks of one column's numbers, settled as soon as one value shows them. Not for two threads at once.

    decimal: the mark, None as long as it is not known. thousands: the declared mark, None where any may occur, ""
    where none may. texts: reads the column once more from its start, in arrays of trimmed text. declared_range: of the
    column's values, before `factor` and `offset`. reason: why the decimal mark is what it is, in words. factor,
    offset: every number read stands for number · factor + offset, where the table has another unit.
    """

    decimal: DecimalMark | None = None
    thousands: str | None = None
    texts: Callable[[], Iterable[Any]] = field(default=tuple, repr=False)
    declared_range: tuple[float, float] | None = None
    reason: str = "is declared"
    factor: float = 1.0
    offset: float = 0.0
    _read_again: bool = False

    def __post_init__(self) -> None:
        if self.decimal is None and self.thousands in (".", ","):
            self.decimal = _OTHER[self.thousands]

    def settle(self, text: Any) -> DecimalMark | None:
        """The decimal mark, from these values or else from the whole column; None where no value shows it.

        As long as it is not known, every value before these reads in one way. Raises UnreadableTable.
        """
        if self.decimal is None and not self._shown(text) and not self._read_again:
            self._read_again = True
            within: dict[DecimalMark, bool] | None = {}
            for values in self.texts():
                if self._shown(values):
                    return self.decimal
                within = self._within(values.drop_null(), within)
            if within and within["."] != within[","]:
                self.decimal = "." if within["."] else ","
                self.reason = "is what the declared range allows"
        return self.decimal

    def _within(self, text: Any, before: dict[DecimalMark, bool] | None) -> dict[DecimalMark, bool] | None:
        """For each mark, True where all numbers so far are within the declared range, False where none is.

        None for good where that is so of some numbers alone, or where one has no mark and tells nothing.
        """
        if before is None or self.declared_range is None or not pc.all(self.in_two_ways(text), min_count=0).as_py():
            return None
        low, high = self.declared_range
        found = before
        for mark in _OTHER.values():
            values = pc.cast(self.plain(text, mark), pa.float64())
            inside = set(pc.and_(pc.greater_equal(values, low), pc.less_equal(values, high)).to_pylist())
            inside |= {found[mark]} if mark in found else set()
            if len(inside) > 1:
                return None
            found = {**found, mark: inside == {True}} if inside else found
        return found

    def reads(self, text: Any, decimal: DecimalMark) -> Any:
        """(rows,) booleans: which texts are numbers with that decimal mark."""
        return pc.match_substring_regex(text, pattern(decimal, self.thousands))

    def plain(self, text: Any, decimal: DecimalMark) -> Any:
        """Numbers with that decimal mark, as a computer writes them: without thousands marks, with a decimal point."""
        for mark in _thousands(decimal, self.thousands):
            for written in _WRITTEN[mark]:
                text = pc.replace_substring(text, written, "")
        return text if decimal == "." else pc.replace_substring(text, ",", ".")

    def in_two_ways(self, text: Any) -> Any:
        """(rows,) booleans: which texts are other numbers with a decimal point than with a decimal comma."""
        both = pc.and_(self.reads(text, "."), self.reads(text, ","))
        return pc.and_(both, pc.match_substring_regex(text, "[.,]"))

    def _shown(self, text: Any) -> bool:
        text = text.filter(pc.fill_null(pc.match_substring_regex(text, "[.,]"), False))
        point, comma = self.reads(text, "."), self.reads(text, ",")
        telling = pc.xor(point, comma)
        first = pc.index(telling, True).as_py()
        if first < 0:
            return False
        self.decimal = "." if point[first].as_py() else ","
        self.reason = f"is what {text[first].as_py()!r} in this column shows"
        return True


@cache
def pattern(decimal: DecimalMark, thousands: str | None) -> str:
    """A regular expression (RE2) of numbers with that decimal mark, and that thousands mark: None any, "" none."""
    mark = "[.]" if decimal == "." else ","
    others = _thousands(decimal, thousands)
    groups = [f"[1-9][0-9]{{0,2}}([{written}][0-9]{{3}})+" for other in others for written in _WRITTEN[other]]
    if "," in others:
        groups.append("[1-9][0-9]?(,[0-9]{2})+,[0-9]{3}")
    grouped = f"({'|'.join(groups)})({mark}[0-9]*)?|" if groups else ""
    return f"^[+-]?({grouped}([0-9]+({mark}[0-9]*)?|{mark}[0-9]+)([eE][+-]?[0-9]+)?)$"


def _thousands(decimal: DecimalMark, thousands: str | None) -> list[str]:
    allowed = list(_WRITTEN) if thousands is None else [thousands] if thousands else []
    return [mark for mark in allowed if mark != decimal]
