"""GET /models/{id}/events: a turn of this party, a step of a window, a change of phase."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from fastapi import APIRouter, Request
from sse_starlette import ServerSentEvent

from fedtrain.model_owner.job_state import JobState
from fedtrain.model_owner.methods.learning import HistoryRow
from fedtrain.model_owner.results.finished import remarks_on
from fedtrain.model_owner.results.remarks import as_json
from fedtrain.model_owner.results.views import in_windows, line, position_of
from fedtrain.model_owner.routes.access import Desk, ModelIdInPath, Service
from fedtrain.protocol.states import Phase, Status
from fedtrain.service.people.permissions import Permission
from fedtrain.service.web.caller import AnyCaller, needs
from fedtrain.service.web.event_streams import (
    EVENTS,
    KEEP_ALIVE_S,
    LOOK_S,
    CountedStream,
    LastEventId,
    Sight,
    events_of,
)

router = APIRouter(prefix="/models", tags=["models"])


@router.get("/{model_id}/events", dependencies=[needs(Permission.LOOK)], **EVENTS)
async def events(
    model_id: ModelIdInPath, request: Request, desk: Service, who: AnyCaller, last_event_id: LastEventId = None
) -> CountedStream:
    await desk.service.job(model_id)
    return CountedStream(request, who, _stream(desk, model_id, last_event_id, request.app.state.stop))


async def _stream(
    desk: Desk, model_id: str, last_event_id: str | None, stop: asyncio.Event
) -> AsyncIterator[ServerSentEvent]:
    pause_s = LOOK_S

    async def look(seen: int) -> Sight:
        nonlocal pause_s
        state = await desk.service.job(model_id)
        # Inside a window nothing happens here; how far it is, the Facilitator tells.
        pause_s = LOOK_S if in_windows(state) else KEEP_ALIVE_S
        rows = await asyncio.to_thread(desk.store.history, model_id, seen)
        model = await asyncio.to_thread(desk.store.model, model_id) if state.ended else None
        told = {"loss": state.loss, "remarks": as_json(remarks_on(state, model)), "at": state.changed_at.isoformat()}
        status = {**line(state).progress(), **told}
        window = None
        if not state.ended:
            window = position_of(state, await desk.views.of(state) if in_windows(state) else None)
        return Sight(
            status,
            [_round(state, row) for row in rows],
            state.ended,
            None if window is None else window.model_dump(),
            state.log_length,
        )

    async def wait() -> bool:
        await bell.wait(pause_s, stop)
        return stop.is_set()

    with desk.doorbell.listen(model_id) as bell:
        async for event in events_of(look, wait, last_event_id):
            yield event


def _round(state: JobState, row: HistoryRow) -> dict[str, Any]:
    return {
        "id": state.job_id,
        "status": Status.IN_PROGRESS.value,
        "phase": Phase.TRAINING.value,
        "round": row.round,
        "rounds": state.rounds,
        "loss": row.loss,
        "gradient": row.gradient,
        "test_loss": row.test_loss,
        "test_accuracy": row.test_accuracy,
        "at": row.at.isoformat(),
    }
