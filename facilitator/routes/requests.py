"""/requests: what Model Owners ask of owners, and what is said about it."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request

from fedtrain.facilitator.registry.requests import Requests
from fedtrain.facilitator.routes.access import SIGNED_EXAMPLE, HashInPath, held, signed_body
from fedtrain.protocol.documents.request import KeptRequest, RequestList
from fedtrain.service.people.permissions import Permission
from fedtrain.service.web.caller import CallingDataOwner, CallingModelOwner, CallingParty, needs
from fedtrain.service.web.responses import JSON_TYPE, body_as

router = APIRouter(prefix="/requests", tags=["requests"])

_KEPT = {"request": SIGNED_EXAMPLE, "entries": [{"kind": "message", "signed": SIGNED_EXAMPLE}]}
_EXAMPLE = {"content": {JSON_TYPE: {"example": _KEPT}}}
TheRequests = Annotated[Requests, held("requests")]


@router.put(
    "/{request_id}",
    dependencies=[needs(Permission.ACT_AS_PARTY)],
    summary="A Model Owner asks owners for their approval of a job",
    openapi_extra=signed_body("request"),
    responses={200: _EXAMPLE},
)
async def post(
    request_id: HashInPath, request: Request, caller: CallingModelOwner, requests: TheRequests
) -> KeptRequest:
    return await requests.post(request_id, caller, await body_as(request, JSON_TYPE))


@router.get(
    "",
    dependencies=[needs(Permission.ACT_AS_PARTY)],
    summary="The requests that the caller made or is asked by, with all that was said, the newest first",
    responses={200: {"content": {JSON_TYPE: {"example": {"requests": [_KEPT], "next": None}}}}},
)
async def listed(
    caller: CallingParty,
    requests: TheRequests,
    before: Annotated[int | None, Query(ge=1, le=1 << 53, description="The `next` of the page before")] = None,
) -> RequestList:
    return await requests.requests(caller, before)


@router.get(
    "/{request_id}",
    dependencies=[needs(Permission.ACT_AS_PARTY)],
    summary="A request, with all that was said about it",
    responses={200: _EXAMPLE},
)
async def one(request_id: HashInPath, caller: CallingParty, requests: TheRequests) -> KeptRequest:
    return await requests.request(request_id, caller)


@router.put(
    "/{request_id}/messages/{hash}",
    dependencies=[needs(Permission.ACT_AS_PARTY)],
    summary="A party to a request asks, or answers",
    openapi_extra=signed_body("message"),
    responses={200: _EXAMPLE},
)
async def message(
    request_id: HashInPath,
    hash: HashInPath,  # noqa: A002 - of what is signed
    request: Request,
    caller: CallingParty,
    requests: TheRequests,
) -> KeptRequest:
    return await requests.said(request_id, "message", hash, caller, await body_as(request, JSON_TYPE))


@router.put(
    "/{request_id}/decisions/{hash}",
    dependencies=[needs(Permission.ACT_AS_PARTY)],
    summary="An owner approves a request, or declines it",
    openapi_extra=signed_body("decision"),
    responses={200: _EXAMPLE},
)
async def decision(
    request_id: HashInPath,
    hash: HashInPath,  # noqa: A002 - of what is signed
    request: Request,
    caller: CallingDataOwner,
    requests: TheRequests,
) -> KeptRequest:
    return await requests.said(request_id, "decision", hash, caller, await body_as(request, JSON_TYPE))
