"""People who sign in with a name and password: their sessions, how they end, and who attacks them."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import APIRouter, FastAPI
from starlette.middleware import Middleware

from fedtrain.facilitator.store import Store
from fedtrain.service.pages.sessions import IDLE_S, SESSION_S, Sessions
from fedtrain.service.people.permissions import Permission, PersonRole
from fedtrain.service.people.sign_in import MOST_OF_A_NAME, People
from fedtrain.service.runtime.system_clock import SystemClock
from fedtrain.service.store.database import sqlite_url
from fedtrain.service.vault.tokens import watched_tokens, write_tokens
from fedtrain.service.web.caller import AnyCaller, Gate, OpenGate, TokenGate, needs
from fedtrain.service.web.decision_token import DecisionToken
from fedtrain.service.web.own_requests import OwnRequestsMiddleware
from fedtrain.spec.problems import Code, Problem
from tests.harness.applications import ServiceMaker
from tests.harness.cheap_passwords import make_cheap

pytestmark = pytest.mark.anyio
RIGHT, OTHER = "correct horse battery", "staple in the haystack"
PARTY = "ab" * 32


def routes() -> APIRouter:
    router = APIRouter()

    @router.get("/look", dependencies=[needs(Permission.LOOK)])
    async def look(who: AnyCaller) -> dict[str, str | None]:
        return {"account": who.account, "party": who.party_id}

    @router.post("/decide", dependencies=[needs(Permission.SIGN_OFF)])
    async def decide(who: AnyCaller) -> dict[str, str | None]:
        return {"account": who.account}

    return router


class Seconds:
    """The sessions' clock, which a test sets."""

    def __init__(self) -> None:
        self.s = 0.0

    def __call__(self) -> float:
        return self.s


class Signing:
    """A service whose people are ana, an owner, and ben, a compliance officer."""

    def __init__(self, app: FastAPI, people: People) -> None:
        self.app, self.people, self.clock = app, people, Seconds()
        app.state.sessions.people = people
        app.state.sessions._monotonic = self.clock
        people.accounts.add("ana", PersonRole.OWNER, RIGHT, people.now())
        people.accounts.add("ben", PersonRole.COMPLIANCE_OFFICER, RIGHT, people.now())

    def browser(self, **headers: str) -> httpx.AsyncClient:
        return httpx.AsyncClient(transport=httpx.ASGITransport(self.app), base_url="http://127.0.0.1", headers=headers)

    async def signed_in(self, name: str, password: str = RIGHT) -> httpx.AsyncClient:
        browser = self.browser()
        answer = await browser.post("/session", json={"name": name, "password": password})
        assert answer.status_code == 200, answer.text
        return browser

    @property
    def cookie(self) -> str:
        return str(self.app.state.sessions.cookie)


@asynccontextmanager
async def signing(folder: Path, make_service: ServiceMaker, gate: Gate) -> AsyncIterator[Signing]:
    store = Store(sqlite_url(folder / "state.sqlite3"))
    yield Signing(make_service(routes(), gate=gate), People(store.engine, SystemClock()))
    store.close()


@pytest.fixture
async def here(tmp_path: Path, make_service: ServiceMaker, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Signing]:
    make_cheap(monkeypatch)
    async with signing(tmp_path, make_service, OpenGate(DecisionToken(tmp_path))) as service:
        yield service


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def slug(answer: httpx.Response) -> str:
    return str(answer.json()["type"]).rpartition("/")[2]


async def test_who_signs_in_acts_in_that_name(here: Signing) -> None:
    browser = await here.signed_in("BEN")
    assert (await browser.get("/look")).json()["account"] == "ben"
    assert (await browser.post("/decide")).json() == {"account": "ben"}
    cookie = next(iter(browser.cookies.jar))
    assert cookie.name == here.cookie and cookie.has_nonstandard_attr("HttpOnly")


async def test_once_there_is_an_account_nobody_looks_without_one_or_a_token(here: Signing) -> None:
    stranger = here.browser()
    refused = await stranger.get("/look")
    assert (refused.status_code, slug(refused)) == (401, "unauthenticated")
    assert (await stranger.get("/session")).json()["looks"] is False
    own = {"Authorization": f"Bearer {here.app.state.gate.decisions.value}"}
    assert (await stranger.get("/look", headers=own)).status_code == 200
    # The tested service is a Facilitator: parties that call it without a token are believed, as before.
    assert (await stranger.get("/look", headers={"Fedtrain-Party": PARTY})).json()["party"] == PARTY


async def test_accounts_are_looked_for_beside_the_loop_and_not_for_parties_that_are_believed_anyway(
    here: Signing, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[int] = []
    there = here.people.accounts.any

    def looking() -> bool:
        looked.append(threading.get_ident())
        return there()

    monkeypatch.setattr(here.people.accounts, "any", looking)
    wrong = {"Authorization": "Bearer nobody's"}
    for shown in ({}, wrong):
        assert (await here.browser(**shown).get("/look")).status_code == 401
    assert len(looked) == 2 and threading.get_ident() not in looked
    for shown in ({}, wrong):
        answer = await here.browser(**shown, **{"Fedtrain-Party": PARTY}).get("/look")
        assert answer.json()["party"] == PARTY
    assert len(looked) == 2


async def test_at_another_service_a_header_that_anybody_can_write_opens_nothing(here: Signing, tmp_path: Path) -> None:
    sessions = Sessions(OpenGate(DecisionToken(tmp_path)), PARTY, here.clock)
    stated = {"Fedtrain-Party": PARTY}
    assert sessions.identify(stated).party_id == PARTY  # as before, while nobody has an account
    sessions.people = here.people
    with pytest.raises(Problem) as caught:
        sessions.identify(stated)
    assert caught.value.code is Code.UNAUTHENTICATED


async def test_the_link_of_who_runs_the_service_has_the_owners_rights_and_is_no_account(here: Signing) -> None:
    browser = here.browser()
    opened = await browser.post("/session", json={"code": here.app.state.sessions.new_link(None)})
    assert (opened.json()["decides"], opened.json()["account"]) == (True, None)
    assert (await browser.post("/decide")).json() == {"account": None}
    ben = await here.signed_in("ben")
    assert (await ben.post("/session/links")).status_code == 403


async def test_a_session_that_somebody_planted_is_not_the_one_that_is_opened(here: Signing) -> None:
    """Fixation: the attacker knows the cookie that the person has before signing in."""
    attacker = here.browser()
    await attacker.post("/session", json={"code": here.app.state.sessions.new_link(None)})
    planted = attacker.cookies[here.cookie]
    for value in (planted, "q" * 43):
        victim = here.browser()
        victim.cookies.set(here.cookie, value)
        answer = await victim.post("/session", json={"name": "ben", "password": RIGHT})
        fresh = answer.headers["set-cookie"].partition("=")[2].partition(";")[0]
        assert fresh not in (planted, value)
        shown = {"Cookie": f"{here.cookie}={value}"}
        assert (await here.browser(**shown).get("/session")).json()["session"] is False


async def test_signing_out_ends_it_for_a_copy_of_the_cookie_too(here: Signing) -> None:
    browser, thief = await here.signed_in("ben"), here.browser()
    thief.cookies.update(browser.cookies)
    assert (await thief.get("/look")).status_code == 200
    await browser.delete("/session")
    assert (await thief.get("/look")).status_code == 401


@pytest.mark.parametrize("change", ["disable", "role", "password"])
async def test_a_live_session_ends_with_what_it_rests_on(here: Signing, change: str) -> None:
    browser, other = await here.signed_in("ben"), await here.signed_in("ana")
    accounts = here.people.accounts
    match change:
        case "disable":
            accounts.set_disabled("ben", True)
        case "role":
            accounts.set_role("ben", PersonRole.AUDITOR)
        case "password":
            accounts.set_password("ben", OTHER)
    for asked in (browser.get("/look"), browser.post("/decide")):
        assert (await asked).status_code == 401
    assert (await other.get("/look")).status_code == 200
    if change == "role":
        again = await here.signed_in("ben")
        assert slug(await again.post("/decide")) == "forbidden"


async def test_a_session_ends_after_an_idle_hour_and_after_a_working_day(here: Signing) -> None:
    used, idle, watched = await here.signed_in("ben"), await here.signed_in("ben"), await here.signed_in("ben")
    left_open, streaming = await here.signed_in("ben"), await here.signed_in("ben")
    by_itself = {left_open: {"Fedtrain-By-Itself": "1"}, streaming: {"Accept": "text/event-stream"}}
    while here.clock.s < SESSION_S - IDLE_S / 2:
        here.clock.s += IDLE_S / 2
        assert (await used.get("/look")).status_code == 200
        if here.clock.s >= IDLE_S:
            assert (await idle.get("/look")).status_code == 401
            # What a page asks by itself is no activity of a person's.
            assert (await watched.get("/session")).json()["session"] is False
            for page, headers in by_itself.items():
                assert (await page.get("/look", headers=headers)).status_code == 401
        else:
            for page, headers in by_itself.items():
                assert (await page.get("/look", headers=headers)).status_code == 200
            assert (await watched.get("/session")).json()["session"] is True
    here.clock.s = SESSION_S
    assert (await used.get("/look")).status_code == 401


async def test_who_changes_the_password_stays_and_all_other_sessions_end(here: Signing) -> None:
    browser, elsewhere = await here.signed_in("ben"), await here.signed_in("ben")
    before = browser.cookies[here.cookie]
    wrong = await browser.post("/session/password", json={"old_password": OTHER, "new_password": "a third long one"})
    assert (wrong.status_code, slug(wrong)) == (401, "unauthenticated")
    short = await browser.post("/session/password", json={"old_password": RIGHT, "new_password": "tiny"})
    assert (short.status_code, "tiny" in short.text) == (422, False)
    assert (await browser.post("/session/password", json={"old_password": RIGHT, "new_password": OTHER})).json()[
        "account"
    ] == "ben"
    assert browser.cookies[here.cookie] != before
    assert (await browser.get("/look")).status_code == 200
    assert (await elsewhere.get("/look")).status_code == 401
    await here.signed_in("ben", OTHER)
    own = {"Authorization": f"Bearer {here.app.state.gate.decisions.value}"}
    assert (
        await here.browser(**own).post("/session/password", json={"old_password": RIGHT, "new_password": OTHER})
    ).status_code == 403


@pytest.mark.parametrize("name", ["ben", "nobody"])
async def test_who_guesses_over_http_is_told_the_same_of_a_name_that_is_none(here: Signing, name: str) -> None:
    browser = here.browser()
    answers = [
        await browser.post("/session", json={"name": name, "password": f"guess number {at}"})
        for at in range(MOST_OF_A_NAME + 1)
    ]
    assert [answer.status_code for answer in answers] == [401] * MOST_OF_A_NAME + [429]
    assert len({answer.text for answer in answers[:-1]}) == 1
    assert int(answers[-1].headers["retry-after"]) > 0
    assert not any("guess" in answer.text or "set-cookie" in answer.headers for answer in answers)


@pytest.mark.parametrize(
    "body",
    [
        {"name": "ben"},
        {"password": RIGHT},
        {"name": "ben", "password": RIGHT, "code": "q" * 43},
        {"name": "ben", "password": "x" * 1000},
        {"name": ["ben"], "password": RIGHT},
    ],
)
async def test_half_a_sign_in_opens_nothing_and_repeats_no_password(here: Signing, body: dict[str, Any]) -> None:
    answer = await here.browser().post("/session", json=body)
    assert answer.status_code == 422 and "set-cookie" not in answer.headers
    assert RIGHT not in answer.text and "xxxxx" not in answer.text


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({"Origin": "http://evil.example"}, "foreign-origin"),
        ({"Origin": "http://127.0.0.1:1"}, "foreign-origin"),
        ({"Sec-Fetch-Site": "cross-site"}, "foreign-origin"),
        ({"Sec-Fetch-Site": "same-site"}, "foreign-origin"),
        ({"Host": "rebound.example"}, "foreign-host"),
        ({"Content-Type": "text/plain"}, "unsupported-media-type"),
    ],
)
async def test_another_page_neither_signs_in_nor_out_nor_changes_a_password(
    here: Signing, headers: dict[str, str], code: str
) -> None:
    """As the service runs: `run_service` puts this guard before it."""
    here.app.user_middleware.insert(1, Middleware(OwnRequestsMiddleware, names=(), tls=False))
    here.app.middleware_stack = None
    browser = await here.signed_in("ben")
    attempts = [
        ("POST", "/session", b'{"name": "ben", "password": "correct horse battery"}'),
        (
            "POST",
            "/session/password",
            b'{"old_password": "correct horse battery", "new_password": "staple in the haystack"}',
        ),
        ("POST", "/decide", b"{}"),
    ]
    sent = {"Content-Type": "application/json"} | headers
    for method, path, body in attempts:
        refused = await browser.request(method, path, content=body, headers=sent)
        assert slug(refused) == code, path
        assert "set-cookie" not in refused.headers
    if "Content-Type" not in headers:
        assert slug(await browser.delete("/session", headers=headers)) == code
    assert (await browser.post("/decide")).json() == {"account": "ben"}


async def test_an_account_beside_tokens_signs_in_and_tokens_stay_what_they_are(
    tmp_path: Path, make_service: ServiceMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_cheap(monkeypatch)
    write_tokens(tmp_path, ())
    async with signing(tmp_path, make_service, TokenGate(watched_tokens(tmp_path))) as service:
        assert (await service.browser().get("/look")).status_code == 401
        ben = await service.signed_in("ben")
        assert (await ben.post("/decide")).json() == {"account": "ben"}
        # A token that is wrong is not made good by the session beside it.
        assert (await ben.get("/look", headers={"Authorization": "Bearer wrong"})).status_code == 401


@pytest.mark.slow
async def test_people_who_sign_in_at_one_time_do_not_get_each_others_session(here: Signing) -> None:
    names = ["ana", "ben"] * 4
    browsers = await asyncio.gather(*(here.signed_in(name) for name in names))
    accounts = [(await browser.get("/look")).json()["account"] for browser in browsers]
    assert accounts == names
    assert len({browser.cookies[here.cookie] for browser in browsers}) == len(names)
