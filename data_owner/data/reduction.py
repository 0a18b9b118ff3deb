"""From a table's records to their exact second moments and the keyed hashes of the rows.

Parts of a table can be reduced apart, in any process, and add up to what the whole table gives, to the bit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace

import numpy as np

from fedtrain.data_owner.data.moments import Encoded, Moments, moments_of
from fedtrain.data_owner.data.rows.clip import RowClip
from fedtrain.data_owner.data.rows.counted import CountedRows, Records
from fedtrain.data_owner.data.rows.ids import Ids, Keep
from fedtrain.data_owner.data.rows.split import ValidationSplit, side_by_side
from fedtrain.spec.model_spec import DataProps, ModelType
from fedtrain.tabular.encode import EncodedBatch, Encoder, refuse_no_rows
from fedtrain.tabular.findings import Scaling
from fedtrain.tabular.pairs import product_pair
from fedtrain.tabular.reading.read import Table


@dataclass(frozen=True, eq=False)
class Reduced:
    """The result of reducing records: secret, as their moments are.

    dropped: records left out because a value is missing.
    """

    moments: Moments
    dropped: int


@dataclass(frozen=True)
class Reduction:
    """All that reducing a dataset version depends on, besides its records.

    columns: the names of the file's columns. schema: decides which records count. props: what is encoded of them, as
    `model_type` and `scaling` say. split: both parts side by side; None for none. row_key: 32 secret bytes. clip: for
    sums that get noise; no record is then refused, and no table for having none, which would tell of it.
    """

    columns: tuple[str, ...]
    schema: DataProps
    props: DataProps
    model_type: ModelType
    scaling: Scaling
    split: ValidationSplit | None
    row_key: bytes = field(repr=False)
    clip: RowClip | None = None

    def of(self, records: Records, keep: Keep) -> Reduced:
        """Reduce consecutive records in one pass; `keep` is given the hash of each that counts.

        Raises TableError, MomentsError.
        """
        encoder, leaves_out = self._encoder, self.clip is not None
        counted = CountedRows(self.columns, self.schema, self.row_key, leaves_out=leaves_out)
        dropped: list[int] = []

        def noted() -> Iterator[EncodedBatch]:
            for batch in counted.batches(records, encoder.columns):
                encoded = encoder.encode(batch, leaves_out=leaves_out)
                keep(counted.ids)
                dropped.append(encoded.dropped)
                yield encoded

        encoded = _clipped(_weighted(noted()), self.clip)
        reduced: Iterable[Encoded] = encoded
        largest = encoder.target_bound if self.clip is None else self.clip.target_bound
        bounds, targets = encoder.feature_bounds, np.full(encoder.outputs, largest)
        if self.split is not None:
            reduced = side_by_side(encoded, self.split, lambda: counted.ids)
            bounds, targets = np.tile(bounds, 2), np.tile(targets, 2)
        moments = moments_of(reduced, bounds, targets)
        return Reduced(moments, sum(dropped))

    def part(self, records: Records) -> tuple[Reduced, Ids]:
        """Reduce a part of a table, on any machine, and return its hashes too, in order. Raises as `of` does."""
        ids: list[Ids] = [np.empty(0, dtype=np.uint64)]
        return self.of(records, ids.append), np.concatenate(ids)

    def sum(self, parts: Iterable[Reduced]) -> Reduced:
        """Return the result over consecutive parts. Raises UnreadableTable ("no-rows") where no record counts."""
        sides = 1 if self.split is None else 2
        moments = Moments.zero(sides * self._encoder.dimensions, sides * self._encoder.outputs)
        dropped = 0
        for part in parts:
            moments = moments + part.moments
            dropped += part.dropped
        if self.clip is None:
            refuse_no_rows(moments.rows, dropped)
        return Reduced(moments, dropped)

    @property
    def _encoder(self) -> Encoder:
        return Encoder(self.props, self.model_type, self.scaling)


def _clipped(batches: Iterable[EncodedBatch], clip: RowClip | None) -> Iterator[EncodedBatch]:
    """Rows as `clip` leaves them, where there is one."""
    for batch in batches:
        if clip is None:
            yield batch
        else:
            X, Y = clip(batch.X, batch.Y)
            yield replace(batch, X=X, Y=Y, X_rest=None, Y_rest=None)


#: Reduces a whole table: here, or in parts on other machines. It is given what keeps the hashes, in order.
ReduceTable = Callable[[Reduction, Table, Keep], Reduced]


def reduce_here(reduction: Reduction, table: Table, keep: Keep) -> Reduced:
    """Reduce a table in this thread. Raises TableError, MomentsError."""
    return reduction.sum([reduction.of(table, keep)])


def _weighted(batches: Iterable[EncodedBatch]) -> Iterator[EncodedBatch]:
    """Rows times the root of their weight, so that their second moments are the weighted ones."""
    for batch in batches:
        if batch.weights is None:
            yield batch
        else:
            root = np.sqrt(batch.weights)[:, None]
            (X, X_rest), (Y, Y_rest) = product_pair(batch.X, root), product_pair(batch.Y, root)
            X_rest += 0.0 if batch.X_rest is None else batch.X_rest * root
            Y_rest += 0.0 if batch.Y_rest is None else batch.Y_rest * root
            yield replace(batch, X=X, Y=Y, X_rest=X_rest, Y_rest=Y_rest)
