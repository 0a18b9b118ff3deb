"""Calls to a service that do not block: what a party's own process makes of its peers."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, closing
from datetime import datetime
from typing import IO, Protocol, TypeAlias, TypeVar

import httpx

from fedtrain.client.connection import MAX_PROBLEM_BYTES, Connection, parse_any_json
from fedtrain.protocol.http_dates import http_date, seconds_apart
from fedtrain.protocol.messages.tasks import JSON_TYPE
from fedtrain.spec.problems import Code, Problem

#: Where a caller knows no better: of names and numbers, which take many times their size in memory when they are read.
MAX_RESPONSE_BYTES = 1 << 24
_CHUNK_BYTES = 1 << 18

T = TypeVar("T")
#: Makes something of a body that comes in chunks.
Receive: TypeAlias = Callable[[AsyncIterator[bytes]], Awaitable[T]]


async def joined(chunks: AsyncIterator[bytes]) -> bytes:
    """Return the whole body."""
    held = bytearray()
    async for chunk in chunks:
        held += chunk
    return bytes(held)


class FileBody(Protocol):
    """A body that lies in a file: `fedtrain.service.store.body_files.BodyFile`."""

    @property
    def size_bytes(self) -> int: ...

    def open(self) -> IO[bytes]: ...


class ServiceClient(Connection):
    """Requests to one service. Counts body bytes both ways in `bytes_sent` and `bytes_received`.

    `now`: this party's clock, where the service is to be told of it: each request then has a Date, and
    `clocks_apart_s` is by how many seconds at least the latest answer's differs, None where that has none.
    """

    def __init__(
        self,
        base_url: str,
        *,
        party_id: str | None = None,
        token: str | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
        request_timeout_s: float = 60,
        verify: ssl.SSLContext | bool = True,
        now: Callable[[], datetime] | None = None,
    ) -> None:
        super().__init__(base_url, party_id=party_id, token=token, transport=transport, verify=verify)
        self.bytes_sent = 0
        self.bytes_received = 0
        self._request_timeout_s = request_timeout_s
        self._now = now
        self.clocks_apart_s: float | None = None
        self._http = httpx.AsyncClient(transport=transport, **self._arguments)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def request(
        self,
        method: str,
        path: str,
        *,
        body: bytes | FileBody = b"",
        content_type: str | None = None,
        params: Mapping[str, str | int | float] | None = None,
        wait_s: float = 0,
        most_bytes: int = MAX_RESPONSE_BYTES,
    ) -> bytes:
        """Return the body of a 2xx answer.

        A `body` in a file is sent as it is read. `wait_s` is how long the service may keep the answer back, on top of
        the client's own timeout; `most_bytes` how much of it is taken: where it says that it is larger, nothing is
        read. Raises Problem: the service's own, `unreachable` when it cannot be reached or breaks off,
        MALFORMED_MESSAGE when its answer is too large, or packed; and as the file's `open`, before anything is sent.
        """
        return await self.received(
            method,
            path,
            joined,
            body=body,
            content_type=content_type,
            params=params,
            wait_s=wait_s,
            most_bytes=most_bytes,
        )

    async def received(
        self,
        method: str,
        path: str,
        receive: Receive[T],
        *,
        body: bytes | FileBody = b"",
        content_type: str | None = None,
        params: Mapping[str, str | int | float] | None = None,
        wait_s: float = 0,
        most_bytes: int = MAX_RESPONSE_BYTES,
    ) -> T:
        """Return what `receive` makes of the body of a 2xx answer, as `request`. Raises also what `receive` raises."""
        timeout = httpx.Timeout(self._request_timeout_s + wait_s, connect=min(10.0, self._request_timeout_s))
        headers = {"Content-Type": content_type} if content_type else {}
        asked_at = None if self._now is None else self._now()
        if asked_at is not None:
            headers["Date"] = http_date(asked_at)
        async with _content_of(body, headers) as content:
            try:
                async with self._http.stream(
                    method, path, content=content, headers=headers, params=params, timeout=timeout
                ) as response:
                    self.bytes_sent += _size_of(body)
                    if self._now is not None and asked_at is not None:
                        self.clocks_apart_s = seconds_apart(response.headers.get("Date", ""), asked_at, self._now())
                    if response.is_success:
                        return await receive(self._taken(response, most_bytes))
                    answer = await joined(self._taken(response, MAX_PROBLEM_BYTES))
            except (httpx.HTTPError, httpx.StreamError, OSError) as error:
                raise self._unreached(error) from error
            except (httpx.InvalidURL, httpx.CookieConflict, ValueError) as error:
                raise Problem(self.unreachable, f"{self.base_url!r} is not a usable address: {error}.") from error
        raise self._problem(response, answer)

    async def request_json(
        self,
        method: str,
        path: str,
        *,
        document: object = None,
        params: Mapping[str, str | int | float] | None = None,
        wait_s: float = 0,
    ) -> dict[str, object]:
        """Send `document` as JSON if it is not None and return the object that comes back ({} for an empty body)."""
        body = b"" if document is None else json.dumps(document).encode()
        sent_type = JSON_TYPE if body else None
        answer = await self.request(method, path, body=body, content_type=sent_type, params=params, wait_s=wait_s)
        value = parse_any_json(answer) if answer else {}
        if not isinstance(value, dict):
            raise Problem(Code.MALFORMED_MESSAGE, f"The {self.service} answered {path} with no JSON object.")
        return value

    async def _taken(self, response: httpx.Response, limit: int) -> AsyncIterator[bytes]:
        self._check_unpacked(response)
        declared = response.headers.get("content-length", "")
        if declared.isdigit() and int(declared) > limit:
            raise Problem(
                Code.MALFORMED_MESSAGE, f"The {self.service}'s answer has {int(declared):,} bytes, more than {limit:,}."
            )
        taken = 0
        async for chunk in response.aiter_bytes():
            self.bytes_received += len(chunk)
            taken += len(chunk)
            if taken > limit:
                raise Problem(Code.MALFORMED_MESSAGE, f"The {self.service}'s answer has more than {limit:,} bytes.")
            yield chunk


def _size_of(body: bytes | FileBody) -> int:
    return len(body) if isinstance(body, bytes) else body.size_bytes


@asynccontextmanager
async def _content_of(
    body: bytes | FileBody, headers: dict[str, str]
) -> AsyncIterator[bytes | AsyncIterator[bytes] | None]:
    """Give what httpx sends, with the length of a file among the headers: it sends in chunks what does not say it."""
    if isinstance(body, bytes):
        yield body or None
        return
    headers["Content-Length"] = str(body.size_bytes)
    with closing(await asyncio.to_thread(body.open)) as file:
        yield _chunks(file)


async def _chunks(file: IO[bytes]) -> AsyncIterator[bytes]:
    while chunk := await asyncio.to_thread(file.read, _CHUNK_BYTES):
        yield chunk
