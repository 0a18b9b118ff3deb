"""POST /plans: what a job would do and cost, before anything is started."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Body

from fedtrain.model_owner.jobs.specs import spec_of
from fedtrain.model_owner.routes.access import SPEC_EXAMPLE, Service
from fedtrain.service.people.permissions import Permission
from fedtrain.service.web.caller import needs

router = APIRouter(prefix="/plans", tags=["models"])


@router.post(
    "",
    dependencies=[needs(Permission.TRAIN_MODELS)],
    summary="Plan a model without starting it: rounds, bytes, seconds, bits of the key; or what would fit",
)
async def plan(
    document: Annotated[dict[str, Any], Body(description="A model spec.", examples=[SPEC_EXAMPLE])], desk: Service
) -> dict[str, Any]:
    return await desk.service.planned(await asyncio.to_thread(spec_of, document))
