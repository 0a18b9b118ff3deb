"""A column of a query's result as pyarrow arrays: numbers, texts, booleans or bytes, and one of these alone."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

import pyarrow as pa

from fedtrain.spec.problems import Code, Problem

_NUMBER, _TEXT, _BOOLEAN, _BYTES = "a number", "a text", "a boolean", "bytes"
_KINDS: Final[Mapping[type, str]] = {
    bool: _BOOLEAN,
    int: _NUMBER,
    float: _NUMBER,
    Decimal: _NUMBER,
    str: _TEXT,
    date: _TEXT,
    datetime: _TEXT,
    time: _TEXT,
    UUID: _TEXT,
    bytes: _BYTES,
}
_KIND_OF: Final[Mapping[Any, str]] = {
    pa.int64(): _NUMBER,
    pa.float64(): _NUMBER,
    pa.string(): _TEXT,
    pa.bool_(): _BOOLEAN,
    pa.binary(): _BYTES,
}
_ARROW: Final[Mapping[type, Any]] = {
    bool: pa.bool_(),
    int: pa.int64(),
    float: pa.float64(),
    str: pa.string(),
    bytes: pa.binary(),
}


def array_of(name: str, values: Sequence[object], first_row: int) -> Any:
    """Return a column's values in consecutive rows as a pyarrow array; None is null.

    Decimals become the nearest float64, as their digits in a CSV file would; dates and times texts, in ISO 8601 but
    with a space between the two. `first_row`: the number of the first, from 1. Raises Problem(QUERY_FAILED) for values
    of two kinds, of one that no table has, and for a whole number that float64 does not hold.
    """
    types = {type(value) for value in values} - {type(None)}
    if len({_KINDS.get(one) for one in types}) > 1 or not types <= _KINDS.keys():
        raise _unfit(name, values, first_row)
    if len(types) <= 1 and types <= _ARROW.keys():
        return pa.array(values, next((_ARROW[one] for one in types), pa.null()))
    if _KINDS[next(iter(types))] == _TEXT:
        return pa.array([None if value is None else str(value) for value in values], pa.string())
    return as_floats(name, values, first_row)


def as_floats(name: str, numbers: Sequence[Any], first_row: int) -> Any:
    """Return numbers as a pyarrow array of float64. Raises as `array_of`."""
    return pa.array(
        [None if one is None else _float(name, one, row) for row, one in enumerate(numbers, first_row)], pa.float64()
    )


def joined_type(name: str, before: Any, array: Any, first_row: int) -> Any:
    """Return the type of a column that was of type `before` and goes on with `array`. Raises as `array_of`."""
    if before == array.type or pa.types.is_null(array.type):
        return before
    if pa.types.is_null(before):
        return array.type
    if _KIND_OF[before] != _KIND_OF[array.type]:
        row = first_row + next(place for place, cell in enumerate(array) if cell.is_valid)
        raise _of_two_kinds(name, _KIND_OF[before], _KIND_OF[array.type], row)
    return pa.float64()


def _float(name: str, number: int | float | Decimal, row: int) -> float:
    nearest = float(number)
    whole = not isinstance(number, float) and math.isfinite(number) and number == round(number)
    if whole and (math.isinf(nearest) or int(nearest) != number):
        raise Problem(
            Code.QUERY_FAILED,
            f"Column {name!r} has a whole number in row {row:,} with more digits than are computed with: leave the "
            "column out, or CAST it to text where it is a category.",
        )
    return nearest


def _unfit(name: str, values: Sequence[object], first_row: int) -> Problem:
    """Return what is the matter with the first value that is of no kind, or of another than those before it."""
    known: str | None = None
    for row, value in enumerate(values, first_row):
        if value is None:
            continue
        kind = _KINDS.get(type(value))
        if kind is None:
            return Problem(
                Code.QUERY_FAILED,
                f"Column {name!r} has a value in row {row:,} that is neither number, text, boolean nor bytes "
                f"({type(value).__name__}): CAST it to one of them in the query.",
            )
        if known is not None and kind != known:
            return _of_two_kinds(name, known, kind, row)
        known = kind
    raise AssertionError(name)


def _of_two_kinds(name: str, before: str, now: str, row: int) -> Problem:
    return Problem(
        Code.QUERY_FAILED,
        f"Column {name!r} is {before} before row {row:,}, and {now} there: CAST it to one of them in the query.",
    )
