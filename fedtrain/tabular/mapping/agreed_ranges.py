"""A data dictionary whose ranges are open, or wide, as a job that asks for them; and with those that it proposed."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from fedtrain.spec.columns import NUMERIC, DataProps
from fedtrain.spec.model_types.ranges import OPEN_LIMITS, ColumnRange, Grid
from fedtrain.spec.roles import as_feature


def asking_for_ranges(
    dictionary: Mapping[str, Any], columns: Sequence[str] | None = None, grid: Grid = Grid.ROUND
) -> dict[str, Any]:
    """Return the spec of a job that asks for the ranges of a dictionary's numbers, `columns` or all of them.

    `dictionary`: the JSON of a schema.json, whose numbers may lack a range. Raises ValidationError where it is none,
    ValueError for a column that it lacks, or that has categories.
    """
    props = _props(_each_column(dictionary, _limited))
    numbers = {feature.label: feature for feature in map(as_feature, props.columns) if feature.type in NUMERIC}
    wanted = list(numbers) if columns is None else list(columns)
    for label in wanted:
        if label not in numbers:
            raise ValueError(f"{label!r} is no column of numbers in the dictionary; there is {', '.join(numbers)}")
    if not wanted:
        raise ValueError("the dictionary has no column of numbers to ask about")
    asked = props.model_copy(
        update={"features": tuple(numbers[label] for label in wanted), "target": None, "targets": None}
    )
    return {
        "model_type": "RANGES",
        "grid": grid.value,
        "data_props": asked.model_dump(mode="json", exclude_none=True, exclude_defaults=True),
    }


def with_ranges(
    dictionary: Mapping[str, Any], found: Sequence[ColumnRange], *, wider: int = 1, inner: bool = False
) -> dict[str, Any]:
    """Return a dictionary with the ranges that were found, `wider` by so many bounds at either end that is not zero.

    `inner`: those that every owner has `min_cell` rows beyond, as they are. What nothing was found for keeps its own.
    A few rows lie beyond the narrowest range that the answers allow where a bound is just below them, and clipped they
    would be a small cell: that is what a margin is for. Raises ValidationError where the result is no dictionary, and
    ValueError, naming the column, where one has no range, is in the result under other limits, or not in the
    dictionary.
    """
    _props(_each_column(dictionary, _limited))
    left = {one.label: one for one in found}

    def ranged(column: Mapping[str, Any]) -> Mapping[str, Any]:
        one = left.pop(_label(column), None)
        if one is None:
            return column
        declared = tuple(column["range"]) if column.get("range") is not None else OPEN_LIMITS
        if declared != one.limits:
            raise ValueError(
                f"{one.label}: it was asked about between {_shown(one.limits)}, and the dictionary has "
                f"{_shown(declared)}: take the dictionary that it was asked with"
            )
        agreed = one.inner if inner else widened(one, wider)
        if agreed is None and _open(column):
            raise ValueError(f"{one.label}: no range was found, for the owners' rows are too few: give it one by hand")
        return column if agreed is None else {**column, "range": list(agreed)}

    document = _each_column(dictionary, ranged)
    if left:
        raise ValueError(f"the dictionary has no column {', '.join(map(repr, left))}, which the result is about")
    _props(document)
    return document


def widened(found: ColumnRange, bounds: int) -> tuple[float, float] | None:
    """Return a range that was found, so many bounds wider at either end, its limits at most; None for none."""
    if found.range is None:
        return None
    low, high = found.range
    ends = (found.limits[0], *found.bounds, found.limits[1])
    below, above = [end for end in ends[::-1] if end < low], [end for end in ends if end > high]
    # Zero is where a column's kind of value ends, and a bound beyond it the smallest that there is.
    return (_stepped(low, below, bounds) if low else low), (_stepped(high, above, bounds) if high else high)


def _stepped(end: float, beyond: Sequence[float], bounds: int) -> float:
    return [end, *beyond][min(bounds, len(beyond))]


def _each_column(
    dictionary: Mapping[str, Any], change: Callable[[Mapping[str, Any]], Mapping[str, Any]]
) -> dict[str, Any]:
    """The dictionary with every column that is a JSON object changed."""
    changed = dict(dictionary)
    for name in ("features", "targets"):
        if isinstance(columns := changed.get(name), list):
            changed[name] = [change(one) if isinstance(one, Mapping) else one for one in columns]
    if isinstance(target := changed.get("target"), Mapping):
        changed["target"] = change(target)
    return changed


def _props(document: Mapping[str, Any]) -> DataProps:
    return DataProps.model_validate_json(json.dumps(document))


def _limited(column: Mapping[str, Any]) -> Mapping[str, Any]:
    return {**column, "range": list(OPEN_LIMITS)} if _open(column) else column


def _open(column: Mapping[str, Any]) -> bool:
    """Say whether a column of numbers lacks its range: a feature says that it is one, a target has no categories."""
    is_number = column.get("type") in NUMERIC if "type" in column else column.get("categories") is None
    return is_number and column.get("range") is None


def _label(column: Mapping[str, Any]) -> str:
    return str(column["name"]) if column.get("name") is not None else f"column {column.get('col_idx')}"


def _shown(ends: Sequence[Any]) -> str:
    return " and ".join(f"{end:g}" if isinstance(end, int | float) else repr(end) for end in ends)
