"""Another user of the machine asks each service without tokens for a session, by whatever it might believe."""

from __future__ import annotations

import httpx
import pytest
from fastapi import FastAPI


def browser(service: FastAPI, **headers: str) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(service), base_url="http://127.0.0.1", headers=headers)


@pytest.mark.anyio
@pytest.mark.parametrize(
    "shown",
    [
        {},
        {"Authorization": "Bearer x"},
        {"Authorization": "Bearer fedtrain_decision_" + "q" * 43},
        {"Fedtrain-Party": "ab" * 32},
        {"Cookie": "{cookie}=" + "q" * 43},
    ],
)
async def test_nothing_that_anybody_can_write_opens_a_session_or_makes_a_link(
    service: FastAPI, shown: dict[str, str]
) -> None:
    cookie = service.state.sessions.cookie
    async with browser(service, **{name: value.format(cookie=cookie) for name, value in shown.items()}) as stranger:
        for path, body in (("/session", {}), ("/session", {"code": "q" * 43}), ("/session/links", {})):
            refused = await stranger.post(path, json=body)
            assert (refused.status_code, "set-cookie" in refused.headers) == (401, False)
        found = (await stranger.get("/session")).json()
        assert (found["session"], found["decides"]) == (False, False)


@pytest.mark.anyio
async def test_the_services_own_token_opens_one_and_makes_a_link_that_opens_another(service: FastAPI) -> None:
    own = {"Authorization": f"Bearer {service.state.gate.decisions.value}"}
    async with browser(service) as one, browser(service) as other:
        assert (await one.post("/session", json={}, headers=own)).json()["decides"]
        link = (await one.post("/session/links", headers=own)).json()["path"]
        assert (await other.post("/session", json={"code": link.rpartition("/")[2]})).json()["decides"]
