"""GET /changes: that there is something new about jobs, or about the federation, for pages that show them."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request

from fedtrain.facilitator.routes.access import Seen, Service
from fedtrain.service.people.permissions import Permission
from fedtrain.service.web.caller import AnyCaller, needs
from fedtrain.service.web.event_streams import CHANGES, CountedStream, Edition, changes_of, looking

router = APIRouter(tags=["service"])


@router.get("/changes", dependencies=[needs(Permission.LOOK)], **CHANGES)
async def changes(
    request: Request,
    who: AnyCaller,
    service: Service,
    sightings: Seen,
    about: Annotated[list[Literal["jobs", "federation"]], Query(min_length=1, max_length=2, examples=[["jobs"]])],
) -> CountedStream:
    async def federation() -> str:
        return f"{await service.parties_edition()}-{sightings.edition()}"

    editions: dict[str, Edition] = {"jobs": service.jobs_edition, "federation": federation}
    asked: dict[str, Edition] = {name: editions[name] for name in about}
    return CountedStream(request, who, changes_of(asked, looking(request.app.state.stop)))
