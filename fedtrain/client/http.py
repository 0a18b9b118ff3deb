"""HTTP to a service of this project: its problems come back as `Problem`, whatever else goes wrong as one too."""

from __future__ import annotations

import json
import ssl
from collections.abc import Mapping

import httpx

from fedtrain.client.proxies import connecting, proxy_for, unreachable_through
from fedtrain.client.retry import retry_after_s
from fedtrain.protocol.loopback import is_loopback
from fedtrain.protocol.messages.items import MOST_ITEMS
from fedtrain.protocol.messages.tasks import JSON_TYPE
from fedtrain.spec.json_text import JsonRefusedError, check_json
from fedtrain.spec.problems import PROBLEM_JSON, Code, Problem

#: Where a caller knows no better: of names and numbers, which take many times their size in memory when they are read.
MAX_RESPONSE_BYTES = 1 << 24
MAX_PROBLEM_BYTES = 1 << 20


class ServiceClient:
    """Requests to one service. Counts body bytes both ways in `bytes_sent` and `bytes_received`.

    A token goes to https or to this machine alone, and never into a URL; an address with a password in it is refused.
    Both raise Problem(INVALID_REQUEST). Proxies come from the environment, but for services on this machine; one that
    cannot be used raises ProxyError. `verify` is an SSL context, as of `fedtrain.client.tls`, or False for none.
    `transport` replaces the network: tests pass `httpx.ASGITransport(app)`.
    """

    unreachable = Code.SERVICE_UNREACHABLE
    service = "service"

    def __init__(
        self,
        base_url: str,
        *,
        party_id: str | None = None,
        token: str | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
        request_timeout_s: float = 60,
        verify: ssl.SSLContext | bool = True,
    ) -> None:
        # A peer's gzip could unpack to any size, and ciphertexts do not compress.
        headers = {"Accept-Encoding": "identity"}
        if party_id is not None:
            headers["Fedtrain-Party"] = party_id
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        address = _address(base_url)
        on_this_machine = is_loopback(address.host)
        if token is not None and transport is None and address.scheme != "https" and not on_this_machine:
            raise Problem(
                Code.INVALID_REQUEST,
                f"The token for {base_url} would travel in the clear: use https, or loopback.",
            )
        self.base_url = base_url
        self.bytes_sent = 0
        self.bytes_received = 0
        self._request_timeout_s = request_timeout_s
        # Redirects are never followed, since they could lead the token elsewhere.
        self._proxy = None if transport is not None else proxy_for(str(address))
        self._http = httpx.AsyncClient(
            base_url=base_url, headers=headers, transport=transport, **connecting(verify, self._proxy)
        )

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def request(
        self,
        method: str,
        path: str,
        *,
        body: bytes = b"",
        content_type: str | None = None,
        params: Mapping[str, str | int | float] | None = None,
        wait_s: float = 0,
        most_bytes: int = MAX_RESPONSE_BYTES,
    ) -> bytes:
        """Return the body of a 2xx answer.

        `wait_s` is how long the service may keep the answer back, on top of the client's own timeout; `most_bytes` how
        much of it is taken: where it says that it is larger, nothing is read. Raises Problem: the service's own,
        `unreachable` when it cannot be reached or breaks off, MALFORMED_MESSAGE when its answer is too large.
        """
        timeout = httpx.Timeout(self._request_timeout_s + wait_s, connect=min(10.0, self._request_timeout_s))
        headers = {"Content-Type": content_type} if content_type else {}
        try:
            async with self._http.stream(
                method, path, content=body or None, headers=headers, params=params, timeout=timeout
            ) as response:
                self.bytes_sent += len(body)
                answer = await self._read(response, most_bytes if response.is_success else MAX_PROBLEM_BYTES)
        except (httpx.HTTPError, httpx.StreamError, OSError) as error:
            raise self._unreachable(error) from error
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

    def _unreachable(self, error: Exception) -> Problem:
        why = unreachable_through(self._proxy, error)
        return Problem(self.unreachable, f"The {self.service} at {self.base_url} cannot be reached: {why}.")

    def _problem(self, response: httpx.Response, answer: bytes) -> Problem:
        problem = self._said(response, answer)
        pause_s = retry_after_s(response.headers)
        if pause_s is not None:
            problem.extra.setdefault("retry_after_s", pause_s)
        return problem

    def _said(self, response: httpx.Response, answer: bytes) -> Problem:
        status = response.status_code
        media_type = response.headers.get("content-type", "").split(";", 1)[0].strip().lower()
        if media_type == PROBLEM_JSON:
            return Problem.from_body(answer, status)
        if status == 429:  # a proxy that counts requests
            return Problem(Code.RATE_LIMITED, f"{self.base_url} answered 429: too many requests.")
        if status in (408, 502, 503, 504):  # a proxy in between says that nobody is behind it
            by = "" if self._proxy is None else f", by {self._proxy}"
            return Problem(self.unreachable, f"The {self.service} at {self.base_url} cannot be reached: {status}{by}.")
        return Problem.from_dict(None, status)


def _address(base_url: str) -> httpx.URL:
    """Raises Problem(INVALID_REQUEST) for an address with a password in it, which logs and errors would show."""
    try:
        address = httpx.URL(base_url)
    except httpx.InvalidURL:
        return httpx.URL()  # named as such by the first request
    if address.userinfo:
        raise Problem(
            Code.INVALID_REQUEST,
            f"The address of {address.host} has a user or a password in it: take them out, and use a token.",
        )
    return address


def parse_any_json(data: bytes, most_items: int = MOST_ITEMS) -> object:
    """Return the value that a peer's JSON encodes. Raises Problem(MALFORMED_MESSAGE), also for more values."""
    try:
        check_json(data, most_items)
        value: object = json.loads(data)
    except JsonRefusedError as error:
        raise Problem(Code.MALFORMED_MESSAGE, f"The answer is not to be read: {error}.") from None
    except (ValueError, RecursionError) as error:
        raise Problem(Code.MALFORMED_MESSAGE, f"The answer is not JSON: {type(error).__name__}.") from None
    return value
