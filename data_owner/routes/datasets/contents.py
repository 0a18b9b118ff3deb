"""A registered table's columns in counts, what its mapping does, and whether it fits another declaration.

All of it quotes values and counts: it is for the owner's own people, and goes nowhere from here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Self

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field

from fedtrain.data_owner.routes.datasets.cards import DatasetInPath
from fedtrain.data_owner.routes.parts import OwnerParts, Parts
from fedtrain.data_owner.store.records import Dataset
from fedtrain.service.people.permissions import Permission
from fedtrain.service.vault.data_folder import file_in
from fedtrain.service.web.caller import needs
from fedtrain.service.web.responses import JSON_TYPE, body_as, schema_of
from fedtrain.service.web.validation import parsed_body
from fedtrain.spec.model_spec import DataProps, Strict
from fedtrain.spec.problems import Code, Problem
from fedtrain.tabular.check import TableReport, check_table
from fedtrain.tabular.errors import TableError
from fedtrain.tabular.mapping.effects import ColumnEffects, mapping_effects
from fedtrain.tabular.mapping.file import Mapping, read_mapping

router = APIRouter(tags=["datasets"])


class Declaration(Strict):
    """A dictionary to hold a table against. `mapping`: another mapping file, under the data folder, than its own."""

    schema_: Annotated[DataProps, Field(alias="schema")]
    mapping: Annotated[str, Field(min_length=1, max_length=4096)] | None = None


class ColumnContents(BaseModel):
    """One declared column. `bins`: records in each of equal parts of `range`; `categories`: records of each."""

    column: str
    missing: int
    clipped_low: int
    clipped_high: int
    constant: bool
    range: tuple[float, float] | None
    bins: list[int] | None
    categories: dict[str, int] | None


class MappedColumn(BaseModel):
    """The mapping's effect on a column, in records. `listed`: a value, what it becomes (null: missing), and how often.

    `values`: with a value before; `missing`: made missing by a code; `unit`: numbers are multiplied by, and added to.
    """

    column: str
    source: str
    values: int
    missing: int
    recoded: int
    no_date: int
    listed: list[tuple[str, str | None, int]]
    unit: tuple[float, float] | None


class Contents(BaseModel):
    """A table held against a declaration. `rows` is None, and `columns` empty, where there is no declaration yet."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "rows": 120,
                "rows_dropped": 0,
                "fits": True,
                "findings": [],
                "columns": [
                    {
                        "column": "sex",
                        "missing": 0,
                        "clipped_low": 0,
                        "clipped_high": 0,
                        "constant": False,
                        "range": None,
                        "bins": None,
                        "categories": {"F": 70, "M": 50},
                    }
                ],
                "mapping": [
                    {
                        "column": "sex",
                        "source": "gender",
                        "values": 120,
                        "missing": 0,
                        "recoded": 120,
                        "no_date": 0,
                        "listed": [["female", "F", 70], ["male", "M", 50]],
                        "unit": None,
                    }
                ],
            }
        }
    )

    rows: int | None
    rows_dropped: int
    fits: bool | None
    findings: list[str]
    columns: list[ColumnContents]
    mapping: list[MappedColumn]

    @classmethod
    def of(cls, report: TableReport | None, effects: list[ColumnEffects]) -> Self:
        return cls(
            rows=None if report is None else report.rows,
            rows_dropped=0 if report is None else report.rows_dropped,
            fits=None if report is None else report.fits,
            findings=[] if report is None else report.findings,
            columns=[] if report is None else [ColumnContents(**asdict(column)) for column in report.columns],
            mapping=[MappedColumn(**asdict(one)) for one in effects],
        )


_CHECKED: dict[str, Any] = {
    "header": True,
    "features": [{"name": "sex", "type": "nominal", "categories": ["F", "M"]}],
    "target": {"name": "stay_days", "range": [0, 60]},
}
_BODY = {
    "requestBody": {
        "required": True,
        "content": {JSON_TYPE: {"schema": schema_of(Declaration), "example": {"schema": _CHECKED}}},
    }
}


@router.get(
    "/datasets/{name}/contents",
    dependencies=[needs(Permission.MANAGE_DATASETS)],
    summary="A dataset's declared columns in counts, and what its mapping does; for the owner's own people",
)
async def contents(name: DatasetInPath, parts: Parts) -> Contents:
    dataset = await asyncio.to_thread(_known, parts, name)

    def counted() -> Contents:
        if parts.fits.report(dataset) is None:  # a declaration that was adopted from a job is read when it is asked for
            parts.fits.look_at(dataset, parts.inspector)
        return Contents.of(parts.fits.report(dataset), _readable(lambda: parts.fits.effects(dataset)))

    return await asyncio.to_thread(counted)


@router.post(
    "/datasets/{name}/check",
    dependencies=[needs(Permission.MANAGE_DATASETS)],
    summary="Hold a dataset against a dictionary, without declaring it: does it fit, and what would its columns hold?",
    openapi_extra=_BODY,
)
async def check(name: DatasetInPath, request: Request, parts: Parts) -> Contents:
    asked = await asyncio.to_thread(parsed_body, await body_as(request, JSON_TYPE), Declaration)
    dataset = await asyncio.to_thread(_known, parts, name)

    def checked() -> Contents:
        mapping = dataset.mapping
        if asked.mapping is not None:
            mapping = read_mapping(file_in(parts.data_folder, asked.mapping, field="mapping"))
        report = check_table(Path(dataset.path), asked.schema_, None, mapping=mapping)
        return Contents.of(report, _readable(lambda: _effects(dataset, mapping, asked.schema_)))

    return await asyncio.to_thread(checked)


def _known(parts: OwnerParts, name: str) -> Dataset:
    dataset = parts.store.dataset(name)
    if dataset is None:
        raise Problem(Code.DATASET_NOT_FOUND, f"Dataset {name!r} is not registered here.")
    return dataset


def _effects(dataset: Dataset, mapping: Mapping | None, schema: DataProps) -> list[ColumnEffects]:
    return [] if mapping is None else mapping_effects(dataset.path, mapping, schema.header)


def _readable(effects: Callable[[], list[ColumnEffects]]) -> list[ColumnEffects]:
    """Return a mapping's effects; nothing where the table cannot be read, which its findings say."""
    try:
        return effects()
    except TableError:
        return []
