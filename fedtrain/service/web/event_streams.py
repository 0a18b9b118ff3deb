"""Event streams that are open: counted, so that neither one caller nor all together can hold the service's memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator

from fastapi import Request
from fastapi.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from fedtrain.service.web.caller import Caller
from fedtrain.spec.problems import Code, Problem

MOST_OF_A_CALLER = 32
MOST = 256
_RETRY_AFTER_S = 5


class EventStreams:
    """How many streams each caller has open."""

    def __init__(self) -> None:
        self._open: Counter[str] = Counter()

    def take(self, caller: str) -> None:
        """Count one more. Raises Problem(RATE_LIMITED) where there are as many as there may be."""
        own, total = self._open[caller], self._open.total()
        if own >= MOST_OF_A_CALLER or total >= MOST:
            whose = f"{own} event streams of this caller are" if own >= MOST_OF_A_CALLER else f"{total} are"
            raise Problem(
                Code.RATE_LIMITED,
                f"{whose} open, as many as there may be: close one, or ask for the job's state instead.",
                retry_after_s=_RETRY_AFTER_S,
            )
        self._open[caller] += 1

    def release(self, caller: str) -> None:
        self._open[caller] -= 1
        self._open += Counter()  # forget callers that have none


class CountedStream(StreamingResponse):
    """Server-sent events, counted from here until the stream ends, however it does. Raises as `EventStreams.take`."""

    def __init__(self, request: Request, who: Caller, events: AsyncIterator[str]) -> None:
        super().__init__(events, media_type="text/event-stream", headers={"Cache-Control": "no-store"})
        self._streams: EventStreams = request.app.state.event_streams
        address = request.client.host if request.client is not None else ""
        self._caller = f"token {who.token_id}" if who.token_id is not None else f"address {address}"
        self._streams.take(self._caller)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._streams.release(self._caller)
