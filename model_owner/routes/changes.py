"""GET /changes: that there is something new about jobs, or about requests, for pages that show them."""

from __future__ import annotations

from fastapi import APIRouter, Request

from fedtrain.model_owner.routes.access import Service
from fedtrain.service.people.permissions import Permission
from fedtrain.service.web.caller import AnyCaller, needs
from fedtrain.service.web.event_streams import CHANGES, About, CountedStream, changes_at

router = APIRouter(tags=["service"])


@router.get("/changes", dependencies=[needs(Permission.LOOK)], **CHANGES)
async def changes(request: Request, who: AnyCaller, desk: Service, about: About) -> CountedStream:
    return CountedStream(request, who, changes_at(desk.store.engine, desk.requests.requests.news, about, request))
