"""A browser, or a proxy, that keeps what it may: nothing of what a person was answered, once that person has left."""

from __future__ import annotations

import httpx
import pytest
from fastapi import FastAPI


@pytest.mark.anyio
async def test_no_answer_of_a_route_is_kept(service: FastAPI) -> None:
    async with (
        service.router.lifespan_context(service),
        httpx.AsyncClient(transport=httpx.ASGITransport(service), base_url="http://127.0.0.1") as browser,
    ):
        shown = {"Authorization": f"Bearer {service.state.gate.decisions.value}"}
        document = (await browser.get("/openapi.json")).json()
        asked = [path for path, methods in document["paths"].items() if "get" in methods and "{" not in path]
        # A stream has no end.
        answers = [await browser.get(path, headers=shown) for path in asked if not path.startswith("/changes")]
        assert sum(answer.is_success for answer in answers) >= 8
        kept = {answer.request.url.path: answer.headers.get("Cache-Control") for answer in answers}
        assert set(kept.values()) == {"no-store"}, kept


@pytest.mark.anyio
async def test_the_pages_own_files_are_kept_as_they_say(service: FastAPI) -> None:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(service), base_url="http://127.0.0.1") as browser:
        document = await browser.get("/", headers={"Accept": "text/html"})
    assert document.headers["Cache-Control"] == "no-cache"
