"""Every route of every service, asked by a person of each role who has signed in, and by somebody who has not."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from fastapi.routing import APIRoute

from fedtrain.service.people.permissions import PersonRole, permissions_of
from fedtrain.service.web.caller import needed_by
from tests.harness.cheap_passwords import make_cheap
from tests.harness.three_services import NAMES, Route, ServedParty, three_services

pytestmark = pytest.mark.anyio
PASSWORD = "correct horse battery"  # noqa: S105 - of accounts in a test


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@dataclass
class SignedIn:
    """A party's service with an account of each role, and a browser in which each has signed in."""

    party: ServedParty
    browsers: dict[PersonRole, httpx.AsyncClient]
    stranger: httpx.AsyncClient

    async def ask(self, role: PersonRole | None, route: Route, **more: Any) -> httpx.Response:
        browser = self.stranger if role is None else self.browsers[role]
        return await browser.request(route.method, route.url, **more)


def browser(party: ServedParty) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(party.app, raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1")


@pytest.fixture(scope="module")
async def services(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[dict[str, SignedIn]]:
    with pytest.MonkeyPatch.context() as monkeypatch:
        make_cheap(monkeypatch)
        async with three_services(tmp_path_factory.mktemp("three")) as running:
            found = {}
            for name, party in running.items():
                people = party.app.state.sessions.people
                browsers = {}
                for role in PersonRole:  # the owner first
                    people.accounts.add(role.value, role, PASSWORD, people.now())
                    browsers[role] = browser(party)
                    opened = await browsers[role].post("/session", json={"name": role.value, "password": PASSWORD})
                    assert opened.json()["role"] == role.value
                found[name] = SignedIn(party, browsers, browser(party))
            yield found


def guarded(party: ServedParty) -> dict[tuple[str, str], APIRoute]:
    return {
        (method, route.path): route
        for router in party.app.state.routers
        for route in router.routes
        if isinstance(route, APIRoute)
        for method in route.methods
    }


@pytest.mark.slow
@pytest.mark.parametrize("role", [None, *PersonRole])
@pytest.mark.parametrize("name", NAMES)
async def test_each_role_gets_through_where_the_table_says_so_and_nowhere_else(
    services: dict[str, SignedIn], name: str, role: PersonRole | None
) -> None:
    here = services[name]
    declared = guarded(here.party)
    asked = 0
    for route in here.party.routes():
        if route.public or (route.method, route.template) not in declared:
            continue
        needed = needed_by(declared[route.method, route.template])
        assert needed is not None, f"{route} names no permission: tests/service/people/test_permissions.py says how"
        if route.template == "/session/password" and role is not None:
            continue  # a body that fits changes it; the test of sessions does
        answer = await here.ask(role, route)
        asked += 1
        if role is None:
            assert (answer.status_code, route) == (401, route)
        elif needed not in permissions_of(role):
            assert (answer.status_code, route) == (403, route)
            assert f"{role.value} has the role {role.words} here" in answer.json()["detail"]
            assert str(needed) in answer.json()["detail"]
        elif route.template != "/session/links":  # links are for tokens, whatever the role
            assert answer.status_code not in (401, 403), (route, answer.text)
    assert asked >= 12


@pytest.mark.parametrize("name", NAMES)
async def test_metrics_are_for_those_who_watch(services: dict[str, SignedIn], name: str) -> None:
    route = Route("GET", "/metrics")
    codes = {role: (await services[name].ask(role, route)).status_code for role in PersonRole}
    assert {role for role, code in codes.items() if code == 200} == {
        PersonRole.OWNER, PersonRole.ADMIN, PersonRole.AUDITOR,
    }  # fmt: skip
    assert set(codes.values()) == {200, 403}


async def test_a_route_that_names_no_permission_is_nobodys_who_signs_in(services: dict[str, SignedIn]) -> None:
    here = services["data-owner"]
    route = guarded(here.party)["GET", "/budget"]
    kept, route.dependencies = route.dependencies, []
    try:
        refused = await here.ask(PersonRole.OWNER, Route("GET", "/budget"))
        assert (refused.status_code, refused.json()["type"]) == (403, "/problems/forbidden")
    finally:
        route.dependencies = kept
    assert (await here.ask(PersonRole.OWNER, Route("GET", "/budget"))).status_code == 200


@pytest.mark.parametrize("name", NAMES)
async def test_tokens_of_programs_do_what_they_did(services: dict[str, SignedIn], name: str) -> None:
    party = services[name].party
    assert (await party.ask(Route("GET", "/models"), "read")).status_code == 200
    assert (await party.ask(Route("GET", "/metrics"), "admin")).status_code == 200


async def test_what_a_person_may_is_told_to_the_pages(services: dict[str, SignedIn]) -> None:
    here = services["data-owner"]
    told = (await here.browsers[PersonRole.COMPLIANCE_OFFICER].get("/session")).json()
    assert (told["account"], told["role"]) == ("compliance-officer", "compliance-officer")
    assert {"look", "sign_off", "approve_jobs"} <= set(told["may"]) and "manage_datasets" not in told["may"]
    assert (told["looks"], told["decides"], told["accounts"]) == (True, True, True)
    auditor = (await here.browsers[PersonRole.AUDITOR].get("/session")).json()
    assert (auditor["looks"], auditor["decides"]) == (True, False)
    assert (await here.stranger.get("/session")).json()["accounts"] is True
