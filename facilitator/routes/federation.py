"""/federation: the parties that this Facilitator knows, and how it last saw them."""

from __future__ import annotations

from datetime import datetime

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict
from pydantic.config import JsonDict

from fedtrain.facilitator.registry.sightings import Sighting, Sightings
from fedtrain.facilitator.routes.access import Seen, Service
from fedtrain.facilitator.store import StoredParty
from fedtrain.protocol.states import Role
from fedtrain.service.people.permissions import Permission
from fedtrain.service.web.caller import needs

router = APIRouter(prefix="/federation", tags=["federation"])

_EXAMPLE: JsonDict = {
    "party": "1a" * 32,
    "name": "clinic-a",
    "role": "data-owner",
    "datasets": ["default"],
    "registered_at": "2026-01-12T09:27:00.000Z",
    "seen_at": "2026-01-12T09:30:05.120Z",
    "silent": False,
    "version": "0.5.0",
    "clock_ahead_s": 0,
}


class PartyView(BaseModel):
    """A registered Data Owner, a Model Owner of a job, or another party that polls.

    `name` and `role` are null where neither a registration, a job nor a token says them. `seen_at`: its latest poll;
    `silent`: it has not polled for longer than one that runs would. `version` and `clock_ahead_s`, what it said of
    itself in that poll: the seconds by which its clock is before this one.
    """

    model_config = ConfigDict(json_schema_extra={"example": _EXAMPLE})

    party: str
    name: str | None
    role: Role | None
    datasets: list[str]
    registered_at: str | None
    seen_at: datetime | None
    silent: bool
    version: str | None
    clock_ahead_s: int | None


class FederationView(BaseModel):
    """Parties by role and name. `since`: from when on this process has taken note of polls."""

    model_config = ConfigDict(json_schema_extra={"example": {"since": "2026-01-12T09:00:00Z", "parties": [_EXAMPLE]}})

    since: datetime
    parties: list[PartyView]


@router.get(
    "", dependencies=[needs(Permission.LOOK)], summary="Parties, their versions and clocks, and when each polled"
)
async def federation(service: Service, sightings: Seen) -> FederationView:
    owners = {owner.party: owner for owner in await service.data_owners()}
    model_owners = await service.model_owners()
    seen = sightings.all()
    parties = [
        _view(party, owners.get(party), model_owners.get(party), seen.get(party), sightings)
        for party in {**owners, **model_owners, **seen}
    ]
    parties.sort(key=lambda one: (one.role is None, one.role or "", one.name or "", one.party))
    return FederationView(since=sightings.since, parties=parties)


def _view(
    party: str, owner: StoredParty | None, asks_as: str | None, seen: Sighting | None, sightings: Sightings
) -> PartyView:
    role = None if seen is None else seen.role
    if asks_as is not None or owner is not None:
        role = Role.MODEL_OWNER if owner is None else Role.DATA_OWNER
    return PartyView(
        party=party,
        name=asks_as if owner is None else owner.name,
        role=role,
        datasets=[] if owner is None else list(owner.datasets),
        registered_at=None if owner is None else owner.registered_at,
        seen_at=None if seen is None else seen.seen_at,
        silent=seen is None or sightings.is_silent(seen),
        version=None if seen is None else seen.version,
        clock_ahead_s=None if seen is None else seen.clock_ahead_s,
    )
