"""Every route of every service, with every kind of token: what each may, and that no route was forgotten."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.harness.three_services import NAMES, Route, ServedParty, three_services

pytestmark = pytest.mark.anyio
READING = ("GET", "HEAD", "OPTIONS")
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
async def services(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[dict[str, ServedParty]]:
    async with three_services(tmp_path_factory.mktemp("three")) as running:
        yield running


def every_method(party: ServedParty) -> list[Route]:
    """Each address with each method, those that it does not take included."""
    return [Route(method, template) for template in {r.template for r in party.routes()} for method in METHODS]


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
async def test_without_a_valid_token_nothing_but_the_public_routes_answers(
    services: dict[str, ServedParty], name: str
) -> None:
    party = services[name]
    for route in every_method(party):
        for who in (None, "gone"):
            answer = await party.ask(route, who)
            if route.public:
                assert answer.status_code != 401, route
            else:
                assert (answer.status_code, who, route) == (401, who, route)


@pytest.mark.parametrize("name", NAMES)
async def test_a_reading_token_changes_nothing_anywhere(services: dict[str, ServedParty], name: str) -> None:
    party = services[name]
    changing = [route for route in every_method(party) if route.method not in READING and not route.public]
    assert len(changing) > 10
    for route in changing:
        answer = await party.ask(route, "read")
        assert (answer.status_code, route) == (403, route)
        assert "scope admin" in answer.json()["detail"]


@pytest.mark.parametrize("name", ["model-owner", "data-owner"])
@pytest.mark.parametrize("who", ["data-owner", "model-owner"])
async def test_a_partys_token_does_nothing_at_a_partys_own_service(
    services: dict[str, ServedParty], name: str, who: str
) -> None:
    """It could approve a job, deny one, and have rows scored, wherever an organiser's list came to lie."""
    party = services[name]
    asked = [route for route in every_method(party) if not route.public]
    assert {route.template for route in asked} > {"/metrics", "/models", "/datasets"}
    for route in asked:
        answer = await party.ask(route, who)
        assert (answer.status_code, route) == (403, route)
        if route.method != "HEAD":
            assert "for a party at a Facilitator" in answer.json()["detail"]


async def test_a_partys_token_acts_at_the_facilitator(services: dict[str, ServedParty]) -> None:
    facilitator = services["facilitator"]
    for who in ("data-owner", "model-owner"):
        assert (await facilitator.ask(Route("GET", "/tasks"), who)).status_code == 200


@pytest.mark.parametrize("name", NAMES)
async def test_an_admin_token_is_let_through_to_every_route_but_those_of_parties(
    services: dict[str, ServedParty], name: str
) -> None:
    party = services[name]
    for route in party.routes():
        answer = await party.ask(route, "admin")
        of_parties = name == "facilitator" and answer.status_code == 403
        assert answer.status_code != 401, route
        assert answer.status_code != 403 or of_parties, route
        if of_parties:
            assert "party" in answer.json()["detail"], route
