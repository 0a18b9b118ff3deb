"""A column of lists or of images, looked at for the draft of a schema."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from fedtrain.spec.columns import MAX_WIDTH, check_range
from fedtrain.tabular.arrays.faults import nulls
from fedtrain.tabular.reading.marks import NumberMarks

_Rounding = Callable[[float, float], tuple[float, float]]
_MOST_AXES: Final = 4


def holds_arrays(kind: Any) -> bool:
    """Say whether a pyarrow type is one of lists or of bytes."""
    return bool(pa.types.is_nested(kind) or pa.types.is_binary(kind) or pa.types.is_large_binary(kind))


class ArraySketch:
    """One such column, as far as it has been read. `shape`: of all values so far."""

    faults: dict[str, str] = {}  # noqa: RUF012 - no number of it reads in two ways

    def __init__(self) -> None:
        self.values = self.missing = 0
        self._why: str | None = None
        self._shape: tuple[int, ...] | None = None
        self._image = False
        self._low, self._high = np.inf, -np.inf

    def add(self, array: Any, _marks: NumberMarks, first_row: int) -> None:
        """Take in a batch; what is wrong with it is said once, in words."""
        missing = nulls(array)
        self.missing += int(missing.sum())
        self.values += len(array) - int(missing.sum())
        present = array.filter(pa.array(~missing)) if missing.any() else array
        if self._why is None and len(present):
            try:
                self._look_at(present)
            except _UnusableError as error:
                self._why = f"{error}, from record {first_row} on"

    def unusable(self, rounded: _Rounding) -> str | None:
        """Return the reason why this column cannot be in a schema, None where it can."""
        if not self.values:
            return "no record has a value"
        if self._why is None and not self._image:
            if self._low == self._high:
                return "its lists hold one number only"
            try:
                check_range(rounded(self._low, self._high))
            except (ValueError, OverflowError):
                return "its numbers are too far apart, or too close together, for a range"
        return self._why

    def declaration(self, rounded: _Rounding) -> dict[str, Any]:
        """This column's part of the schema, after all batches, if it is usable."""
        ends = [0.0, 255.0] if self._image else list(rounded(self._low, self._high))
        kind = "image" if self._image else "vector"
        missing = {"missing": "drop"} if self.missing else {}
        return {"type": kind, "shape": list(self._shape or ()), "range": ends, **missing}

    def _look_at(self, array: Any) -> None:
        if not pa.types.is_nested(array.type):
            self._image = True
            for cell in array.to_pylist():
                self._has(_image_shape(cell), "its images have different sizes")
            return
        shape: tuple[int, ...] = ()
        while pa.types.is_nested(array.type):
            if pa.types.is_struct(array.type) or pa.types.is_map(array.type) or pa.types.is_union(array.type):
                raise _UnusableError(f"it holds values of type {array.type}")
            lengths = pc.unique(pc.list_value_length(array)).to_pylist()
            if len(lengths) != 1 or lengths[0] is None:
                raise _UnusableError("its lists have different lengths")
            shape, array = (*shape, int(lengths[0])), pc.list_flatten(array)
        if not (pa.types.is_integer(array.type) or pa.types.is_floating(array.type) or pa.types.is_boolean(array.type)):
            raise _UnusableError(f"its lists hold values of type {array.type}, and no numbers")
        if len(shape) > _MOST_AXES or not 0 < np.prod(shape, dtype=object) <= MAX_WIDTH:
            raise _UnusableError(f"its lists have the shape {list(shape)}, beyond what a record may have")
        self._has(shape, "its lists have different lengths")
        if pa.types.is_boolean(array.type):
            array = array.cast(pa.int8())
        numbers = array.cast(pa.float64(), safe=False).fill_null(np.nan).to_numpy(zero_copy_only=False)
        if not np.isfinite(numbers).all():
            raise _UnusableError("its lists hold numbers that are missing or not finite")
        self._low, self._high = min(self._low, float(numbers.min())), max(self._high, float(numbers.max()))

    def _has(self, shape: tuple[int, ...], otherwise: str) -> None:
        if self._shape not in (None, shape):
            raise _UnusableError(otherwise)
        self._shape = shape


class _UnusableError(Exception):
    pass


def _image_shape(content: bytes) -> tuple[int, ...]:
    """(channels, height, width), of the header alone."""
    try:
        from PIL import Image
    except ImportError:
        raise _UnusableError("images are read by Pillow, which comes with the extra `images`") from None
    try:
        with Image.open(io.BytesIO(content), formats=("PNG", "JPEG")) as image:
            (width, height), channels = image.size, 1 if image.mode in ("1", "L") else 3
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise _UnusableError("it holds bytes that are no PNG or JPEG images") from None
    if channels * height * width > MAX_WIDTH:
        raise _UnusableError(f"its images have {width} × {height} pixels, beyond what a record may have")
    return channels, height, width
