"""Bodies over the limit: refused by their declared length before they are read, or cut off as they come."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator

import httpx
import pytest
from fastapi import APIRouter, Request

from fedtrain.service.limits import body_limits
from fedtrain.service.limits.body_limits import LINGER_BYTES, BodyLimit, BodyLimits
from fedtrain.spec.problems import Code, Problem

LIMITS = BodyLimits(
    BodyLimit(1000, json_items=50),
    {("POST", "/tasks/small/result"): BodyLimit(10), ("POST", "/tasks/{task_id}/result"): BodyLimit(5000)},
)


@pytest.fixture
def app(make_service):
    router = APIRouter()

    @router.post("/models")
    @router.post("/tasks/{task_id}/result")
    @router.post("/tasksets")
    async def raw(request: Request) -> dict[str, int]:
        return {"bytes": len(await request.body())}

    @router.post("/json")
    async def parsed(body: dict[str, int]) -> dict[str, int]:
        return {"items": len(body)}

    @router.post("/swallows")
    async def swallows(request: Request) -> dict[str, bool]:
        try:
            await request.body()
        except Exception:  # noqa: BLE001 - what a careless route might do
            return {"read": False}
        return {"read": True}

    return make_service(router, body_limits=LIMITS)


@pytest.fixture
async def http(app):
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
        yield client


async def in_chunks(total: int) -> AsyncIterator[bytes]:
    for begin in range(0, total, 100):
        yield b"x" * min(100, total - begin)


def assert_too_large(response: httpx.Response, limit: int) -> None:
    problem = Problem.from_dict(response.json(), response.status_code)
    assert (response.status_code, problem.code) == (413, Code.BODY_TOO_LARGE)
    assert f"takes {limit:,} bytes at most" in problem.detail
    assert problem.extra["limit_bytes"] == limit
    assert response.headers["connection"] == "close"


LIMIT_OF = {"/models": 1000, "/tasksets": 1000, "/tasks/1/result": 5000, "/tasks/small/result": 10, "/swallows": 1000}


@pytest.mark.anyio
@pytest.mark.parametrize("chunked", [False, True], ids=["declared", "chunked"])
@pytest.mark.parametrize("path", LIMIT_OF)
async def test_the_limit_of_its_path_is_taken_and_a_byte_more_refused(http, path: str, chunked: bool) -> None:
    limit = LIMIT_OF[path]
    for size in (limit, limit + 1):
        response = await http.post(path, content=in_chunks(size) if chunked else b"x" * size)
        if size == limit:
            assert response.status_code == 200
        else:
            assert_too_large(response, limit)


@pytest.mark.anyio
async def test_a_chunked_json_body_over_the_limit_is_too_large_and_not_malformed(http) -> None:
    headers = {"Content-Type": "application/json"}
    fits = json.dumps({str(i): i for i in range(20)}).encode()
    too_large = json.dumps({str(i): i for i in range(500)}).encode()

    async def chunks(body: bytes) -> AsyncIterator[bytes]:
        for begin in range(0, len(body), 64):
            yield body[begin : begin + 64]

    assert (await http.post("/json", content=chunks(fits), headers=headers)).json() == {"items": 20}
    assert_too_large(await http.post("/json", content=chunks(too_large), headers=headers), 1000)


def scope_of(*headers: tuple[bytes, bytes]) -> dict:
    path = {"path": "/models", "raw_path": b"/models", "query_string": b""}
    return {"type": "http", "method": "POST", **path, "headers": list(headers), "state": {}}


class Peer:
    """A client that never stops sending, and notes what was answered and how much had been read by then."""

    def __init__(self) -> None:
        self.read = 0
        self.answered_after: int | None = None
        self.status = 0
        self.body = b""

    async def receive(self) -> dict:
        self.read += 400
        return {"type": "http.request", "body": b"x" * 400, "more_body": True}

    async def send(self, message: dict) -> None:
        self.status = message.get("status", self.status)
        self.body += message.get("body", b"")
        if self.answered_after is None and self.body:
            self.answered_after = self.read


@pytest.mark.anyio
async def test_a_body_that_declares_too_much_is_answered_before_any_of_it_is_read(app) -> None:
    peer = Peer()
    await app(scope_of((b"content-length", b"1073741824")), peer.receive, peer.send)
    assert (peer.status, peer.answered_after) == (413, 0)
    assert b"1,073,741,824" in peer.body
    assert peer.read < LINGER_BYTES + 400


@pytest.mark.anyio
async def test_a_client_that_waits_before_it_sends_is_not_asked_to_send(app) -> None:
    peer = Peer()
    headers = ((b"content-length", b"1073741824"), (b"expect", b"100-continue"))
    await app(scope_of(*headers), peer.receive, peer.send)
    assert (peer.status, peer.read) == (413, 0)


@pytest.mark.anyio
async def test_a_chunked_body_is_answered_as_soon_as_it_passes_the_limit(app) -> None:
    peer = Peer()
    await app(scope_of((b"transfer-encoding", b"chunked")), peer.receive, peer.send)
    assert (peer.status, peer.answered_after) == (413, 1200)
    assert peer.read < 1200 + LINGER_BYTES + 400


@pytest.mark.anyio
async def test_a_client_that_falls_silent_is_not_waited_for_long(app, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(body_limits, "LINGER_S", 0.01)
    peer = Peer()

    async def silent() -> dict:
        await asyncio.Event().wait()
        raise AssertionError("unreachable")

    await app(scope_of((b"content-length", b"1073741824")), silent, peer.send)
    assert peer.status == 413


def test_a_gigabyte_over_a_socket_is_refused_before_it_is_sent(app, served) -> None:
    with served(app) as port, socket.create_connection(("127.0.0.1", port)) as connection:
        head = f"POST /models HTTP/1.1\r\nHost: localhost\r\nContent-Length: {1 << 30}\r\n"
        connection.sendall(f"{head}Content-Type: application/json\r\nExpect: 100-continue\r\n\r\n".encode())
        answer = b""
        while chunk := connection.recv(65536):  # ends, because the service closes the connection
            answer += chunk
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"1,073,741,824 bytes" in answer


def test_a_chunked_stream_without_end_over_a_socket_is_cut_off(app, served) -> None:
    chunk = b"%x\r\n" % 500 + b"x" * 500 + b"\r\n"
    with served(app) as port, socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(
            b"POST /models HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk * 3
        )
        answer = b""
        while received := connection.recv(65536):
            answer += received
    assert answer.startswith(b"HTTP/1.1 413 ")


def test_a_client_that_sends_before_it_reads_gets_the_answer_and_goes_on(
    app, served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(body_limits, "LINGER_S", 3600)  # a busy machine may need more than a second for half a megabyte
    url = "http://127.0.0.1:{}"
    with served(app) as port, httpx.Client(base_url=url.format(port), timeout=3600, trust_env=False) as client:
        for _ in range(20):
            assert client.post("/models", content=b"x" * 1000).json() == {"bytes": 1000}
            assert client.post("/models", content=b"x" * 1001).status_code == 413
            assert client.post("/models", content=b"x" * 500_000).status_code == 413
        assert client.post("/models", content=b"x").json() == {"bytes": 1}
