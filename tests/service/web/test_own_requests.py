"""Requests that another page sends with a person's browser are refused by name; programs, proxies and own pages get
through.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from fastapi import APIRouter, FastAPI, Request

from fedtrain.cli.trust.certificates import make_ca
from fedtrain.service.runtime.connection import own_names
from fedtrain.service.runtime.settings import host_names
from fedtrain.service.web.own_requests import OwnRequestsMiddleware, certified_names
from tests.harness.certificates import issue

NAMES = ("facilitator.example", "*.internal", "10.1.2.3")


@pytest.fixture
def done(make_service) -> Iterator[list[str]]:
    """Return what the service of `calling` was brought to do."""
    yield []


@pytest.fixture
def app(make_service, done: list[str]) -> FastAPI:
    router = APIRouter()

    @router.post("/models/1/approve")
    async def approve(request: Request) -> dict[str, str]:
        done.append((await request.body()).decode())
        return {}

    @router.get("/models")
    async def models() -> list[str]:
        done.append("read")
        return []

    made: FastAPI = make_service(router)
    return made


async def called(
    app: FastAPI,
    method: str = "POST",
    path: str = "/models/1/approve",
    *,
    headers: Mapping[str, str],
    server: str = "127.0.0.1",
    tls: bool = False,
) -> tuple[int, dict[str, Any]]:
    """Status and problem of a request with exactly these headers, come in at `server`."""
    sent: list[dict[str, Any]] = []
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": b"",
        "scheme": "http",
        "headers": [(name.lower().encode(), value.encode("latin-1")) for name, value in headers.items()],
        "client": ("127.0.0.1", 1),
        "server": (server, 5000),
        "state": {},
    }

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    await OwnRequestsMiddleware(app, NAMES, tls=tls)(scope, receive, send)
    body = b"".join(message.get("body", b"") for message in sent)
    document = json.loads(body) if body else {}
    return sent[0]["status"], document if isinstance(document, dict) else {}


def _slug(answer: tuple[int, dict[str, Any]]) -> str:
    return str(answer[1].get("type", "")).rpartition("/")[2]


@pytest.mark.anyio
@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:5000",
        "127.0.0.1.evil.example",
        "localhost.evil.example",
        "evil-localhost",
        "facilitator.example.evil.example",
        "deep.node.internal",
        "internal",
        "192.168.7.7",
        "127.0.0.1@evil.example",
        "localhost/evil.example",
        "[::2]",
        "",
        "localhost, evil.example",
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_name_that_is_not_the_services_is_refused(
    app: FastAPI, done: list[str], host: str, method: str
) -> None:
    path = "/models" if method == "GET" else "/models/1/approve"
    answer = await called(app, method, path, headers={"Host": host})
    assert (answer[0], _slug(answer), done) == (403, "foreign-host", [])


@pytest.mark.anyio
@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1:5000",
        "127.8.9.1",
        "LOCALHOST:5000",
        "localhost.",
        "[::1]:5000",
        "facilitator.example",
        "Facilitator.Example.:8443",
        "node.internal:1",
        "10.1.2.3",
        "192.168.7.7:5000",
    ],
)
async def test_its_own_names_and_the_address_that_was_called_get_through(
    app: FastAPI, done: list[str], host: str
) -> None:
    assert (await called(app, headers={"Host": host}, server="192.168.7.7"))[0] == 200
    assert done == [""]


@pytest.mark.anyio
async def test_a_probe_of_http_1_0_without_a_name_gets_through(app: FastAPI) -> None:
    assert (await called(app, "GET", "/models", headers={}))[0] == 200


@pytest.mark.anyio
@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.example",
        "http://localhost:3000",
        "http://127.0.0.1:5000",
        "http://localhost",
        "null",
        "",
        "file://",
        "http://localhost:5000.evil.example",
        "http://localhost:5000@evil.example",
        "chrome-extension://abc",
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_the_page_of_another_origin_is_refused(app: FastAPI, done: list[str], origin: str, method: str) -> None:
    path = "/models" if method == "GET" else "/models/1/approve"
    answer = await called(app, method, path, headers={"Host": "localhost:5000", "Origin": origin})
    assert (answer[0], _slug(answer), done) == (403, "foreign-origin", [])


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("host", "origin"),
    [
        ("localhost:5000", "http://localhost:5000"),
        ("[::1]:5000", "http://[::1]:5000"),
        ("facilitator.example", "https://facilitator.example"),
        ("facilitator.example:443", "https://facilitator.example"),
    ],
)
async def test_its_own_page_gets_through(app: FastAPI, host: str, origin: str) -> None:
    headers = {"Host": host, "Origin": origin, "Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "cors"}
    assert (await called(app, headers=headers))[0] == 200


@pytest.mark.anyio
async def test_a_page_of_the_same_name_without_tls_is_another_where_the_service_has_tls(app: FastAPI) -> None:
    headers = {"Host": "facilitator.example", "Origin": "http://facilitator.example"}
    assert _slug(await called(app, headers=headers, tls=True)) == "foreign-origin"
    headers["Origin"] = "https://facilitator.example"
    assert (await called(app, headers=headers, tls=True))[0] == 200


@pytest.mark.anyio
@pytest.mark.parametrize("site", ["cross-site", "same-site"])
async def test_what_a_browser_says_it_sends_for_another_site_is_refused_but_a_link_may_lead_here(
    app: FastAPI, done: list[str], site: str
) -> None:
    headers = {"Host": "localhost:5000", "Sec-Fetch-Site": site}
    for mode in ("no-cors", "cors", "navigate"):
        assert _slug(await called(app, headers={**headers, "Sec-Fetch-Mode": mode})) == "foreign-origin"
    assert _slug(await called(app, "GET", "/models", headers={**headers, "Sec-Fetch-Mode": "no-cors"})) != ""
    assert done == []
    assert (await called(app, "GET", "/models", headers={**headers, "Sec-Fetch-Mode": "navigate"}))[0] == 200


@pytest.mark.anyio
@pytest.mark.parametrize(
    "sent", ["application/x-www-form-urlencoded", "text/plain;charset=UTF-8", "Multipart/Form-Data; boundary=x"]
)
async def test_a_plain_form_is_refused(app: FastAPI, done: list[str], sent: str) -> None:
    answer = await called(app, headers={"Host": "localhost:5000", "Content-Type": sent})
    assert (answer[0], _slug(answer), done) == (415, "unsupported-media-type", [])


def test_a_service_that_runs_knows_the_names_of_its_certificate_and_its_settings(tmp_path: Path) -> None:
    from fedtrain.facilitator.settings import FacilitatorSettings

    now = datetime.now(UTC)
    end = now + timedelta(days=1)
    pair = issue(make_ca("c", now, end), "f", ["a.example", "10.0.0.9"], now, end)
    (tmp_path / "cert.pem").write_bytes(pair.certificate)
    assert certified_names(tmp_path / "cert.pem") == ("a.example", "10.0.0.9")
    settings = FacilitatorSettings(
        state_dir=tmp_path, tls_cert=tmp_path / "cert.pem", allowed_hosts="b.example, *.c.example"
    )
    assert set(own_names(settings)) == {"127.0.0.1", "b.example", "*.c.example", "a.example", "10.0.0.9"}


@pytest.mark.parametrize("given", ["https://a.example", "a.example:80", "a b", "*", "a.*.example", "a/b"])
def test_a_setting_that_is_no_host_name_is_refused(given: str) -> None:
    with pytest.raises(ValueError, match="no host name"):
        host_names(given)
