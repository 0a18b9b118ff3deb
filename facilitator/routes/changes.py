"""/changes: that there is something new, for pages about jobs or the federation, and for parties about requests."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict

from fedtrain.facilitator.routes.access import waiting
from fedtrain.facilitator.routes.requests import TheRequests
from fedtrain.service.people.permissions import Permission
from fedtrain.service.web.caller import AnyCaller, CallingParty, needs
from fedtrain.service.web.event_streams import CHANGES, CountedStream, Edition, SharedEdition, changes_of, looking

router = APIRouter()


@router.get("/changes", dependencies=[needs(Permission.LOOK)], tags=["service"], **CHANGES)
async def changes(
    request: Request,
    who: AnyCaller,
    about: Annotated[list[Literal["jobs", "federation"]], Query(min_length=1, max_length=2, examples=[["jobs"]])],
) -> CountedStream:
    editions: Mapping[str, SharedEdition] = request.app.state.editions
    asked: dict[str, Edition] = {name: editions[name] for name in about}
    return CountedStream(request, who, changes_of(asked, looking(request.app.state.stop)))


class RequestsEdition(BaseModel):
    """A text that is another one once there is something new in a party's requests."""

    model_config = ConfigDict(json_schema_extra={"example": {"edition": "3.14"}})

    edition: str


@router.get(
    "/changes/requests",
    dependencies=[needs(Permission.ACT_AS_PARTY)],
    tags=["requests"],
    summary="The edition of the caller's requests; waits for another one than `known`",
)
async def edition(
    request: Request,
    caller: CallingParty,
    requests: TheRequests,
    known: Annotated[str, Query(max_length=100, description="The edition of before", examples=["3.13"])] = "",
    wait: Annotated[float, Query(ge=0, description="Seconds to wait for another", examples=[20])] = 0,
) -> RequestsEdition:
    with waiting(request, caller, wait) as wait_s:
        found = await requests.edition(caller, known, wait_s=wait_s, stop=request.app.state.stop)
    return RequestsEdition(edition=found)
