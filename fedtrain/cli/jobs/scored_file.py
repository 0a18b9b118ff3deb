"""A table of records scored by a finished model, batch by batch: its own columns, and beside them what is predicted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from fedtrain.cli.output import Failure
from fedtrain.spec.model_spec import NUMERIC, Column, ModelSpec
from fedtrain.tabular.encode import Encoder
from fedtrain.tabular.reading.read import Table, TableBatch, open_table

if TYPE_CHECKING:
    from fedtrain.cli.jobs.client import Service

#: Of a request: well below what a service takes as a body, whatever the numbers are.
_CELLS = 10_000
OUTSIDE = "outside range"
_SUFFIXES = {".csv": "a CSV", ".parquet": "a Parquet file"}


def score_file(service: Service, model_id: str, data: Path, out: Path) -> dict[str, Any]:
    """Score `data` (CSV or Parquet, read as a test set is) by a model of a Model Owner, and write `out`.

    Return {"model_id", "rows", "rows_outside_range", "out"}. `out` has the table's columns, the values predicted, and
    for each record the columns in which it lies outside the declared range: it was scored at the range's end. It is
    there whole or not at all. Raises Failure, TableError, Problem.
    """
    if out.suffix not in _SUFFIXES:
        raise Failure(f"--out {out}: give it a name that ends in .csv or .parquet, which says what it is to be")
    if out.exists() and out.samefile(data):
        raise Failure(f"--out {out} is the table itself: name another file")
    spec = ModelSpec.model_validate(service.get(f"/models/{model_id}/spec"))
    props = spec.data_props
    table = open_table(data, props.header, props.decimal, props.thousands)
    scored = _Scored(service, model_id, Encoder.of_spec(spec), table)
    rows, outside = 0, 0
    part = out.with_name(out.name + ".part")
    try:
        with _writer(part, out.suffix) as write:
            for batch, marked in scored.batches():
                write(batch)
                rows, outside = rows + batch.num_rows, outside + marked
        part.replace(out)
    finally:
        part.unlink(missing_ok=True)
    return {"model_id": model_id, "rows": rows, "rows_outside_range": outside, "out": str(out)}


class _Scored:
    def __init__(self, service: Service, model_id: str, encoder: Encoder, table: Table) -> None:
        self._service = service
        self._model_id = model_id
        self._encoder = encoder
        self._table = table
        self._features = encoder.props.features

    def batches(self) -> Iterator[tuple[Any, int]]:
        """Yield record batches of `out`, and how many of their records lie outside a range."""
        rows = max(1, _CELLS // max(len(self._features), 1))
        every = [Column(col_idx=place) for place in range(len(self._table.columns))]
        # The same file twice, once as it is and once as the model reads it, in batches of the same records.
        as_it_is = self._table.batches(every, rows)
        for whole, read in zip(as_it_is, self._table.batches(self._features, rows), strict=True):
            yield self._scored(whole, read)

    def _scored(self, whole: TableBatch, read: TableBatch) -> tuple[Any, int]:
        self._encoder.encode_feature_batch(read)  # raises for a record that has no prediction
        readings = [codec.read(*cells) for codec, cells in zip(self._encoder.features, read.cells, strict=True)]
        columns, beyond = [], [[] for _ in range(read.rows)]  # type: ignore[var-annotated]
        for feature, reading in zip(self._features, readings, strict=True):
            values = reading.values.tolist()
            numeric = feature.type in NUMERIC
            columns.append(values if numeric else [feature.category_texts[code] for code in values])
            for side in (reading.low, reading.high):
                for row in [] if side is None else side.nonzero()[0]:
                    beyond[row].append(feature.label)
        rows = [list(row) for row in zip(*columns, strict=True)]
        answer = self._service.post("/prediction", {"model_id": self._model_id, "rows": rows})
        told = {**self._predicted(answer), OUTSIDE: ["; ".join(names) for names in beyond]}
        names = list(self._table.columns)
        twice = sorted({name for name in (*names, *told) if (*names, *told).count(name) > 1})
        if twice:
            raise Failure(f"{self._table.path}: {twice[0]!r} would be the name of two columns of --out: rename it")
        arrays = [*whole.arrays, *(pa.array(column) for column in told.values())]
        return pa.record_batch(arrays, names=[*names, *told]), sum(1 for names in beyond if names)

    def _predicted(self, answer: Mapping[str, Any]) -> dict[str, Sequence[Any]]:
        """Columns by name: of a classifier the class and a probability a class, else a value a target."""
        values, names = answer["values"], answer.get("class_names")
        targets = [target.label for target in self._encoder.props.all_targets]
        if names is None:
            lists = [values] if len(targets) == 1 else list(zip(*values, strict=True))
            return {f"predicted {target}": column for target, column in zip(targets, lists, strict=True)}
        rows = [[1 - value, value] for value in values] if len(names) == 2 else values
        chances = {
            f"probability of {name}": column for name, column in zip(names, zip(*rows, strict=True), strict=True)
        }
        return {f"predicted {targets[0]}": answer["classes"], **chances}


@contextmanager
def _writer(path: Path, suffix: str) -> Iterator[Any]:
    """Yield what takes record batches, all of one schema, and writes them to `path`. Raises Failure for none."""
    opened: list[Any] = []

    def write(batch: Any) -> None:
        if not opened:
            kind = pyarrow.csv.CSVWriter if suffix == ".csv" else pyarrow.parquet.ParquetWriter
            opened.append(kind(str(path), batch.schema))
        opened[0].write_batch(batch)

    try:
        yield write
        if not opened:
            raise Failure("the table has no records to score")
    finally:
        for writer in opened:
            writer.close()
