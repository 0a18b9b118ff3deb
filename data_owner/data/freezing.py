"""From a registered table to the moments that a job is answered from, frozen on disk.

A dataset version is read once under one encoding; every job gets a block of that one fixed pair of moments.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING

from fedtrain.data_owner.data.counted_rows import CountedRows
from fedtrain.data_owner.data.datasets import as_invalid_data, open_dataset, reading
from fedtrain.data_owner.data.encoding import MARKS, by_position
from fedtrain.data_owner.data.frozen import FrozenMomentsError, freeze, moments_hash, thaw
from fedtrain.data_owner.data.moments import Moments
from fedtrain.data_owner.data.reduction import ReduceTable, Reduction, reduce_here
from fedtrain.data_owner.data.row_ids import RowIds
from fedtrain.data_owner.data.split import ValidationSplit
from fedtrain.data_owner.policy.summed_table import SummedTable
from fedtrain.data_owner.release.told_files import RowFiles
from fedtrain.data_owner.store.records import Dataset, FrozenTable
from fedtrain.methods.regression.from_spec import RECORD_FRACTION_BITS
from fedtrain.service.vault.secret_files import delete_secret, read_secret, write_secret
from fedtrain.spec.model_spec import ARRAYS, DataProps, ModelSpec
from fedtrain.spec.problems import Code, Problem
from fedtrain.tabular.columns import Codec
from fedtrain.tabular.encode import Encoder
from fedtrain.tabular.mapping.file import Mapping

if TYPE_CHECKING:  # what is answered from frozen moments loads no database
    from fedtrain.data_owner.store.sql import OwnerStore

SALT_BYTES = 32
VALIDATION_FRACTION = 0.2


@dataclass(frozen=True)
class FrozenJob:
    """Result of freezing a job's moments."""

    table: SummedTable
    moments: Moments
    moments_hash: str


class Freezer:
    """Freezes moments in one folder. Blocks for as long as the table takes: call it from a thread."""

    def __init__(
        self,
        folder: Path,
        store: OwnerStore,
        timestamp: Callable[[], str],
        random_bytes: Callable[[int], bytes],
        rows: RowFiles,
        *,
        validation_fraction: float = VALIDATION_FRACTION,
        reduce: ReduceTable = reduce_here,
    ) -> None:
        """`rows`: where sets of rows are kept, beside the keys. `reduce`: what reads a table, and reduces it."""
        self._folder = folder
        self._rows = rows
        self._store = store
        self._timestamp = timestamp
        self._random_bytes = random_bytes
        self._validation_fraction = validation_fraction
        self._reduce = reduce
        # A table is inspected in one thread while another freezes one: both must find the same salt.
        self._drawing = threading.Lock()
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)

    def freeze_job(self, job_id: str, dataset: Dataset, spec: ModelSpec, min_rows: int = 1) -> FrozenJob:
        """Freeze the job's block of the dataset's moments, reading the table if that encoding was never read.

        `min_rows`: a dataset is split for validation only where both parts have as many. Raises Problem: INVALID_DATA
        where the table does not fit the encoding, or changed since it was registered, TOO_FEW_ROWS where either part of
        a split would be below the policy's min_rows.
        """
        schema = dataset.schema_ or spec.data_props
        props = of_kind(schema, spec)
        encoder = Encoder(props, spec.model_type, spec.training.scaling)
        split = self.split() if spec.validates else None
        with as_invalid_data(dataset):
            moments, rows = self._frozen_table(dataset, schema, encoder, spec, split)
            declared, used = by_position(dataset.columns, props), by_position(dataset.columns, spec.data_props)
        chosen, outputs = chosen_columns(encoder, list(declared), list(used), len(spec.data_props.features))
        if spec.validates:
            chosen += [encoder.dimensions + place for place in chosen]
            outputs += [encoder.outputs + place for place in outputs]
        block = moments.block(chosen, outputs)
        if spec.validates:
            _check_parts(block, min_rows)
        salt = self._random_bytes(SALT_BYTES)
        write_secret(self._folder / f"{job_id}.salt", salt)
        freeze(block, self._job_path(job_id))
        return FrozenJob(self._summed(dataset, schema, rows, split), block, moments_hash(block, salt))

    def _summed(self, dataset: Dataset, schema: DataProps, rows: RowIds, split: ValidationSplit | None) -> SummedTable:
        training = None if split is None else RowIds(rows.ids[~split.holds_out(rows.ids)])
        return SummedTable(
            dataset=dataset.name,
            version=dataset.version,
            rows=len(rows),
            encoding=_encoding_hash(schema, dataset.mapping),
            columns=CountedRows(dataset.columns, schema).names,
            mapping=None if dataset.mapping is None else dataset.mapping.digest(),
            content=dataset.content,
            row_key=self._rows.key_id(),
            whole=rows.name,
            split=split is not None,
            training=None if training is None else self._rows.put(training),
        )

    def thaw_job(self, job_id: str, committed: str) -> Moments:
        """The job's moments as they were frozen; `committed`: the salted hash of them that the acceptance carries.

        Raises Problem(OWNER_LOST_ITS_KEY) where they are gone, damaged, or others than were committed to: the same
        masks over other moments would give away the difference. Problem(STORE_UNAVAILABLE), which is tried again,
        where the whole folder is away.
        """
        if not self._folder.is_dir():
            raise Problem(
                Code.STORE_UNAVAILABLE, f"The folder of moments, {self._folder}, is not there: mount or restore it."
            )
        try:
            moments, salt = thaw(self._job_path(job_id)), read_secret(self._folder / f"{job_id}.salt")
        except FrozenMomentsError as error:
            raise _lost(job_id, str(error)) from None
        except FileNotFoundError:
            raise _lost(job_id, "the salt of its commitment is gone") from None
        if moments_hash(moments, salt) != committed:
            raise _lost(job_id, "the frozen moments are not those that this owner committed to when it joined")
        return moments

    def forget_job(self, job_id: str) -> bool:
        """Delete an ended job's block and its salt, and return whether either was there.

        The dataset's own moments stay for further jobs.
        """
        block, salt = self._job_path(job_id), self._folder / f"{job_id}.salt"
        if not block.exists() and not salt.exists():
            return False
        block.unlink(missing_ok=True)
        delete_secret(salt)
        return True

    def split(self) -> ValidationSplit:
        """This owner's split; its salt is drawn once and kept."""
        path = self._folder / "validation.salt"
        with self._drawing:
            try:
                salt = read_secret(path)
            except FileNotFoundError:
                salt = self._random_bytes(SALT_BYTES)
                write_secret(path, salt)
        return ValidationSplit(self._validation_fraction, salt)

    def _job_path(self, job_id: str) -> Path:
        return self._folder / f"{job_id}.job"

    def _frozen_table(
        self, dataset: Dataset, schema: DataProps, encoder: Encoder, spec: ModelSpec, split: ValidationSplit | None
    ) -> tuple[Moments, RowIds]:
        """The table's moments, kept on disk, and its rows, kept beside the keys."""
        key = _key(dataset.version, schema, encoder.props, spec, split)
        path, known = self._folder / f"{key}.table", self._rows_of(key)
        if self._store.frozen_table(key) is not None and known is not None and path.exists():
            return thaw(path), known
        settings = (dataset.columns, schema, encoder.props, spec.model_type, spec.training.scaling)
        with reading(dataset):
            reduced = self._reduce(Reduction(*settings, split, self._rows.key()), open_dataset(dataset, schema))
        moments, rows = reduced.moments, RowIds.of(reduced.ids)
        write_secret(self._folder / f"{key}.rows", self._rows.put(rows).encode())
        freeze(moments, path)
        table = FrozenTable(
            key=key,
            dataset=dataset.name,
            version=dataset.version,
            rows=moments.rows,
            frozen_at=self._timestamp(),
        )
        self._store.put_frozen_table(table)
        return moments, rows

    def _rows_of(self, key: str) -> RowIds | None:
        """The rows that a frozen table was reduced from; None where they are not known."""
        try:
            return self._rows.get(read_secret(self._folder / f"{key}.rows").decode())
        except FileNotFoundError:
            return None


def _check_parts(block: Moments, min_rows: int) -> None:
    for name, part in zip(("training", "validation"), block.parts(), strict=True):
        if part.rows < min_rows:
            raise Problem(
                Code.TOO_FEW_ROWS,
                f"The {name} part of the split has {part.rows} rows, the policy's min_rows is {min_rows}.",
            )


def of_kind(schema: DataProps, spec: ModelSpec) -> DataProps:
    """The schema with those of its features and targets that this model type can have.

    The targets are those of the job where some weigh rows.
    """
    targets = spec.data_props.all_targets
    if len(spec.kind.fitted(targets)) == len(targets):
        classifies = spec.kind.classifies
        targets = tuple(target for target in schema.all_targets if (target.categories is not None) == classifies)
    return DataProps(
        header=schema.header,
        decimal=schema.decimal,
        thousands=schema.thousands,
        features=tuple(one for one in schema.features if spec.kind.takes_arrays or one.type not in ARRAYS),
        targets=targets,
    )


def _key(version: str, schema: DataProps, props: DataProps, spec: ModelSpec, split: ValidationSplit | None) -> str:
    encodings = [json.loads(one.model_dump_json()) for one in (schema, props)]
    what = [version, *encodings, spec.model_type.value, spec.training.scaling, RECORD_FRACTION_BITS]
    if split is not None:
        what.append(split.identity())
    return hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()


def _encoding_hash(declared: DataProps, mapping: Mapping | None) -> str:
    columns = [column.model_dump(mode="json", exclude={"description"}) for column in declared.columns]
    marks = {mark: getattr(declared, mark) for mark in MARKS if getattr(declared, mark) is not None}
    # What records are rounded to is part of what a sum says of them.
    what = [declared.header, len(declared.features), columns, RECORD_FRACTION_BITS, *([marks] if marks else [])]
    if mapping is not None:
        what.append(mapping.digest())
    return hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()


def _lost(job_id: str, why: str) -> Problem:
    return Problem(
        Code.OWNER_LOST_ITS_KEY,
        f"What job {job_id} is answered from is lost: {why}. Restore the state folder, or deploy the job again.",
    )


def chosen_columns(
    encoder: Encoder, declared: list[int], used: list[int], features: int
) -> tuple[list[int], list[int]]:
    """Positions, in X and Y as the schema encodes them, of the job's columns in the job's order, the intercept last.

    `declared`, `used`: places in the file of the schema's and of the job's columns, features before targets.
    """
    split = len(encoder.features)
    of_features, of_targets = _spans(encoder.features, declared[:split]), _spans(encoder.targets, declared[split:])
    chosen = [index for place in used[:features] for index in of_features[place]]
    targets = [index for place in used[features:] for index in of_targets[place]]
    # The targets that only weigh rows come last, and are no columns of Y.
    return [*chosen, encoder.dimensions - 1], [index for index in targets if index < encoder.outputs]


def _spans(codecs: Sequence[Codec], places: Sequence[int]) -> dict[int, range]:
    """The encoded columns of each column of the file, one codec a place."""
    ends = list(accumulate(len(codec.names) for codec in codecs))
    return dict(zip(places, map(range, [0, *ends], ends), strict=True))
