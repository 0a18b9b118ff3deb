"""From a registered table to the moments that a job is answered from, frozen on disk.

A dataset version is read once under one encoding; every job gets a block of that one fixed pair of moments.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fedtrain.data_owner.data.datasets import as_invalid_data, open_dataset, reading
from fedtrain.data_owner.data.frozen.folder import FrozenFolder, lost
from fedtrain.data_owner.data.frozen.moments_file import FrozenMomentsError, freeze, moments_hash, thaw
from fedtrain.data_owner.data.frozen.summed import summed
from fedtrain.data_owner.data.job_columns import declared, encoder_of, places_of
from fedtrain.data_owner.data.moments import Moments
from fedtrain.data_owner.data.reduction import ReduceTable, Reduction, reduce_here
from fedtrain.data_owner.data.rows.clip import RowClip
from fedtrain.data_owner.data.rows.ids import RowSpool
from fedtrain.data_owner.data.rows.split import ValidationSplit, check_parts
from fedtrain.data_owner.policy.summed_table import SummedTable
from fedtrain.data_owner.release.told_files import RowFiles
from fedtrain.data_owner.store.records import Dataset, FrozenTable
from fedtrain.methods.regression.from_spec import RECORD_FRACTION_BITS
from fedtrain.service.vault.secret_files import read_secret, write_secret
from fedtrain.spec.model_spec import DataProps, ModelSpec
from fedtrain.tabular.encode import Encoder

if TYPE_CHECKING:  # what is answered from frozen moments loads no database
    from fedtrain.data_owner.store.sql import OwnerStore


@dataclass(frozen=True)
class FrozenJob:
    """Result of freezing a job's moments."""

    table: SummedTable
    moments: Moments
    moments_hash: str


class MomentsFreezer:
    """Freezes moments in one folder. Blocks for as long as the table takes: call it from a thread."""

    def __init__(
        self,
        folder: FrozenFolder,
        store: OwnerStore,
        timestamp: Callable[[], str],
        rows: RowFiles,
        *,
        reduce: ReduceTable = reduce_here,
    ) -> None:
        """`rows`: where sets of rows are kept, beside the keys. `reduce`: what reads a table, and reduces it."""
        self._folder = folder
        self._store = store
        self._timestamp = timestamp
        self._rows = rows
        self._reduce = reduce

    def freeze_job(self, job_id: str, dataset: Dataset, spec: ModelSpec, min_rows: int = 1) -> FrozenJob:
        """Freeze the job's block of the dataset's moments, reading the table if that encoding was never read.

        `min_rows`: a dataset is split for validation only where both parts have as many. Raises Problem: INVALID_DATA
        where the table does not fit the encoding, or changed since it was registered, TOO_FEW_ROWS where either part of
        a split would be below the policy's min_rows.
        """
        split = self._folder.split() if spec.validates else None
        with as_invalid_data(dataset):
            encoder = encoder_of(dataset, spec)
            moments, rows = self._frozen_table(dataset, encoder, spec, split)
            places = places_of(dataset, spec)
        chosen, outputs = places.columns, places.outputs
        if split is not None:
            chosen += [encoder.dimensions + place for place in chosen]
            outputs += [encoder.outputs + place for place in outputs]
        block = moments.block(chosen, outputs)
        if split is not None:
            training, validation = block.parts()
            check_parts(training.rows, validation.rows, min_rows)
        salt = self._folder.new_salt(job_id)
        freeze(block, self._folder.moments_path(job_id))
        return FrozenJob(summed(dataset, spec, self._rows, rows, split), block, moments_hash(block, salt))

    def thaw_job(self, job_id: str, committed: str) -> Moments:
        """The job's moments as they were frozen; `committed`: the salted hash of them that the acceptance carries.

        Raises Problem(OWNER_LOST_ITS_KEY) where they are gone, damaged, or others than were committed to: the same
        masks over other moments would give away the difference. Problem(STORE_UNAVAILABLE), which is tried again,
        where the whole folder is away.
        """
        self._folder.check_there()
        try:
            moments = thaw(self._folder.moments_path(job_id))
        except FrozenMomentsError as error:
            raise lost(job_id, str(error)) from None
        if moments_hash(moments, self._folder.salt(job_id)) != committed:
            raise lost(job_id, "the frozen moments are not those that this owner committed to when it joined")
        return moments

    def _frozen_table(
        self, dataset: Dataset, encoder: Encoder, spec: ModelSpec, split: ValidationSplit | None
    ) -> tuple[Moments, str]:
        """The table's moments, kept on disk, and the name of its set of rows, kept beside the keys."""
        schema, clip = declared(dataset, spec), RowClip.of(spec, encoder.target_centres.tolist())
        key = _key(dataset.version, schema, encoder.props, spec, split, clip)
        path, known = self._folder.path / f"{key}.table", self._rows_of(key)
        if self._store.frozen_table(key) is not None and known is not None and path.exists():
            return thaw(path), known
        settings = (dataset.columns, schema, encoder.props, spec.model_type, spec.training.scaling)
        reduction = Reduction(*settings, split, self._rows.key(), clip)
        with RowSpool(self._folder.path) as spool:
            with reading(dataset):
                moments = self._reduce(reduction, open_dataset(dataset, schema), spool.add).moments
            name = self._rows.put(spool.rows())
        write_secret(self._folder.path / f"{key}.rows", name.encode())
        freeze(moments, path)
        table = FrozenTable(
            key=key,
            dataset=dataset.name,
            version=dataset.version,
            rows=moments.rows,
            frozen_at=self._timestamp(),
        )
        self._store.put_frozen_table(table)
        return moments, name

    def _rows_of(self, key: str) -> str | None:
        """The name of the rows that a frozen table was reduced from; None where they are not known."""
        try:
            name = read_secret(self._folder.path / f"{key}.rows").decode()
        except FileNotFoundError:
            return None
        return None if self._rows.get(name) is None else name


def _key(
    version: str,
    schema: DataProps,
    props: DataProps,
    spec: ModelSpec,
    split: ValidationSplit | None,
    clip: RowClip | None,
) -> str:
    encodings = [json.loads(one.model_dump_json()) for one in (schema, props)]
    what = [version, *encodings, spec.model_type.value, spec.training.scaling, RECORD_FRACTION_BITS]
    if split is not None:
        what.append(split.identity())
    if clip is not None:
        what.append(["clipped", clip.squared_length, clip.centres])
    return hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()
