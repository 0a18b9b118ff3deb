"""A person's calls to a service: JSON in, JSON out, and failures that say which address was meant."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx

from cli.output import Failure
from protocol.problems import Problem

DEFAULT_MODEL_OWNER = "http://127.0.0.1:9090"


def model_owner_url(option: str | None) -> str:
    """Return the option, else FEDTRAIN_MODEL_OWNER, else the default port on this machine."""
    return (option or os.environ.get("FEDTRAIN_MODEL_OWNER") or DEFAULT_MODEL_OWNER).rstrip("/")


class Service:
    """One service at `base_url`. Raises Problem for what it refuses, Failure when it cannot be reached."""

    def __init__(self, base_url: str, *, timeout_s: float = 60, transport: httpx.BaseTransport | None = None) -> None:
        self.base_url = base_url.rstrip("/")
        self._http = httpx.Client(base_url=self.base_url, timeout=timeout_s, transport=transport, trust_env=False)

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
            for line in response.iter_lines():
                if line.startswith("data:"):
                    data.append(line[5:].removeprefix(" "))
                elif line == "" and data:
                    yield json.loads("\n".join(data))
                    data = []
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
        try:
            response = self._http.send(request, stream=stream)
            if response.is_error:
                response.read()
        except httpx.TransportError as error:
            raise self._unreachable(error) from None
        if response.is_error:
            try:
                document: object = response.json()
            except ValueError:
                document = None
            raise Problem.from_dict(document, response.status_code)
        return response

    def _unreachable(self, error: httpx.TransportError) -> Failure:
        why = str(error) or type(error).__name__
        return Failure(f"nothing answers at {self.base_url} ({why}): is the service started, and is this its address?")


def read_json(path: Path) -> Any:
    """Return a JSON file's content. Raises Failure that names the file, line and column."""
    try:
        return json.loads(path.read_text(encoding="utf-8-sig"))
    except json.JSONDecodeError as error:
        raise Failure(f"{path}: line {error.lineno}, column {error.colno}: not JSON: {error.msg}") from None
    except UnicodeDecodeError:
        raise Failure(f"{path}: not UTF-8 text") from None
