"""From a registered table to the records that a network trains on, frozen on disk for as long as the job takes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from fedtrain.data_owner.data.datasets import open_dataset, reading
from fedtrain.data_owner.data.frozen.examples_folder import (
    PART_SUFFIX,
    SUFFIX,
    ExampleBatch,
    FrozenExamples,
    FrozenExamplesError,
    forget_examples,
    freeze_examples,
    thaw_examples,
)
from fedtrain.data_owner.data.frozen.folder import FrozenFolder, lost
from fedtrain.data_owner.data.frozen.summed import summed
from fedtrain.data_owner.data.job_columns import declared
from fedtrain.data_owner.data.rows.counted import CountedRows
from fedtrain.data_owner.data.rows.ids import Ids, Keep, RowSpool
from fedtrain.data_owner.data.rows.split import check_parts
from fedtrain.data_owner.policy.summed_table import SummedTable
from fedtrain.data_owner.release.told_files import RowFiles
from fedtrain.data_owner.store.records import Dataset
from fedtrain.spec.model_spec import ModelSpec
from fedtrain.spec.problems import Problem
from fedtrain.tabular.encode import Encoder

#: In the name of the examples that a copy is trained on.
_PERSONAL: Final = "-personal"


@dataclass(frozen=True)
class JobExamples:
    """A job's frozen examples. `examples_hash`: salted, of all their bytes."""

    table: SummedTable
    examples: FrozenExamples
    examples_hash: str


class ExamplesFreezer:
    """Freezes examples in one folder. Blocks for as long as the table takes: call it from a thread."""

    def __init__(self, folder: FrozenFolder, rows: RowFiles) -> None:
        """`rows`: where sets of rows are kept, beside the keys."""
        self._folder = folder
        self._rows = rows

    def freeze_job(self, job_id: str, dataset: Dataset, spec: ModelSpec, min_rows: int = 1) -> JobExamples:
        """Freeze the records that a network trains on, reading the table once more than it is inspected.

        `min_rows` and what is raised: as for `MomentsFreezer.freeze_job`.
        """
        with RowSpool(self._folder.path) as spool:
            examples = self._write(job_id, dataset, spec, spool.add)
            name = self._rows.put(spool.rows())
        split = self._folder.split() if spec.validates else None
        if split is not None:
            try:
                check_parts(examples.training_rows, examples.validation_rows, min_rows)
            except Problem:
                forget_examples(examples.folder)
                raise
        salt = self._folder.new_salt(job_id)
        return JobExamples(summed(dataset, spec, self._rows, name, split), examples, examples.hash(salt))

    def thaw_job(self, job_id: str, dataset: Dataset, spec: ModelSpec, committed: str) -> FrozenExamples:
        """Return the job's examples as they were frozen; those that are gone are made again from the table.

        `dataset`: the version that the job was joined with. `committed`: the salted hash that the acceptance carries.
        Raises Problem: OWNER_LOST_ITS_KEY where they are others than were committed to, INVALID_DATA where they are
        gone and the table changed, STORE_UNAVAILABLE where the whole folder is away.
        """
        self._folder.check_there()
        salt, path = self._folder.salt(job_id), self._folder.examples_path(job_id)
        try:
            examples = thaw_examples(path) if path.exists() else self._write(job_id, dataset, spec, _forget)
        except FrozenExamplesError as error:
            raise lost(job_id, str(error)) from None
        if examples.hash(salt) != committed:
            raise lost(job_id, "the frozen examples are not those that this owner committed to when it joined")
        return examples

    @contextmanager
    def personal(self, job_id: str, dataset: Dataset, spec: ModelSpec) -> Iterator[FrozenExamples]:
        """Yield the examples of a job that is over, made again from the table, and delete them afterwards.

        Raises Problem(INVALID_DATA) where the table is not what it was.
        """
        name = f"{job_id}{_PERSONAL}"
        try:
            yield self._write(name, dataset, spec, _forget)
        finally:
            forget_examples(self._folder.examples_path(name))

    def forget_unfinished(self) -> None:
        """Delete examples that a crash left half written, or kept beyond the training of a copy.

        For the service's start, before anything is frozen: `fedtrain prune` may run beside a service that is at work.
        """
        for pattern in (f".*{SUFFIX}{PART_SUFFIX}", f"*{_PERSONAL}{SUFFIX}"):
            for folder in self._folder.path.glob(pattern):
                forget_examples(folder)

    def _write(self, name: str, dataset: Dataset, spec: ModelSpec, keep: Keep) -> FrozenExamples:
        """Write the job's examples; `keep` is given the hashes of their rows."""
        schema, encoder = declared(dataset, spec), Encoder.of_spec(spec)
        split = self._folder.split() if spec.validates else None
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

            path = self._folder.examples_path(name)
            return freeze_examples(batches(), path, encoder.dimensions, encoder.outputs)


def _forget(_ids: Ids) -> None:
    """Take hashes of rows that are kept already."""
