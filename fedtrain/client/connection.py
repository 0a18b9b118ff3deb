"""HTTP to a service of this project, as far as calls that block and calls that do not have it in common.

Its problems come back as `Problem`, whatever else goes wrong as one too.
"""

from __future__ import annotations

import json
import ssl
from importlib.metadata import version
from typing import Any

import httpx

from fedtrain.client.proxies import connecting, proxy_for, unreachable_through
from fedtrain.client.retry import retry_after_s
from fedtrain.protocol.loopback import is_loopback
from fedtrain.protocol.messages.items import MOST_ITEMS
from fedtrain.spec.json_text import JsonRefusedError, check_json
from fedtrain.spec.problems import PROBLEM_JSON, Code, Problem

MAX_PROBLEM_BYTES = 1 << 20


class Connection:
    """One service's address, with what is shown to it and what is believed of it.

    A token goes to https or to this machine alone, and never into a URL; an address with a password in it is refused.
    Both raise Problem(INVALID_REQUEST). Proxies come from the environment, but for services on this machine; one that
    cannot be used raises ProxyError. `verify` is an SSL context, as of `fedtrain.client.tls`, or False for none.
    `transport` replaces the network: tests pass `httpx.ASGITransport(app)`. Redirects are never followed, since they
    could lead the token elsewhere.
    """

    unreachable = Code.SERVICE_UNREACHABLE
    service = "service"

    def __init__(
        self,
        base_url: str,
        *,
        party_id: str | None,
        token: str | None,
        transport: httpx.AsyncBaseTransport | httpx.BaseTransport | None,
        verify: ssl.SSLContext | bool,
    ) -> None:
        # A peer's gzip could unpack to any size, and ciphertexts do not compress.
        headers = {"Accept-Encoding": "identity", "User-Agent": f"fedtrain/{version('federated-trainer')}"}
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
        self.proxy = None
        if transport is None:
            self.proxy = proxy_for(str(address))
        else:
            verify = False  # there is no TLS to check, and reading the system's authorities takes 40 ms
        # httpx's own headers show no token in their repr.
        kept = httpx.Headers(headers)
        self._arguments: dict[str, Any] = {"base_url": base_url, "headers": kept, **connecting(verify, self.proxy)}

    def _unreached(self, error: Exception) -> Exception:
        why = unreachable_through(self.proxy, error)
        return Problem(self.unreachable, f"The {self.service} at {self.base_url} cannot be reached: {why}.")

    def _unusable(self, what: str) -> Exception:
        """Return the error for an answer that is none of this project's; `what` follows the address."""
        return Problem(Code.MALFORMED_MESSAGE, f"The {self.service} at {what}.")

    def _too_long(self, response: httpx.Response, limit: int) -> Exception:
        return self._unusable(f"{response.url} answered with more than {limit:,} bytes")

    def _check_unpacked(self, response: httpx.Response) -> None:
        """Raises as `_unusable` for an answer that is packed, which was not asked for."""
        packing = response.headers.get("Content-Encoding", "identity")
        if packing != "identity":
            raise self._unusable(f"{response.url} answered packed as {packing!r}")

    def _problem(self, response: httpx.Response, answer: bytes) -> Problem:
        """Return what was refused, and by whom; with the pause that was asked for."""
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
            by = "" if self.proxy is None else f", by {self.proxy}"
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
