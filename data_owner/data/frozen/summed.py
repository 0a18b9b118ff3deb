"""A table that was just read, as one that sums are told of."""

from __future__ import annotations

from fedtrain.data_owner.data.job_columns import declared, encoding_of
from fedtrain.data_owner.data.rows.counted import CountedRows
from fedtrain.data_owner.data.rows.split import ValidationSplit
from fedtrain.data_owner.policy.summed_table import SummedTable
from fedtrain.data_owner.release.told_files import RowFiles
from fedtrain.data_owner.store.records import Dataset
from fedtrain.spec.model_spec import ModelSpec
from fedtrain.spec.problems import Code, Problem


def summed(dataset: Dataset, spec: ModelSpec, kept: RowFiles, name: str, split: ValidationSplit | None) -> SummedTable:
    """Return the table that a job's sums are taken over. `name`: of its set of rows, which was just `kept`.

    Raises Problem(STORE_UNAVAILABLE) where the rows are gone from the disk already.
    """
    rows = kept.get(name)
    if rows is None:
        raise Problem(Code.STORE_UNAVAILABLE, "The table's rows, kept a moment ago, are gone from the disk.")
    return SummedTable(
        dataset=dataset.name,
        version=dataset.version,
        rows=len(rows),
        encoding=encoding_of(dataset, spec),
        columns=CountedRows(dataset.columns, declared(dataset, spec)).names,
        mapping=None if dataset.mapping is None else dataset.mapping.digest(),
        content=dataset.content,
        row_key=kept.key_id(),
        whole=name,
        split=split is not None,
        training=None if split is None else kept.put(rows.without(split.holds_out)),
        thresholds=spec.kind.tells_thresholds,
    )
