"""What goes into and comes out of a Data Owner's store."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from data_owner.encoding import DatasetFacts
from protocol.documents import Hash, JobId, Name, PartyId
from protocol.messages import RoundKind
from protocol.spec import DataProps, Strict


class Dataset(Strict):
    """A registered dataset version. `version`: SHA-256 of the file's bytes; `adopted_from`: whose encoding it took.

    `columns` are the names that the first record gives, unless the schema says that there is no header.
    """

    name: Name
    version: Hash
    path: str
    columns: tuple[str, ...]
    schema_: Annotated[DataProps | None, Field(alias="schema")] = None
    adopted_from: JobId | None = None
    registered_at: str

    def facts(self) -> DatasetFacts:
        """What judging a job needs of it."""
        return DatasetFacts(self.name, self.version, self.columns, self.schema_)


class FrozenTable(Strict):
    """A dataset version that was read once under one encoding; its moments are on disk under `key`."""

    key: Hash
    dataset: Name
    version: Hash
    rows: int
    frozen_at: str


class Release(Strict):
    """One answer that left this owner: how many numbers, of which dataset version, to whom."""

    job_id: JobId
    round: int
    kind: RoundKind
    numbers: int
    recipient: PartyId
    dataset: Name
    version: Hash
    released_at: str
