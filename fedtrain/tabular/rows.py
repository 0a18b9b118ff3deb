"""Rows given for prediction, as JSON or numpy has them, lined up with the features of a model.

A vector is a list of numbers, flat or of its shape; an image the base64 of its PNG or JPEG file.
"""

from __future__ import annotations

import base64
import binascii
import difflib
import numbers
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from fedtrain.spec.model_spec import ARRAYS, NUMERIC, DataProps, Feature, FeatureType
from fedtrain.tabular.errors import BadRow
from fedtrain.tabular.reading.marks import NumberMarks
from fedtrain.tabular.reading.read import TableBatch


def row_batch(rows: Sequence[object] | NDArray[np.float64], props: DataProps) -> TableBatch:
    """Rows as a batch of the features' columns: rows count from 1.

    Raises BadRow, which names the row, for a wrong length, an unknown field, or a value that is no scalar.
    """
    if isinstance(rows, np.ndarray) and not any(feature.type in ARRAYS for feature in props.features):
        if rows.ndim != 2 or rows.shape[1] != len(props.features):
            message = f"the array is {rows.shape}, (rows, {len(props.features)}) is expected"
            raise BadRow("row-malformed", message)
        if rows.dtype.kind in "fiu":
            columns = [np.ascontiguousarray(rows[:, index], dtype=np.float64) for index in range(rows.shape[1])]
            return TableBatch(tuple(pa.array(column) for column in columns), len(rows), 1)
    if isinstance(rows, np.ndarray):
        rows = rows.tolist()
    if isinstance(rows, str | bytes) or not isinstance(rows, Sequence):
        raise BadRow("row-malformed", f"a list of rows is expected, this is a {type(rows).__name__}")
    lined_up = [_values(row, number, props) for number, row in enumerate(rows, start=1)]
    marks = _marks(props)
    arrays = tuple(
        _column([row[index] for row in lined_up], feature, marks) for index, feature in enumerate(props.features)
    )
    return TableBatch(arrays, len(lined_up), 1, (marks,) * len(arrays))


def _column(values: Sequence[object], feature: Feature, marks: NumberMarks) -> Any:
    if feature.type is FeatureType.VECTOR:
        return _vectors(values, feature)
    if feature.type is FeatureType.IMAGE:
        return pa.array([_file(value, number, feature) for number, value in enumerate(values, 1)], pa.binary())
    return pa.array([_text(value, number, feature, marks) for number, value in enumerate(values, 1)], pa.string())


def _vectors(values: Sequence[object], feature: Feature) -> Any:
    """An array of flat lists: what has the vector's shape is flattened, and anything else refused."""
    flat: list[NDArray[np.float64] | None] = []
    for number, value in enumerate(values, start=1):
        if value is None:
            flat.append(None)
            continue
        try:
            found = np.asarray(value, dtype=np.float64)
        except (TypeError, ValueError):
            found = None
        if found is None or isinstance(value, str) or found.shape not in (feature.array_shape, (feature.width,)):
            is_list = isinstance(value, list | tuple | np.ndarray)
            given = "a list of other lengths, or of other things" if is_list else f"a {type(value).__name__}"
            expected = f"a list of {feature.width} numbers, or one of shape {list(feature.array_shape)}, is expected"
            message = f"{feature.label}: row {number} holds {given}; {expected}"
            raise BadRow("row-malformed", message, column=feature.label, rows=(number,))
        flat.append(found.ravel())
    return pa.array(flat, pa.list_(pa.float64()))


def _file(value: object, number: int, feature: Feature) -> bytes | None:
    if value is None or isinstance(value, bytes):
        return value
    try:
        return base64.b64decode(value if isinstance(value, str) else b"?", validate=True)
    except (binascii.Error, ValueError):
        message = f"{feature.label}: row {number} is not the base64 of a PNG or JPEG file"
        raise BadRow("row-malformed", message, column=feature.label, rows=(number,)) from None


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
