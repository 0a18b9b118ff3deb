"""One codec a declared column: reads the column's array, and says which values do not fit its declaration.

A codec knows the column's place in the design matrix: `names`, and for each of them the `centre` and
`half_width` of x' = (x − centre) / half_width, and `bounds`, the largest |x'| there can be. `exact_centre` and
`exact_half_width` are what those round; `rounding` is how far a double can be from the number that it stands for, in
the units of x'.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Any

import numpy as np

from fedtrain.spec.model_spec import ARRAYS, NUMERIC, Column, Feature, FeatureType, Target, category_text
from fedtrain.tabular.arrays.codec import ArrayCodec
from fedtrain.tabular.findings import TARGET_OUT_OF_RANGE, Finding, Reading, Scaling, finding, missing_advice
from fedtrain.tabular.pairs import Affine
from fedtrain.tabular.reading.convert import MISSING, UNKNOWN, Floats, Ints, Mask, to_codes, to_numbers
from fedtrain.tabular.reading.marks import NumberMarks


class NumericCodec:
    """A continuous or discrete feature, or a regression target."""

    def __init__(self, column: Column, names: tuple[str, ...], scaling: Scaling, outside: str | None) -> None:
        """`outside` is the error code for values outside the range, None where they are clipped instead."""
        if column.range is None:
            raise ValueError(f"{column.label}: a numeric column needs a range")
        self.column = column
        self.label = column.label
        self.names = names
        self.low, self.high = (float(end) for end in column.range)
        self.outside = outside
        half_width = (self.high - self.low) / 2
        is_target = isinstance(column, Target)
        self.centre: Floats = np.array([0.0 if is_target or scaling == "none" else self.low + half_width])
        self.half_width: Floats = np.array([half_width if is_target or scaling == "range" else 1.0])
        centred = self.centred(scaling)
        self._scale = Affine(self.low, self.high, centred) if centred or is_target else None
        low_end, high_end = Fraction(self.low), Fraction(self.high)
        self.exact_centre = (low_end + high_end) / 2 if centred else Fraction(0)
        self.exact_half_width = (high_end - low_end) / 2 if self._scale is not None else Fraction(1)
        largest = Fraction(max(abs(self.low), abs(self.high)))
        self.rounding = float(largest / self.exact_half_width / (1 << 53))
        ends: Floats = np.empty((1, 2))
        self.write(np.array([self.low, self.high]), ends)
        self.bounds: Floats = np.abs(ends).max(axis=1)

    def centred(self, scaling: Scaling) -> bool:
        return scaling == "range" and not isinstance(self.column, Target)

    def read(self, array: Any, marks: NumberMarks) -> Reading:
        values, faults = to_numbers(array, marks)
        # NaN fails both comparisons, so that this line lets through only columns with nothing to say about.
        if not faults and len(values) and self.low <= values.min() and values.max() <= self.high:
            return Reading(values)
        findings = [self._finding(fault.code, fault.rows, array, fault.expected) for fault in faults]
        missing = np.isnan(values)
        for fault in faults:
            missing &= ~fault.rows
        infinite = np.isinf(values)
        if infinite.any():
            findings.append(self._finding("value-not-finite", infinite, array, "a finite number is expected"))
        low, high = values < self.low, values > self.high
        outside = (low | high) & ~infinite
        if self.outside is not None and outside.any():
            expected = f"the declared range is [{self.low:g}, {self.high:g}]"
            findings.append(self._finding(self.outside, outside, array, expected))
        dropped: Mask | None = None
        imputed: Mask | None = None
        count = int(missing.sum())
        if count:
            if self.column.missing == "error":
                findings.append(self._finding("missing-values", missing, array, missing_advice(self.column)))
            elif self.column.missing == "drop":
                dropped = missing
            else:
                imputed = missing
                values = np.where(missing, float(self.column.missing), values)
        return Reading(values, dropped, low, high, count, tuple(findings), imputed)

    def write(self, values: Floats | Ints, out: Floats, rest: Floats | None = None) -> None:
        """Fill `out` (1, rows) with the scaled values, clipped to the range, and `rest` with what rounding took."""
        if self._scale is None:
            np.clip(values, self.low, self.high, out=out[0])
        else:
            self._scale.write(np.asarray(values, dtype=np.float64), out[0], None if rest is None else rest[0])

    def _finding(self, code: str, rows: Mask, array: Any, expected: str) -> Finding:
        return finding(code, self.label, rows, array, expected)


class CategoryCodec:
    """An ordinal or nominal feature, or a classification target."""

    def __init__(self, column: Column, names: tuple[str, ...], scaling: Scaling) -> None:
        self.column = column
        self.label = column.label
        self.names = names
        self.texts = column.category_texts
        self.lookup: Mapping[str, int] = {text: code for code, text in enumerate(self.texts)}
        self.ordinal = isinstance(column, Feature) and column.type is FeatureType.ORDINAL
        half = (len(self.texts) - 1) / 2
        scaled_rank = self.ordinal and scaling == "range"
        self.centre: Floats = np.full(len(names), half if scaled_rank else 0.0)
        self.half_width: Floats = np.full(len(names), half if scaled_rank else 1.0)
        self.bounds: Floats = np.full(len(names), 2 * half if self.ordinal and not scaled_rank else 1.0)
        self._scale = Affine(0.0, 2 * half, centred=True) if scaled_rank else None
        ranks = Fraction(len(self.texts) - 1, 2)
        self.exact_centre = ranks if scaled_rank else Fraction(0)
        self.exact_half_width = ranks if scaled_rank else Fraction(1)
        self.rounding = 0.0

    def read(self, array: Any, marks: NumberMarks) -> Reading:
        codes = to_codes(array, self.lookup, marks)
        if len(codes) == 0 or codes.min() >= 0:
            return Reading(codes)
        findings = []
        unknown, missing = codes == UNKNOWN, codes == MISSING
        if unknown.any():
            some = ", ".join(self.texts[:10]) + (", …" if len(self.texts) > 10 else "")
            expected = f"the declared categories are {some}"
            findings.append(finding("unknown-category", self.label, unknown, array, expected))
        dropped: Mask | None = None
        imputed: Mask | None = None
        count = int(missing.sum())
        if count:
            if self.column.missing == "error":
                findings.append(finding("missing-values", self.label, missing, array, missing_advice(self.column)))
            elif self.column.missing == "drop":
                dropped = missing
            else:
                imputed = missing
                codes = np.where(missing, self.lookup[category_text(self.column.missing)], codes)
        return Reading(codes, dropped, missing=count, findings=tuple(findings), imputed=imputed)

    def write(self, values: Floats | Ints, out: Floats, rest: Floats | None = None) -> None:
        """Fill `out` (width, rows): the rank, or for each category that has a line whether it is this one.

        `rest` takes what rounding took off a scaled rank.
        """
        if self.ordinal:
            if self._scale is None:
                out[0] = values
            else:
                self._scale.write(np.asarray(values, dtype=np.float64), out[0], None if rest is None else rest[0])
            return
        skipped = len(self.texts) - len(out)
        for line in range(len(out)):
            np.equal(values, line + skipped, out=out[line], casting="unsafe")


Codec = NumericCodec | CategoryCodec | ArrayCodec


def feature_codec(feature: Feature, scaling: Scaling) -> Codec:
    """The codec of one input column."""
    if feature.type in ARRAYS:
        return ArrayCodec(feature, scaling)
    if feature.type in NUMERIC:
        outside = "value-out-of-range" if scaling == "none" else None
        return NumericCodec(feature, (feature.label,), scaling, outside)
    if feature.type is FeatureType.ORDINAL:
        return CategoryCodec(feature, (feature.label,), scaling)
    return CategoryCodec(feature, tuple(f"{feature.label}={text}" for text in feature.category_texts[1:]), scaling)


def target_codec(target: Target, scaling: Scaling) -> NumericCodec | CategoryCodec:
    """The codec of a target: for two classes one line, the second being 1; for more, a line a class."""
    if target.categories is None:
        return NumericCodec(target, (target.label,), scaling, TARGET_OUT_OF_RANGE)
    texts = target.category_texts
    return CategoryCodec(target, texts[1:] if len(texts) == 2 else texts, scaling)
