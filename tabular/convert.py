"""From the arrays that a file holds to numbers and category codes, vectorised.

Nothing here knows ranges or what a missing value means: that is `tabular.columns`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from protocol.spec import Category, category_text
from tabular.dialect import Decimal

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]

# A declared category wins over these: "NA" may well mean "no garage".
MISSING_TEXTS: Final = frozenset(
    {"", "NA", "N/A", "NaN", "null", "?", "-", "na", "n/a", "nan", "NULL", "Null", "<NA>", "#N/A"}
)
MISSING: Final = -1
UNKNOWN: Final = -2

_MISSING_VALUES: Final = pa.array(sorted(MISSING_TEXTS))
_NUMERIC_TYPES: Final = (pa.types.is_floating, pa.types.is_integer, pa.types.is_decimal, pa.types.is_boolean)
_NUMBER: Final = r"^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?$"
_COMMA_NUMBER: Final = re.compile(r"[+-]?[0-9]*,[0-9]+([eE][+-]?[0-9]+)?")


def to_numbers(array: Any, decimal: Decimal) -> tuple[Floats, Mask | None]:
    """A pyarrow array as float64 with NaN where a value is missing, and a mask of what is no number (or None).

    A float64 column without nulls is not copied, so the result must not be written to.
    """
    kind = array.type
    if pa.types.is_dictionary(kind):
        array = array.dictionary_decode()
        kind = array.type
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return _text_to_numbers(array, decimal)
    if pa.types.is_null(kind):
        return np.full(len(array), np.nan), None
    if not any(is_numeric(kind) for is_numeric in _NUMERIC_TYPES):
        values: Floats = np.full(len(array), np.nan)
        present: Mask = pc.is_valid(array).to_numpy(zero_copy_only=False)
        return values, present if present.any() else None
    if not pa.types.is_float64(kind):
        # Integers beyond 2**53 round to the nearest double, as they do everywhere else.
        array = pc.cast(pc.cast(array, pa.int8()) if pa.types.is_boolean(kind) else array, pa.float64(), safe=False)
    return _floats(array), None


def _floats(array: Any) -> Floats:
    if array.null_count:
        array = pc.fill_null(array, float("nan"))
    values: Floats = array.to_numpy(zero_copy_only=False)
    return values


def _text_to_numbers(array: Any, decimal: Decimal) -> tuple[Floats, Mask | None]:
    text = pc.utf8_trim_whitespace(array)
    missing = pc.is_in(text, value_set=_MISSING_VALUES.cast(text.type))
    if pc.any(missing).as_py():
        text = pc.if_else(missing, pa.scalar(None, text.type), text)
    pointed = pc.match_substring(text, ".") if decimal == "," else None
    if decimal != ".":
        text = pc.replace_substring(text, ",", ".")
    if pointed is None or not pc.any(pointed).as_py():
        values = _cast(text)
        if values is not None:
            return values, None
    good = pc.match_substring_regex(text, _NUMBER)
    if pointed is not None:
        good = pc.and_(good, pc.invert(pointed))
    bad: Mask = pc.fill_null(pc.invert(good), False).to_numpy(zero_copy_only=False)
    return _floats(pc.cast(pc.if_else(good, text, pa.scalar(None, text.type)), pa.float64())), bad


def _cast(text: Any) -> Floats | None:
    """All values as numbers, or None where one is none: which ones takes a slower look."""
    try:
        return _floats(pc.cast(text, pa.float64()))
    except pa.ArrowInvalid:
        return None


def to_codes(array: Any, lookup: Mapping[str, int], decimal: Decimal) -> Ints:
    """A pyarrow array as int64 (rows,): `lookup` of each value's category text, MISSING or UNKNOWN.

    Each distinct value is looked up once.
    """
    if pa.types.is_null(array.type) or pa.types.is_nested(array.type):
        return np.where(pc.is_null(array).to_numpy(zero_copy_only=False), MISSING, UNKNOWN)
    encoded = array if pa.types.is_dictionary(array.type) else array.dictionary_encode()
    distinct = encoded.dictionary.to_pylist()
    codes = np.array([*(_code(value, lookup, decimal) for value in distinct), MISSING], dtype=np.int64)
    indices = pc.fill_null(encoded.indices.cast(pa.int64()), len(distinct))
    taken: Ints = codes[indices.to_numpy(zero_copy_only=False)]
    return taken


def _code(value: object, lookup: Mapping[str, int], decimal: Decimal) -> int:
    if value is None or (isinstance(value, float) and np.isnan(value)):
        return MISSING
    category: Category = value if isinstance(value, bool | int | float | str) else str(value)
    code = lookup.get(category_text(category))
    if code is not None or not isinstance(category, str):
        return UNKNOWN if code is None else code
    text = category.strip()
    if text in MISSING_TEXTS:
        return MISSING
    if decimal != "." and _COMMA_NUMBER.fullmatch(text):
        return lookup.get(category_text(text.replace(",", ".")), UNKNOWN)
    return UNKNOWN
