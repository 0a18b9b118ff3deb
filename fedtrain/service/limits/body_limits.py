"""Limits on how large a body may be, held before and while it is read; and how much all bodies together hold in memory.

A declared length over the limit is refused before a byte of the body is read; a chunked body is counted as it comes.
Either way the connection is closed, so that the rest is not received only to be thrown away. Before that it lingers: a
connection closed over bytes that nobody read is reset, and then the client may lose the answer (measured: it does).
A JSON body's values and its depth are counted before anything is built of it: 22 MB of empty lists took 1.8 GB.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from fedtrain.service.web.responses import problem_response
from fedtrain.spec.json_text import TooManyValuesError, UnreadableJsonError, check_json
from fedtrain.spec.problems import Code, Problem

LINGER_BYTES = 1 << 20
LINGER_S = 1.0
#: Of all requests' bodies together; one that is larger has the room almost alone.
BODIES_BYTES = 48 << 20
#: What a byte of JSON may come to, as Python holds it; what all at once may come to; and how long one waits for room.
JSON_FACTOR = 20
BUILT_BYTES = 64 << 20
_ROOM_WITHIN_S = 10.0
_LOOK_S = 0.05
_IN_THREAD_BYTES = 64 << 10


@dataclass(frozen=True)
class BodyLimit:
    """Most bytes of a route's body, and most values of one that is JSON.

    `held_bytes`: of a body that is no JSON, no more is in memory at a time, and the rest is written to disk as it
    comes; None where all of it is in memory. JSON has `json_bytes`.
    """

    most_bytes: int
    json_items: int = 10_000
    json_bytes: int | None = None
    held_bytes: int | None = None

    def bytes_of(self, *, is_json: bool) -> int:
        return self.json_bytes if is_json and self.json_bytes is not None else self.most_bytes


@dataclass(frozen=True)
class BodyLimits:
    """Limits by method and path; `{…}` in a path stands for one segment. All other routes have the default."""

    default: BodyLimit = BodyLimit(64 << 10)
    by_route: Mapping[tuple[str, str], BodyLimit] = field(default_factory=dict)

    def limit_for(self, method: str, path: str) -> BodyLimit:
        segments = path.split("/")
        for (of_method, template), limit in self.by_route.items():
            if of_method == method and _fits(template.split("/"), segments):
                return limit
        return self.default


def _fits(template: list[str], segments: list[str]) -> bool:
    return len(template) == len(segments) and all(
        ours.startswith("{") or ours == theirs for ours, theirs in zip(template, segments, strict=True)
    )


class BodyTooLargeError(Exception):
    """A body is over its limit: the middleware answers for the route. `size` and `most` are for a person."""

    def __init__(self, size: str, most: str) -> None:
        super().__init__(size)
        self.size = size
        self.most = most


class _NoRoomError(Exception):
    """Other bodies leave no room for this one now."""


class BodyCount:
    """One request's body as it comes in. A route that knows more than its path says narrows the limit."""

    def __init__(self, most_bytes: int, declared: int | None) -> None:
        self.most_bytes = most_bytes
        self.received = 0
        self._declared = declared

    def narrow(self, most_bytes: int) -> None:
        """Lower the limit. Raises BodyTooLargeError where the body is known to be larger: let it pass."""
        self.most_bytes = min(self.most_bytes, most_bytes)
        self.check()

    def check(self) -> None:
        """Raises BodyTooLargeError."""
        most = f"{self.most_bytes:,} bytes"
        if self._declared is not None and self._declared > self.most_bytes:
            raise BodyTooLargeError(f"{self._declared:,} bytes", most)
        if self.received > self.most_bytes:
            raise BodyTooLargeError(f"at least {self.received:,} bytes", most)


class _Room:
    """The memory that all bodies share, in bytes."""

    def __init__(self) -> None:
        self._received = 0
        self._built = 0
        self._one_at_a_time = asyncio.Lock()

    def receive(self, own: int, more: int) -> None:
        """Take `more` bytes for a body that has `own` so far. Raises _NoRoomError where the others leave none."""
        others = self._received - own
        if self._received + more > BODIES_BYTES and others > BODIES_BYTES // 4:
            raise _NoRoomError
        self._received += more

    def give_back(self, own: int) -> None:
        self._received -= own

    async def check(self, body: bytes, most_values: int) -> None:
        """Hold a JSON body against what is allowed. Raises fedtrain.spec.json_text.JsonRefusedError.

        Large ones wait for each other: several threads at once would make the event loop wait for the interpreter's
        lock, five milliseconds a thread, at each of its reads and writes. What comes next, reading the body, holds the
        lock for some 30 ms a megabyte, and so the loop serves others between two.
        """
        if len(body) <= _IN_THREAD_BYTES:
            check_json(body, most_values)
            return
        async with self._one_at_a_time:
            await asyncio.to_thread(check_json, body, most_values)

    @asynccontextmanager
    async def building(self, size: int) -> AsyncIterator[None]:
        """Wait for room for what is built of a body, and hold it. Raises _NoRoomError after a while without."""
        for _ in range(int(_ROOM_WITHIN_S / _LOOK_S)):
            if self._built == 0 or self._built + size <= BUILT_BYTES:
                break
            await asyncio.sleep(_LOOK_S)
        else:
            raise _NoRoomError
        self._built += size
        try:
            yield
        finally:
            self._built -= size


class BodyLimitMiddleware:
    """ASGI middleware that holds `BodyLimits`. Leaves the body's count in `request.state.body_count`."""

    def __init__(self, app: ASGIApp, limits: BodyLimits) -> None:
        self._app = app
        self._limits = limits
        self._room = _Room()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        limit = self._limits.limit_for(scope["method"], scope["path"])
        is_json = _is_json(scope)
        count = BodyCount(limit.bytes_of(is_json=is_json), _declared_length(scope))
        scope.setdefault("state", {})["body_count"] = count
        most_held = None if is_json else limit.held_bytes
        held, refusal, started = 0, None, False

        async def counting_receive() -> Message:
            nonlocal held, refusal
            message = await receive()
            size = len(message.get("body", b""))
            count.received += size
            try:
                count.check()
                more = size if most_held is None else min(size, most_held - held)
                if more:
                    self._room.receive(held, more)
                    held += more
            except (BodyTooLargeError, _NoRoomError) as error:
                refusal = error
                raise
            return message

        async def guarded_send(message: Message) -> None:
            nonlocal started
            if refusal is not None and not started:
                return  # whatever the route made of its interrupted body, the answer is the one below
            started = True
            await send(message)

        try:
            count.check()
            if is_json and _has_body(scope):
                await self._with_json(scope, counting_receive, guarded_send, limit)
            else:
                await self._app(scope, counting_receive, guarded_send)
        except (BodyTooLargeError, _NoRoomError) as error:
            if started:
                raise
            refusal = error
        finally:
            self._room.give_back(held)
        if refusal is not None and not started:
            await refuse_unread(_problem(refusal, scope, count), scope, receive, send)

    async def _with_json(self, scope: Scope, receive: Receive, send: Send, limit: BodyLimit) -> None:
        """Run the application with a JSON body that came whole, once there is room for what it is built into."""
        body = bytearray()
        while True:
            message = await receive()
            if message["type"] != "http.request":
                return  # the client has gone
            body += message.get("body", b"")
            if not message.get("more_body", False):
                break
        whole = bytes(body)
        del body
        try:
            await self._room.check(whole, limit.json_items)
        except TooManyValuesError:
            most = f"{limit.json_items:,} values"
            raise BodyTooLargeError(f"more than {most}", most) from None
        except UnreadableJsonError as error:
            problem = Problem(Code.MALFORMED_JSON, f"The body is not JSON that can be read: {error}.")
            await problem_response(problem)(scope, receive, send)
            return
        given = False

        async def whole_body() -> Message:
            nonlocal given
            if given:
                return await receive()  # how a route learns that the client has gone
            given = True
            return {"type": "http.request", "body": whole, "more_body": False}

        async with self._room.building(JSON_FACTOR * len(whole)):
            await self._app(scope, whole_body, send)


def _is_json(scope: Scope) -> bool:
    """Return whether a body would be read as JSON: one without a type is."""
    for name, value in scope["headers"]:
        if name == b"content-type":
            media_type = value.split(b";", 1)[0].strip().lower()
            return not media_type or bool(media_type.endswith(b"json"))
    return True


def _has_body(scope: Scope) -> bool:
    return any(name in (b"content-length", b"transfer-encoding") for name, _ in scope["headers"])


def _declared_length(scope: Scope) -> int | None:
    for name, value in scope["headers"]:
        if name == b"content-length" and value.isdigit():
            return int(value)
    return None


def _problem(refusal: Exception, scope: Scope, count: BodyCount) -> Problem:
    if isinstance(refusal, BodyTooLargeError):
        detail = f"The body has {refusal.size}, and {scope['path'][:200]} takes {refusal.most} at most."
        return Problem(Code.BODY_TOO_LARGE, detail, limit_bytes=count.most_bytes)
    return Problem(
        Code.RATE_LIMITED, "Too many requests with large bodies at once: this one is to come again.", retry_after_s=2
    )


async def refuse_unread(problem: Problem, scope: Scope, receive: Receive, send: Send) -> None:
    """Answer a request whose body is not wanted, and close the connection if it has one."""
    response = problem_response(problem)
    if not _has_body(scope):
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
