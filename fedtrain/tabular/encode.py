"""From records to the design matrix X and the targets Y, as the declared encoding says and nothing else.

Nothing is learned from the data: ranges and categories are the declaration's, so that every party that
reads the same declaration gives the same row the same numbers.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

import numpy as np

from fedtrain.spec.model_spec import Column, DataProps, ModelSpec, ModelType
from fedtrain.spec.model_types import MODEL_KINDS
from fedtrain.tabular.columns import Codec, feature_codec, target_codec
from fedtrain.tabular.errors import BadValues, UnreadableTable
from fedtrain.tabular.findings import Reading, Scaling
from fedtrain.tabular.reading.convert import Floats, Ints, Mask
from fedtrain.tabular.reading.read import TableBatch
from fedtrain.tabular.rows import row_batch

INTERCEPT: Final = "intercept"


@dataclass(frozen=True)
class EncodedBatch:
    """Consecutive records, encoded.

    X: (rows, d) float64, the last column ones, but for networks; its transpose is contiguous.
    Y: (rows, k) float64; (rows, 0) where there were no targets to read.
    weights: (rows,) float64 in [0, 1], what each row counts; None where the model type gives all the same.
    X_rest, Y_rest: what rounding to doubles took off X and Y, to some 2^−100; None for rows that are to be predicted.
    records: (rows,) int64, the number of each record in the table, from 1; those left out are missing from it.
    clipped_low, clipped_high: per column, how many of these rows were below, above the declared range.
    categories: per column with categories, how many of these rows hold each, in declared order.
    dropped: records left out because a value is missing.
    imputed: (rows, d) bool, where X has a declared constant in place of a missing value; None where nowhere.
    """

    X: Floats
    Y: Floats
    records: Ints
    clipped_low: dict[str, int]
    clipped_high: dict[str, int]
    categories: dict[str, Ints]
    dropped: int
    weights: Floats | None = None
    X_rest: Floats | None = None
    Y_rest: Floats | None = None
    imputed: Mask | None = None


class Encoder:
    """Encodes the records of one table as one declaration says.

    Attributes:
        columns: the declared columns in the order that `encode` takes them: features, then targets.
        dimensions: d, the columns of X, the intercept included where there is one. outputs: k, the columns of Y.
        names: d names, such as "bmi", "colour=red", "intercept". output_names: k names.
        feature_bounds: (d,) float64, the largest |x| after scaling. target_bound: the largest |y| after scaling.
        centre, half_width: (d,) float64, x = (raw − centre) / half_width. target_half_width: (k,) float64.
        exact_centre, exact_half_width, exact_target_half_width: the same as exact rationals, which those round.
        target_centres: (k,) the middle of each target's range in units of its half width, ½ of one with categories.
        roundings: (d,), target_roundings: (k,), how far a double can be from the number it stands for, scaled.
    """

    def __init__(self, props: DataProps, model_type: ModelType, scaling: Scaling = "range") -> None:
        self._kind = MODEL_KINDS[model_type]
        self._kind.check_targets(props.all_targets)
        self._kind.check_features(props.features)
        # A network has biases of its own, and no column of ones.
        ones = 0 if self._kind.has_network else 1
        self.props = props
        self.features: tuple[Codec, ...] = tuple(feature_codec(feature, scaling) for feature in props.features)
        self.targets: tuple[Codec, ...] = tuple(target_codec(target, scaling) for target in props.all_targets)
        self.columns: tuple[Column, ...] = props.columns
        self.names = (*(name for codec in self.features for name in codec.names), *[INTERCEPT] * ones)
        fitted = self.targets[: len(self._kind.fitted(props.all_targets))]
        self._other_bounds: Floats = np.array([codec.bounds[0] for codec in self.targets[len(fitted) :]])
        self.output_names = tuple(name for codec in fitted for name in codec.names)
        self.dimensions, self.outputs = len(self.names), len(self.output_names)
        self.feature_bounds: Floats = np.concatenate([*(codec.bounds for codec in self.features), [1.0] * ones])
        self.target_bound = float(max((codec.bounds.max() for codec in fitted), default=1.0))
        self.centre: Floats = np.concatenate([*(codec.centre for codec in self.features), [0.0] * ones])
        self.half_width: Floats = np.concatenate([*(codec.half_width for codec in self.features), [1.0] * ones])
        self.target_half_width: Floats = np.concatenate([np.empty(0), *(codec.half_width for codec in fitted)])
        self.target_centres: Floats = np.array([_middle(codec) for codec in fitted for _ in codec.names])
        self.exact_centre = (*_each(self.features, "exact_centre"), *[Fraction(0)] * ones)
        self.exact_half_width = (*_each(self.features, "exact_half_width"), *[Fraction(1)] * ones)
        self.exact_target_half_width = _each(fitted, "exact_half_width")
        self.roundings = (*(codec.rounding for codec in self.features for _ in codec.names), *[0.0] * ones)
        self.target_roundings = tuple(codec.rounding for codec in fitted for _ in codec.names)

    @classmethod
    def of_spec(cls, spec: ModelSpec) -> Encoder:
        """The encoder that a model spec declares."""
        return cls(spec.data_props, spec.model_type, spec.training.scaling)

    def encode(self, batch: TableBatch, *, leaves_out: bool = False) -> EncodedBatch:
        """Encode a batch of `columns`. Raises BadValues for the first column that does not fit its declaration.

        `leaves_out`: nothing is raised, records with such a value are left out, and targets out of range clipped.
        """
        codecs = (*self.features, *self.targets)
        if len(batch.arrays) != len(codecs):
            raise ValueError(f"the batch has {len(batch.arrays)} columns, the encoder takes {len(codecs)}")
        return self._encode(batch, codecs, exact=not self._kind.has_network, leaves_out=leaves_out)

    def encode_all(self, batches: Iterable[TableBatch], *, leaves_out: bool = False) -> Iterator[EncodedBatch]:
        """Encode batch by batch, as `encode`. Raises UnreadableTable ("no-rows") where not one record is left."""
        rows = dropped = 0
        for batch in batches:
            encoded = self.encode(batch, leaves_out=leaves_out)
            rows, dropped = rows + len(encoded.X), dropped + encoded.dropped
            yield encoded
        refuse_no_rows(rows, dropped)

    def encode_features(self, rows: Sequence[object] | Floats) -> EncodedBatch:
        """Encode rows for prediction, without targets: Y is (rows, 0), and no row is ever dropped.

        `rows` is a list of objects (keys are column names, or positions for columns given by col_idx; targets among
        them are ignored), a list of lists in feature order, or a (rows, features) float array. Values outside a
        declared range are clipped with scaling "range". Raises BadRow, and BadValues also for a missing value
        unless the declaration has a constant for it.
        """
        return self.encode_feature_batch(row_batch(rows, self.props))

    def encode_feature_batch(self, batch: TableBatch) -> EncodedBatch:
        """`encode_features` for a batch of `props.features` of a table."""
        encoded = self._encode(batch, self.features)
        if encoded.dropped:
            raise self._missing_in_row(batch)
        return encoded

    def unscale(self, weights: Floats) -> Floats:
        """Weights (d, k) of scaled features as coefficients (d, k) of raw ones, the intercept's row last.

        y_raw = Σ_j x_raw[j]·coefficients[j] + coefficients[d−1], for features within their ranges; an ordinal
        feature counts by its rank, from 0. For classes the result is in units of the linear predictor.
        """
        if weights.shape != (self.dimensions, self.outputs):
            raise ValueError(f"weights are {weights.shape}, ({self.dimensions}, {self.outputs}) is expected")
        slopes = weights / self.half_width[:, None]
        # The intercept's own centre is 0, so its slope is taken over as it is.
        slopes[-1] -= self.centre[:-1] @ slopes[:-1]
        return slopes * self.target_half_width

    def _encode(
        self, batch: TableBatch, codecs: Sequence[Codec], *, exact: bool = False, leaves_out: bool = False
    ) -> EncodedBatch:
        readings = [codec.read(*cells) for codec, cells in zip(codecs, batch.cells, strict=True)]
        if not leaves_out:
            refuse_findings(readings, batch.first_row)
        keep = kept_rows(readings, leaves_out=leaves_out)
        if batch.counted is not None:
            keep = batch.counted if keep is None else keep & batch.counted
        ones = self.dimensions - sum(len(codec.names) for codec in self.features)
        lines: Floats = np.empty((sum(len(codec.names) for codec in codecs) + ones, batch.rows))
        rests: Floats | None = np.zeros_like(lines) if exact else None
        # Features first, then the ones, then targets: as in X and Y.
        place = 0
        for number, (codec, reading) in enumerate(zip(codecs, readings, strict=True)):
            if number == len(self.features):
                place += ones
            here = slice(place, place + len(codec.names))
            codec.write(reading.values, lines[here], None if rests is None else rests[here])
            place += len(codec.names)
        if ones:
            lines[self.dimensions - 1] = 1.0
        records = np.arange(batch.first_row, batch.first_row + batch.rows, dtype=np.int64)
        if keep is not None:
            lines, records = lines[:, keep], records[keep]
            rests = None if rests is None else rests[:, keep]
        X, Y = lines[: self.dimensions].T, lines[self.dimensions :].T
        X_rest, Y_rest = None, None
        if rests is not None:
            X_rest, Y_rest = rests[: self.dimensions].T, rests[self.dimensions : self.dimensions + self.outputs].T
        weights = None
        if Y.shape[1] > self.outputs:
            weights = self._kind.row_weights(Y[:, self.outputs :] / self._other_bounds)
            Y = Y[:, : self.outputs]
        low, high = (tails(codecs, readings, keep, side) for side in ("low", "high"))
        categories = category_counts(codecs, readings, keep)
        dropped = batch.rows - len(records)
        imputed = self._imputed(readings, batch.rows, keep)
        return EncodedBatch(X, Y, records, low, high, categories, dropped, weights, X_rest, Y_rest, imputed)

    def _imputed(self, readings: Sequence[Reading], rows: int, keep: Mask | None) -> Mask | None:
        if all(reading.imputed is None for reading in readings[: len(self.features)]):
            return None
        lines: Mask = np.zeros((self.dimensions, rows), dtype=bool)
        place = 0
        for codec, reading in zip(self.features, readings, strict=False):
            if reading.imputed is not None:
                lines[place : place + len(codec.names)] = reading.imputed
            place += len(codec.names)
        return (lines if keep is None else lines[:, keep]).T

    def _missing_in_row(self, batch: TableBatch) -> BadValues:
        for codec, cells in zip(self.features, batch.cells, strict=True):
            dropped = codec.read(*cells).dropped
            if dropped is not None:
                row = batch.first_row + int(np.argmax(dropped))
                message = f"{codec.label}: row {row} has no value, and a prediction needs one"
                return BadValues("missing-values", message, column=codec.label, rows=(row,))
        raise AssertionError("a row was dropped without a column to blame")


def _middle(codec: Codec) -> float:
    if codec.column.range is None:
        return 0.5
    low, high = (Fraction(end) for end in codec.column.range)
    return float((low + high) / (high - low))


def _each(codecs: Sequence[Codec], attribute: str) -> tuple[Fraction, ...]:
    return tuple(getattr(codec, attribute) for codec in codecs for _ in codec.names)


def refuse_no_rows(rows: int, dropped: int) -> None:
    """Raise UnreadableTable ("no-rows") where `rows` is 0: of a table's records, `dropped` lack a value."""
    if rows == 0:
        why = f"all {dropped} records lack a value" if dropped else "the table has no records"
        raise UnreadableTable("no-rows", f"{why}; there is nothing to use")


def refuse_findings(readings: Sequence[Reading], first_row: int) -> None:
    """Raise the first finding; missing values are counted over all columns."""
    findings = [finding for reading in readings for finding in reading.findings]
    if not findings:
        return
    others = [finding for finding in findings if finding.code != "missing-values"]
    if others:
        raise others[0].error(first_row)
    error = findings[0].error(first_row)
    if len(findings) == 1:
        raise error
    counts = ", ".join(f"{finding.column} {finding.count}" for finding in findings)
    message = f"{error.message} (missing in these records: {counts})"
    raise BadValues(error.code, message, column=error.column, rows=error.rows)


def kept_rows(readings: Sequence[Reading], *, leaves_out: bool = False) -> Mask | None:
    """(rows,) which records no column drops, or None where that is all of them.

    `leaves_out`: nor has any a value that does not fit.
    """
    masks = [reading.dropped for reading in readings if reading.dropped is not None]
    if leaves_out:
        masks += [rows for reading in readings for rows in reading.unfit]
    return ~np.logical_or.reduce(masks) if masks else None


def tails(codecs: Sequence[Codec], readings: Sequence[Reading], keep: Mask | None, side: str) -> dict[str, int]:
    """Per column with any, how many kept values are beyond the range's `side`, "low" or "high"."""
    counts: dict[str, int] = {}
    for codec, reading in zip(codecs, readings, strict=True):
        mask: Mask | None = reading.low if side == "low" else reading.high
        if mask is not None:
            count = int(mask.sum() if keep is None else (mask & keep).sum())
            if count:
                counts[codec.label] = count
    return counts


def category_counts(codecs: Sequence[Codec], readings: Sequence[Reading], keep: Mask | None) -> dict[str, Ints]:
    """Per column with categories, how many kept rows hold each, in declared order."""
    counts: dict[str, Ints] = {}
    for codec, reading in zip(codecs, readings, strict=True):
        if codec.column.categories is not None:
            codes = reading.values.astype(np.int64, copy=False)
            held = codes if keep is None else codes[keep]
            counts[codec.label] = np.bincount(held[held >= 0], minlength=len(codec.column.categories))
    return counts
