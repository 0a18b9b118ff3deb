"""Calls to a service that block: for a person's commands, scripts and notebooks."""

from __future__ import annotations

import json
import ssl
from collections.abc import Iterator
from typing import Any, Self

import httpx

from fedtrain.client.connection import MAX_PROBLEM_BYTES, Connection
from fedtrain.spec.problems import Problem

#: An answer, or an event of a stream. A report or 10,000 predictions take some megabytes.
MOST_ANSWER_BYTES = 64 << 20


class BlockingClient(Connection):
    """Requests to one service, one after another. Closes its connections when a `with` block is left.

    Each raises Problem: what the service refused with, `unreachable`, or MALFORMED_MESSAGE for an answer that is none.
    """

    def __init__(
        self,
        base_url: str,
        *,
        token: str | None = None,
        transport: httpx.BaseTransport | None = None,
        request_timeout_s: float = 60,
        verify: ssl.SSLContext | bool = True,
    ) -> None:
        super().__init__(base_url, party_id=None, token=token, transport=transport, verify=verify)
        self._http = httpx.Client(timeout=request_timeout_s, transport=transport, **self._arguments)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def request(self, method: str, path: str, **arguments: Any) -> httpx.Response:
        """Return a 2xx answer with its body. `arguments` as httpx takes them: params, json, content, headers."""
        return self._send(self._http.build_request(method, path, **arguments))

    def request_json(self, method: str, path: str, **arguments: Any) -> Any:
        """Return the value that comes back as JSON, {} for an empty body."""
        response = self.request(method, path, **arguments)
        try:
            return response.json() if response.content else {}
        except (ValueError, RecursionError):
            raise self._unusable(f"{self.base_url}{path} did not answer with JSON") from None

    def events(self, path: str) -> Iterator[dict[str, Any]]:
        """Yield each server-sent event's data (WHATWG HTML §9.2.6), until the stream ends."""
        request = self._http.build_request("GET", path, headers={"Accept": "text/event-stream"})
        request.extensions["timeout"] = httpx.Timeout(60, read=None).as_dict()
        response = self._send(request, stream=True)
        try:
            data: list[str] = []
            size = 0
            for line in self._lines(response):
                size += len(line)
                if size > MOST_ANSWER_BYTES:
                    raise self._too_long(response, MOST_ANSWER_BYTES)
                if line.startswith("data:"):
                    data.append(line[5:].removeprefix(" "))
                elif line == "":
                    if data:
                        yield json.loads("\n".join(data))
                    data, size = [], 0
        except httpx.TransportError as error:
            raise self._unreached(error) from None
        finally:
            response.close()

    def _again(self, answered: httpx.Response, refusal: Problem) -> httpx.Request | None:
        """Return the request that a refusal leads to, None for none."""
        del answered, refusal
        return None

    def _send(self, request: httpx.Request, *, stream: bool = False) -> httpx.Response:
        response = self._answer(request, stream)
        if response.is_error:
            problem = self._problem(response, response.content)
            again = self._again(response, problem)
            if again is None:
                raise problem
            response = self._answer(again, stream)
            if response.is_error:
                raise self._problem(response, response.content)
        return response

    def _answer(self, request: httpx.Request, stream: bool) -> httpx.Response:
        try:
            response = self._http.send(request, stream=True)
            if stream and response.is_success:
                return response
            try:
                return self._whole(response)
            finally:
                response.close()
        except httpx.TransportError as error:
            raise self._unreached(error) from None

    def _whole(self, response: httpx.Response) -> httpx.Response:
        """Return an answer with its body. Raises as `_unusable` where that is longer than an answer can be."""
        limit = MOST_ANSWER_BYTES if response.is_success else MAX_PROBLEM_BYTES
        body = bytearray()
        for chunk in self._chunks(response):
            body += chunk
            if len(body) > limit:
                raise self._too_long(response, limit)
        return httpx.Response(
            response.status_code,
            headers=response.headers,
            content=bytes(body),
            request=response.request,
            extensions=response.extensions,
        )

    def _lines(self, response: httpx.Response) -> Iterator[str]:
        line = bytearray()
        for chunk in self._chunks(response):
            *ends, begin = chunk.split(b"\n")
            for end in ends:
                line += end
                yield line.removesuffix(b"\r").decode(errors="replace")
                line.clear()
            line += begin
            if len(line) > MOST_ANSWER_BYTES:
                raise self._too_long(response, MOST_ANSWER_BYTES)

    def _chunks(self, response: httpx.Response) -> Iterator[bytes]:
        self._check_unpacked(response)
        yield from response.iter_bytes(1 << 16)
