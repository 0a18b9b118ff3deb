"""Pages of a service in a browser: a page that says what it is, and the routes, with nothing from elsewhere."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from html.parser import HTMLParser
from pathlib import Path

import httpx
import pytest

from fedtrain.data_owner.app import create_app as create_data_owner
from fedtrain.data_owner.settings import DataOwnerSettings
from fedtrain.facilitator.app import create_app as create_facilitator
from fedtrain.facilitator.settings import FacilitatorSettings
from fedtrain.model_owner.app import create_app as create_model_owner
from fedtrain.model_owner.settings import ModelOwnerSettings
from fedtrain.service.pages import built_files
from fedtrain.service.runtime.system_clock import SystemClock

MAKERS = {
    "facilitator": (create_facilitator, FacilitatorSettings),
    "data-owner": (create_data_owner, DataOwnerSettings),
    "model-owner": (create_model_owner, ModelOwnerSettings),
}
HTML = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


class Page(HTMLParser):
    """Page with all that it loads and leads to, and what a strict policy forbids in it."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.links: list[str] = []
        self.forbidden: list[str] = []
        self._tag = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._tag, given = tag, dict(attrs)
        if tag in ("script", "img") or (tag == "link"):
            self.loads += [value for name in ("src", "href") if (value := given.get(name))]
        if tag == "a":
            self.links.append(given.get("href") or "")
        self.forbidden += [name for name in given if name == "style" or name.startswith("on")]
        self.forbidden += [tag] if tag in ("style", "iframe", "object", "embed", "base", "form") else []

    def handle_endtag(self, tag: str) -> None:
        self._tag = ""

    def handle_data(self, data: str) -> None:
        if self._tag == "script" and data.strip():
            self.forbidden.append(data)


@pytest.fixture(params=list(MAKERS))
async def http(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    create, settings = MAKERS[request.param]
    with ThreadPoolExecutor(1) as executor:
        app = create(settings(state_dir=tmp_path, name=request.param), clock=SystemClock(), executor=executor)
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://service.invalid") as client:
            yield client


def _policy(answer: httpx.Response) -> dict[str, list[str]]:
    directives = [one.split() for one in answer.headers["Content-Security-Policy"].split(";")]
    return {name: sources for name, *sources in directives}


@pytest.mark.anyio
@pytest.mark.parametrize("path", ["/", "/docs", "/redoc"])
async def test_a_page_loads_nothing_from_elsewhere_and_has_no_script_within(http: httpx.AsyncClient, path: str) -> None:
    answer = await http.get(path, headers=HTML)
    assert answer.status_code == 200 and answer.headers["content-type"].startswith("text/html")
    page = Page(answer.text)
    assert len(page.loads) > 1 and page.forbidden == []
    assert not [one for one in [*page.loads, *page.links] if "//" in one]
    for one in page.loads:
        loaded = await http.get("/" + one)
        assert loaded.status_code == 200 and len(loaded.content) > 50
    policy = _policy(answer)
    assert policy["default-src"] == policy["frame-ancestors"] == policy["base-uri"] == ["'none'"]
    assert policy["script-src"] == policy["connect-src"] == policy["style-src"][:1] == ["'self'"]
    again = _policy(await http.get(path, headers=HTML))
    assert not set(policy["style-src"][1:]) & set(again["style-src"][1:]), "a nonce is used once"
    assert not re.search(r"unsafe|https?:|\*", answer.headers["Content-Security-Policy"])


@pytest.mark.anyio
@pytest.mark.parametrize("name", ["start.js", "start-redoc.js"])
async def test_the_routes_pages_start_with_this_services_own_document(http: httpx.AsyncClient, name: str) -> None:
    start = await http.get(f"/docs/{name}")
    assert '"openapi.json"' in start.text and "//" not in start.text
    assert (await http.get("/openapi.json")).json()["paths"]


@pytest.mark.anyio
async def test_a_browser_gets_the_pages_and_a_program_what_this_is(http: httpx.AsyncClient) -> None:
    assert (await http.get("/", headers=HTML)).text.startswith("<!doctype html>")
    about = (await http.get("/")).json()
    who = (await http.get("/identity")).json()
    assert (about["role"], about["name"], about["version"], about["party"]) == (
        who["role"], who["name"], who["version"], who["party_id"],
    )  # fmt: skip
    assert about["docs"] == "/docs"


@pytest.mark.anyio
async def test_every_built_file_is_served_as_what_it_is(http: httpx.AsyncClient) -> None:
    built = Path(built_files.__file__).parent / "built"
    paths = [path for path in (built / "pages").rglob("*") if path.is_file()]
    assert len(paths) > 10
    for path in paths:
        answer = await http.get("/" + path.relative_to(built).as_posix())
        assert (answer.status_code, answer.content) == (200, path.read_bytes()), path
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        kind = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml", ".json": "application/json"}
        assert answer.headers["content-type"].startswith(kind[path.suffix])
        assert ("immutable" in answer.headers["Cache-Control"]) == ("immutable" in path.parts)


@pytest.mark.anyio
@pytest.mark.parametrize(
    "path",
    [
        "/docs/oauth2-redirect",
        "/docs/favicon.png",
        "/docs/..%2fcore.py",
        "/pages/",
        "/pages/none.js",
        "/pages/..%2findex.html",
        "/pages/../index.html",
        "/pages/..%2f..%2f__init__.py",
    ],
)
async def test_nothing_else_is_served(http: httpx.AsyncClient, path: str) -> None:
    answer = await http.get(path)
    assert (answer.status_code, answer.json()["type"]) == (404, "/problems/not-found")
