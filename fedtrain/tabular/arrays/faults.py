"""Values of a column of arrays that are none as declared."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from fedtrain.tabular.reading.convert import Mask


@dataclass(frozen=True)
class ArrayFault:
    """Faulty values of one kind. `rows`: (rows,) mask with at least one set; `example`: the first one, in words."""

    code: str
    rows: Mask
    example: str
    expected: str


@dataclass(frozen=True)
class ArrayValues:
    """One column of one batch: (rows, width) raw numbers, zeros where a value is missing or at fault."""

    numbers: NDArray[Any]
    missing: Mask
    faults: tuple[ArrayFault, ...] = ()


def wrong_type(array: Any, width: int, expected: str) -> ArrayValues:
    """A column whose type cannot hold such values at all: each that is there is at fault."""
    missing = nulls(array)
    numbers = np.zeros((len(array), width))
    if missing.all():
        return ArrayValues(numbers, missing)
    return ArrayValues(numbers, missing, (ArrayFault("wrong-type", ~missing, f"a {array.type}", expected),))


def nulls(array: Any) -> Mask:
    """(rows,) which values are not there."""
    if pa.types.is_null(array.type):
        return np.ones(len(array), dtype=bool)
    mask: Mask = array.is_null().to_numpy(zero_copy_only=False)
    return mask
