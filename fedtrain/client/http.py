"""Calls to a service that do not block: what a party's own process makes of its peers."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import closing
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import IO, Any, Protocol

import httpx

from fedtrain.client.connection import MAX_PROBLEM_BYTES, Connection, parse_any_json
from fedtrain.protocol.messages.tasks import JSON_TYPE
from fedtrain.spec.problems import Code, Problem

#: Where a caller knows no better: of names and numbers, which take many times their size in memory when they are read.
MAX_RESPONSE_BYTES = 1 << 24
_CHUNK_BYTES = 1 << 18


class FileBody(Protocol):
    """A body that lies in a file: `fedtrain.service.store.body_files.BodyFile`."""

    @property
    def size_bytes(self) -> int: ...

    def open(self) -> IO[bytes]: ...


class ServiceClient(Connection):
    """Requests to one service. Counts body bytes both ways in `bytes_sent` and `bytes_received`.

    `now`: this party's clock, where the service is to be told of it: each request then has a Date.
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
        MALFORMED_MESSAGE when its answer is too large; and as the file's `open`, before anything is sent.
        """
        timeout = httpx.Timeout(self._request_timeout_s + wait_s, connect=min(10.0, self._request_timeout_s))
        about: dict[str, Any] = {"params": params, "timeout": timeout}
        headers = {"Content-Type": content_type} if content_type else {}
        if self._now is not None:
            headers["Date"] = format_datetime(self._now().astimezone(UTC), usegmt=True)
        if isinstance(body, bytes):
            return await self._sent(method, path, len(body), most_bytes, content=body or None, headers=headers, **about)
        headers["Content-Length"] = str(body.size_bytes)  # httpx sends in chunks what does not say its length
        with closing(await asyncio.to_thread(body.open)) as file:
            content = _chunks(file)
            return await self._sent(
                method, path, body.size_bytes, most_bytes, content=content, headers=headers, **about
            )

    async def _sent(self, method: str, path: str, size_bytes: int, most_bytes: int, **request: Any) -> bytes:
        try:
            async with self._http.stream(method, path, **request) as response:
                self.bytes_sent += size_bytes
                answer = await self._read(response, most_bytes if response.is_success else MAX_PROBLEM_BYTES)
        except (httpx.HTTPError, httpx.StreamError, OSError) as error:
            raise self._unreached(error) from error
        except (httpx.InvalidURL, httpx.CookieConflict, ValueError) as error:
            raise Problem(self.unreachable, f"{self.base_url!r} is not a usable address: {error}.") from error
        if response.is_success:
            return answer
        raise self._problem(response, answer)

    async def request_json(
        self, method: str, path: str, *, document: object = None, params: Mapping[str, str | int | float] | None = None
    ) -> dict[str, object]:
        """Send `document` as JSON if it is not None and return the object that comes back ({} for an empty body)."""
        body = b"" if document is None else json.dumps(document).encode()
        sent_type = JSON_TYPE if body else None
        answer = await self.request(method, path, body=body, content_type=sent_type, params=params)
        value = parse_any_json(answer) if answer else {}
        if not isinstance(value, dict):
            raise Problem(Code.MALFORMED_MESSAGE, f"The {self.service} answered {path} with no JSON object.")
        return value

    async def _read(self, response: httpx.Response, limit: int) -> bytes:
        declared = response.headers.get("content-length", "")
        if declared.isdigit() and int(declared) > limit:
            raise Problem(
                Code.MALFORMED_MESSAGE, f"The {self.service}'s answer has {int(declared):,} bytes, more than {limit:,}."
            )
        chunks = bytearray()
        async for chunk in response.aiter_bytes():
            self.bytes_received += len(chunk)
            if len(chunks) + len(chunk) > limit:
                raise Problem(Code.MALFORMED_MESSAGE, f"The {self.service}'s answer has more than {limit:,} bytes.")
            chunks += chunk
        return bytes(chunks)


async def _chunks(file: IO[bytes]) -> AsyncIterator[bytes]:
    while chunk := await asyncio.to_thread(file.read, _CHUNK_BYTES):
        yield chunk
