"""/datasets: the Model Owner's test sets."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from fedtrain.model_owner.jobs.datasets import DEFAULT_NAME
from fedtrain.model_owner.routes.access import Service
from fedtrain.model_owner.store import Dataset
from fedtrain.protocol.documents.signed import Name
from fedtrain.service.people.permissions import Permission
from fedtrain.service.web.caller import needs
from fedtrain.service.web.responses import content_type, schema_of
from fedtrain.service.web.validation import validation_problem
from fedtrain.spec.model_spec import Strict
from fedtrain.spec.problems import Code, Problem

router = APIRouter(prefix="/datasets", tags=["test sets"])


class FileInDataFolder(Strict):
    """A file below this party's data folder."""

    path: Annotated[str, Field(min_length=1, max_length=4096)]
    name: Name = DEFAULT_NAME


class DatasetView(BaseModel):
    """A test set. The one that was registered last is current: GET /prediction scores on it."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "id": "5c1f0e8a7b6d4e3f9a2b1c0d8e7f6a5b",
                "name": "default",
                "path": "test.csv",
                "version": "9f" * 32,
                "size_bytes": 5821,
                "registered_at": "2026-01-12T09:20:00.000Z",
                "current": True,
            }
        }
    )

    id: str
    name: str
    path: str
    version: str
    size_bytes: int
    registered_at: datetime
    current: bool


def _view(dataset: Dataset, current: bool) -> DatasetView:
    return DatasetView(**dataset.model_dump(), current=current)


_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {"schema": schema_of(FileInDataFolder), "example": {"path": "test.csv"}},
            "text/csv": {"schema": {"type": "string"}, "example": "age,bmi,target\n0.01,0.03,151\n"},
            "application/vnd.apache.parquet": {"schema": {"type": "string", "format": "binary"}},
            "application/octet-stream": {"schema": {"type": "string", "format": "binary"}},
        },
    }
}


@router.post(
    "",
    dependencies=[needs(Permission.TRAIN_MODELS)],
    status_code=201,
    summary="Register a test set: a file in the data folder, by JSON, or the file itself as the body",
    openapi_extra=_BODY,
)
async def register(
    request: Request,
    desk: Service,
    name: Annotated[Name, Query(description="Of an upload.", examples=["default"])] = DEFAULT_NAME,
) -> DatasetView:
    if content_type(request) == "application/json":
        given = await _given(request)
        return _view(await desk.datasets.register_path(given.path, given.name), current=True)
    return _view(await desk.datasets.upload(request.stream(), content_type(request), name), current=True)


async def _given(request: Request) -> FileInDataFolder:
    try:
        document = await request.json()
    except (ValueError, RecursionError) as error:
        raise Problem(Code.MALFORMED_JSON, f"The body is not JSON: {type(error).__name__}.") from None
    try:
        return FileInDataFolder.model_validate(document)
    except ValidationError as error:
        raise validation_problem(error, document) from None


@router.get("", dependencies=[needs(Permission.LOOK)], summary="All test sets, the current one first")
async def datasets(desk: Service) -> list[DatasetView]:
    found = await asyncio.to_thread(desk.store.datasets)
    return [_view(dataset, current=index == 0) for index, dataset in enumerate(found)]
