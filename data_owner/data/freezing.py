"""From a registered table to the moments that a job is answered from, frozen on disk.

A dataset version is read once under one encoding; every job gets a block of that one fixed pair of moments.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING

from fedtrain.data_owner.data.counted_rows import CountedRows
from fedtrain.data_owner.data.datasets import as_invalid_data, open_dataset, reading
from fedtrain.data_owner.data.encoding import MARKS, by_position, in_roles
from fedtrain.data_owner.data.examples import (
    PART_SUFFIX,
    SUFFIX,
    ExampleBatch,
    FrozenExamples,
    FrozenExamplesError,
    forget_examples,
    freeze_examples,
    thaw_examples,
)
from fedtrain.data_owner.data.frozen import FrozenMomentsError, freeze, moments_hash, thaw
from fedtrain.data_owner.data.moments import Moments
from fedtrain.data_owner.data.reduction import ReduceTable, Reduction, reduce_here
from fedtrain.data_owner.data.row_clip import RowClip
from fedtrain.data_owner.data.row_ids import Ids, Keep, RowSpool
from fedtrain.data_owner.data.split import ValidationSplit
from fedtrain.data_owner.methods.answers import Places
from fedtrain.data_owner.policy.summed_table import SummedTable
from fedtrain.data_owner.release.told_files import RowFiles
from fedtrain.data_owner.store.records import Dataset, FrozenTable
from fedtrain.methods.regression.from_spec import RECORD_FRACTION_BITS
from fedtrain.service.vault.secret_files import delete_secret, read_secret, write_secret
from fedtrain.spec.model_spec import DataProps, ModelSpec
from fedtrain.spec.problems import Code, Problem
from fedtrain.tabular.columns import Codec
from fedtrain.tabular.encode import Encoder
from fedtrain.tabular.mapping.file import Mapping

if TYPE_CHECKING:  # what is answered from frozen moments loads no database
    from fedtrain.data_owner.store.sql import OwnerStore

SALT_BYTES = 32
VALIDATION_FRACTION = 0.2
#: In the name of the examples that a copy is trained on.
_PERSONAL = "-personal"


@dataclass(frozen=True)
class FrozenJob:
    """Result of freezing a job's moments."""

    table: SummedTable
    moments: Moments
    moments_hash: str


@dataclass(frozen=True)
class JobExamples:
    """A job's frozen examples. `examples_hash`: salted, of all their bytes."""

    table: SummedTable
    examples: FrozenExamples
    examples_hash: str


class Freezer:
    """Freezes moments, and examples, in one folder. Blocks for as long as the table takes: call it from a thread."""

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
        with as_invalid_data(dataset):
            props = of_kind(in_roles(schema, spec.data_props, dataset.columns), spec)
        encoder = Encoder(props, spec.model_type, spec.training.scaling)
        split = self.split() if spec.validates else None
        with as_invalid_data(dataset):
            moments, rows = self._frozen_table(dataset, schema, encoder, spec, split)
            places = places_of(dataset, spec)
            chosen, outputs = places.columns, places.outputs
        if spec.validates:
            chosen += [encoder.dimensions + place for place in chosen]
            outputs += [encoder.outputs + place for place in outputs]
        block = moments.block(chosen, outputs)
        if spec.validates:
            training, validation = block.parts()
            _check_rows(training.rows, validation.rows, min_rows)
        salt = self._random_bytes(SALT_BYTES)
        write_secret(self._salt_path(job_id), salt)
        freeze(block, self._job_path(job_id))
        table = self._summed(dataset, schema, rows, split, thresholds=spec.kind.tells_thresholds)
        return FrozenJob(table, block, moments_hash(block, salt))

    def freeze_examples(self, job_id: str, dataset: Dataset, spec: ModelSpec, min_rows: int = 1) -> JobExamples:
        """Freeze the records that a network trains on, reading the table once more than it is inspected.

        `min_rows` and what is raised: as for `freeze_job`.
        """
        with RowSpool(self._folder) as spool:
            examples = self._write_examples(job_id, dataset, spec, spool.add)
            name = self._rows.put(spool.rows())
        split = self.split() if spec.validates else None
        if split is not None:
            try:
                _check_rows(examples.training_rows, examples.validation_rows, min_rows)
            except Problem:
                forget_examples(examples.folder)
                raise
        salt = self._random_bytes(SALT_BYTES)
        write_secret(self._salt_path(job_id), salt)
        table = self._summed(dataset, dataset.schema_ or spec.data_props, name, split)
        return JobExamples(table, examples, examples.hash(salt))

    def thaw_examples(self, job_id: str, dataset: Dataset, spec: ModelSpec, committed: str) -> FrozenExamples:
        """Return the job's examples as they were frozen; those that are gone are made again from the table.

        `dataset`: the version that the job was joined with. `committed`: the salted hash that the acceptance carries.
        Raises Problem: OWNER_LOST_ITS_KEY where they are others than were committed to, INVALID_DATA where they are
        gone and the table changed, STORE_UNAVAILABLE where the whole folder is away.
        """
        self._check_there()
        try:
            salt = read_secret(self._salt_path(job_id))
        except FileNotFoundError:
            raise _lost(job_id, "the salt of its commitment is gone") from None
        folder = self.examples_folder(job_id)
        try:
            examples = (
                thaw_examples(folder) if folder.exists() else self._write_examples(job_id, dataset, spec, _forget)
            )
        except FrozenExamplesError as error:
            raise _lost(job_id, str(error)) from None
        if examples.hash(salt) != committed:
            raise _lost(job_id, "the frozen examples are not those that this owner committed to when it joined")
        return examples

    @contextmanager
    def personal_examples(self, job_id: str, dataset: Dataset, spec: ModelSpec) -> Iterator[FrozenExamples]:
        """Yield the examples of a job that is over, made again from the table, and delete them afterwards.

        Raises Problem(INVALID_DATA) where the table is not what it was.
        """
        name = f"{job_id}{_PERSONAL}"
        try:
            yield self._write_examples(name, dataset, spec, _forget)
        finally:
            forget_examples(self.examples_folder(name))

    def forget_unfinished(self) -> None:
        """Delete examples that a crash left half written, or kept beyond the training of a copy.

        For the service's start, before anything is frozen: `fedtrain prune` may run beside a service that is at work.
        """
        for pattern in (f".*{SUFFIX}{PART_SUFFIX}", f"*{_PERSONAL}{SUFFIX}"):
            for folder in self._folder.glob(pattern):
                forget_examples(folder)

    def _write_examples(self, job_id: str, dataset: Dataset, spec: ModelSpec, keep: Keep) -> FrozenExamples:
        """Write the job's examples; `keep` is given the hashes of their rows."""
        schema, encoder = dataset.schema_ or spec.data_props, Encoder.of_spec(spec)
        split = self.split() if spec.validates else None
        # With a claim of privacy nothing is refused for what a record holds: that would tell of it.
        leaves_out = spec.privacy is not None
        with reading(dataset):
            counted = CountedRows(dataset.columns, schema, self._rows.key(), leaves_out=leaves_out)

            def batches() -> Iterator[ExampleBatch]:
                table = open_dataset(dataset, schema)
                batches_of = counted.batches(table, encoder.columns)
                for encoded in encoder.encode_all(batches_of, leaves_out=leaves_out):
                    keep(counted.ids)
                    held_out = None if split is None else split.holds_out(counted.ids)
                    yield ExampleBatch(encoded.X, encoded.Y, held_out)

            folder = self.examples_folder(job_id)
            return freeze_examples(batches(), folder, encoder.dimensions, encoder.outputs)

    def _summed(
        self,
        dataset: Dataset,
        schema: DataProps,
        name: str,
        split: ValidationSplit | None,
        *,
        thresholds: bool = False,
    ) -> SummedTable:
        """The table as one that sums are told of. `name`: of its set of rows, which was just kept."""
        rows = self._rows.get(name)
        if rows is None:
            raise Problem(Code.STORE_UNAVAILABLE, "The table's rows, kept a moment ago, are gone from the disk.")
        return SummedTable(
            dataset=dataset.name,
            version=dataset.version,
            rows=len(rows),
            encoding=_encoding_hash(schema, dataset.mapping),
            columns=CountedRows(dataset.columns, schema).names,
            mapping=None if dataset.mapping is None else dataset.mapping.digest(),
            content=dataset.content,
            row_key=self._rows.key_id(),
            whole=name,
            split=split is not None,
            training=None if split is None else self._rows.put(rows.without(split.holds_out)),
            thresholds=thresholds,
        )

    def thaw_job(self, job_id: str, committed: str) -> Moments:
        """The job's moments as they were frozen; `committed`: the salted hash of them that the acceptance carries.

        Raises Problem(OWNER_LOST_ITS_KEY) where they are gone, damaged, or others than were committed to: the same
        masks over other moments would give away the difference. Problem(STORE_UNAVAILABLE), which is tried again,
        where the whole folder is away.
        """
        self._check_there()
        try:
            moments, salt = thaw(self._job_path(job_id)), read_secret(self._salt_path(job_id))
        except FrozenMomentsError as error:
            raise _lost(job_id, str(error)) from None
        except FileNotFoundError:
            raise _lost(job_id, "the salt of its commitment is gone") from None
        if moments_hash(moments, salt) != committed:
            raise _lost(job_id, "the frozen moments are not those that this owner committed to when it joined")
        return moments

    def _check_there(self) -> None:
        if not self._folder.is_dir():
            raise Problem(
                Code.STORE_UNAVAILABLE, f"The folder of moments, {self._folder}, is not there: mount or restore it."
            )

    def forget_job(self, job_id: str) -> bool:
        """Delete an ended job's block or examples, and their salt, and return whether any of them was there.

        The dataset's own moments stay for further jobs.
        """
        block, salt = self._job_path(job_id), self._salt_path(job_id)
        had_examples = forget_examples(self.examples_folder(job_id))
        if not had_examples and not block.exists() and not salt.exists():
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

    def _salt_path(self, job_id: str) -> Path:
        return self._folder / f"{job_id}.salt"

    def examples_folder(self, job_id: str) -> Path:
        """Return the folder of a job's frozen examples, whether there are any or not."""
        return self._folder / f"{job_id}{SUFFIX}"

    def _frozen_table(
        self, dataset: Dataset, schema: DataProps, encoder: Encoder, spec: ModelSpec, split: ValidationSplit | None
    ) -> tuple[Moments, str]:
        """The table's moments, kept on disk, and the name of its set of rows, kept beside the keys."""
        clip = RowClip.of(spec, encoder.target_centres.tolist())
        key = _key(dataset.version, schema, encoder.props, spec, split, clip)
        path, known = self._folder / f"{key}.table", self._rows_of(key)
        if self._store.frozen_table(key) is not None and known is not None and path.exists():
            return thaw(path), known
        settings = (dataset.columns, schema, encoder.props, spec.model_type, spec.training.scaling)
        reduction = Reduction(*settings, split, self._rows.key(), clip)
        with RowSpool(self._folder) as spool:
            with reading(dataset):
                moments = self._reduce(reduction, open_dataset(dataset, schema), spool.add).moments
            name = self._rows.put(spool.rows())
        write_secret(self._folder / f"{key}.rows", name.encode())
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
            name = read_secret(self._folder / f"{key}.rows").decode()
        except FileNotFoundError:
            return None
        return None if self._rows.get(name) is None else name


def _forget(_ids: Ids) -> None:
    """Take hashes of rows that are kept already."""


def _check_rows(training: int, validation: int, min_rows: int) -> None:
    for name, rows in (("training", training), ("validation", validation)):
        if rows < min_rows:
            raise Problem(
                Code.TOO_FEW_ROWS,
                f"The {name} part of the split has {rows} rows, the policy's min_rows is {min_rows}.",
            )


def of_kind(schema: DataProps, spec: ModelSpec) -> DataProps:
    """The schema with those of its features and targets that this model type can have.

    The targets are those of the job where some weigh rows, and where it has none.
    """
    targets = spec.data_props.all_targets
    if spec.kind.predicts and len(spec.kind.fitted(targets)) == len(targets):
        classifies = spec.kind.classifies
        targets = tuple(target for target in schema.all_targets if (target.categories is not None) == classifies)
    return DataProps(
        header=schema.header,
        decimal=schema.decimal,
        thousands=schema.thousands,
        features=tuple(one for one in schema.features if spec.kind.takes(one)),
        targets=targets or None,
    )


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


def _encoding_hash(declared: DataProps, mapping: Mapping | None) -> str:
    columns = [column.model_dump(mode="json", exclude={"description"}) for column in declared.columns]
    marks = {mark: getattr(declared, mark) for mark in MARKS if getattr(declared, mark) is not None}
    # What records are rounded to is part of what a sum says of them.
    what = [declared.header, len(declared.features), columns, RECORD_FRACTION_BITS, *([marks] if marks else [])]
    if mapping is not None:
        what.append(mapping.digest())
    return hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()


def encoding_of(dataset: Dataset, spec: ModelSpec) -> str:
    """Return a hash of what a dataset declares, or, where that is nothing, the job: as its `SummedTable` has it."""
    return _encoding_hash(dataset.schema_ or spec.data_props, dataset.mapping)


def _lost(job_id: str, why: str) -> Problem:
    return Problem(
        Code.OWNER_LOST_ITS_KEY,
        f"What job {job_id} is answered from is lost: {why}. Restore the state folder, or deploy the job again.",
    )


def places_of(dataset: Dataset, spec: ModelSpec) -> Places:
    """Return the places of a job's columns and of its outputs in the dataset as all of it is encoded for the job.

    Raises TableError where the columns are not there.
    """
    schema = dataset.schema_ or spec.data_props
    props = of_kind(in_roles(schema, spec.data_props, dataset.columns), spec)
    encoder = Encoder(props, spec.model_type, spec.training.scaling)
    declared, used = by_position(dataset.columns, props), by_position(dataset.columns, spec.data_props)
    chosen, outputs = chosen_columns(encoder, list(declared), list(used), len(spec.data_props.features))
    return Places(chosen, outputs, _encoding_hash(props, dataset.mapping))


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
