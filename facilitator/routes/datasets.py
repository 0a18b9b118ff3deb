"""/datasets: the cards by which data are found."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query, Request

from fedtrain.facilitator.registry.catalogue import Asked, Catalogue
from fedtrain.facilitator.routes.access import SIGNED_EXAMPLE, PartyInPath, held, signed_body
from fedtrain.protocol.documents.card import CURSOR, CardList, Tag
from fedtrain.protocol.documents.signed import Hash, PartyId, SignedDocument
from fedtrain.service.people.permissions import Permission
from fedtrain.service.web.caller import AnyCaller, CallingDataOwner, needs
from fedtrain.service.web.responses import JSON_TYPE, body_as
from fedtrain.spec.columns import FeatureType

router = APIRouter(prefix="/datasets", tags=["datasets"])

DatasetInPath = Annotated[str, Path(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$", examples=["default"])]
_FOUND = {"cards": [SIGNED_EXAMPLE], "next": None}
TheCatalogue = Annotated[Catalogue, held("catalogue")]


@router.get(
    "",
    dependencies=[needs(Permission.LOOK)],
    summary="Cards of datasets, by words, tags and columns, the newest first; each reader sees those that are for it",
    responses={200: {"content": {JSON_TYPE: {"example": _FOUND}}}},
)
async def find(
    caller: AnyCaller,
    catalogue: TheCatalogue,
    q: Annotated[str | None, Query(max_length=500, description="Words, or how they begin")] = None,
    tag: Annotated[list[Tag] | None, Query(max_length=16)] = None,
    column: Annotated[list[str] | None, Query(max_length=16, description="Names of columns that it has")] = None,
    type: Annotated[list[FeatureType] | None, Query(max_length=8, description="Types of those")] = None,  # noqa: A002
    party: Annotated[PartyId | None, Query(description="Its owner")] = None,
    card: Annotated[Hash | None, Query(description="The hash of its document")] = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    after: Annotated[str | None, Query(pattern=CURSOR, description="The `next` of the page before")] = None,
) -> CardList:
    types = [one.value for one in type or ()]
    asked = Asked(
        q=q, tags=tag or (), columns=column or (), types=types, party=party, card=card, after=after, limit=limit
    )
    return await catalogue.find(asked, caller.party_id)


@router.put(
    "/{party_id}/{dataset}",
    dependencies=[needs(Permission.ACT_AS_PARTY)],
    summary="Publish a dataset's card",
    openapi_extra=signed_body("card"),
)
async def publish(
    party_id: PartyInPath, dataset: DatasetInPath, request: Request, caller: CallingDataOwner, catalogue: TheCatalogue
) -> SignedDocument:
    return await catalogue.publish(party_id, dataset, caller, await body_as(request, JSON_TYPE))


@router.put(
    "/{party_id}/{dataset}/withdrawal",
    dependencies=[needs(Permission.ACT_AS_PARTY)],
    summary="Withdraw a dataset's card, and every earlier one",
    openapi_extra=signed_body("withdrawal"),
)
async def withdraw(
    party_id: PartyInPath, dataset: DatasetInPath, request: Request, caller: CallingDataOwner, catalogue: TheCatalogue
) -> SignedDocument:
    return await catalogue.withdraw(party_id, dataset, caller, await body_as(request, JSON_TYPE))
