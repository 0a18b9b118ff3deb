"""POST /datasets/query, and GET /databases: a dataset out of the owner's own database."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Request
from pydantic import AfterValidator, BaseModel, Field

from fedtrain.data_owner.data.datasets import register
from fedtrain.data_owner.release.decisions import queried
from fedtrain.data_owner.routes.datasets.registered import DatasetView
from fedtrain.data_owner.routes.deciders import person_of
from fedtrain.data_owner.routes.parts import Parts
from fedtrain.protocol.documents.signed import Name
from fedtrain.service.people.permissions import Permission
from fedtrain.service.web.caller import AnyCaller, needs
from fedtrain.service.web.responses import JSON_TYPE, body_as, schema_of
from fedtrain.service.web.validation import parsed_body
from fedtrain.spec.model_spec import DataProps, Strict

router = APIRouter(tags=["datasets"])


def _without_nul(sql: str) -> str:
    if "\0" in sql:
        raise ValueError("the text has a NUL character in it: take it out")
    return sql


class DatabaseQuery(Strict):
    """A SELECT on a database that the service's settings name, and the encoding that was agreed on, if there is one.

    `name`: the dataset's. `sql` stays in this owner's audit.
    """

    name: Name = "default"
    database: Name
    sql: Annotated[str, Field(min_length=1, max_length=20_000), AfterValidator(_without_nul)]
    schema_: Annotated[DataProps | None, Field(alias="schema")] = None


class DatabaseView(BaseModel):
    """A database that may be queried."""

    name: str


class QueriedDataset(DatasetView):
    """A dataset that is on offer now, of so many `rows`."""

    rows: int


_QUERY = {"name": "default", "database": "ward", "sql": "SELECT age, stay_days FROM stays WHERE year >= 2015"}
_QUERIED: dict[str, Any] = {
    "name": "default",
    "version": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "columns": ["age", "stay_days"],
    "encoding": "open",
    "adopted_from": None,
    "schema": None,
    "mapping": None,
    "registered_at": "2025-01-31T09:30:00.000Z",
    "fits": None,
    "findings": [],
    "rows": 4711,
}
_BODY = {
    "requestBody": {
        "required": True,
        "content": {JSON_TYPE: {"schema": schema_of(DatabaseQuery), "example": _QUERY}},
    }
}


@router.get(
    "/databases",
    dependencies=[needs(Permission.MANAGE_DATASETS)],
    summary="The databases that the service's settings name, for queries",
    responses={200: {"content": {JSON_TYPE: {"example": [{"name": "ward"}]}}}},
)
def get_databases(parts: Parts) -> list[DatabaseView]:
    return [DatabaseView(name=name) for name in parts.queries.databases]


@router.post(
    "/datasets/query",
    status_code=201,
    dependencies=[needs(Permission.MANAGE_DATASETS)],
    summary="Run a query once, and register what it gives as a dataset; its rows are kept like an upload's",
    response_model=QueriedDataset,
    responses={201: {"content": {JSON_TYPE: {"example": _QUERIED}}}},
    openapi_extra=_BODY,
)
async def post_query(request: Request, parts: Parts, who: AnyCaller) -> QueriedDataset:
    asked = await asyncio.to_thread(parsed_body, await body_as(request, JSON_TYPE), DatabaseQuery)
    result = await parts.queries.run(asked.database, asked.sql)
    at, where = parts.timestamp(), f"{result.rows:,} rows of database {asked.database}:"
    entry = queried(asked.name, result.version, where, asked.sql, person_of(None, who), at)
    # In the audit before it counts.
    await asyncio.to_thread(parts.store.put_decision, entry)
    dataset = await asyncio.to_thread(register, parts.store, asked.name, result.path, asked.schema_, at)
    parts.registering.datasets_changed()
    await asyncio.to_thread(parts.fits.look_at, dataset, parts.inspector)
    return QueriedDataset(**DatasetView.of(dataset, parts.fits).model_dump(), rows=result.rows)
