"""A table reduced in parts on a cluster: the same moments as in one process, to the bit, since they are integers.

Workers that see a Parquet file read its row groups themselves. Whatever else a table is, it is read here, in batches
that are sent out: quotes may hold line ends, so that a CSV file has no parts of its own.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import pyarrow as pa

from fedtrain.data_owner.data.cluster import Cluster
from fedtrain.data_owner.data.reduction import Reduced, Reduction, reduce_here
from fedtrain.data_owner.data.rows.counted import CountedRows
from fedtrain.data_owner.data.rows.ids import Ids, Keep
from fedtrain.spec.model_spec import Column
from fedtrain.tabular.reading.convert import settle_marks
from fedtrain.tabular.reading.marks import NumberMarks
from fedtrain.tabular.reading.read import BATCH_ROWS, Table, TableBatch
from fedtrain.tabular.reading.row_groups import RowGroup, content_hash, row_groups, text_columns

#: A part takes a worker a second or so, and a sent one less than what Dask advises against.
PART_ROWS: Final = 1 << 16
PART_BYTES: Final = 8 << 20

#: A part's result and the hashes of its rows.
Part = tuple[Reduced, Ids]


@dataclass(frozen=True)
class Groups:
    """Row groups of a Parquet file that a worker reads. `digest`: of `content_hash`, as the owner sees them."""

    table: Table
    groups: tuple[RowGroup, ...]
    digest: bytes

    def positions(self, columns: Sequence[Column]) -> tuple[int, ...]:
        return self.table.positions(columns)

    def batches(self, columns: Sequence[Column]) -> Iterator[TableBatch]:
        return self.table.batches(columns, groups=self.groups)

    def are_here(self) -> bool:
        """Return True where this process sees the same bytes under the same path."""
        try:
            return content_hash(self.table.path, self.groups) == self.digest
        except OSError:
            return False


@dataclass(frozen=True)
class Shipment:
    """Consecutive records of a table, of the schema's columns: `content` is an Arrow stream of them."""

    table: Table
    first_row: int
    marks: tuple[NumberMarks, ...]
    content: bytes

    def positions(self, columns: Sequence[Column]) -> tuple[int, ...]:
        return self.table.positions(columns)

    def batches(self, columns: Sequence[Column]) -> Iterator[TableBatch]:  # noqa: ARG002 - those that were sent
        first_row = self.first_row
        for batch in pa.ipc.open_stream(self.content):
            yield TableBatch(tuple(batch.columns), batch.num_rows, first_row, self.marks)
            first_row += batch.num_rows


class ClusterReducer:
    """Implements `fedtrain.data_owner.data.reduction.ReduceTable` on a cluster, and here while that has no workers."""

    def __init__(self, cluster: Cluster, part_rows: int = PART_ROWS) -> None:
        """`part_rows`: records of a part, some more with row groups that are larger."""
        self._cluster = cluster
        self._part_rows = part_rows

    def __call__(self, reduction: Reduction, table: Table, keep: Keep) -> Reduced:
        """Reduce a table; `keep` is given its hashes, in order.

        Raises TableError, MomentsError: of the first records that are at fault.
        """
        slots = self._cluster.slots()
        if slots == 0:
            return reduce_here(reduction, table, keep)
        groups = _readable_groups(reduction, table)
        if len(groups) >= slots:
            first = next(self._joined(table, groups))
            if self._cluster.everywhere(Groups.are_here, first):
                return reduction.sum(_kept(self._of_groups(reduction, table, groups), keep))
        shipments = _shipments(reduction, table, self._part_rows)
        parts = self._cluster.ordered(reduction.part, ((shipment,) for shipment in shipments))
        return reduction.sum(_kept(parts, keep))

    def _of_groups(self, reduction: Reduction, table: Table, groups: Sequence[RowGroup]) -> Iterator[Part]:
        parts, again = itertools.tee(self._joined(table, groups))
        results = self._cluster.ordered(reduce_groups, ((reduction, part) for part in parts))
        for part, reduced in zip(again, results, strict=True):
            # A worker that came later, and does not see the file.
            yield reduction.part(part) if reduced is None else reduced

    def _joined(self, table: Table, groups: Sequence[RowGroup]) -> Iterator[Groups]:
        """Parts of consecutive row groups, small ones together."""
        waiting: list[RowGroup] = []
        for number, group in enumerate(groups, 1):
            waiting.append(group)
            if number == len(groups) or sum(one.rows for one in waiting) >= self._part_rows:
                yield Groups(table, tuple(waiting), content_hash(table.path, waiting))
                waiting = []


def _kept(parts: Iterable[Part], keep: Keep) -> Iterator[Reduced]:
    for reduced, ids in parts:
        keep(ids)
        yield reduced


def reduce_groups(reduction: Reduction, part: Groups) -> Part | None:
    """Reduce row groups on a worker; None where it does not see what the owner does."""
    return reduction.part(part) if part.are_here() else None


def _readable_groups(reduction: Reduction, table: Table) -> tuple[RowGroup, ...]:
    """The row groups that can be read apart: none of CSV, nor where numbers are texts, whose marks other parts show.

    A mapped table's are read here, where its columns are those of the dictionary.
    """
    if table.dialect is not None or table.rules:
        return ()
    texts = text_columns(table.path)
    numeric = CountedRows(reduction.columns, reduction.schema).numeric
    positions = table.positions(reduction.schema.columns)
    if any(number and position in texts for position, number in zip(positions, numeric, strict=True)):
        return ()
    return row_groups(table.path)


def _shipments(reduction: Reduction, table: Table, part_rows: int) -> Iterator[Shipment]:
    """The whole table in parts. What one part shows of its numbers' marks, all later ones know."""
    columns = reduction.schema.columns
    numeric = CountedRows(reduction.columns, reduction.schema).numeric
    waiting: list[TableBatch] = []
    for batch in table.batches(columns, min(BATCH_ROWS, part_rows)):
        for array, marks, number in zip(batch.arrays, batch.marks, numeric, strict=True):
            if number:
                settle_marks(array, marks)
        waiting.append(batch)
        rows = sum(one.rows for one in waiting)
        if rows >= part_rows or sum(array.nbytes for one in waiting for array in one.arrays) >= PART_BYTES:
            yield _shipment(table, waiting)
            waiting = []
    if waiting:
        yield _shipment(table, waiting)


def _shipment(table: Table, batches: Sequence[TableBatch]) -> Shipment:
    names = [str(place) for place in range(len(batches[0].arrays))]
    records = [pa.RecordBatch.from_arrays(list(batch.arrays), names=names) for batch in batches]
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, records[0].schema) as stream:
        for record in records:
            stream.write_batch(record)
    marks = tuple(replace(mark, texts=tuple) for mark in batches[-1].marks)
    content: Any = sink.getvalue().to_pybytes()
    return Shipment(table, batches[0].first_row, marks, content)
