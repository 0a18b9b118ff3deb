"""Registering a dataset: a file under the data folder, its content's hash, its columns, and its encoding."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from fedtrain.data_owner.data.encoding import by_position
from fedtrain.data_owner.data.frozen.moments_file import FrozenMomentsError
from fedtrain.data_owner.data.moments import MomentsError
from fedtrain.data_owner.store.records import Dataset
from fedtrain.spec.model_spec import DataProps
from fedtrain.spec.problems import Code, Problem
from fedtrain.tabular.arrays.numpy_pairs import write_pair
from fedtrain.tabular.errors import TableError
from fedtrain.tabular.mapping.file import Mapping
from fedtrain.tabular.reading.read import Table, open_declared_table, open_mapped_table

if TYPE_CHECKING:  # what is answered from a dataset loads no database
    from fedtrain.data_owner.store.sql import OwnerStore

#: Folder, below the data folder, of the tables that this service wrote itself.
UPLOADS = "uploads"


def content_version(path: Path) -> str:
    """SHA-256 of the file's bytes, in hex: the dataset's version. Raises Problem(INVALID_DATA)."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise Problem(Code.INVALID_DATA, f"{path} cannot be read: {error.strerror}.") from None


def check_unchanged(dataset: Dataset) -> None:
    """Hold a dataset's file against the version that was registered. Raises Problem(INVALID_DATA)."""
    if content_version(Path(dataset.path)) != dataset.file_hash:
        raise Problem(
            Code.INVALID_DATA,
            f"{dataset.path} has changed since dataset {dataset.name!r} was registered: register it again.",
        )


@contextmanager
def reading(dataset: Dataset) -> Iterator[Path]:
    """Give the path of a dataset's file, which holds what was registered, before it is read and after.

    Raises Problem(INVALID_DATA) where it does not, and as `as_invalid_data`.
    """
    check_unchanged(dataset)
    with as_invalid_data(dataset):
        yield Path(dataset.path)
    check_unchanged(dataset)


@contextmanager
def as_invalid_data(dataset: Dataset) -> Iterator[None]:
    """Raise Problem(INVALID_DATA), with where it is, for whatever in a table does not fit what is declared of it."""
    try:
        yield
    except TableError as error:
        where = {"finding": error.code, "column": error.column, "records": list(error.rows or ())}
        raise Problem(Code.INVALID_DATA, f"{error.message}.", **where) from None
    except (MomentsError, FrozenMomentsError) as error:
        raise Problem(Code.INVALID_DATA, f"Dataset {dataset.name!r}: {error}.") from None


def open_dataset(dataset: Dataset, schema: DataProps) -> Table:
    """Open a dataset's file as `schema` and the dataset's own mapping say. Raises TableError."""
    return open_declared_table(dataset.path, schema, dataset.mapping)


def pair_as_table(features: Path, targets: Path, data_folder: Path) -> Path:
    """Write two NumPy arrays as one table among the uploads, and return its path. Raises Problem(INVALID_DATA)."""
    try:
        return write_pair(features, targets, data_folder / UPLOADS)
    except TableError as error:
        raise Problem(Code.INVALID_DATA, f"{error.message}.", reason=error.code) from None


def register(
    store: OwnerStore,
    name: str,
    path: Path,
    schema: DataProps | None,
    registered_at: str,
    mapping: Mapping | None = None,
) -> Dataset:
    """Put the table at `path` on offer under `name`, read by `mapping` where there is one. The file stays where it is.

    Raises Problem: INVALID_DATA where the file is no table or lacks a column of the schema, ENCODING_DIFFERS where
    this version has another schema that jobs have used.
    """
    content = content_version(path)
    try:
        columns = open_mapped_table(path, mapping, header=schema.header if schema else True).columns
        if schema is not None:
            by_position(columns, schema)
    except TableError as error:
        raise Problem(Code.INVALID_DATA, f"{error.message}.", reason=error.code) from None
    return store.put_dataset(
        Dataset.model_validate(
            {
                "name": name,
                "version": content if mapping is None else _mapped_version(content, mapping),
                "path": str(path.absolute()),
                "columns": columns,
                "schema": schema,
                "mapping": mapping,
                "content": None if mapping is None else content,
                "registered_at": registered_at,
            }
        )
    )


def _mapped_version(content: str, mapping: Mapping) -> str:
    """SHA-256 in hex of a file's hash and its mapping's."""
    return hashlib.sha256(f"mapped table {content} {mapping.digest()}".encode()).hexdigest()
