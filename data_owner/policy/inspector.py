"""Inspections of dataset versions, each done once and kept beside the frozen moments.

A file is lost without harm: the table is inspected again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
from pydantic import ValidationError

from fedtrain.data_owner.data.datasets import open_dataset, reading
from fedtrain.data_owner.data.encoding import MARKS
from fedtrain.data_owner.data.rows.counted import held_out_records
from fedtrain.data_owner.data.rows.split import ValidationSplit
from fedtrain.data_owner.policy.inspected import Inspection
from fedtrain.data_owner.policy.inspection import inspect_table
from fedtrain.data_owner.policy.rules import OwnerPolicy, table_findings
from fedtrain.data_owner.store.records import Dataset
from fedtrain.service.vault.secret_files import write_secret
from fedtrain.spec.model_spec import DataProps
from fedtrain.tabular.dictionary import Dictionary
from fedtrain.tabular.findings import Scaling

#: Counted up where the rules of an inspection change: what was found by earlier rules is looked for again.
_RULES = 2


class Inspector:
    """Inspects datasets as one owner splits them and its policy asks. Blocks for as long as a table takes."""

    def __init__(
        self,
        folder: Path,
        policy: OwnerPolicy,
        split: Callable[[], ValidationSplit],
        row_key: Callable[[], bytes],
    ) -> None:
        """`row_key`: the key that rows are hashed under."""
        self._folder = folder
        self._policy = policy
        self._split = split
        self._row_key = row_key
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)

    def inspect(self, dataset: Dataset, schema: DataProps, scaling: Scaling = "range") -> Inspection:
        """The dataset version's inspection under `schema`, over all of its columns.

        Raises Problem(INVALID_DATA) where the table does not fit the schema, or changed since it was registered.
        """
        split = self._split()
        path = self._folder / f"{self._key(dataset, schema, scaling, split)}.inspection"
        known = _read(path)
        if known is not None:
            return known
        with reading(dataset) as table:
            held = held_out_records(open_dataset(dataset, schema), schema, split, self._row_key())
            found = inspect_table(
                table,
                Dictionary(schema, scaling),
                max_leverage=self._policy.max_leverage,
                joint_cells=self._policy.joint_cells,
                holds_out=lambda batch: np.isin(batch.records, held),
                mapping=dataset.mapping,
            )
        write_secret(path, found.model_dump_json().encode())
        return found

    def findings(self, dataset: Dataset, schema: DataProps) -> tuple[str, ...]:
        """Return `table_findings` on the dataset, for the owner's people. Raises Problem as `inspect`."""
        return table_findings(self._policy, self.inspect(dataset, schema))

    def _key(self, dataset: Dataset, schema: DataProps, scaling: str, split: ValidationSplit) -> str:
        columns = [column.model_dump(mode="json", exclude={"description"}) for column in schema.columns]
        marks = [getattr(schema, mark) for mark in MARKS]
        asked = [self._policy.max_leverage, self._policy.joint_cells]
        table = [dataset.version, schema.header, marks, len(schema.features), columns, scaling]
        what = [_RULES, table, asked, split.identity()]
        return hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()


def _read(path: Path) -> Inspection | None:
    """None where there is no such file, or one that another version of this program wrote."""
    try:
        return Inspection.model_validate_json(path.read_bytes())
    except (FileNotFoundError, ValidationError):
        return None
