"""The rows of a job, for gradients that moments do not give: read anew each round, from the version it joined with.

They are the rows that the job's moments were taken over, under the dataset's encoding, and stay a batch at a time.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from fedtrain.data_owner.data.counted_rows import CountedRows
from fedtrain.data_owner.data.datasets import content_version, open_dataset
from fedtrain.data_owner.data.encoding import by_position, in_roles
from fedtrain.data_owner.data.freezing import chosen_columns, of_kind
from fedtrain.data_owner.data.moments import Rows
from fedtrain.data_owner.store.records import Dataset
from fedtrain.spec.model_spec import ModelSpec
from fedtrain.spec.problems import Code, Problem
from fedtrain.tabular.encode import Encoder
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
        schema = self._dataset.schema_ or spec.data_props
        props = of_kind(in_roles(schema, spec.data_props, self._dataset.columns), spec)
        encoder = Encoder(props, spec.model_type, spec.training.scaling)
        try:
            declared = by_position(self._dataset.columns, encoder.props)
            used = by_position(self._dataset.columns, spec.data_props)
            places, outputs = chosen_columns(encoder, list(declared), list(used), len(spec.data_props.features))
            table = open_dataset(self._dataset, schema)
            counted = CountedRows(self._dataset.columns, schema if self._of_version else props)
            for batch in encoder.encode_all(counted.batches(table, encoder.columns)):
                imputed = None if batch.imputed is None else batch.imputed[:, places]
                yield Rows(batch.X[:, places], batch.Y[:, outputs], imputed=imputed)
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
