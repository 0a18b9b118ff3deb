"""Event streams are counted, by caller and in all; one that ends makes room, however it ended."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from fastapi import APIRouter, FastAPI, Request
from fastapi.responses import StreamingResponse
from sse_starlette import ServerSentEvent

from fedtrain.service.web.caller import AnyCaller
from fedtrain.service.web.event_streams import MOST, MOST_OF_A_CALLER, CountedStream

pytestmark = pytest.mark.anyio


@pytest.fixture
def app(make_service: Any) -> FastAPI:
    router = APIRouter()

    @router.get("/events", response_class=StreamingResponse)
    async def events(request: Request, who: AnyCaller, breaks: bool = False) -> StreamingResponse:
        async def endless() -> AsyncIterator[ServerSentEvent]:
            yield ServerSentEvent("{}", event="status")
            if breaks:
                raise ValueError("the store is away")
            await asyncio.Event().wait()

        return CountedStream(request, who, endless())

    return make_service(router)


class Reader:
    """A client at an address that reads a stream until it is closed."""

    def __init__(self, app: FastAPI, address: str, query: bytes = b"") -> None:
        self.status = 0
        self.body = b""
        self.began, self.gone = asyncio.Event(), asyncio.Event()
        self._asked = False
        scope = {
            "type": "http", "method": "GET", "path": "/events", "raw_path": b"/events", "query_string": query,
            "headers": [(b"host", b"127.0.0.1")], "client": (address, 1), "server": ("127.0.0.1", 80),
            "scheme": "http", "root_path": "", "asgi": {"spec_version": "2.3"},
        }  # fmt: skip
        self.running = asyncio.create_task(app(scope, self._receive, self._send))  # type: ignore[arg-type]

    async def _receive(self) -> dict[str, Any]:
        if not self._asked:
            self._asked = True
            return {"type": "http.request", "body": b"", "more_body": False}
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Any) -> None:
        self.status = message.get("status", self.status)
        self.body += message.get("body", b"")
        if self.body:
            self.began.set()

    async def close(self) -> None:
        self.gone.set()
        await self.running


async def opened(app: FastAPI, address: str) -> Reader:
    reader = Reader(app, address)
    await reader.began.wait()
    return reader


async def test_a_caller_has_so_many_streams_and_one_more_is_asked_to_wait(app: FastAPI) -> None:
    readers = [await opened(app, "127.0.0.1") for _ in range(MOST_OF_A_CALLER)]
    assert {reader.status for reader in readers} == {200}
    refused = await opened(app, "127.0.0.1")
    assert refused.status == 429
    assert b"rate-limited" in refused.body and b"of this caller" in refused.body
    other = await opened(app, "127.0.0.2")
    assert other.status == 200
    await readers[0].close()
    again = await opened(app, "127.0.0.1")
    assert again.status == 200
    for reader in (*readers[1:], other, again):
        await reader.close()
    assert app.state.event_streams.total == 0


async def test_thousands_of_streams_from_everywhere_are_no_more_than_there_may_be(app: FastAPI) -> None:
    readers = [await opened(app, f"10.0.{index // 250}.{index % 250}") for index in range(2_000)]
    assert sum(reader.status == 200 for reader in readers) == MOST
    assert {reader.status for reader in readers} == {200, 429}
    for reader in readers:
        await reader.close()
    assert app.state.event_streams.total == 0


async def test_a_stream_that_breaks_makes_room(app: FastAPI) -> None:
    for _ in range(MOST_OF_A_CALLER + 1):
        broken = Reader(app, "127.0.0.1", b"breaks=true")
        with pytest.raises((ValueError, ExceptionGroup)):
            await broken.running
        assert broken.status == 200
