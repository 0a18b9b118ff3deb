"""People who manage a party's other people, by the routes that the pages call: what they may give, and to whom."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import structlog
from fastapi import APIRouter, FastAPI
from starlette.middleware import Middleware

from fedtrain.facilitator.store import Store
from fedtrain.service.people.permissions import PersonRole
from fedtrain.service.people.sign_in import MOST_OF_A_NAME, People
from fedtrain.service.runtime.system_clock import SystemClock
from fedtrain.service.store.database import sqlite_url
from fedtrain.service.web.caller import OpenGate
from fedtrain.service.web.decision_token import DecisionToken
from fedtrain.service.web.own_requests import OwnRequestsMiddleware
from tests.harness.applications import ServiceMaker

pytestmark = pytest.mark.anyio
RIGHT = "correct horse battery"
EVE = {"name": "eve", "role": "auditor", "password": RIGHT}


class Clinic:
    """A service, and browsers at it."""

    def __init__(self, app: FastAPI, people: People) -> None:
        self.app, self.people = app, people
        app.state.sessions.people = people

    def add(self, name: str, role: PersonRole) -> None:
        self.people.accounts.add(name, role, RIGHT, self.people.now())

    def browser(self, **headers: str) -> httpx.AsyncClient:
        return httpx.AsyncClient(transport=httpx.ASGITransport(self.app), base_url="http://127.0.0.1", headers=headers)

    async def signed_in(self, name: str) -> httpx.AsyncClient:
        browser = self.browser()
        answer = await browser.post("/session", json={"name": name, "password": RIGHT})
        assert answer.status_code == 200, answer.text
        return browser

    def path(self, name: str) -> str:
        return f"/people/{next(one.id for one in self.people.accounts.all() if one.name == name)}"

    def state(self, name: str) -> tuple[str, bool]:
        return next((one.role.value, one.disabled) for one in self.people.accounts.all() if one.name == name)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def empty(tmp_path: Path, make_service: ServiceMaker) -> AsyncIterator[Clinic]:
    """A party without accounts."""
    store = Store(sqlite_url(tmp_path / "state.sqlite3"))
    app = make_service(APIRouter(), gate=OpenGate(DecisionToken(tmp_path)))
    yield Clinic(app, People(store.engine, SystemClock()))
    store.close()


@pytest.fixture
def clinic(empty: Clinic) -> Clinic:
    """A party with ana and olga, owners, adam and alma, admins, and ben, a compliance officer."""
    for name, role in (("ana", "owner"), ("olga", "owner"), ("adam", "admin"), ("alma", "admin")):
        empty.add(name, PersonRole(role))
    empty.add("ben", PersonRole.COMPLIANCE_OFFICER)
    return empty


async def test_an_owner_adds_changes_disables_and_enables(clinic: Clinic) -> None:
    ana = await clinic.signed_in("ana")
    added = await ana.post("/people", json=EVE)
    assert (added.status_code, added.json()["role"], RIGHT in added.text) == (201, "auditor", False)
    eve = await clinic.signed_in("eve")
    assert (await ana.patch(clinic.path("eve"), json={"role": "data-scientist"})).json()["role"] == "data-scientist"
    assert (await eve.get("/session")).json()["session"] is False  # the session of the role before has ended
    eve = await clinic.signed_in("eve")
    assert (await eve.get("/session")).json()["role"] == "data-scientist"
    assert (await ana.patch(clinic.path("eve"), json={"disabled": True})).json()["disabled"] is True
    assert (await eve.get("/session")).json()["session"] is False
    refused = await clinic.browser().post("/session", json={"name": "eve", "password": RIGHT})
    assert refused.status_code == 401
    assert (await ana.patch(clinic.path("eve"), json={"disabled": False})).json()["disabled"] is False
    await clinic.signed_in("eve")
    listed = (await ana.get("/people")).json()
    assert [one["name"] for one in listed["people"]] == ["adam", "alma", "ana", "ben", "eve", "olga"]
    assert listed["gives"] == [role.value for role in PersonRole]
    assert "argon2" not in (await ana.get("/people")).text


@pytest.mark.parametrize("name", ["ana", "adam"])
async def test_nobody_changes_themselves(clinic: Clinic, name: str) -> None:
    browser, before = await clinic.signed_in(name), clinic.state(name)
    for change in ({"disabled": True}, {"disabled": False}, {"role": "auditor"}, {"role": "owner"}):
        refused = await browser.patch(clinic.path(name), json=change)
        assert (refused.status_code, clinic.state(name)) == (403, before)
    assert (await browser.get("/people")).status_code == 200  # and stays signed in


async def test_the_last_owner_stays(clinic: Clinic) -> None:
    ana, olga = await clinic.signed_in("ana"), await clinic.signed_in("olga")
    assert (await ana.patch(clinic.path("olga"), json={"disabled": True})).status_code == 200
    assert (await olga.get("/people")).status_code == 401
    # Who runs the service has no account, and could take the last one's owner away.
    own = clinic.browser(Authorization=f"Bearer {clinic.app.state.gate.decisions.value}")
    for change in ({"disabled": True}, {"role": "admin"}):
        refused = await own.patch(clinic.path("ana"), json=change)
        assert (refused.status_code, "last owner" in refused.json()["detail"]) == (422, True)
    assert clinic.state("ana") == ("owner", False)


async def test_an_admin_gives_nobody_more_than_an_admin_has(clinic: Clinic) -> None:
    """Whoever sets a password can sign in with it: an officer of an admin's making would be the admin."""
    adam = await clinic.signed_in("adam")
    assert (await adam.get("/people")).json()["gives"] == ["admin"]
    for role in set(PersonRole) - {PersonRole.ADMIN}:
        attempts = [
            await adam.post("/people", json={**EVE, "role": role.value}),
            await adam.patch(clinic.path("alma"), json={"role": role.value}),
            await adam.patch(clinic.path("ben"), json={"role": role.value}),
        ]
        assert [answer.status_code for answer in attempts] == [403] * 3, attempts[0].text
    assert clinic.state("alma") == ("admin", False) and clinic.state("ben") == ("compliance-officer", False)
    assert "eve" not in [one.name for one in clinic.people.accounts.all()]


async def test_an_admin_keeps_people_out_but_no_owner_and_lets_back_in_only_who_has_no_more(clinic: Clinic) -> None:
    adam = await clinic.signed_in("adam")
    ben = await clinic.signed_in("ben")
    assert (await adam.patch(clinic.path("ben"), json={"disabled": True})).status_code == 200
    assert (await ben.get("/session")).json()["session"] is False
    back = await adam.patch(clinic.path("ben"), json={"disabled": False})
    assert (back.status_code, clinic.state("ben")) == (403, ("compliance-officer", True))
    for change in ({"disabled": True}, {"role": "admin"}):
        assert (await adam.patch(clinic.path("ana"), json=change)).status_code == 403
    assert clinic.state("ana") == ("owner", False)
    for change in ({"disabled": True}, {"disabled": False}):
        assert (await adam.patch(clinic.path("alma"), json=change)).status_code == 200
    assert (await adam.post("/people", json={**EVE, "role": "admin"})).status_code == 201


async def test_the_first_account_is_an_owners_and_none_is_of_anybodys_making(empty: Clinic) -> None:
    """On loopback without tokens everybody looks: who is not the service's own user makes no account."""
    for headers in ({}, {"Fedtrain-Party": "ab" * 32}, {"Authorization": "Bearer nobody's"}):
        stranger = empty.browser(**headers)
        assert (await stranger.post("/people", json={**EVE, "role": "owner"})).status_code == 401
        assert (await stranger.get("/people")).status_code == 401
    assert not empty.people.accounts.any()
    browser = empty.browser()
    await browser.post("/session", json={"code": empty.app.state.sessions.new_link(None)})
    assert (await browser.get("/people")).json() == {"people": [], "gives": ["owner"]}
    refused = await browser.post("/people", json=EVE)
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "role")
    assert (await browser.post("/people", json={**EVE, "role": "owner"})).status_code == 201
    assert (await browser.post("/people", json={**EVE, "name": "ben"})).status_code == 201  # its session goes on


async def test_who_is_let_in_again_may_try_again_at_once(clinic: Clinic) -> None:
    ana, guess = await clinic.signed_in("ana"), {"name": "ben", "password": "not the right one"}
    answers = [await clinic.browser().post("/session", json=guess) for _ in range(MOST_OF_A_NAME + 1)]
    assert answers[-1].status_code == 429
    assert (await ana.patch(clinic.path("ben"), json={"disabled": False})).status_code == 200
    await clinic.signed_in("ben")


async def test_what_cannot_be_is_refused_and_repeats_no_password(clinic: Clinic) -> None:
    cases: list[tuple[str, str, dict[str, Any], int]] = [
        ("POST", "/people", {**EVE, "name": "BEN"}, 422),
        ("POST", "/people", {**EVE, "name": " eve"}, 422),
        ("POST", "/people", {**EVE, "role": "king"}, 422),
        ("POST", "/people", {**EVE, "password": "eleven char"}, 422),
        ("POST", "/people", {**EVE, "name": "a long enough name", "password": "a long enough name"}, 422),
        ("PATCH", "/people/999", {"disabled": True}, 404),
        ("PATCH", "/people/99999999999999999999", {"disabled": True}, 422),
        ("PATCH", "/people/1", {}, 422),
        ("PATCH", clinic.path("ben"), {"role": "admin", "disabled": True}, 422),
    ]
    ana, before = await clinic.signed_in("ana"), clinic.people.accounts.all()
    for method, path, body, code in cases:
        refused = await ana.request(method, path, json=body)
        assert (refused.status_code, clinic.people.accounts.all()) == (code, before), refused.text
        assert RIGHT not in refused.text and "eleven char" not in refused.text


async def test_another_sites_page_makes_and_changes_no_account(clinic: Clinic) -> None:
    clinic.app.user_middleware.insert(1, Middleware(OwnRequestsMiddleware, names=(), tls=False))
    clinic.app.middleware_stack = None
    ana, before = await clinic.signed_in("ana"), clinic.people.accounts.all()
    for method, path, body in (("POST", "/people", EVE), ("PATCH", clinic.path("ben"), {"disabled": True})):
        for headers in ({"Origin": "http://evil.example"}, {"Sec-Fetch-Site": "cross-site"}):
            refused = await ana.request(method, path, json=body, headers=headers)
            assert refused.json()["type"] == "/problems/foreign-origin"
    assert clinic.people.accounts.all() == before


async def test_the_log_says_who_did_it_and_no_password(clinic: Clinic) -> None:
    ana = await clinic.signed_in("ana")
    with structlog.testing.capture_logs() as lines:
        await ana.post("/people", json=EVE)
        await ana.patch(clinic.path("eve"), json={"role": "admin"})
        await ana.patch(clinic.path("eve"), json={"disabled": True})
    told = [(line["event"], line.get("account"), line.get("by")) for line in lines if "by" in line]
    assert told == [(event, "eve", "account ana") for event in ("account added", "role changed", "account disabled")]
    assert RIGHT not in str(lines)
