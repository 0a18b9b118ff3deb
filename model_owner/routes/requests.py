"""/requests: what this Model Owner asks owners to approve before it is a job."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from fedtrain.client.agent.requests import Listed
from fedtrain.model_owner.jobs.requests import titled_spec
from fedtrain.model_owner.routes.access import SPEC_EXAMPLE, Desk, IdempotencyKey, Service
from fedtrain.protocol.documents.request import MOST_DATASETS, OpenRequest
from fedtrain.protocol.documents.signed import Hash
from fedtrain.service.people.permissions import Permission
from fedtrain.service.views.request_view import (
    LINE_EXAMPLE,
    VIEW_EXAMPLE,
    Before,
    RefusedRequest,
    RequestIdInPath,
    RequestLine,
    RequestView,
    Words,
    line_of,
    view_of,
)
from fedtrain.service.web.caller import needs
from fedtrain.spec.model_spec import Strict, check_printable

router = APIRouter(prefix="/requests", tags=["requests"])

_ASKED: dict[str, Any] = {
    "title": "stay in hospital",
    "purpose": "plan beds for the winter",
    "spec": SPEC_EXAMPLE,
    "datasets": ["ca" * 32],
}


class NewRequest(Strict):
    """Terms of a request. `spec`: as POST /models takes it. `datasets`: ids of cards, as GET /catalogue has them."""

    model_config = ConfigDict(json_schema_extra={"example": _ASKED})

    title: Annotated[str, Field(min_length=1, max_length=100), AfterValidator(check_printable)]
    purpose: Annotated[str, Field(min_length=1, max_length=1000), AfterValidator(check_printable)]
    spec: dict[str, Any]
    datasets: Annotated[list[Hash], Field(min_length=1, max_length=MOST_DATASETS)]


class OwnRequestLine(RequestLine):
    """A request of this party's, and the models that came of it, the newest first."""

    model_config = ConfigDict(json_schema_extra={"example": LINE_EXAMPLE | {"models": []}})

    models: list[str]


class OwnRequestView(RequestView, OwnRequestLine):
    """A request of this party's, with all that was said about it."""

    model_config = ConfigDict(json_schema_extra={"example": VIEW_EXAMPLE | {"models": []}})


class OwnRequestList(BaseModel):
    """A page of requests, the newest first. `next`: what to ask for those that follow, None at the end."""

    requests: list[OwnRequestLine]
    refused: list[RefusedRequest]
    next: int | None


@router.post(
    "",
    status_code=201,
    dependencies=[needs(Permission.TRAIN_MODELS)],
    summary="Ask owners to approve a job: what is trained, what for, on whose datasets",
)
async def make(body: NewRequest, desk: Service, idempotency_key: IdempotencyKey = None) -> OwnRequestView:
    spec = await asyncio.to_thread(titled_spec, body.spec, body.title, body.purpose)
    return await _view(desk, await desk.requests.make(spec, body.datasets, idempotency_key))


@router.get("", dependencies=[needs(Permission.LOOK)], summary="This party's requests, the newest first")
async def listed(desk: Service, before: Before = None) -> OwnRequestList:
    page: Listed = await desk.requests.requests.listed(before)

    def lines() -> list[OwnRequestLine]:
        models, now = desk.store.models_by_request(), desk.requests.requests.now()
        return [OwnRequestLine(**line_of(one, now), models=models.get(one.id, [])) for one in page.requests]

    shown = await asyncio.to_thread(lines)
    return OwnRequestList(requests=shown, refused=RefusedRequest.of(page.refused), next=page.next)


@router.get(
    "/{request_id}",
    dependencies=[needs(Permission.LOOK)],
    summary="A request: who has decided and how, and what was said about it",
)
async def one(request_id: RequestIdInPath, desk: Service) -> OwnRequestView:
    return await _view(desk, await desk.requests.requests.one(request_id))


@router.post(
    "/{request_id}/messages",
    dependencies=[needs(Permission.TRAIN_MODELS)],
    summary="Answer in a request's thread, or ask: every party to it reads it",
)
async def say(request_id: RequestIdInPath, words: Words, desk: Service) -> OwnRequestView:
    return await _view(desk, await desk.requests.requests.say(request_id, words.text))


async def _view(desk: Desk, opened: OpenRequest) -> OwnRequestView:
    def view() -> OwnRequestView:
        models = desk.store.models_by_request()
        return OwnRequestView(**view_of(opened, desk.requests.requests.now()), models=models.get(opened.id, []))

    return await asyncio.to_thread(view)
