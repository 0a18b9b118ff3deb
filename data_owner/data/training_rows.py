"""The rows of a job, for gradients that moments do not give: read anew each round, from the version it joined with.

They are the rows that the job's moments were taken over, under the dataset's encoding, and stay a batch at a time.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from fedtrain.data_owner.data.datasets import content_version, open_dataset
from fedtrain.data_owner.data.job_columns import declared, encoder_of, places_of
from fedtrain.data_owner.data.moments import Rows
from fedtrain.data_owner.data.rows.counted import CountedRows
from fedtrain.data_owner.store.records import Dataset
from fedtrain.spec.model_spec import ModelSpec
from fedtrain.spec.problems import Code, Problem
from fedtrain.tabular.errors import TableError


class TrainingRows:
    """Iterate over it as often as needed; each time the file is read from its beginning."""

    def __init__(self, dataset: Dataset, spec: ModelSpec, *, of_version: bool = True) -> None:
        """`dataset`: the version that the job was joined with, with the schema that it has by then.

        `of_version`: the rows that count for every job on the version; without, those that count by the job's own kind
        of targets, as in jobs that were joined before that was decided once a version.
        """
        self._dataset = dataset
        self._spec = spec
        self._of_version = of_version

    def __iter__(self) -> Iterator[Rows]:
        """Batches of at most 8192 rows. Blocks.

        Raises Problem(INVALID_DATA) where the file is not the version that was joined with, before it is read or,
        where it was changed meanwhile, after: what was computed until then must not be used.
        """
        spec, path = self._spec, Path(self._dataset.path)
        self._check_version(path)
        encoder = encoder_of(self._dataset, spec)
        try:
            places, schema = places_of(self._dataset, spec), declared(self._dataset, spec)
            counted = CountedRows(self._dataset.columns, schema if self._of_version else encoder.props)
            records = counted.batches(open_dataset(self._dataset, schema), encoder.columns)
            for batch in encoder.encode_all(records):
                imputed = None if batch.imputed is None else batch.imputed[:, places.columns]
                yield Rows(batch.X[:, places.columns], batch.Y[:, places.outputs], imputed=imputed)
        except TableError as error:
            self._check_version(path)
            # Its message may quote a value, and what goes wrong in a round is logged.
            why = f"{path} cannot be read as when it was joined with: {error.code}."
            raise Problem(Code.INVALID_DATA, why) from None
        self._check_version(path)

    def _check_version(self, path: Path) -> None:
        if content_version(path) != self._dataset.file_hash:
            raise Problem(
                Code.INVALID_DATA,
                f"{path} is not what this owner joined with: put version {self._dataset.version[:16]}… of dataset "
                f"{self._dataset.name!r} back, and the job goes on; or have it cancelled.",
            )
