"""Server-sent events (WHATWG HTML §9.2), at every party: of a job, a round, a step in it, a change of phase; and of
what else a page shows, that there is something new to ask for.

Streams that are open are counted, so that neither one caller nor all together can hold the service's memory.
"""

from __future__ import annotations

import asyncio
import json
import math
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from fastapi import Header, Query, Request
from sqlalchemy.engine import Engine
from sse_starlette import EventSourceResponse, ServerSentEvent
from sse_starlette.sse import AppStatus
from starlette.types import Receive, Scope, Send

from fedtrain.client.agent.followed_requests import FollowedRequests
from fedtrain.service.limits.held_requests import HeldRequests
from fedtrain.service.store.database import edition_of
from fedtrain.service.web.caller import Caller
from fedtrain.spec.problems import Problem

MOST_OF_A_CALLER = 32
MOST = 256
# Proxies close a stream on which nothing comes for a minute.
KEEP_ALIVE_S = 15
#: How long nothing is looked at where nobody rings.
LOOK_S = 1.0
_ROUND = re.compile("[0-9]{1,18}")

# The service's own stop ends the streams, and is set in every process of its own.
AppStatus.enable_automatic_graceful_drain = False

_EXAMPLE = (
    'event: status\ndata: {"id": "0f4b6d1c9e7a4c52b8d3a6e5f1029384", "status": "IN_PROGRESS", "phase": "TRAINING", '
    '"round": 0, "rounds": 48}\n\n'
    'event: window\ndata: {"id": "0f4b6d1c9e7a4c52b8d3a6e5f1029384", "window": {"step": 0, "of": 1, '
    '"weight_fraction_bits": 40, "answer_fraction_bits": 72, "bits_used": 116, "bits_left": 2954, '
    '"bits_available": 3070}}\n\n'
    'id: 1\nevent: round\ndata: {"id": "0f4b6d1c9e7a4c52b8d3a6e5f1029384", "status": "IN_PROGRESS", '
    '"phase": "TRAINING", "round": 1, "rounds": 48}\n\n'
)

LastEventId = Annotated[str | None, Header(description="The last round that was seen.", examples=["7"])]
#: How a route of events is declared.
EVENTS: dict[str, Any] = {
    "summary": "One event a round, a step of a window or of local training, and a change of phase; ends with the job",
    "response_class": EventSourceResponse,
    "responses": {200: {"description": "Server-sent events", "content": {"text/event-stream": {"example": _EXAMPLE}}}},
}

_CHANGED = 'event: changed\ndata: {"jobs": "5b0e6a1f", "requests": "3.14"}\n\n'
#: What a Data Owner or a Model Owner tells of.
About = Annotated[list[Literal["jobs", "requests"]], Query(min_length=1, max_length=2, examples=[["requests"]])]
#: How a route of changes is declared.
CHANGES: dict[str, Any] = {
    "summary": "One event whenever there is something new about jobs, requests or parties: another edition of it",
    "response_class": EventSourceResponse,
    "responses": {200: {"description": "Server-sent events", "content": {"text/event-stream": {"example": _CHANGED}}}},
}


@dataclass(frozen=True)
class Sight:
    """A job as it is seen now: `status` with its `phase`, the `rounds` after the last that was told, each with its
    number under `round`, and `window`, None where there is none to tell of. `window_of` tells equal ones apart.
    `training`: how far the local training of an owner is, None where none runs."""

    status: Mapping[str, Any]
    rounds: Sequence[Mapping[str, Any]]
    ended: bool
    window: Mapping[str, Any] | None = None
    window_of: int = 0
    training: Mapping[str, Any] | None = None


#: Given the last round that was told, -1 for none.
Look = Callable[[int], Awaitable[Sight]]
#: Waits until there may be something new; True once the service stops.
Wait = Callable[[], Awaitable[bool]]


async def events_of(look: Look, wait: Wait, last_event_id: str | None) -> AsyncIterator[ServerSentEvent]:
    """Yield a job's events after the round `last_event_id`, until the job ends or the service stops.

    Another text than a number is no round that a service has named: everything is told.
    """
    seen = int(last_event_id) if last_event_id is not None and _ROUND.fullmatch(last_event_id) else -1
    phase, window, training = None, None, None
    while True:
        sight = await look(seen)
        for one in sight.rounds:
            seen = one["round"]
            yield _event("round", one, str(seen))
        if sight.status["phase"] != phase:
            phase = sight.status["phase"]
            yield _event("status", sight.status)
        if sight.ended:
            return
        if sight.window is not None and (sight.window_of, sight.window) != window:
            window = (sight.window_of, sight.window)
            yield _event("window", {"id": sight.status["id"], "window": sight.window})
        if sight.training is not None and sight.training != training:
            training = sight.training
            yield _event("training", {"id": sight.status["id"], "training": training})
        if await wait():
            return


#: Returns a text that is another one once there is something new; None while that is not known.
Edition = Callable[[], Awaitable[str | None]]


class SharedEdition:
    """An edition that takes work to find: looked for once in LOOK_S, however many streams ask. For one event loop."""

    def __init__(self, look: Edition, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._look = look
        self._monotonic = monotonic
        self._looking = asyncio.Lock()
        self._found: str | None = None
        self._good_until = -math.inf

    async def __call__(self) -> str | None:
        """Return the edition of the latest look."""
        async with self._looking:
            if self._monotonic() >= self._good_until:
                self._found = await self._look()
                self._good_until = self._monotonic() + LOOK_S
            return self._found


async def changes_of(
    editions: Mapping[str, Edition], wait: Wait, during: AbstractContextManager[object] | None = None
) -> AsyncIterator[ServerSentEvent]:
    """Yield the editions as they are, by name, and again whenever one is another, until the service stops.

    Nothing is kept for who is away: who returns holds them against those that it knew. `during`: entered for as long.
    """
    told: dict[str, str | None] = {}
    with during or nullcontext():
        while True:
            found = {name: await edition() for name, edition in editions.items()}
            if found != told:
                told = found
                yield _event("changed", told)
            if await wait():
                return


def changes_at(
    engine: Engine, requests: FollowedRequests, about: Sequence[str], request: Request
) -> AsyncIterator[ServerSentEvent]:
    """Yield what changes at a Data Owner or a Model Owner, as `changes_of`: jobs at each write to its store."""

    async def jobs() -> str:
        return edition_of(engine)

    editions: dict[str, Edition] = {"jobs": jobs, "requests": requests.edition}
    asked = {name: editions[name] for name in about}
    return changes_of(asked, looking(request.app.state.stop), requests.followed() if "requests" in asked else None)


def looking(stop: asyncio.Event) -> Wait:
    """Return a wait of LOOK_S, for where nobody rings."""

    async def wait() -> bool:
        try:
            await asyncio.wait_for(stop.wait(), LOOK_S)
        except TimeoutError:
            return False
        return True

    return wait


def _event(name: str, data: Mapping[str, Any], event_id: str | None = None) -> ServerSentEvent:
    return ServerSentEvent(json.dumps(data), event=name, id=event_id, sep="\n")


def event_streams() -> HeldRequests:
    """Return the count of a service's event streams, none of them open."""
    return HeldRequests("event streams", "close one, or ask for the job's state instead", MOST_OF_A_CALLER, MOST)


async def _while_known(request: Request, events: AsyncIterator[ServerSentEvent]) -> AsyncIterator[ServerSentEvent]:
    """Yield what comes while the service still lets the caller in: not past a session's end or a token's."""
    async for event in events:
        try:
            await asyncio.to_thread(request.app.state.sessions.identify, request.headers, active=False)
        except Problem:
            return
        yield event


class CountedStream(EventSourceResponse):
    """Server-sent events, counted from here until the stream ends, however it does. Raises as `HeldRequests.take`.

    It ends at the first event for which its caller would no longer be let in.
    """

    def __init__(self, request: Request, who: Caller, events: AsyncIterator[ServerSentEvent]) -> None:
        super().__init__(_while_known(request, events), ping=KEEP_ALIVE_S, ping_message_factory=_still_there, sep="\n")
        self._streams: HeldRequests = request.app.state.event_streams
        address = request.client.host if request.client is not None else ""
        self._caller = who.counted_as or f"address {address}"
        self._streams.take(self._caller)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._streams.release(self._caller)


def _still_there() -> ServerSentEvent:
    return ServerSentEvent(comment="still there", sep="\n")
