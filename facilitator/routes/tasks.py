"""/tasks: how parties that nobody calls get their work, and bring back its results."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from fedtrain.facilitator.registry.mailbox import Sent
from fedtrain.facilitator.routes.access import Desk, Post, Seen, TaskIdInPath, body_response, bytes_response, waiting
from fedtrain.facilitator.store.results import Given
from fedtrain.protocol.documents.signed import Hash, JobId, PartyId
from fedtrain.protocol.messages.tasks import JSON_TYPE, TaskHeader, TaskKind, TaskList
from fedtrain.service.people.permissions import Permission
from fedtrain.service.web.caller import AnyCaller, CallingParty, needs
from fedtrain.service.web.responses import CBOR_TYPE, body_as, content_type

router = APIRouter(prefix="/tasks", tags=["tasks"])

_LIST_EXAMPLE = {
    "tasks": [
        {
            "id": "5c0d9f3f6b1e4d7a8c2b4e6f8a0c1d3e",
            "kind": "compute",
            "sender": "7d" * 32,
            "recipient": "1a" * 32,
            "job_id": "0f4b6d1c9e7a4c52b8d3a6e5f1029384",
            "key": f"compute/0f4b6d1c9e7a4c52b8d3a6e5f1029384/7/gradient/{'1a' * 32}",
            "created_at": "2026-01-12T09:30:05.120Z",
            "sequence": 41,
        }
    ]
}
_RESULT_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            "application/cbor": {
                "schema": {"type": "string", "format": "binary"},
                "example": "(RoundAnswer for compute, StepResult for step)",
            },
            "application/json": {
                "schema": {"type": "object"},
                "example": {
                    "answer": "decline",
                    "signed": {"document": "{…}", "signer": "1a" * 32, "signature": "8e" * 64},
                },
            },
        },
    }
}


@router.get(
    "",
    dependencies=[needs(Permission.ACT_AS_PARTY)],
    summary="The caller's open tasks; waits for one while there is none",
    responses={200: {"content": {"application/json": {"example": _LIST_EXAMPLE}}}},
)
async def tasks(
    request: Request,
    caller: CallingParty,
    who: AnyCaller,
    desk: Desk,
    sightings: Seen,
    wait: Annotated[float, Query(ge=0, description="Seconds to wait for a task", examples=[20])] = 0,
    after: Annotated[
        int, Query(ge=0, lt=1 << 63, description="List only tasks with a sequence above this", examples=[0])
    ] = 0,
) -> TaskList:
    sightings.note(caller, who.role, request.headers)
    with waiting(request, caller, wait) as wait_s:
        found = await desk.tasks(caller, after=after, wait_s=wait_s, stop=request.app.state.stop)
    return TaskList(tasks=tuple(found))


@router.get(
    "/{task_id}/request",
    dependencies=[needs(Permission.ACT_AS_PARTY)],
    summary="What a task asks for; for its recipient",
    response_class=Response,
    responses=bytes_response("application/cbor", "Compute or Step; JSON for join and end"),
)
async def task_request(task_id: TaskIdInPath, caller: CallingParty, desk: Desk) -> Response:
    return await body_response(await desk.request(caller, task_id), lambda: desk.request(caller, task_id))


@router.put(
    "/{task_id}/result",
    dependencies=[needs(Permission.ACT_AS_PARTY)],
    summary="Give a task's result; the same bytes twice count once",
    status_code=204,
    openapi_extra=_RESULT_BODY,
)
async def task_result(task_id: TaskIdInPath, request: Request, caller: CallingParty, desk: Desk) -> None:
    if content_type(request) != JSON_TYPE:
        request.state.body_count.narrow(await desk.most_result_bytes(caller, task_id))
    async with desk.received(request.stream()) as body:
        await desk.give(Given(task_id, caller, body, content_type(request)))


_SENT_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            CBOR_TYPE: {
                "schema": {"type": "string", "format": "binary"},
                "example": "(ScoringAsk for scoring, SignedBytes of a ScoreRequest for score)",
            }
        },
    }
}


@router.post(
    "",
    dependencies=[needs(Permission.ACT_AS_PARTY)],
    summary="Send another party a task; the same bytes under the same nonce are one task",
    status_code=201,
    responses={201: {"content": {"application/json": {"example": _LIST_EXAMPLE["tasks"][0]}}}},
    openapi_extra=_SENT_BODY,
)
async def send_task(
    request: Request,
    caller: CallingParty,
    post: Post,
    kind: Annotated[TaskKind, Query(examples=["score"])],
    recipient: Annotated[PartyId, Query(examples=["7d" * 32])],
    model_id: Annotated[JobId, Query(examples=["0f4b6d1c9e7a4c52b8d3a6e5f1029384"])],
    nonce: Annotated[Hash, Query(description="64 hex digits that the sender draws", examples=["c4" * 32])],
) -> TaskHeader:
    request.state.body_count.narrow(await post.most_bytes(kind, model_id))
    body = await body_as(request, CBOR_TYPE)
    return await post.send(Sent(caller, recipient, kind, model_id, nonce, body))


@router.get(
    "/{task_id}/result",
    dependencies=[needs(Permission.ACT_AS_PARTY)],
    summary="The result of a task that the caller sent; waits for it, 204 while there is none",
    response_class=Response,
    responses={**bytes_response(CBOR_TYPE, "ScoringReply"), 204: {"description": "There is no result yet"}},
)
async def sent_result(
    task_id: TaskIdInPath,
    request: Request,
    caller: CallingParty,
    post: Post,
    wait: Annotated[float, Query(ge=0, description="Seconds to wait for the result", examples=[20])] = 0,
) -> Response:
    with waiting(request, caller, wait) as wait_s:
        found = await post.result(caller, task_id, wait_s=wait_s, stop=request.app.state.stop)
    if found is None:
        return Response(status_code=204)
    return await body_response(found, lambda: post.result(caller, task_id, wait_s=0, stop=request.app.state.stop))
