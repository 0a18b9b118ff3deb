"""/health: what `fedtrain doctor` finds, of the node that runs, for its own people."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict

from fedtrain.service.health.finding import Finding, Level
from fedtrain.service.health.node import check_store
from fedtrain.service.people.permissions import Permission
from fedtrain.service.web.caller import needs


class FindingView(BaseModel):
    """A finding of a check: how bad it is, what is the case, and what to do where that is anything."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"check": "disk", "level": "ok", "found": "31.2 GB free", "remedy": ""}}
    )

    check: str
    level: Level
    found: str
    remedy: str


def health_routes(readiness: Callable[[], Mapping[str, str]], checks: Callable[[], Iterable[Finding]]) -> APIRouter:
    """Return the route; both are called in a thread."""
    router = APIRouter(tags=["service"])

    def findings() -> list[Finding]:
        return [*check_store(readiness()), *checks()]

    @router.get(
        "/health",
        dependencies=[needs(Permission.CHECK_HEALTH)],
        summary="Checks of this node, and what to do about each that is not in order",
    )
    async def health() -> list[FindingView]:
        found = await asyncio.to_thread(findings)
        return [FindingView(check=one.check, level=one.level, found=one.found, remedy=one.remedy) for one in found]

    return router
