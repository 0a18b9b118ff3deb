"""/models: jobs, and the evidence that their sums are honest."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query, Request, Response

from fedtrain.facilitator.registry.evidence import LogLine
from fedtrain.facilitator.routes.access import (
    SIGNED_EXAMPLE,
    Ends,
    HashInPath,
    JobIdInPath,
    Service,
    body_response,
    bytes_response,
    signed_body,
)
from fedtrain.facilitator.status import ModelView
from fedtrain.protocol.documents.signed import SignedDocument
from fedtrain.protocol.evidence.heads import HeadList
from fedtrain.protocol.states import ENDED
from fedtrain.service.people.permissions import Permission
from fedtrain.service.web.caller import AnyCaller, CallingModelOwner, CallingParty, needs, require_party
from fedtrain.service.web.event_streams import EVENTS, CountedStream, LastEventId, Sight, events_of, looking
from fedtrain.service.web.responses import JSON_TYPE, CborResponse, body_as

router = APIRouter(prefix="/models", tags=["models"])


@router.put(
    "/{job_id}",
    dependencies=[needs(Permission.ACT_AS_PARTY)],
    summary="Deploy a job: the Model Owner's signed manifest",
    openapi_extra=signed_body("manifest"),
    responses={201: {"description": "The job is new", "model": ModelView}},
)
async def deploy(
    job_id: JobIdInPath, request: Request, response: Response, caller: CallingModelOwner, service: Service
) -> ModelView:
    view, new = await service.post_manifest(job_id, caller, await body_as(request, JSON_TYPE))
    response.status_code = 201 if new else 200
    return view


@router.get("", dependencies=[needs(Permission.LOOK)], summary="The newest jobs")
async def models(service: Service) -> list[ModelView]:
    return await service.models()


@router.get("/{job_id}", dependencies=[needs(Permission.LOOK)], summary="Where a job stands, and for whom it waits")
async def model(job_id: JobIdInPath, service: Service) -> ModelView:
    return await service.model(job_id)


@router.get("/{job_id}/events", dependencies=[needs(Permission.LOOK)], **EVENTS)
async def events(
    job_id: JobIdInPath, request: Request, service: Service, who: AnyCaller, last_event_id: LastEventId = None
) -> CountedStream:
    await service.model(job_id)
    entries = 0

    async def look(seen: int) -> Sight:
        nonlocal entries
        view, rounds = await service.progress(job_id, entries)
        entries += len(rounds)
        status = view.progress()
        over = [status | {"round": number} for number in sorted({*rounds}) if number > max(seen, 0)]
        window = None if view.window is None else view.window.model_dump()
        return Sight(status, over, view.phase in ENDED, window, entries)

    return CountedStream(request, who, events_of(look, looking(request.app.state.stop), last_event_id))


@router.delete("/{job_id}", dependencies=[needs(Permission.ACT_AS_PARTY)], summary="Cancel a job; for its Model Owner")
async def cancel(
    job_id: JobIdInPath,
    caller: CallingModelOwner,
    service: Service,
    reason: Annotated[str, Query(max_length=2000, examples=["wrong spec"])] = "Cancelled by the Model Owner.",
) -> ModelView:
    return await service.cancel(job_id, caller, reason)


@router.get(
    "/{job_id}/manifest",
    dependencies=[needs(Permission.LOOK)],
    summary="What is trained, signed by the Model Owner",
    responses={200: {"content": {"application/json": {"example": SIGNED_EXAMPLE}}}},
)
async def manifest(job_id: JobIdInPath, service: Service) -> SignedDocument:
    return await service.manifest(job_id)


@router.get(
    "/{job_id}/roster",
    dependencies=[needs(Permission.LOOK)],
    summary="Who takes part, signed by the Facilitator",
    responses={200: {"content": {"application/json": {"example": SIGNED_EXAMPLE}}}},
)
async def roster(job_id: JobIdInPath, service: Service) -> SignedDocument:
    return await service.roster(job_id)


@router.get(
    "/{job_id}/log",
    dependencies=[needs(Permission.LOOK)],
    summary="The hash chain over all sums: hashes and products, entry by entry",
    response_model=list[LogLine],
)
async def log(
    job_id: JobIdInPath,
    service: Service,
    start: Annotated[int, Query(ge=0, le=10**9, description="The first entry to list.", examples=[0])] = 0,
) -> Response:
    return Response(await service.log(job_id, start), media_type=JSON_TYPE)


@router.get(
    "/{job_id}/log/{index}",
    dependencies=[needs(Permission.LOOK)],
    summary="One log entry, as the exact bytes that are hashed",
    response_class=CborResponse,
    responses=bytes_response("application/cbor", "LogEntry"),
)
async def log_entry(
    job_id: JobIdInPath, index: Annotated[int, Path(ge=0, le=10**9, examples=[0])], service: Service
) -> CborResponse:
    return CborResponse(await service.log_entry(job_id, index))


@router.get(
    "/{job_id}/blobs/{content_hash}",
    dependencies=[needs(Permission.READ_EVIDENCE)],
    summary="Evidence by its SHA-256: requests, answers, products; for the job's parties, and who runs the service",
    response_class=Response,
    responses=bytes_response("application/cbor", "RoundRequest, SignedBytes or RoundAnswer; a product's ciphertexts"),
)
async def blob(job_id: JobIdInPath, content_hash: HashInPath, who: AnyCaller, service: Service) -> Response:
    reader = None if who.own_person else require_party(who)
    found = await service.evidence(job_id, content_hash, reader)
    return await body_response(found, lambda: service.evidence(job_id, content_hash, reader))


@router.get(
    "/{job_id}/heads",
    dependencies=[needs(Permission.LOOK)],
    summary="Where the log, and the owners' audits, stood when the job ended: what each party has signed of it",
    responses={200: {"content": {"application/json": {"example": {"statements": [SIGNED_EXAMPLE]}}}}},
)
async def heads(job_id: JobIdInPath, ends: Ends) -> HeadList:
    return await ends.of(job_id)


@router.put(
    "/{job_id}/heads",
    dependencies=[needs(Permission.ACT_AS_PARTY)],
    summary="Sign a job's end, as one of its parties",
    openapi_extra=signed_body("heads"),
    status_code=204,
)
async def sign_heads(job_id: JobIdInPath, request: Request, caller: CallingParty, ends: Ends) -> None:
    await ends.take(job_id, caller, await body_as(request, JSON_TYPE))
