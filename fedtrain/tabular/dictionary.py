"""All columns of numbers and categories of a table at once, features and targets, as an inspection of it needs them.

A job encodes the columns of one model; a dictionary is what all jobs on a dataset choose from.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from fedtrain.spec.model_spec import Column, DataProps
from fedtrain.tabular.arrays.codec import ArrayCodec
from fedtrain.tabular.columns import CategoryCodec, NumericCodec, feature_codec, target_codec
from fedtrain.tabular.encode import INTERCEPT, kept_rows, refuse_findings
from fedtrain.tabular.errors import UnreadableTable
from fedtrain.tabular.findings import Reading, Scaling
from fedtrain.tabular.reading.convert import Floats, Ints, Mask
from fedtrain.tabular.reading.read import TableBatch


@dataclass(frozen=True)
class DictionaryBatch:
    """Consecutive records that lack nothing. All by column are keyed by its place in the declaration.

    Z: (rows, D) float64, the ones first, then the lines of each column; its transpose is contiguous. Z_rest: what
    rounding to doubles took off it.
    records: (rows,) the number of each record in the table, from 1.
    codes: per column with categories, (rows,) int64. low, high, imputed: per column with any, (rows,) which values were
    below or above its range, or missing and replaced by its constant.
    """

    Z: Floats
    records: Ints
    codes: Mapping[int, Ints]
    low: Mapping[int, Mask]
    high: Mapping[int, Mask]
    imputed: Mapping[int, Mask]
    Z_rest: Floats

    def taking(self, rows: Mask) -> DictionaryBatch:
        """Those of the rows that a mask has."""

        def taken(masks: Mapping[int, Mask]) -> dict[int, Mask]:
            return {place: mask[rows] for place, mask in masks.items()}

        codes = {place: codes[rows] for place, codes in self.codes.items()}
        return DictionaryBatch(
            self.Z[rows],
            self.records[rows],
            codes,
            taken(self.low),
            taken(self.high),
            taken(self.imputed),
            self.Z_rest[rows],
        )


class Dictionary:
    """Encodes all declared columns but vectors, texts and images, which have no cells and no moments.

    Attributes:
        columns: as declared, features before targets, and last those arrays for the want of which records are dropped.
        codecs: of all but those.
        line_columns: (D,) the label of the column that each line of Z belongs to, the ones' being "intercept".
        lines: per column, where its lines are in Z.
        bounds: (D,) float64, the largest |z| of each line.
    """

    def __init__(self, props: DataProps, scaling: Scaling) -> None:
        self.props = props
        features = [feature_codec(feature, scaling) for feature in props.features]
        self.codecs: tuple[NumericCodec | CategoryCodec, ...] = (
            *(codec for codec in features if not isinstance(codec, ArrayCodec)),
            *(target_codec(target, scaling) for target in props.all_targets),
        )
        self._arrays = tuple(
            codec for codec in features if isinstance(codec, ArrayCodec) and codec.column.missing == "drop"
        )
        self.columns: tuple[Column, ...] = tuple(codec.column for codec in (*self.codecs, *self._arrays))
        edges = np.cumsum([1, *(len(codec.names) for codec in self.codecs)])
        self.lines = tuple(slice(int(start), int(stop)) for start, stop in pairwise(edges))
        labels = (label for codec in self.codecs for label in [codec.label] * len(codec.names))
        self.line_columns = (INTERCEPT, *labels)
        self.bounds: Floats = np.concatenate([[1.0], *(codec.bounds for codec in self.codecs)])

    @property
    def numeric(self) -> tuple[int, ...]:
        """Places of the columns of numbers; those of the others have categories."""
        return tuple(place for place, codec in enumerate(self.codecs) if isinstance(codec, NumericCodec))

    def encode_all(self, batches: Iterable[TableBatch]) -> Iterator[DictionaryBatch]:
        """Encode batch by batch. Raises BadValues, and UnreadableTable ("no-rows") where not one record is left."""
        rows = 0
        for batch in batches:
            encoded = self._encode(batch)
            rows += len(encoded.records)
            yield encoded
        if rows == 0:
            raise UnreadableTable("no-rows", "no record has a value in every column; there is nothing to use")

    def _encode(self, batch: TableBatch) -> DictionaryBatch:
        own = batch.cells[: len(self.codecs)]
        readings = [codec.read(*cells) for codec, cells in zip(self.codecs, own, strict=True)]
        refuse_findings(readings, batch.first_row)
        lines: Floats = np.empty((len(self.line_columns), batch.rows))
        lines[0] = 1.0
        rests = np.zeros_like(lines)
        for codec, reading, place in zip(self.codecs, readings, self.lines, strict=True):
            codec.write(reading.values, lines[place], rests[place])
        records = np.arange(batch.first_row, batch.first_row + batch.rows, dtype=np.int64)
        codes = {
            place: reading.values.astype(np.int64, copy=False)
            for place, (codec, reading) in enumerate(zip(self.codecs, readings, strict=True))
            if not isinstance(codec, NumericCodec)
        }
        low, high, imputed = (_any(readings, side) for side in ("low", "high", "imputed"))
        encoded = DictionaryBatch(lines.T, records, codes, low, high, imputed, rests.T)
        keep = kept_rows(readings)
        for gaps, array in zip(self._arrays, batch.arrays[len(self.codecs) :], strict=True):
            present = ~gaps.lacking(array)
            keep = present if keep is None else keep & present
        return encoded if keep is None else encoded.taking(keep)


def _any(readings: Sequence[Reading], side: str) -> dict[int, Mask]:
    masks = {place: getattr(reading, side) for place, reading in enumerate(readings)}
    return {place: mask for place, mask in masks.items() if mask is not None and mask.any()}
