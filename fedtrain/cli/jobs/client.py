"""A person's calls to a service: JSON in, JSON out, and failures that say which address was meant."""

from __future__ import annotations

import json
import os
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx

from fedtrain.cli.output import Failure
from fedtrain.client.address import service_address
from fedtrain.client.http import MAX_PROBLEM_BYTES
from fedtrain.client.proxies import connecting, proxy_for, unreachable_through
from fedtrain.protocol.loopback import is_loopback
from fedtrain.service.web.decision_token import pick_up
from fedtrain.spec.problems import PROBLEM_JSON, Problem

_CREDENTIALS = ("FEDTRAIN_TOKEN_FILE", "FEDTRAIN_CA_FILE", "FEDTRAIN_CLIENT_CERT", "FEDTRAIN_CLIENT_KEY")
#: An answer, or an event of a stream. A report or 10,000 predictions take some megabytes.
MOST_ANSWER_BYTES = 64 << 20
DEFAULT_MODEL_OWNER = "http://127.0.0.1:9090"


def model_owner_url(option: str | None) -> str:
    """Return the option, else FEDTRAIN_MODEL_OWNER, else the default port on this machine."""
    return option or os.environ.get("FEDTRAIN_MODEL_OWNER") or DEFAULT_MODEL_OWNER


class Service:
    """One service at `base_url`. Raises Problem for what it refuses, Failure when it cannot be reached.

    FEDTRAIN_TOKEN_FILE names a file with the bearer token to show, FEDTRAIN_CA_FILE the CA to believe,
    FEDTRAIN_CLIENT_CERT and FEDTRAIN_CLIENT_KEY the certificate for a service that asks for one.
    """

    def __init__(self, base_url: str, *, timeout_s: float = 60, transport: httpx.BaseTransport | None = None) -> None:
        try:
            self.base_url = service_address(base_url)
        except ValueError as error:
            raise Failure(f"{error}.") from None
        headers, verify = _credentials(self.base_url)
        headers["Accept-Encoding"] = "identity"  # what is packed could unpack to any size
        self._proxy = None if transport is not None else proxy_for(self.base_url)
        self._http = httpx.Client(
            base_url=self.base_url,
            timeout=timeout_s,
            transport=transport,
            headers=headers,
            **connecting(verify, self._proxy),
        )

    def __enter__(self) -> Service:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def get(self, path: str, **params: str) -> Any:
        return self._call("GET", path, params=params)

    def post(self, path: str, body: object) -> Any:
        return self._call("POST", path, json=body)

    def delete(self, path: str) -> Any:
        return self._call("DELETE", path)

    def get_text(self, path: str) -> str:
        """Return a body that is not JSON, such as /metrics."""
        return self._send(self._http.build_request("GET", path)).text

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
            raise self._unreachable(error) from None
        finally:
            response.close()

    def _call(self, method: str, path: str, **arguments: Any) -> Any:
        response = self._send(self._http.build_request(method, path, **arguments))
        try:
            return response.json() if response.content else {}
        except ValueError:
            raise Failure(f"{self.base_url}{path} did not answer with JSON: is it a service of this project?") from None

    def _send(self, request: httpx.Request, *, stream: bool = False) -> httpx.Response:
        response = self._answer(request, stream)
        if response.is_error:
            problem = self._problem(response)
            again = self._with_decision_token(response, problem)
            if again is None:
                raise problem
            response = self._answer(again, stream)
            if response.is_error:
                raise self._problem(response)
        return response

    def _answer(self, request: httpx.Request, stream: bool) -> httpx.Response:
        try:
            response = self._http.send(request, stream=True)
            try:
                return response if stream and response.is_success else self._whole(response)
            finally:
                if not (stream and response.is_success):
                    response.close()
        except httpx.TransportError as error:
            raise self._unreachable(error) from None

    def _whole(self, response: httpx.Response) -> httpx.Response:
        """Return an answer with its body. Raises Failure where that is longer than an answer can be."""
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
        rest = b""
        for chunk in self._chunks(response):
            *lines, rest = (rest + chunk).split(b"\n")
            yield from (line.removesuffix(b"\r").decode(errors="replace") for line in lines)
            if len(rest) > MOST_ANSWER_BYTES:
                raise self._too_long(response, MOST_ANSWER_BYTES)

    def _chunks(self, response: httpx.Response) -> Iterator[bytes]:
        """Yield a body as it comes. Raises Failure where it is packed, which was not asked for."""
        packing = response.headers.get("Content-Encoding", "identity")
        if packing != "identity":
            raise Failure(f"{response.url} answered packed as {packing!r}: is it a service of this project?")
        yield from response.iter_bytes(1 << 16)

    def _too_long(self, response: httpx.Response, limit: int) -> Failure:
        return Failure(f"{response.url} answered with more than {limit:,} bytes: is it a service of this project?")

    def _problem(self, response: httpx.Response) -> Problem:
        """Return what the service said. Raises Failure where a proxy answered in its place."""
        if self._proxy is not None and not response.headers.get("content-type", "").startswith(PROBLEM_JSON):
            raise Failure(f"{self._proxy} answered {response.status_code} when it was asked for {self.base_url}")
        return Problem.from_body(response.content, response.status_code)

    def _with_decision_token(self, response: httpx.Response, problem: Problem) -> httpx.Request | None:
        """Return the request again, with the token that a decision takes, where this user has it.

        It goes to the very address that has answered, which the token is for, whatever a name leads to by then.
        """
        if "token_file" not in problem.extra:
            return None
        stream = response.extensions.get("network_stream")
        try:
            asked = None if stream is None else stream.get_extra_info("server_addr")
        except OSError:  # the service has closed the connection: nobody knows any more which address it was
            return None
        if asked is None or not is_loopback(asked[0]):
            return None
        token = pick_up(problem.extra["token_file"], asked[0], asked[1])
        if token is None:
            return None
        request = response.request
        headers = {"Authorization": f"Bearer {token}", "Content-Type": request.headers.get("Content-Type", "")}
        url = request.url.copy_with(host=asked[0])
        return self._http.build_request(request.method, url, content=request.read(), headers=headers)

    def _unreachable(self, error: httpx.TransportError) -> Failure:
        why = unreachable_through(self._proxy, error)
        return Failure(f"nothing answers at {self.base_url} ({why}): is the service started, and is this its address?")


def _credentials(base_url: str) -> tuple[dict[str, str], ssl.SSLContext | bool]:
    """Return the headers and the TLS that the environment gives. Raises Failure, SetupError."""
    from fedtrain.client.tls import client_context
    from fedtrain.service.vault.tokens import read_token

    paths = {name: Path(value) for name in _CREDENTIALS if (value := os.environ.get(name))}
    headers = {}
    if (token_file := paths.pop("FEDTRAIN_TOKEN_FILE", None)) is not None:
        address = httpx.URL(base_url)
        if address.scheme != "https" and not is_loopback(address.host):
            raise Failure(f"the token for {base_url} would travel in the clear: use https, or loopback")
        headers["Authorization"] = f"Bearer {read_token(token_file)}"
    if not paths:
        return headers, True
    return headers, client_context(*(paths.get(name) for name in _CREDENTIALS[1:]))


def read_json(path: Path) -> Any:
    """Return a JSON file's content. Raises Failure that names the file, and where in it."""
    try:
        return json.loads(path.read_text(encoding="utf-8-sig"))
    except json.JSONDecodeError as error:
        raise Failure(f"{path}: line {error.lineno}, column {error.colno}: not JSON: {error.msg}") from None
    except UnicodeDecodeError:
        raise Failure(f"{path}: not UTF-8 text") from None
    except (ValueError, RecursionError):
        raise Failure(f"{path}: nested too deep, or with a number of thousands of digits") from None
