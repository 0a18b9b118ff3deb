"""Event streams that are open: counted, so that neither one caller nor all together can hold the service's memory."""

from __future__ import annotations

from collections.abc import AsyncIterator

from fastapi import Request
from fastapi.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from fedtrain.service.limits.held_requests import HeldRequests
from fedtrain.service.web.caller import Caller

MOST_OF_A_CALLER = 32
MOST = 256


def event_streams() -> HeldRequests:
    """Return the count of a service's event streams, none of them open."""
    return HeldRequests("event streams", "close one, or ask for the job's state instead", MOST_OF_A_CALLER, MOST)


class CountedStream(StreamingResponse):
    """Server-sent events, counted from here until the stream ends, however it does. Raises as `HeldRequests.take`."""

    def __init__(self, request: Request, who: Caller, events: AsyncIterator[str]) -> None:
        super().__init__(events, media_type="text/event-stream", headers={"Cache-Control": "no-store"})
        self._streams: HeldRequests = request.app.state.event_streams
        address = request.client.host if request.client is not None else ""
        self._caller = f"token {who.token_id}" if who.token_id is not None else f"address {address}"
        self._streams.take(self._caller)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._streams.release(self._caller)
