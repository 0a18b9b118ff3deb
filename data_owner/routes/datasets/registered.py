"""POST /datasets and GET /datasets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, Field

from fedtrain.data_owner.data.datasets import UPLOADS, pair_as_table, register
from fedtrain.data_owner.data.table_fits import TableFits
from fedtrain.data_owner.routes.parts import Parts
from fedtrain.data_owner.store.records import Dataset
from fedtrain.protocol.documents.signed import Name
from fedtrain.service.people.permissions import Permission
from fedtrain.service.store.streamed_file import save_stream
from fedtrain.service.vault.data_folder import file_in
from fedtrain.service.web.caller import needs
from fedtrain.service.web.responses import JSON_TYPE, content_type, schema_of, unsupported_media_type
from fedtrain.service.web.validation import parsed_body
from fedtrain.spec.model_spec import DataProps, Strict
from fedtrain.tabular.mapping.file import Mapping, read_mapping

CSV_TYPE = "text/csv"
PARQUET_TYPE = "application/vnd.apache.parquet"
_SUFFIXES = {CSV_TYPE: ".csv", PARQUET_TYPE: ".parquet"}

_EXAMPLE_SCHEMA = {
    "header": True,
    "features": [{"name": "age", "type": "continuous", "range": [18, 100]}],
    "target": {"name": "stay_days", "range": [0, 60]},
}


class NewDataset(Strict):
    """A file under the data folder, and the encoding that its consortium agreed on, if there is one yet.

    `mapping`: the owner's mapping file, under the data folder too, which turns the table into the schema's columns.
    `target`: where `path` is a NumPy array, the array of its targets; columns are then x and y.
    """

    name: Name = "default"
    path: Annotated[str, Field(min_length=1, max_length=4096)]
    schema_: Annotated[DataProps | None, Field(alias="schema")] = None
    mapping: Annotated[str, Field(min_length=1, max_length=4096)] | None = None
    target: Annotated[str, Field(min_length=1, max_length=4096)] | None = None


class DatasetView(BaseModel):
    """A dataset on offer. `encoding` is "declared", "adopted" (from `adopted_from`) or "open".

    `fits`: true where the table is as its schema says; null without a schema, and as long as the table is being read.
    `findings`: what does not fit, questions that only its owner can answer, and why the policy would decline jobs on
    it or have them wait for a person; with values and counts, and what to change. `mapping`: a hash of what its mapping
    file said, which belongs to `version`; null where there is none.
    """

    name: str
    version: str
    columns: list[str]
    encoding: str
    adopted_from: str | None
    schema_: Annotated[dict[str, Any] | None, Field(serialization_alias="schema")]
    mapping: str | None
    registered_at: str
    fits: bool | None
    findings: list[str]

    @classmethod
    def of(cls, dataset: Dataset, fits: TableFits) -> DatasetView:
        schema, report = dataset.schema_, fits.report(dataset)
        encoding = "open" if schema is None else "adopted" if dataset.adopted_from else "declared"
        return cls(
            name=dataset.name,
            version=dataset.version,
            columns=list(dataset.columns),
            encoding=encoding,
            adopted_from=dataset.adopted_from,
            schema_=None if schema is None else schema.model_dump(mode="json", exclude_none=True),
            mapping=None if dataset.mapping is None else dataset.mapping.digest(),
            registered_at=dataset.registered_at,
            fits=None if report is None else report.fits,
            findings=[] if report is None else report.findings,
        )


_VIEW_EXAMPLE = {
    "name": "default",
    "version": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "columns": ["age", "stay_days"],
    "encoding": "declared",
    "adopted_from": None,
    "schema": _EXAMPLE_SCHEMA,
    "mapping": None,
    "registered_at": "2025-01-31T09:30:00.000Z",
    "fits": True,
    "findings": [],
}
_BODIES = {
    "requestBody": {
        "required": True,
        "content": {
            JSON_TYPE: {
                "schema": schema_of(NewDataset),
                "example": {"name": "default", "path": "patients.csv", "schema": _EXAMPLE_SCHEMA},
            },
            CSV_TYPE: {"schema": {"type": "string"}, "example": "age,stay_days\n61,4\n"},
            PARQUET_TYPE: {"schema": {"type": "string", "format": "binary"}},
        },
    }
}


router = APIRouter(tags=["datasets"])


@router.post(
    "/datasets",
    status_code=201,
    dependencies=[needs(Permission.MANAGE_DATASETS)],
    summary="Register a dataset: a file under the data folder, or an upload",
    response_model=DatasetView,
    responses={201: {"content": {JSON_TYPE: {"example": _VIEW_EXAMPLE}}}},
    openapi_extra=_BODIES,
)
async def post_dataset(
    request: Request, parts: Parts, name: Annotated[Name, Query(description="An upload's name.")] = "default"
) -> DatasetView:
    sent = content_type(request)
    if sent == JSON_TYPE:
        new = await asyncio.to_thread(parsed_body, await request.body(), NewDataset)
        path = await asyncio.to_thread(_table, parts.data_folder, new)
        mapping = await asyncio.to_thread(_mapping, parts.data_folder, new.mapping)
        dataset = await asyncio.to_thread(
            register, parts.store, new.name, path, new.schema_, parts.timestamp(), mapping
        )
    elif sent in _SUFFIXES:
        path, _ = await save_stream(parts.data_folder / UPLOADS, _SUFFIXES[sent], _stream(request))
        dataset = await asyncio.to_thread(register, parts.store, name, path, None, parts.timestamp())
    else:
        raise unsupported_media_type(sent, JSON_TYPE, *_SUFFIXES)
    parts.registering.datasets_changed()
    await asyncio.to_thread(parts.fits.look_at, dataset, parts.inspector)
    return DatasetView.of(dataset, parts.fits)


@router.get(
    "/datasets",
    dependencies=[needs(Permission.LOOK)],
    summary="The datasets on offer, each with its version and encoding",
    responses={200: {"content": {JSON_TYPE: {"example": [_VIEW_EXAMPLE]}}}},
)
def get_datasets(parts: Parts) -> list[DatasetView]:
    return [DatasetView.of(dataset, parts.fits) for dataset in parts.store.datasets()]


def _table(folder: Path, new: NewDataset) -> Path:
    path = file_in(folder, new.path)
    return path if new.target is None else pair_as_table(path, file_in(folder, new.target, field="target"), folder)


def _mapping(folder: Path, given: str | None) -> Mapping | None:
    return None if given is None else read_mapping(file_in(folder, given, field="mapping"))


async def _stream(request: Request) -> AsyncIterator[bytes]:
    async for chunk in request.stream():
        yield chunk
