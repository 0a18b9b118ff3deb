"""The table that a job's sums are taken over at this owner, as it is remembered."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from fedtrain.protocol.documents.signed import Hash, Name
from fedtrain.spec.model_spec import Strict


class SummedTable(Strict):
    """A dataset version under an encoding, and the rows of it that were summed.

    `rows`: how many. `encoding`: a hash of everything that the dataset declares, without the descriptions. `columns`:
    those of the schema, by the names that the file gives them, or its mapping. `mapping`, `content`: hashes of the
    mapping and of the file, where there is a mapping: rows are then known by what it made of them. `whole`, and where
    the rows were `split` for validation `training`: names of sets of rows (`data_owner.data.rows.ids`), hashed under
    `row_key`; None where not known, as of what was told by a version that did not keep them. `thresholds`: no sums of
    rows are told, but whether at least `min_cell` of them lie beyond public bounds.
    """

    dataset: Name
    version: Hash
    rows: int
    encoding: Hash
    columns: tuple[str, ...] = ()
    mapping: Hash | None = None
    content: Hash | None = None
    row_key: Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")] | None = None
    whole: Hash | None = None
    split: bool = False
    training: Hash | None = None
    thresholds: bool = False

    def is_same_dataset(self, other: SummedTable) -> bool:
        """Return whether both are of one dataset by its name, or of one file."""
        return self.dataset == other.dataset or (self.content or self.version) == (other.content or other.version)

    @property
    def known(self) -> bool:
        """Return whether it is known which rows, and which part of them, were summed."""
        return self.whole is not None and not (self.split and self.training is None)
