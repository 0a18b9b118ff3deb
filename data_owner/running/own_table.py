"""The table and the schema that an owner's settings name, registered whenever it starts."""

from __future__ import annotations

import json
from pathlib import Path

from fedtrain.data_owner.data.datasets import pair_as_table, register
from fedtrain.data_owner.settings import DataOwnerSettings
from fedtrain.data_owner.store.sql import OwnerStore
from fedtrain.protocol.documents.signed import parse_json
from fedtrain.spec.model_spec import DEFAULT_DATASET, DataProps
from fedtrain.spec.problems import Code, Problem
from fedtrain.tabular.mapping.file import read_mapping


def register_own_table(settings: DataOwnerSettings, store: OwnerStore, registered_at: str) -> None:
    """Register what the settings name as dataset "default". Raises Problem for a table or schema that is unusable."""
    if settings.data is None:
        return
    mapping = None if settings.mapping is None else read_mapping(settings.mapping)
    data = settings.data
    if settings.target is not None:
        data = pair_as_table(data, settings.target, settings.data_folder)
    register(store, DEFAULT_DATASET, data, read_schema(settings.schema_file), registered_at, mapping)


def read_schema(path: Path | None) -> DataProps | None:
    """The consortium's schema.json. Raises Problem(INVALID_REQUEST) for one that cannot be used."""
    if path is None:
        return None
    try:
        content = path.read_bytes()
        return parse_json(content, DataProps)
    except OSError as error:
        raise Problem(Code.INVALID_REQUEST, f"The schema {path} cannot be read: {error.strerror}.") from None
    except Problem as problem:
        why = "it is a model spec: take its data_props." if _is_spec(content) else problem.detail
        raise Problem(Code.INVALID_REQUEST, f"The schema {path} cannot be used: {why}") from None


def _is_spec(content: bytes) -> bool:
    """Say whether JSON that is no schema has one inside, as a model spec has."""
    try:
        document = json.loads(content)
    except ValueError:
        return False
    return isinstance(document, dict) and "data_props" in document
