"""/data-owners: who can be asked to join."""

from __future__ import annotations

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict

from fedtrain.facilitator.routes.access import PartyInPath, Service, signed_body
from fedtrain.facilitator.store import StoredParty
from fedtrain.service.people.permissions import Permission
from fedtrain.service.web.caller import AnyCaller, CallingDataOwner, needs
from fedtrain.service.web.responses import JSON_TYPE, body_as

router = APIRouter(prefix="/data-owners", tags=["data owners"])


class DataOwnerView(BaseModel):
    """A registered Data Owner."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "party": "1a" * 32,
                "name": "clinic-a",
                "datasets": ["default"],
                "registered_at": "2026-01-12T09:27:00.000Z",
            }
        }
    )

    party: str
    name: str
    datasets: list[str]
    registered_at: str


def _view(party: StoredParty) -> DataOwnerView:
    return DataOwnerView(
        party=party.party, name=party.name, datasets=list(party.datasets), registered_at=party.registered_at
    )


@router.put(
    "/{party_id}",
    dependencies=[needs(Permission.ACT_AS_PARTY)],
    summary="Register, or change what is offered",
    openapi_extra=signed_body("registration"),
)
async def register(
    party_id: PartyInPath, request: Request, caller: CallingDataOwner, service: Service
) -> DataOwnerView:
    return _view(await service.register(party_id, caller, await body_as(request, JSON_TYPE)))


@router.delete(
    "/{party_id}",
    dependencies=[needs(Permission.REMOVE_PARTIES)],
    status_code=204,
    summary="Ask a Data Owner that has left for nothing more; it may register again",
)
async def forget(party_id: PartyInPath, caller: AnyCaller, service: Service) -> None:
    await service.forget(party_id, caller)


@router.get("", dependencies=[needs(Permission.LOOK)], summary="Registered Data Owners, by name")
async def data_owners(service: Service) -> list[DataOwnerView]:
    return [_view(party) for party in await service.data_owners()]
