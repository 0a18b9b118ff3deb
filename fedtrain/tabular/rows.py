"""Rows given for prediction, as JSON or numpy has them, lined up with the features of a model."""

from __future__ import annotations

import difflib
import numbers
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from fedtrain.spec.model_spec import NUMERIC, DataProps, Feature
from fedtrain.tabular.errors import BadRow
from fedtrain.tabular.reading.marks import NumberMarks
from fedtrain.tabular.reading.read import TableBatch


def row_batch(rows: Sequence[object] | NDArray[np.float64], props: DataProps) -> TableBatch:
    """Rows as a batch of the features' columns: rows count from 1.

    Raises BadRow, which names the row, for a wrong length, an unknown field, or a value that is no scalar.
    """
    if isinstance(rows, np.ndarray):
        if rows.ndim != 2 or rows.shape[1] != len(props.features):
            message = f"the array is {rows.shape}, (rows, {len(props.features)}) is expected"
            raise BadRow("row-malformed", message)
        if rows.dtype.kind in "fiu":
            columns = [np.ascontiguousarray(rows[:, index], dtype=np.float64) for index in range(rows.shape[1])]
            return TableBatch(tuple(pa.array(column) for column in columns), len(rows), 1)
        rows = rows.tolist()
    if isinstance(rows, str | bytes) or not isinstance(rows, Sequence):
        raise BadRow("row-malformed", f"a list of rows is expected, this is a {type(rows).__name__}")
    lined_up = [_values(row, number, props) for number, row in enumerate(rows, start=1)]
    marks = _marks(props)
    arrays = tuple(
        pa.array(
            [_text(row[index], number, feature, marks) for number, row in enumerate(lined_up, start=1)], pa.string()
        )
        for index, feature in enumerate(props.features)
    )
    return TableBatch(arrays, len(lined_up), 1, (marks,) * len(arrays))


def _marks(props: DataProps) -> NumberMarks:
    """A row has no column to show its marks: without declared ones a text has a point, and no thousands."""
    marks = NumberMarks(props.decimal, props.thousands if props.decimal or props.thousands else "")
    marks.decimal = marks.decimal or "."
    return marks


def _values(row: object, number: int, props: DataProps) -> Sequence[object]:
    if isinstance(row, Mapping):
        return _from_object(row, number, props)
    if isinstance(row, np.ndarray):
        row = row.tolist()
    if isinstance(row, str | bytes) or not isinstance(row, Sequence):
        message = f"row {number} is a {type(row).__name__}; an object or a list is expected"
        raise BadRow("row-malformed", message, rows=(number,))
    if len(row) != len(props.features):
        message = f"row {number} has {len(row)} values; the model has {len(props.features)} features"
        raise BadRow("row-malformed", message, rows=(number,))
    return row


def _from_object(row: Mapping[Any, object], number: int, props: DataProps) -> Sequence[object]:
    values = {str(key).strip(): value for key, value in row.items()}
    keys = [_keys(feature) for feature in props.features]
    known = {key for names in keys for key in names} | {key for target in props.all_targets for key in _keys(target)}
    for key in values:
        if key not in known:
            names = [names[0] for names in keys]
            near = difflib.get_close_matches(key, names, n=3) or names[:20]
            message = f"row {number}: {key!r} is no feature of the model; there is {', '.join(map(repr, near))}"
            raise BadRow("unknown-field", message, column=key, rows=(number,))
    return [next((values[key] for key in names if key in values), None) for names in keys]


def _keys(column: Any) -> tuple[str, ...]:
    """Return what an object may call a column."""
    return (column.name.strip(),) if column.name is not None else (str(column.col_idx), column.label)


def _text(value: object, number: int, feature: Feature, marks: NumberMarks) -> str | None:
    """A scalar as text that reads back as exactly the same number, with its decimal mark."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool | np.bool_):
        return str(bool(value))
    if isinstance(value, numbers.Integral):
        return str(int(value))
    if isinstance(value, numbers.Real):
        text = repr(float(value))
        return text.replace(".", ",") if marks.decimal == "," and feature.type in NUMERIC else text
    message = f"{feature.label}: row {number} holds a {type(value).__name__}; a number or text is expected"
    raise BadRow("row-malformed", message, column=feature.label, rows=(number,))
