"""/catalogue: data that this party could ask for, as their owners describe them."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query

from fedtrain.model_owner.routes.access import Service
from fedtrain.protocol.documents.card import CURSOR, Tag
from fedtrain.service.people.permissions import Permission
from fedtrain.service.web.caller import needs
from fedtrain.service.web.responses import JSON_TYPE
from fedtrain.spec.columns import FeatureType

router = APIRouter(tags=["catalogue"])

_CARD = {
    "id": "ca" * 32,
    "party": "1a" * 32,
    "name": "clinic-a",
    "dataset": "default",
    "revision": 1_767_000_000_000,
    "title": "Stays on the cardiology wards, 2015 to 2024",
    "tags": ["cardiology"],
    "columns": [{"name": "age", "type": "continuous", "description": "years"}],
}


@router.get(
    "/catalogue",
    dependencies=[needs(Permission.LOOK)],
    summary="Find datasets by words, tags and columns; each card's signature is verified here",
    responses={200: {"content": {JSON_TYPE: {"example": {"cards": [_CARD], "refused": [], "next": None}}}}},
)
async def catalogue(
    desk: Service,
    q: Annotated[str | None, Query(max_length=500)] = None,
    tag: Annotated[list[Tag] | None, Query(max_length=16)] = None,
    column: Annotated[list[str] | None, Query(max_length=16)] = None,
    type: Annotated[list[FeatureType] | None, Query(max_length=8)] = None,  # noqa: A002
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    after: Annotated[str | None, Query(pattern=CURSOR)] = None,
) -> dict[str, Any]:
    asked = [("q", q), ("after", after), ("limit", str(limit))]
    asked += [("tag", one) for one in tag or ()] + [("column", one) for one in column or ()]
    asked += [("type", one.value) for one in type or ()]
    given = [(name, value) for name, value in asked if value is not None]
    return (await desk.catalogue.find(given)).as_json()
