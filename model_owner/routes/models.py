"""/models: deploy, watch, cancel."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Body, Query
from pydantic import ValidationError

from model_owner.routes.access import SPEC_EXAMPLE, Desk, ModelIdInPath, Service
from model_owner.views import ModelLine, ModelView, line, view
from protocol.problems import Code
from protocol.server.validation import validation_problem
from protocol.spec import ModelSpec

router = APIRouter(prefix="/models", tags=["models"])

LISTED = 1000


async def shown(desk: Desk, model_id: str) -> ModelView:
    """Return all that is told of a job. Raises Problem(MODEL_NOT_FOUND)."""
    state = await desk.service.job(model_id)
    history, model = await asyncio.to_thread(lambda: (desk.store.history(model_id), desk.store.model(model_id)))
    elsewhere = await desk.views.of(state)
    forecast = await desk.service.forecast(state)
    return view(state, history, model, elsewhere, desk.service.refusals.get(model_id), forecast)


@router.post("", status_code=202, summary="Train a model: the job is planned, kept and started")
async def deploy(
    document: Annotated[dict[str, Any], Body(description="A model spec.", examples=[SPEC_EXAMPLE])], desk: Service
) -> ModelView:
    try:
        spec = ModelSpec.model_validate(document)
    except ValidationError as error:
        raise validation_problem(error, document, Code.INVALID_SPEC) from None
    state = await desk.service.create(spec)
    try:
        return await shown(desk, state.job_id)
    finally:  # the forecast first: it would have to share the processor with the search for primes
        desk.preparation.start(state.job_id)


@router.get("", summary="The newest models, newest first")
async def models(desk: Service) -> list[ModelLine]:
    return [line(state) for state in await asyncio.to_thread(desk.store.jobs, LISTED)]


@router.get("/{model_id}", summary="Where a model stands: round, loss, for whom it waits; at the end its coefficients")
async def model(model_id: ModelIdInPath, desk: Service) -> ModelView:
    return await shown(desk, model_id)


@router.delete("/{model_id}", summary="Cancel a job, at every party")
async def cancel(
    model_id: ModelIdInPath,
    desk: Service,
    reason: Annotated[str, Query(max_length=2000, examples=["wrong spec"])] = "Cancelled by the Model Owner.",
) -> ModelView:
    await desk.preparation.cancel(model_id, reason)
    return await shown(desk, model_id)
