"""Client of a service that runs in the test's own process, as its own people call it."""

from __future__ import annotations

import httpx
from fastapi import FastAPI


def own_people(app: FastAPI, base_url: str) -> httpx.AsyncClient:
    """A client that shows what a service without tokens takes a decision by."""
    headers = {"Authorization": f"Bearer {app.state.gate.decisions.value}"}
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=base_url, headers=headers)
