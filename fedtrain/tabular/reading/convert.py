"""From the arrays that a file holds to numbers and category codes, vectorised.

Nothing here knows ranges or what a missing value means: that is `fedtrain.tabular.columns`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from fedtrain.spec.model_spec import DecimalMark, category_text
from fedtrain.tabular.reading.marks import NumberMarks

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]

# A declared category wins over these: "NA" may well mean "no garage".
MISSING_TEXTS: Final = frozenset(
    {"", "NA", "N/A", "NaN", "null", "?", "-", "na", "n/a", "nan", "NAN", "NULL", "Null", "<NA>", "#N/A"}
)
MISSING: Final = -1
UNKNOWN: Final = -2

_MISSING_VALUES: Final = pa.array(sorted(MISSING_TEXTS))
_NUMERIC_TYPES: Final = (pa.types.is_floating, pa.types.is_integer, pa.types.is_decimal, pa.types.is_boolean)
_INFINITE: Final = r"(?i)^[+-]?inf(inity)?$"
_WHOLE: Final = re.compile(r"[+-]?[0-9]+")
_COMMA_NUMBER: Final = re.compile(r"-?[0-9]+,[0-9]+")
_COMMA_THOUSAND: Final = re.compile(r"-?[1-9][0-9]{0,2},[0-9]{3}")
# From here on not every whole number is a double.
_EXACT_BELOW: Final = 2.0**53


@dataclass(frozen=True)
class Fault:
    """Values of one column that are no number to work with. `rows`: (rows,) mask with at least one set."""

    code: str
    rows: Mask
    expected: str


def to_numbers(array: Any, marks: NumberMarks) -> tuple[Floats, tuple[Fault, ...]]:
    """A pyarrow array as float64, NaN where a value is missing or at fault, and the faults, one a kind.

    A text that can be read in two ways is a fault, and so is a whole number that float64 does not hold exactly.
    A float64 column without nulls is not copied, so the result must not be written to. Raises UnreadableTable where
    `marks` have to be looked for in the rest of the table, and it cannot be read.
    """
    values, faults = _written_numbers(array, marks)
    if (marks.factor, marks.offset) != (1.0, 0.0):
        values = values * marks.factor + marks.offset
    return values, faults


def _written_numbers(array: Any, marks: NumberMarks) -> tuple[Floats, tuple[Fault, ...]]:
    """The numbers as they stand in the table, whatever their unit."""
    kind = array.type
    if pa.types.is_dictionary(kind):
        array = array.dictionary_decode()
        kind = array.type
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return _text_to_numbers(array, marks)
    if pa.types.is_null(kind):
        return np.full(len(array), np.nan), ()
    if not any(is_numeric(kind) for is_numeric in _NUMERIC_TYPES):
        values: Floats = np.full(len(array), np.nan)
        present: Mask = pc.is_valid(array).to_numpy(zero_copy_only=False)
        return values, _faults(("text-in-numeric-column", present, f"a number is expected, and this is a {kind}"))
    numbers = pc.cast(array, pa.int8()) if pa.types.is_boolean(kind) else array
    if not pa.types.is_float64(kind):
        numbers = pc.cast(numbers, pa.float64(), safe=False)
    values = _floats(numbers)
    return _exact(values, None if pa.types.is_floating(kind) else array)


def settle_marks(array: Any, marks: NumberMarks) -> None:
    """Settle the marks of a column's numbers where one of these values has a mark. Raises UnreadableTable."""
    if marks.decimal is None and (pa.types.is_string(array.type) or pa.types.is_large_string(array.type)):
        text = trimmed_text(array)
        if pc.any(pc.match_substring_regex(text, "[.,]")).as_py():
            marks.settle(text)


def trimmed_text(array: Any) -> Any:
    """An array of text as a number is read from it: without spaces around it, null where a value is missing."""
    text = pc.utf8_trim_whitespace(array)
    missing = pc.is_in(text, value_set=_MISSING_VALUES.cast(text.type))
    return pc.if_else(missing, pa.scalar(None, text.type), text) if pc.any(missing).as_py() else text


def _floats(array: Any) -> Floats:
    if array.null_count:
        array = pc.fill_null(array, float("nan"))
    values: Floats = array.to_numpy(zero_copy_only=False)
    return values


def _text_to_numbers(array: Any, marks: NumberMarks) -> tuple[Floats, tuple[Fault, ...]]:
    text = trimmed_text(array)
    values = _at_once(text, marks)
    if values is not None:
        return _exact(values, text)
    decimal = marks.settle(text)
    reading: DecimalMark = "." if decimal is None else decimal
    good, infinite = marks.reads(text, reading), pc.match_substring_regex(text, _INFINITE)
    bad = _mask(pc.invert(pc.or_(good, infinite)))
    two_ways = _mask(marks.in_two_ways(text)) if decimal is None else np.zeros(len(text), dtype=bool)
    usable = pc.if_else(pc.and_(good, pa.array(~two_ways)), text, pa.scalar(None, text.type))
    plain = marks.plain(usable, reading)
    values, inexact = _exact(_floats(pc.cast(plain, pa.float64())), plain)
    values = np.where(_mask(infinite), np.inf, values)
    others = [("text-in-numeric-column", bad, _a_number(marks))]
    if two_ways.any():
        others.append(("number-ambiguous", two_ways, _both_readings(text[int(np.argmax(two_ways))].as_py(), marks)))
    return values, (*_faults(*others), *inexact)


def _at_once(text: Any, marks: NumberMarks) -> Floats | None:
    """All values as numbers, or None where one is none or reads otherwise with another mark: a slower look tells."""
    if marks.decimal != "." and pc.any(pc.match_substring(text, ".")).as_py():
        return None
    pointed = pc.replace_substring(text, ",", ".") if marks.decimal == "," else text
    try:
        values = _floats(pc.cast(pointed, pa.float64()))
    except pa.ArrowInvalid:
        return None
    # Arrow reads "-nan" and "nan(1)" as well, which nobody writes for a missing value.
    return values if int(np.isnan(values).sum()) == text.null_count else None


def _exact(values: Floats, source: Any) -> tuple[Floats, tuple[Fault, ...]]:
    """Values, and a fault for the whole numbers among them that are others than in `source`, None for floats."""
    large = np.isfinite(values) & (np.abs(values) >= _EXACT_BELOW) if source is not None else np.zeros(0, dtype=bool)
    if not large.any():
        return values, ()
    inexact = np.zeros(len(values), dtype=bool)
    for row in np.flatnonzero(large):
        whole = source[int(row)].as_py()
        if not isinstance(whole, str) or _WHOLE.fullmatch(whole):
            inexact[row] = int(whole) != int(values[row])
    expected = "a number carries 15 digits here: leave an identifier out, or declare its categories"
    return np.where(inexact, np.nan, values), _faults(("number-too-long", inexact, expected))


def _faults(*kinds: tuple[str, Mask, str]) -> tuple[Fault, ...]:
    return tuple(Fault(code, rows, expected) for code, rows, expected in kinds if rows.any())


def _mask(booleans: Any) -> Mask:
    mask: Mask = pc.fill_null(booleans, False).to_numpy(zero_copy_only=False)
    return mask


def _a_number(marks: NumberMarks) -> str:
    if marks.decimal is None:
        return "a number is expected, without a unit or a sign such as % or $"
    mark = "point" if marks.decimal == "." else "comma"
    return f"a number is expected, without a unit or a sign such as % or $; a decimal {mark} {marks.reason}"


def _both_readings(text: str, marks: NumberMarks) -> str:
    point, comma = (marks.plain(pa.array([text]), mark)[0].as_py() for mark in (".", ","))
    return (
        f"that is {point} with a decimal point and {comma} with a decimal comma, and no value of the column shows "
        'which: declare "decimal" as "." or "," beside the features'
    )


def to_codes(array: Any, lookup: Mapping[str, int], marks: NumberMarks) -> Ints:
    """A pyarrow array as int64 (rows,): `lookup` of each value's category text, MISSING or UNKNOWN.

    Each distinct value is looked up once.
    """
    if pa.types.is_null(array.type) or pa.types.is_nested(array.type):
        return np.where(pc.is_null(array).to_numpy(zero_copy_only=False), MISSING, UNKNOWN)
    encoded = array if pa.types.is_dictionary(array.type) else array.dictionary_encode()
    distinct = encoded.dictionary.to_pylist()
    codes = np.array([*(_code(value, lookup, marks) for value in distinct), MISSING], dtype=np.int64)
    indices = pc.fill_null(encoded.indices.cast(pa.int64()), len(distinct))
    taken: Ints = codes[indices.to_numpy(zero_copy_only=False)]
    return taken


def cell_category(value: object) -> str | None:
    """The category text of a table's cell, None where the value is missing unless a category is declared so."""
    if value is None or (isinstance(value, float) and np.isnan(value)):
        return None
    text = category_text(value if isinstance(value, bool | int | float | str) else str(value))
    return None if text in MISSING_TEXTS and isinstance(value, str) else text


def _code(value: object, lookup: Mapping[str, int], marks: NumberMarks) -> int:
    if isinstance(value, str):
        declared = lookup.get(category_text(value))
        if declared is not None:
            return declared
    text = cell_category(value)
    if text is None:
        return MISSING
    # "1,3" is 1.3, and nothing else, where no decimal point is declared; "1,300" only where a decimal comma is.
    comma = _COMMA_NUMBER.fullmatch(text) and (marks.decimal == "," or not _COMMA_THOUSAND.fullmatch(text))
    if comma and marks.decimal != ".":
        return lookup.get(category_text(text.replace(",", ".")), UNKNOWN)
    return lookup.get(text, UNKNOWN)
