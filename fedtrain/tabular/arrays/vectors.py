"""Lists of numbers, or of whole-number ids, as Parquet and JSON have them: flat, or nested as deep as their shape."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from fedtrain.spec.model_spec import Feature
from fedtrain.tabular.arrays.faults import ArrayFault, ArrayValues, nulls, wrong_type
from fedtrain.tabular.reading.convert import Floats, Mask

_LISTS = (pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list)
_NUMBERS = (pa.types.is_floating, pa.types.is_integer, pa.types.is_boolean, pa.types.is_decimal)


def read_vectors(array: Any, feature: Feature) -> ArrayValues:
    """(rows, width) float64 of a pyarrow array of lists; ids are whole numbers below `vocabulary`."""
    shape, width = feature.array_shape, feature.width
    expected = f"a list of {width} numbers is expected"
    if len(shape) > 1:
        expected += f", or lists within each other of shape {list(shape)}"
    depth, leaf = 0, array.type
    while _is_list(leaf):
        depth, leaf = depth + 1, leaf.value_type
    if depth not in (1, len(shape)) or not any(is_number(leaf) for is_number in _NUMBERS):
        return wrong_type(array, width, f"{expected}; Parquet has lists, and NumPy files have arrays")
    missing = nulls(array)
    # Of lists of fixed size within each other, cut out of a longer array, pyarrow filters others than it is asked for.
    plain = pa.float64()
    for _ in range(depth):
        plain = pa.list_(plain)
    array = pc.cast(array, plain, safe=False)
    right = ~missing
    fits, leaves = _leaves(array.filter(pa.array(right)), shape if depth > 1 else (width,))
    right[right] = fits
    values: Floats = np.zeros((len(array), width))
    values[right] = leaves.reshape(-1, width)
    faults = []
    wrong: Mask = ~right & ~missing
    if wrong.any():
        faults.append(ArrayFault("wrong-shape", wrong, _length(array[int(np.argmax(wrong))]), expected))
    faults += _bad_numbers(values, feature)
    return ArrayValues(values, missing, tuple(faults))


def _bad_numbers(values: Floats, feature: Feature) -> list[ArrayFault]:
    finite = np.isfinite(values)
    if feature.vocabulary is None:
        code, right = "value-not-finite", finite
        expected = "every one of its numbers must be finite"
    else:
        code, last = "id-not-in-vocabulary", feature.vocabulary - 1
        right = finite & (values >= 0) & (values <= last) & (np.rint(values) == values)
        expected = f"ids are whole numbers from 0 to {last}, by its vocabulary of {feature.vocabulary}"
    if right.all():
        return []
    rows: Mask = np.logical_or.reduce(~right, axis=1)
    first = int(np.argmax(rows))
    place = int(np.argmin(right[first]))
    return [ArrayFault(code, rows, f"{values[first, place]:g} at place {place}, counted from 0", expected)]


def _is_list(kind: Any) -> bool:
    return any(is_list(kind) for is_list in _LISTS)


def _leaves(array: Any, shape: Sequence[int]) -> tuple[Mask, Floats]:
    """(rows,) which lists, of an array without nulls, have that shape, and all numbers of those; NaN for none."""
    lengths = pc.fill_null(pc.list_value_length(array), -1).to_numpy(zero_copy_only=False)
    right: Mask = lengths == shape[0]
    kept = array if right.all() else array.filter(pa.array(right))
    if len(shape) == 1:
        return right, _floats(pc.list_flatten(kept))
    inner, leaves = _leaves(pc.list_flatten(kept), shape[1:])
    if not inner.all():
        whole = inner.reshape(-1, shape[0]).all(axis=1)
        right[right] = whole
        _, leaves = _leaves(pc.list_flatten(kept.filter(pa.array(whole))), shape[1:])
    return right, leaves


def _floats(array: Any) -> Floats:
    values: Floats = pc.fill_null(array, float("nan")).to_numpy(zero_copy_only=False)
    return values


def _length(cell: Any) -> str:
    value = cell.as_py()
    lengths = []
    while isinstance(value, list):
        lengths.append(str(len(value)))
        value = value[0] if value else None
    return f"a list of {' × '.join(lengths)}{' and of other lengths' if len(lengths) > 1 else ' numbers'}"
