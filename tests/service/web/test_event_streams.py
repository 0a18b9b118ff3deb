"""Event streams are counted, by caller and in all; one that ends makes room. Changes are told once."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from fastapi import APIRouter, FastAPI, Request
from fastapi.responses import StreamingResponse
from sse_starlette import ServerSentEvent

from fedtrain.service.vault.tokens import Scope, new_token, watched_tokens, write_tokens
from fedtrain.service.web.caller import AnyCaller, Caller, TokenGate
from fedtrain.service.web.event_streams import LOOK_S, MOST, MOST_OF_A_CALLER, CountedStream, SharedEdition, changes_of
from tests.harness.stream_reader import Reader

pytestmark = pytest.mark.anyio


@pytest.fixture
def served(make_service: Any) -> Callable[..., FastAPI]:
    router = APIRouter()

    @router.get("/events", response_class=StreamingResponse)
    async def events(request: Request, who: AnyCaller, breaks: bool = False) -> StreamingResponse:
        async def endless() -> AsyncIterator[ServerSentEvent]:
            yield ServerSentEvent("{}", event="status")
            if breaks:
                raise ValueError("the store is away")
            await request.app.state.more.wait()
            yield ServerSentEvent("more", event="round")
            await asyncio.Event().wait()

        return CountedStream(request, who, endless())

    def serve(**options: Any) -> FastAPI:
        made: FastAPI = make_service(router, **options)
        made.state.more = asyncio.Event()
        return made

    return serve


@pytest.fixture
def app(served: Callable[..., FastAPI]) -> FastAPI:
    return served()


async def opened(app: FastAPI, address: str, cookie: str = "") -> Reader:
    reader = Reader(app, address, cookie=cookie)
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


async def test_people_behind_one_address_are_counted_each_by_their_account(served: Callable[..., FastAPI]) -> None:
    class SignedIn(TokenGate):
        def identify(self, headers: Mapping[str, str]) -> Caller:
            return Caller(None, None, True, account=headers["Cookie"])

    app = served(gate=SignedIn(watched_tokens(Path())))
    readers = [await opened(app, "10.0.0.1", "ana") for _ in range(MOST_OF_A_CALLER)]
    readers += [await opened(app, "10.0.0.2", "ana"), await opened(app, "10.0.0.1", "ben")]
    assert [reader.status for reader in readers] == [200] * MOST_OF_A_CALLER + [429, 200]
    for reader in readers:
        await reader.close()
    assert app.state.event_streams.total == 0


@pytest.mark.slow
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


@pytest.mark.parametrize("ends", ["logout", "revoked", "not"])
async def test_a_session_that_has_ended_is_told_nothing_more(
    served: Callable[..., FastAPI], tmp_path: Path, ends: str
) -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    _, record = new_token("a", Scope.READ, now)
    write_tokens(tmp_path, [record])
    app = served(gate=TokenGate(watched_tokens(tmp_path)))
    cookie = f"{app.state.sessions.cookie}={app.state.sessions.open(record.id)}"
    reader = await opened(app, "127.0.0.1", cookie)
    if ends == "logout":
        app.state.sessions.end({"Cookie": cookie})
    elif ends == "revoked":
        write_tokens(tmp_path, [record.model_copy(update={"revoked_at": now})])
    reader.began.clear()
    app.state.more.set()
    if ends == "not":
        await reader.began.wait()
        await reader.close()
        assert b"more" in reader.body
    else:
        await reader.running
        assert b"more" not in reader.body
    assert app.state.event_streams.total == 0


async def test_an_edition_is_told_at_first_and_when_it_is_another_one_and_not_else() -> None:
    found: list[dict[str, str | None]] = [
        {"jobs": "a", "requests": None}, {"jobs": "a", "requests": None}, {"jobs": "a", "requests": "1.0"},
        {"jobs": "b", "requests": "1.0"}, {"jobs": "b", "requests": "1.0"},
    ]  # fmt: skip
    at, during = 0, []

    async def jobs() -> str | None:
        return found[at]["jobs"]

    async def requests() -> str | None:
        return found[at]["requests"]

    async def wait() -> bool:
        nonlocal at
        at += 1
        return at == len(found)

    @contextmanager
    def followed() -> Iterator[None]:
        during.append("begins")
        yield
        during.append("ends")

    events = changes_of({"jobs": jobs, "requests": requests}, wait, followed())
    assert during == []  # a stream that is refused follows nothing
    told = [(event.event, json.loads(event.data)) async for event in events]
    assert told == [("changed", found[0]), ("changed", found[2]), ("changed", found[3])]
    assert during == ["begins", "ends"]


@pytest.mark.anyio
async def test_many_streams_look_for_a_shared_edition_once() -> None:
    now_s, looks = 0.0, 0

    async def look() -> str:
        nonlocal looks
        looks += 1
        await asyncio.sleep(0)
        return str(looks)

    edition = SharedEdition(look, lambda: now_s)
    for expected in ("1", "2"):
        assert await asyncio.gather(*(edition() for _ in range(50))) == [expected] * 50
        now_s += LOOK_S
