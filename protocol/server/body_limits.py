"""How large a body may be, held before and while it is read.

A declared length over the limit is refused before a byte of the body is read; a chunked body is counted as it comes.
Either way the connection is closed, so that the rest is not received only to be thrown away. Before that it lingers: a
connection closed over bytes that nobody read is reset, and then the client may lose the answer (measured: it does).
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from protocol.problems import Code, Problem
from protocol.server.responses import problem_response

LINGER_BYTES = 1 << 20
LINGER_S = 1.0


@dataclass(frozen=True)
class BodyLimits:
    """Bytes a body may have: by the longest path prefix that fits, else the default."""

    default_bytes: int = 1 << 20
    by_prefix: Mapping[str, int] = field(default_factory=dict)

    def limit_for(self, path: str) -> int:
        """A prefix fits whole path segments: "/tasks" is for "/tasks/1/result" and not for "/tasksets"."""
        fitting = [p for p in self.by_prefix if path == p or path.startswith(p.rstrip("/") + "/")]
        return self.by_prefix[max(fitting, key=len)] if fitting else self.default_bytes


class _BodyTooLargeError(Exception):
    pass


class BodyLimitMiddleware:
    """ASGI middleware that holds `BodyLimits`."""

    def __init__(self, app: ASGIApp, limits: BodyLimits) -> None:
        self._app = app
        self._limits = limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        limit = self._limits.limit_for(scope["path"])
        declared = _declared_length(scope)
        if declared is not None and declared > limit:
            await _refuse(scope, receive, send, f"has {declared:,} bytes", limit)
            return
        received, exceeded, started = 0, False, False

        async def counting_receive() -> Message:
            nonlocal received, exceeded
            message = await receive()
            received += len(message.get("body", b""))
            if received > limit:
                exceeded = True
                raise _BodyTooLargeError
            return message

        async def guarded_send(message: Message) -> None:
            nonlocal started
            if exceeded and not started:
                return  # whatever the route made of its interrupted body, the answer is the one below
            started = True
            await send(message)

        try:
            await self._app(scope, counting_receive, guarded_send)
        except _BodyTooLargeError:
            if started:
                raise
        if exceeded and not started:
            await _refuse(scope, receive, send, f"has at least {received:,} bytes", limit)


def _declared_length(scope: Scope) -> int | None:
    for name, value in scope["headers"]:
        if name == b"content-length" and value.isdigit():
            return int(value)
    return None


async def _refuse(scope: Scope, receive: Receive, send: Send, size: str, limit: int) -> None:
    detail = f"The body {size}, and {scope['path']} takes {limit:,} bytes at most."
    await refuse_unread(Problem(Code.BODY_TOO_LARGE, detail, limit_bytes=limit), scope, receive, send)


async def refuse_unread(problem: Problem, scope: Scope, receive: Receive, send: Send) -> None:
    """Answer a request whose body is not wanted, and close the connection if it has one."""
    response = problem_response(problem)
    if not any(name in (b"content-length", b"transfer-encoding") for name, _ in scope["headers"]):
        await response(scope, receive, send)
        return
    response.headers["Connection"] = "close"
    start = {"type": "http.response.start", "status": response.status_code, "headers": response.raw_headers}
    await send(start)
    await send({"type": "http.response.body", "body": response.body, "more_body": True})
    if not any(name == b"expect" for name, _ in scope["headers"]):  # else reading would ask the client for its body
        await _linger(receive)
    await send({"type": "http.response.body", "body": b""})


async def _linger(receive: Receive) -> None:
    read = 0
    with suppress(TimeoutError):
        async with asyncio.timeout(LINGER_S):
            while read < LINGER_BYTES:
                message = await receive()
                if not message.get("more_body", False):
                    return
                read += len(message["body"])
