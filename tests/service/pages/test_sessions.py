"""Sessions: opened once by a link or by a token, with that token's rights as they are now, and ended in time."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from fastapi import APIRouter, FastAPI

from fedtrain.service.pages.sessions import LINK_S, MOST_LINKS, MOST_SESSIONS, SESSION_S, Sessions
from fedtrain.service.people.permissions import Permission
from fedtrain.service.vault.tokens import Scope, TokenRecord, new_token, watched_tokens, write_tokens
from fedtrain.service.web.caller import AnyCaller, OpenGate, TokenGate, needs
from fedtrain.service.web.decision_token import DecisionToken
from tests.harness.applications import ServiceMaker

PARTY = "ab" * 32
NOW = datetime(2026, 5, 4, 12, tzinfo=UTC)


class Hour:
    """A clock in seconds, which a test sets."""

    def __init__(self) -> None:
        self.s = 0.0

    def __call__(self) -> float:
        return self.s


@pytest.fixture
def hour() -> Hour:
    return Hour()


@pytest.fixture
def sessions(tmp_path: Path, hour: Hour) -> Sessions:
    return Sessions(OpenGate(DecisionToken(tmp_path)), PARTY, hour)


def cookie(sessions: Sessions, secret: str) -> Mapping[str, str]:
    return {"Cookie": f"other=1; {sessions.cookie}={secret}; more=2"}


def test_a_link_opens_one_session_and_no_second(sessions: Sessions) -> None:
    code = sessions.new_link(None)
    secret = sessions.open_by_link(code)
    assert secret is not None
    who = sessions.caller_of(cookie(sessions, secret))
    assert who is not None and who.decides
    assert sessions.open_by_link(code) is None


@pytest.mark.parametrize("code", ["", "x", "q" * 43, "\ud800"])
def test_a_code_that_was_never_made_opens_nothing(sessions: Sessions, code: str) -> None:
    sessions.new_link(None)
    assert sessions.open_by_link(code) is None


def test_a_link_and_a_session_end_in_time(sessions: Sessions, hour: Hour) -> None:
    late, in_time = sessions.new_link(None), sessions.new_link(None)
    hour.s = LINK_S - 1
    secret = sessions.open_by_link(in_time)
    assert secret is not None
    hour.s = LINK_S
    assert sessions.open_by_link(late) is None
    hour.s = LINK_S - 1 + SESSION_S - 1
    assert sessions.caller_of(cookie(sessions, secret)) is not None
    hour.s += 1
    assert sessions.caller_of(cookie(sessions, secret)) is None


def test_a_session_that_was_ended_is_nobodys(sessions: Sessions) -> None:
    secret, other = sessions.open(None), sessions.open(None)
    sessions.end(cookie(sessions, secret))
    assert sessions.caller_of(cookie(sessions, secret)) is None
    assert sessions.caller_of(cookie(sessions, other)) is not None


def test_a_cookie_of_another_name_or_value_is_no_session(sessions: Sessions, hour: Hour, tmp_path: Path) -> None:
    secret = sessions.open(None)
    other = Sessions(OpenGate(DecisionToken(tmp_path)), "cd" * 32, hour)
    assert sessions.caller_of(cookie(other, secret)) is None
    for shown in (f"{sessions.cookie}=", f"x{sessions.cookie}={secret}", f"{sessions.cookie}={secret}x", secret):
        assert sessions.caller_of({"Cookie": shown}) is None


def test_neither_links_nor_sessions_fill_the_memory(sessions: Sessions) -> None:
    first_link, first = sessions.new_link(None), sessions.open(None)
    for _ in range(MOST_LINKS):
        sessions.new_link(None)
    for _ in range(MOST_SESSIONS):
        last = sessions.open(None)
    assert sessions.open_by_link(first_link) is None
    assert sessions.caller_of(cookie(sessions, first)) is None
    assert sessions.caller_of(cookie(sessions, last)) is not None


class Asked:
    """A service in process, and a browser that keeps its cookies."""

    def __init__(self, app: FastAPI) -> None:
        self.app = app
        self.browser = self.new_browser()

    def new_browser(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(transport=httpx.ASGITransport(self.app), base_url="http://127.0.0.1")


def routes() -> APIRouter:
    router = APIRouter()

    @router.get("/look")
    async def look(who: AnyCaller) -> dict[str, str | None]:
        return {"token": who.token_id}

    @router.post("/decide", dependencies=[needs(Permission.SIGN_OFF)])
    async def decide(who: AnyCaller) -> dict[str, str | None]:
        return {"token": who.token_id}

    return router


@pytest.fixture
def open_service(tmp_path: Path, make_service: ServiceMaker) -> Asked:
    return Asked(make_service(routes(), gate=OpenGate(DecisionToken(tmp_path))))


class Guarded(Asked):
    """A service with a token list."""

    def __init__(self, folder: Path, make_service: ServiceMaker) -> None:
        self.folder = folder
        self.records: list[TokenRecord] = []
        write_tokens(folder, ())
        super().__init__(make_service(routes(), gate=TokenGate(watched_tokens(folder))))

    def token(self, scope: Scope) -> str:
        token, record = new_token(scope.value, scope, NOW)
        self.write(*self.records, record)
        return token

    def write(self, *records: TokenRecord) -> None:
        self.records = list(records)
        write_tokens(self.folder, records)


@pytest.fixture
def guarded(tmp_path: Path, make_service: ServiceMaker) -> Guarded:
    return Guarded(tmp_path, make_service)


@pytest.mark.anyio
async def test_a_browser_with_the_link_decides_and_one_without_looks(open_service: Asked) -> None:
    app, browser = open_service.app, open_service.browser
    code = app.state.sessions.new_link(None)
    assert (await browser.get("/session")).json().items() >= {
        "access": "open", "session": False, "looks": True, "decides": False, "accounts": False,
    }.items()  # fmt: skip
    assert (await browser.post("/decide")).status_code == 401
    opened = await browser.post("/session", json={"code": code})
    assert opened.json().items() >= {"access": "open", "session": True, "looks": True, "decides": True}.items()
    assert (await browser.post("/decide")).status_code == 200
    assert (await open_service.new_browser().post("/decide")).status_code == 401
    again = await open_service.new_browser().post("/session", json={"code": code})
    assert (again.status_code, again.json()["type"]) == (401, "/problems/unauthenticated")
    assert "set-cookie" not in again.headers


@pytest.mark.anyio
async def test_the_cookie_is_for_no_script_no_other_site_and_over_tls_for_tls_alone(open_service: Asked) -> None:
    for origin, secure in (("http://127.0.0.1", False), ("https://pages.example", True)):
        code = open_service.app.state.sessions.new_link(None)
        answer = await open_service.new_browser().post("/session", json={"code": code}, headers={"Origin": origin})
        parts = answer.headers["set-cookie"].split("; ")
        assert {"HttpOnly", "SameSite=strict", "Path=/", f"Max-Age={SESSION_S}"} <= set(parts)
        assert ("Secure" in parts) == secure
        assert not any(part.startswith("Domain") for part in parts)
        assert parts[0].partition("=")[2] not in answer.text


@pytest.mark.anyio
async def test_nobody_without_a_right_to_decide_makes_a_link_or_opens_a_session(open_service: Asked) -> None:
    browser = open_service.browser
    assert (await browser.post("/session/links")).status_code == 401
    assert (await browser.post("/session", json={})).status_code == 401
    assert (await browser.post("/session", json={}, headers={"Authorization": "Bearer no"})).status_code == 401
    shown = {"Authorization": f"Bearer {open_service.app.state.gate.decisions.value}"}
    link = await browser.post("/session/links", headers=shown)
    assert link.status_code == 201
    code = link.json()["path"].removeprefix("/#/open/")
    assert (await browser.post("/session", json={"code": code})).json()["decides"]


@pytest.mark.anyio
async def test_a_session_makes_no_link_that_would_outlive_it(open_service: Asked, guarded: Guarded) -> None:
    shown = {"Authorization": f"Bearer {guarded.token(Scope.ADMIN)}"}
    for service in (open_service, guarded):
        browser = service.browser
        link = service.app.state.sessions.new_link(guarded.records[0].id if service is guarded else None)
        assert (await browser.post("/session", json={"code": link})).json()["decides"]
        assert (await browser.post("/session/links")).status_code == 401
        assert (await browser.post("/session", json={})).status_code == 401
    assert (await guarded.browser.post("/session/links", headers=shown)).status_code == 201
    read = {"Authorization": f"Bearer {guarded.token(Scope.READ)}"}
    assert (await guarded.browser.post("/session/links", headers=read)).status_code == 403


@pytest.mark.anyio
async def test_logging_out_ends_the_session_for_a_copy_of_the_cookie_too(open_service: Asked) -> None:
    browser, thief = open_service.browser, open_service.new_browser()
    await browser.post("/session", json={"code": open_service.app.state.sessions.new_link(None)})
    thief.cookies.update(browser.cookies)
    assert (await thief.post("/decide")).status_code == 200
    assert (await browser.delete("/session")).status_code == 204
    assert not browser.cookies
    assert (await thief.post("/decide")).status_code == 401


@pytest.mark.anyio
async def test_a_session_may_what_its_token_may_now(guarded: Guarded) -> None:
    browser = guarded.browser
    shown = {"Authorization": f"Bearer {guarded.token(Scope.READ)}"}
    assert (await browser.get("/look")).status_code == 401
    assert (await browser.get("/session")).json()["looks"] is False
    opened = await browser.post("/session", json={}, headers=shown)
    assert opened.json().items() >= {"access": "token", "session": True, "looks": True, "decides": False}.items()
    assert (await browser.get("/look")).json() == {"token": guarded.records[0].id}
    assert (await browser.post("/decide")).status_code == 403
    guarded.write(guarded.records[0].model_copy(update={"scope": Scope.ADMIN}))
    assert (await browser.post("/decide")).json() == {"token": guarded.records[0].id}
    guarded.write(guarded.records[0].model_copy(update={"revoked_at": NOW}))
    assert (await browser.get("/look")).status_code == 401
    assert (await browser.get("/session")).json()["session"] is False


@pytest.mark.anyio
async def test_a_link_that_an_admin_made_dies_with_the_admins_token(guarded: Guarded) -> None:
    shown = {"Authorization": f"Bearer {guarded.token(Scope.ADMIN)}"}
    link = (await guarded.browser.post("/session/links", headers=shown)).json()["path"]
    guarded.write(guarded.records[0].model_copy(update={"revoked_at": NOW}))
    opened = await guarded.browser.post("/session", json={"code": link.removeprefix("/#/open/")})
    assert opened.status_code == 401
    assert (await guarded.browser.get("/look")).status_code == 401


@pytest.mark.anyio
async def test_a_partys_token_opens_no_session(guarded: Guarded) -> None:
    token, record = new_token("owner", Scope.PARTY, NOW, party=PARTY, role="data-owner")
    guarded.write(record)
    guarded.app.state.role = "data-owner"
    answer = await guarded.browser.post("/session", json={}, headers={"Authorization": f"Bearer {token}"})
    assert (answer.status_code, "set-cookie" in answer.headers) == (403, False)


@pytest.mark.anyio
async def test_a_token_that_is_shown_goes_before_the_session(guarded: Guarded) -> None:
    browser = guarded.browser
    admin = {"Authorization": f"Bearer {guarded.token(Scope.ADMIN)}"}
    await browser.post("/session", json={}, headers=admin)
    read = {"Authorization": f"Bearer {guarded.token(Scope.READ)}"}
    assert (await browser.post("/decide", headers=read)).status_code == 403
    assert (await browser.post("/decide", headers={"Authorization": "Bearer wrong"})).status_code == 401
    assert (await browser.post("/decide")).status_code == 200
