"""The codec of a feature whose every value is an array of numbers: a vector, a text, an image."""

from __future__ import annotations

import hashlib
from fractions import Fraction
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from fedtrain.spec.model_spec import Feature, FeatureType
from fedtrain.tabular.arrays.faults import ArrayFault, nulls
from fedtrain.tabular.arrays.images import read_images
from fedtrain.tabular.arrays.texts import read_texts
from fedtrain.tabular.arrays.vectors import read_vectors
from fedtrain.tabular.findings import Finding, Reading, Scaling
from fedtrain.tabular.reading.convert import Floats, Mask
from fedtrain.tabular.reading.marks import NumberMarks

_READERS: Final = {
    FeatureType.VECTOR: read_vectors,
    FeatureType.TEXT: read_texts,
    FeatureType.IMAGE: read_images,
}


class ArrayCodec:
    """Reads arrays, and writes them as so many lines of a design matrix. Ids are written as they are.

    What `fedtrain.tabular.columns` says of codecs holds for each of the lines.
    """

    def __init__(self, column: Feature, scaling: Scaling) -> None:
        self.column = column
        self.label = column.label
        width = column.width
        self.names = tuple(f"{column.label}[{place}]" for place in range(width))
        self._scaled = column.range is not None and scaling == "range"
        self._outside = None if self._scaled else "value-out-of-range"
        low, high = column.range or (0.0, float((column.vocabulary or 1) - 1))
        self.low, self.high = float(low), float(high)
        half = (self.high - self.low) / 2
        self._centre, self._half_width = (self.low + half, half) if self._scaled else (0.0, 1.0)
        self.centre: Floats = np.full(width, self._centre)
        self.half_width: Floats = np.full(width, self._half_width)
        self.bounds: Floats = np.full(width, 1.0 if self._scaled else max(abs(self.low), abs(self.high), 1.0))
        self.exact_centre, self.exact_half_width = Fraction(self._centre), Fraction(self._half_width)
        self.rounding = 0.0

    @property
    def holds_ids(self) -> bool:
        """True where the numbers are whole ones that stand for words or categories."""
        return self.column.vocabulary is not None

    def read(self, array: Any, _marks: NumberMarks) -> Reading:
        """`values` are (rows, width). `low`, `high`: records of which any number is beyond the range."""
        found = _READERS[self.column.type](array, self.column)
        findings = [self._finding(fault) for fault in found.faults]
        low: Mask | None = None
        high: Mask | None = None
        if not self.holds_ids and not findings:
            below, above = found.numbers < self.low, found.numbers > self.high
            low, high = _any(below, found.missing), _any(above, found.missing)
            outside: Mask = low | high
            if self._outside is not None and outside.any():
                first = int(np.argmax(outside))
                example = f"{found.numbers[first][(below | above)[first]][0]:g} among its numbers"
                expected = f"the declared range is [{self.low:g}, {self.high:g}]"
                findings.append(self._finding(ArrayFault(self._outside, outside, example, expected)))
        count = int(found.missing.sum())
        dropped: Mask | None = None
        if count and self.column.missing == "drop":
            dropped = found.missing
        elif count:
            advice = 'set "missing" to "drop" in its declaration to leave such records out, or complete the data'
            findings.append(self._finding(ArrayFault("missing-values", found.missing, "no value", advice)))
        return Reading(found.numbers, dropped, low, high, count, tuple(findings))

    def _finding(self, fault: ArrayFault) -> Finding:
        count, first = int(fault.rows.sum()), int(np.argmax(fault.rows))
        return Finding(fault.code, self.label, count, first, fault.example, fault.expected, fault.rows)

    def lacking(self, array: Any) -> Mask:
        """(rows,) which values are missing, without reading the others."""
        if self.column.type is FeatureType.TEXT:
            return read_texts(array, self.column).missing
        return nulls(array)

    def write(self, values: NDArray[Any], out: Floats, rest: Floats | None = None) -> None:  # noqa: ARG002
        """Fill `out` (width, rows) with the scaled numbers, clipped to the range, or with the ids."""
        if not self._scaled:
            out[...] = values.T
            return
        np.subtract(values.T, self._centre, out=out)
        out /= self._half_width
        np.clip(out, -1.0, 1.0, out=out)

    def hashes(self, array: Any, values: NDArray[Any]) -> NDArray[np.uint64]:
        """(rows,) 8 bytes of a hash of each value's content: a text's words and an image's file, a vector's numbers."""
        if self.column.type is FeatureType.VECTOR:
            contents = ((row + 0.0).tobytes() for row in np.ascontiguousarray(values, dtype=np.float64))
        else:
            contents = (_bytes(cell) for cell in array.to_pylist())
        digests = b"".join(hashlib.sha256(content).digest()[:8] for content in contents)
        return np.frombuffer(digests, dtype=">u8").astype(np.uint64)


def _any(numbers: NDArray[np.bool_], missing: Mask) -> Mask:
    rows: Mask = numbers.any(axis=1) & ~missing
    return rows


def _bytes(value: str | bytes | None) -> bytes:
    return value.encode() if isinstance(value, str) else value or b""
