"""A person's calls to a service: JSON in, JSON out, and failures that say which address was meant."""

from __future__ import annotations

import json
import os
import ssl
from pathlib import Path
from typing import Any

import httpx

from fedtrain.cli.output import Failure
from fedtrain.client.address import service_address
from fedtrain.client.blocking import BlockingClient
from fedtrain.client.proxies import unreachable_through
from fedtrain.protocol.loopback import is_loopback
from fedtrain.service.web.decision_token import pick_up
from fedtrain.spec.problems import PROBLEM_JSON, Problem

KEY_HEADER = "Idempotency-Key"
_CREDENTIALS = ("FEDTRAIN_TOKEN_FILE", "FEDTRAIN_CA_FILE", "FEDTRAIN_CLIENT_CERT", "FEDTRAIN_CLIENT_KEY")
#: What a request says of its body, and says again with it.
_OF_THE_BODY = ("Content-Type", KEY_HEADER)
DEFAULT_MODEL_OWNER = "http://127.0.0.1:9090"


def model_owner_url(option: str | None) -> str:
    """Return the option, else FEDTRAIN_MODEL_OWNER, else the default port on this machine."""
    return option or os.environ.get("FEDTRAIN_MODEL_OWNER") or DEFAULT_MODEL_OWNER


class Service(BlockingClient):
    """One service at `base_url`. Raises Problem for what it refuses, Failure when it cannot be reached.

    FEDTRAIN_TOKEN_FILE names a file with the bearer token to show, FEDTRAIN_CA_FILE the CA to believe,
    FEDTRAIN_CLIENT_CERT and FEDTRAIN_CLIENT_KEY the certificate for a service that asks for one.
    """

    def __init__(self, base_url: str, *, timeout_s: float = 60, transport: httpx.BaseTransport | None = None) -> None:
        try:
            address = service_address(base_url)
        except ValueError as error:
            raise Failure(f"{error}.") from None
        token, verify = _credentials()
        super().__init__(address, token=token, transport=transport, request_timeout_s=timeout_s, verify=verify)

    def get(self, path: str, **params: str) -> Any:
        return self.request_json("GET", path, params=params)

    def post(self, path: str, body: object, *, key: str | None = None) -> Any:
        """Return what a service answers. `key`: known by which the same call has its effect once."""
        return self.request_json("POST", path, json=body, headers={} if key is None else {KEY_HEADER: key})

    def delete(self, path: str) -> Any:
        return self.request_json("DELETE", path)

    def get_text(self, path: str) -> str:
        """Return a body that is not JSON, such as /metrics."""
        return self.request("GET", path).text

    def _unusable(self, what: str) -> Failure:
        return Failure(f"{what}: is it a service of this project?")

    def _unreached(self, error: Exception) -> Failure:
        why = unreachable_through(self.proxy, error)
        if "CERTIFICATE_VERIFY_FAILED" in why:
            advice = "FEDTRAIN_CA_FILE names the CA to believe, tls/ca.pem in a member's folder"
            return Failure(f"the certificate at {self.base_url} is not believed ({why}): {advice}")
        return Failure(f"nothing answers at {self.base_url} ({why}): is the service started, and is this its address?")

    def _said(self, response: httpx.Response, answer: bytes) -> Problem:
        """Return what the service said. Raises Failure where a proxy answered in its place."""
        if self.proxy is not None and not response.headers.get("content-type", "").startswith(PROBLEM_JSON):
            raise Failure(f"{self.proxy} answered {response.status_code} when it was asked for {self.base_url}")
        return super()._said(response, answer)

    def _again(self, answered: httpx.Response, refusal: Problem) -> httpx.Request | None:
        """Return the request again, with the token that a decision takes, where this user has it.

        It goes to the very address that has answered, which the token is for, whatever a name leads to by then.
        """
        if "token_file" not in refusal.extra:
            return None
        stream = answered.extensions.get("network_stream")
        try:
            asked = None if stream is None else stream.get_extra_info("server_addr")
        except OSError:  # the service has closed the connection: nobody knows any more which address it was
            return None
        if asked is None or not is_loopback(asked[0]):
            return None
        token = pick_up(refusal.extra["token_file"], asked[0], asked[1])
        if token is None:
            return None
        request = answered.request
        headers = {"Authorization": f"Bearer {token}"}
        headers |= {name: said for name in _OF_THE_BODY if (said := request.headers.get(name)) is not None}
        url = request.url.copy_with(host=asked[0])
        return self._http.build_request(request.method, url, content=request.read(), headers=headers)


def _credentials() -> tuple[str | None, ssl.SSLContext | bool]:
    """Return the token and the TLS that the environment gives. Raises SetupError."""
    from fedtrain.client.tls import client_context
    from fedtrain.service.vault.tokens import read_token

    paths = {name: Path(value) for name in _CREDENTIALS if (value := os.environ.get(name))}
    token_file = paths.pop("FEDTRAIN_TOKEN_FILE", None)
    token = None if token_file is None else read_token(token_file)
    return token, client_context(*(paths.get(name) for name in _CREDENTIALS[1:])) if paths else True


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
