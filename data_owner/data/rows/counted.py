"""The records of a dataset version that count, the same for all of its jobs, and a keyed hash of each.

A record counts if it has every value that a column of the schema drops records for, whichever columns a job uses: were
it decided by the job, two jobs over one version would differ by the records that one of them drops.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from fedtrain.data_owner.data.encoding import by_position
from fedtrain.data_owner.data.rows.ids import ID_BYTES, Ids
from fedtrain.data_owner.data.rows.split import ValidationSplit
from fedtrain.spec.model_spec import Column, DataProps, Feature, Target
from fedtrain.tabular.arrays.codec import ArrayCodec
from fedtrain.tabular.columns import Codec, NumericCodec, feature_codec, target_codec
from fedtrain.tabular.encode import refuse_findings
from fedtrain.tabular.findings import Reading
from fedtrain.tabular.reading.convert import Ints, Mask
from fedtrain.tabular.reading.read import Table, TableBatch

#: Stands for a value that is missing, whatever the declaration puts in its place: one NaN of the many.
_MISSING: Final = np.uint64(0x7FF8_0000_0000_0001)


class Records(Protocol):
    """A table, or consecutive records of one."""

    def positions(self, columns: Sequence[Column]) -> tuple[int, ...]:
        """Return the positions of declared columns in the table, all different. Raises ColumnMismatch."""
        ...

    def batches(self, columns: Sequence[Column]) -> Iterator[TableBatch]:
        """Yield the records, the given columns of each. Raises TableError."""
        ...


class CountedRows:
    """Streams a table's batches with the records marked that count. `ids`: of those of the latest batch, in order."""

    def __init__(
        self, columns: Sequence[str], schema: DataProps, key: bytes | None = None, *, leaves_out: bool = False
    ) -> None:
        """`columns`: the names of the file's columns. `key`: 32 secret bytes that hashes are under; None for none.

        `leaves_out`: records with a value that does not fit its declaration do not count; else they are refused.

        Raises fedtrain.tabular.errors.ColumnMismatch where the schema does not fit them.
        """
        places = by_position(columns, schema)
        self.names = tuple(sorted(columns[place] if schema.header else f"column {place}" for place in places))
        """The schema's columns, by the names that the file gives them."""
        self.ids: Ids = np.empty(0, dtype=np.uint64)
        self._key = key
        self._leaves_out = leaves_out
        self._positions = tuple(places)
        self._declared = tuple(places.values())
        self._codecs: tuple[Codec, ...] = tuple(_codec(column) for column in self._declared)
        # By name, and not as declared: the order of a declaration is none of the content's.
        self._order = sorted(range(len(places)), key=lambda i: (columns[self._positions[i]], self._positions[i]))
        self._contents = [_contents(codec) for codec in self._codecs]

    @property
    def numeric(self) -> tuple[bool, ...]:
        """For each column of the schema, in its order, True where its values are read as numbers."""
        return tuple(isinstance(codec, NumericCodec) for codec in self._codecs)

    def batches(self, table: Records, wanted: Sequence[Column]) -> Iterator[TableBatch]:
        """Batches of the `wanted` columns, all of them the schema's, for `fedtrain.tabular.encode.Encoder`.

        Raises `tabular.errors.TableError` where a value of any column of the schema does not fit its declaration, and
        such records are not left out.
        """
        places = {position: index for index, position in enumerate(self._positions)}
        chosen = [places[position] for position in table.positions(wanted)]
        for batch in table.batches(self._declared):
            counted = self._count(batch)
            arrays, marks = zip(*(batch.cells[index] for index in chosen), strict=True)
            yield TableBatch(arrays, batch.rows, batch.first_row, marks, counted)

    def _count(self, batch: TableBatch) -> Mask:
        readings = [codec.read(*cells) for codec, cells in zip(self._codecs, batch.cells, strict=True)]
        counted = np.ones(batch.rows, dtype=bool)
        if not self._leaves_out:
            refuse_findings(readings, batch.first_row)
        else:
            for unfit in (rows for reading in readings for rows in reading.unfit):
                counted &= ~unfit
        for column, reading in zip(self._declared, readings, strict=True):
            if column.missing == "drop" and reading.dropped is not None:
                counted &= ~reading.dropped
        if self._key is not None:
            self.ids = self._hashes(readings, batch, counted, self._key)
        return counted

    def _hashes(self, readings: Sequence[Reading], batch: TableBatch, counted: Mask, key: bytes) -> Ids:
        content = np.empty((int(counted.sum()), len(readings)), dtype=np.uint64)
        for place, index in enumerate(self._order):
            content[:, place] = self._bits(index, readings[index], batch)[counted]
        rows, width = content.tobytes(), content.shape[1] * content.itemsize
        digests = b"".join(
            hashlib.blake2b(rows[start : start + width], digest_size=ID_BYTES, key=key).digest()
            for start in range(0, len(rows), width)
        )
        return np.frombuffer(digests, dtype=">u8").astype(np.uint64)

    def _bits(self, index: int, reading: Reading, batch: TableBatch) -> NDArray[np.uint64]:
        codec, contents = self._codecs[index], self._contents[index]
        if isinstance(codec, ArrayCodec):
            bits = codec.hashes(batch.arrays[index], reading.values)
        elif contents is None:
            bits = (reading.values.astype(np.float64) + 0.0).view(np.uint64)  # of the two zeros one
        else:
            bits = contents[np.maximum(reading.values.astype(np.int64), 0)]
        return bits if reading.dropped is None else np.where(reading.dropped, _MISSING, bits)


def held_out_records(table: Table, schema: DataProps, split: ValidationSplit, key: bytes) -> Ints:
    """(rows,) int64, the numbers of the records that are kept for validation, from 1, ascending.

    Raises `tabular.errors.TableError` where a value does not fit the schema.
    """
    counted, found = CountedRows(table.columns, schema, key), [np.empty(0, dtype=np.int64)]
    for batch in counted.batches(table, schema.columns[:1]):
        records = batch.first_row + np.flatnonzero(batch.counted)
        found.append(records[split.holds_out(counted.ids)])
    return np.concatenate(found)


def _codec(column: Column) -> Codec:
    """The column's codec, but for that it says which values are missing where the declaration puts one in place."""
    if column.missing not in ("drop", "error"):
        column = column.model_copy(update={"missing": "drop"})
    # As it is scaled, a value out of range is clipped; a job that wants it raw refuses it when it encodes it.
    if isinstance(column, Feature):
        return feature_codec(column, "range")
    if isinstance(column, Target):
        return target_codec(column, "range")
    raise TypeError(f"{column.label} is neither a feature nor a target")


def _contents(codec: Codec) -> NDArray[np.uint64] | None:
    """Hash keys of the categories: each as the number that it is, if it is one, however the column is declared."""
    if isinstance(codec, NumericCodec | ArrayCodec):
        return None
    return np.array([_of_text(text) for text in codec.texts], dtype=np.uint64)


def _of_text(text: str) -> int:
    number = {"True": 1.0, "False": 0.0}.get(text)
    if number is None:
        try:
            number = float(text)
        except ValueError:
            number = float("nan")
    if np.isfinite(number):
        return int(np.float64(number + 0.0).view(np.uint64))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8])
