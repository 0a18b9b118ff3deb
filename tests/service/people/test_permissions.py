"""The table of roles, and the permission that each route of the three services names."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from fastapi import APIRouter
from fastapi.routing import APIRoute

from fedtrain.service.people.permissions import (
    CONFIDENTIAL,
    DECIDING,
    OF_PARTIES,
    READING,
    Permission,
    PersonRole,
    permissions_of,
    roles_with,
    table,
)
from fedtrain.service.vault.tokens import Scope
from fedtrain.service.web.caller import Caller, needed_by, needs
from tests.harness.three_services import NAMES, ServedParty, three_services

pytestmark = pytest.mark.anyio
#: What a changing method takes more than.
ONLY_SHOWS = frozenset(
    {Permission.LOOK, Permission.AUDIT, Permission.WATCH, Permission.CHECK_HEALTH, Permission.READ_EVIDENCE}
)


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
async def services(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[dict[str, ServedParty]]:
    async with three_services(tmp_path_factory.mktemp("three")) as running:
        yield running


def undeclared(routes: list[APIRoute]) -> list[str]:
    """Return a line for each route without a permission, or with one that only shows though its method changes."""
    lines = []
    for route in routes:
        permission, methods = needed_by(route), sorted(route.methods)
        if permission is None:
            lines.append(
                f"{methods} {route.path} names no permission: add `dependencies=[needs(Permission.…)]` to its "
                "decorator, with one of fedtrain/service/people/permissions.py (a new one goes into the table of roles "
                "there, and into docs/people.md)"
            )
        elif permission in ONLY_SHOWS and not {"GET", "HEAD"} >= set(methods):
            lines.append(f"{methods} {route.path} changes something, and takes no more than to {permission}")
    return lines


@pytest.mark.parametrize("name", NAMES)
async def test_every_route_names_the_permission_that_it_takes(services: dict[str, ServedParty], name: str) -> None:
    party = services[name]
    routes = [route for router in party.app.state.routers for route in router.routes if isinstance(route, APIRoute)]
    listed = {(route.method, route.template) for route in party.routes() if not route.public}
    there = {(method, route.path) for route in routes for method in route.methods}
    assert listed - there == {("GET", "/metrics")}
    assert undeclared(routes) == []


def test_a_route_without_a_permission_is_seen_and_so_is_one_that_takes_too_little() -> None:
    router = APIRouter()
    router.add_api_route("/forgotten", lambda: None)
    router.add_api_route("/changed", lambda: None, methods=["POST"], dependencies=[needs(Permission.LOOK)])
    router.add_api_route("/right", lambda: None, methods=["POST"], dependencies=[needs(Permission.SIGN_OFF)])
    lines = undeclared([route for route in router.routes if isinstance(route, APIRoute)])
    assert [line.split(" names")[0].split(" changes")[0] for line in lines] == [
        "['GET'] /forgotten",
        "['POST'] /changed",
    ]


def test_the_owner_may_all_that_people_may_and_every_permission_is_somebodys() -> None:
    for role in PersonRole:
        assert permissions_of(role) <= permissions_of(PersonRole.OWNER)
        assert Permission.LOOK in permissions_of(role)
    of_people = set().union(*(permissions_of(role) for role in PersonRole))
    assert of_people == set(Permission) - {Permission.ACT_AS_PARTY}
    assert roles_with(Permission.ACT_AS_PARTY) == ()


@pytest.mark.parametrize(
    ("permission", "roles"),
    [
        (Permission.SIGN_OFF, {PersonRole.OWNER, PersonRole.COMPLIANCE_OFFICER}),
        (Permission.APPROVE_JOBS, {PersonRole.OWNER, PersonRole.COMPLIANCE_OFFICER}),
        (Permission.TRAIN_MODELS, {PersonRole.OWNER, PersonRole.DATA_SCIENTIST}),
        (Permission.MANAGE_DATASETS, {PersonRole.OWNER, PersonRole.ADMIN}),
        (Permission.AUDIT, {PersonRole.OWNER, PersonRole.COMPLIANCE_OFFICER, PersonRole.AUDITOR}),
        (Permission.OPEN_LINKS, {PersonRole.OWNER}),
        (Permission.READ_TEST_SET, {PersonRole.OWNER, PersonRole.DATA_SCIENTIST}),
        (Permission.CHECK_HEALTH, {PersonRole.OWNER, PersonRole.ADMIN, PersonRole.AUDITOR}),
        (Permission.MANAGE_PEOPLE, {PersonRole.OWNER, PersonRole.ADMIN}),
    ],
)
def test_what_weighs_most_is_for_few(permission: Permission, roles: set[PersonRole]) -> None:
    assert set(roles_with(permission)) == roles


def test_an_auditor_changes_nothing_and_neither_does_a_reading_token() -> None:
    assert permissions_of(PersonRole.AUDITOR) <= ONLY_SHOWS | {Permission.OWN_PASSWORD}
    assert not (DECIDING | CONFIDENTIAL) & (READING | OF_PARTIES)


@pytest.mark.parametrize(
    ("caller", "may"),
    [
        (Caller(None, None, True, scope=Scope.ADMIN, decides=True), set(Permission) - {Permission.ACT_AS_PARTY}),
        (Caller(None, None, True, scope=Scope.READ), set(READING)),
        (Caller("ab" * 32, None, True, scope=Scope.PARTY), set(OF_PARTIES)),
        (Caller(None, None, False), set(Permission) - DECIDING - CONFIDENTIAL),
        (Caller(None, None, False, decides=True), set(Permission)),
        (
            Caller(None, None, True, account="ana", person_role=PersonRole.AUDITOR),
            set(permissions_of(PersonRole.AUDITOR)),
        ),
    ],
)
def test_tokens_accounts_and_callers_without_either_may_what_they_may(caller: Caller, may: set[Permission]) -> None:
    assert {permission for permission in Permission if caller.may(permission)} == may


def test_the_page_has_the_table_of_roles_as_it_is() -> None:
    page = (Path(__file__).resolve().parents[3] / "docs" / "people.md").read_text(encoding="utf-8")
    begin, end = "<!-- python -m fedtrain.service.people.permissions -->\n", "\n<!-- end -->"
    assert page.partition(begin)[2].partition(end)[0] == table()
