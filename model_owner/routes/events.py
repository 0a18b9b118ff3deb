"""GET /models/{id}/events: a job as server-sent events (WHATWG HTML §9.2), one a round, until it ends."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import APIRouter, Header, Request
from fastapi.responses import StreamingResponse

from fedtrain.model_owner.job import HistoryRow, JobState, TrainedModel
from fedtrain.model_owner.results.finished import remarks_on
from fedtrain.model_owner.results.remarks import as_json
from fedtrain.model_owner.results.views import in_windows, position_of
from fedtrain.model_owner.routes.access import Desk, ModelIdInPath, Service
from fedtrain.protocol.states import Status
from fedtrain.service.web.caller import AnyCaller
from fedtrain.service.web.event_streams import CountedStream

router = APIRouter(prefix="/models", tags=["models"])

# Proxies close a stream on which nothing comes for a minute.
KEEP_ALIVE_S = 15.0
# Inside a window nothing happens here; how far it is, the Facilitator tells.
LOOK_S = 1.0
_ROUND = re.compile("[0-9]{1,18}")

_EXAMPLE = (
    'event: status\ndata: {"id": "0f4b6d1c9e7a4c52b8d3a6e5f1029384", "status": "IN_PROGRESS", "phase": "TRAINING", '
    '"round": 0, "rounds": 48}\n\n'
    'event: window\ndata: {"id": "0f4b6d1c9e7a4c52b8d3a6e5f1029384", "window": {"step": 0, "of": 1, '
    '"weight_fraction_bits": 40, "answer_fraction_bits": 72, "bits_used": 116, "bits_left": 2954, '
    '"bits_available": 3070}}\n\n'
    'event: round\nid: 1\ndata: {"id": "0f4b6d1c9e7a4c52b8d3a6e5f1029384", "status": "IN_PROGRESS", '
    '"phase": "TRAINING", "round": 1, "rounds": 48, "loss": 29074.48, "gradient": 1.0}\n\n'
)


@router.get(
    "/{model_id}/events",
    summary="One event a turn of this party, a step of a window, and a change of status; ends with the job",
    response_class=StreamingResponse,
    responses={200: {"description": "Server-sent events", "content": {"text/event-stream": {"example": _EXAMPLE}}}},
)
async def events(
    model_id: ModelIdInPath,
    request: Request,
    desk: Service,
    who: AnyCaller,
    last_event_id: Annotated[str | None, Header(description="The last round that was seen.", examples=["7"])] = None,
) -> StreamingResponse:
    await desk.service.job(model_id)
    # Any other text is no round that this service has named: everything is sent.
    seen = int(last_event_id) if last_event_id is not None and _ROUND.fullmatch(last_event_id) else -1
    return CountedStream(request, who, _stream(desk, model_id, seen, request.app.state.stop))


async def _stream(desk: Desk, model_id: str, seen: int, stop: asyncio.Event) -> AsyncIterator[str]:
    phase, position, quiet_s = None, None, 0.0
    with desk.doorbell.listen(model_id) as bell:
        while True:
            state = await desk.service.job(model_id)
            for row in await asyncio.to_thread(desk.store.history, model_id, seen):
                seen = row.round
                yield _event("round", _round(state, row), str(row.round))
            if state.phase is not phase:
                phase = state.phase
                model = await asyncio.to_thread(desk.store.model, model_id) if state.ended else None
                yield _event("status", _status(state, model))
            if state.ended:
                return
            now = position_of(state, await desk.views.of(state) if in_windows(state) else None)
            if now is not None and (state.log_length, now) != position:
                position = (state.log_length, now)
                yield _event("window", {"id": state.job_id, "window": now.model_dump()})
            pause_s = LOOK_S if in_windows(state) else KEEP_ALIVE_S
            quiet_s += pause_s
            if await bell.wait(pause_s, stop):
                quiet_s = 0.0
            elif stop.is_set():
                return
            elif quiet_s >= KEEP_ALIVE_S:
                quiet_s = 0.0
                yield ": still there\n\n"


def _event(name: str, data: dict[str, Any], event_id: str | None = None) -> str:
    head = f"event: {name}\n" + (f"id: {event_id}\n" if event_id is not None else "")
    return f"{head}data: {json.dumps(data)}\n\n"


def _round(state: JobState, row: HistoryRow) -> dict[str, Any]:
    return {
        "id": state.job_id,
        "status": Status.IN_PROGRESS.value,
        "phase": "TRAINING",
        "round": row.round,
        "rounds": state.rounds,
        "loss": row.loss,
        "gradient": row.gradient,
        "at": row.at.isoformat(),
    }


def _status(state: JobState, model: TrainedModel | None) -> dict[str, Any]:
    ending = state.ending
    return {
        "id": state.job_id,
        "status": state.status.value,
        "phase": state.phase.value,
        "round": state.round,
        "rounds": state.rounds,
        "loss": state.loss,
        "reason": None if ending is None else ending.reason,
        "code": None if ending is None else ending.code,
        "remarks": as_json(remarks_on(state, model)),
    }
