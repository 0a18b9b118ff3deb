"""Cards of this owner's datasets: what it says of them to those who look for data."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request

from fedtrain.data_owner.routes.parts import Parts
from fedtrain.protocol.documents.card import CURSOR, CardTerms
from fedtrain.service.people.permissions import Permission
from fedtrain.service.web.caller import needs
from fedtrain.service.web.responses import JSON_TYPE, body_as, schema_of
from fedtrain.service.web.validation import parsed_body

router = APIRouter(tags=["datasets"])

DatasetInPath = Annotated[str, Path(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$", examples=["default"])]
_TERMS = {
    "title": "Stays on the cardiology wards, 2015 to 2024",
    "description": "One record a stay.",
    "tags": ["cardiology"],
    "terms": "Research on length of stay; ask the data office.",
    "size": "10,000 to 100,000",
}
_BODY = {
    "requestBody": {
        "required": True,
        "content": {JSON_TYPE: {"schema": schema_of(CardTerms), "example": _TERMS}},
    }
}
_CARD = {"party": "1a" * 32, "dataset": "default", "revision": 1_767_000_000_000, **_TERMS}


@router.put(
    "/datasets/{name}/card",
    dependencies=[needs(Permission.MANAGE_DATASETS)],
    summary="Publish a dataset: sign its card, and have the Facilitator show it",
    responses={200: {"content": {JSON_TYPE: {"example": _CARD}}}},
    openapi_extra=_BODY,
)
async def publish(name: DatasetInPath, request: Request, parts: Parts) -> dict[str, Any]:
    terms = parsed_body(await body_as(request, JSON_TYPE), CardTerms)
    card = await parts.publishing.publish(name, terms)
    return card.model_dump(mode="json", exclude={"membership"})


@router.delete(
    "/datasets/{name}/card",
    dependencies=[needs(Permission.MANAGE_DATASETS)],
    summary="Withdraw a dataset's card",
    responses={200: {"content": {JSON_TYPE: {"example": {"dataset": "default", "revision": 1_767_000_000_000}}}}},
)
async def withdraw(name: DatasetInPath, parts: Parts) -> dict[str, Any]:
    said = await parts.publishing.withdraw(name)
    return said.model_dump(mode="json", include={"dataset", "revision"})


@router.get(
    "/cards",
    dependencies=[needs(Permission.LOOK)],
    summary="This owner's cards, as the Facilitator shows them, each verified",
    responses={200: {"content": {JSON_TYPE: {"example": {"cards": [_CARD], "refused": [], "next": None}}}}},
)
async def cards(parts: Parts, after: Annotated[str | None, Query(pattern=CURSOR)] = None) -> dict[str, Any]:
    return (await parts.publishing.published(after)).as_json()
