"""The three services in one process, each with a token list, for tests that go through all of their routes."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
from fastapi import FastAPI

from fedtrain.crypto import LocalEngine
from fedtrain.data_owner.app import create_app as create_data_owner
from fedtrain.data_owner.settings import DataOwnerSettings
from fedtrain.facilitator.app import create_app as create_facilitator
from fedtrain.facilitator.settings import FacilitatorSettings
from fedtrain.model_owner.app import create_app as create_model_owner
from fedtrain.model_owner.settings import ModelOwnerSettings
from fedtrain.protocol.documents.identity import Identity
from fedtrain.service.runtime.system_clock import SystemClock
from fedtrain.service.vault.secret_files import write_secret
from fedtrain.service.vault.tokens import Scope, TokenRecord, new_token, write_tokens
from fedtrain.service.web.access import PUBLIC_PATHS

NAMES = ("facilitator", "model-owner", "data-owner")
#: Not in the OpenAPI document, and routes all the same.
UNLISTED = ("/docs", "/openapi.json")
_PLACES = {"slug": "internal", "party_id": "1a" * 32, "content_hash": "9f" * 32, "index": "0"}


@dataclass(frozen=True)
class Route:
    method: str
    template: str

    @property
    def url(self) -> str:
        """An address of the route, whose job, task or prediction there is not."""
        return re.sub(r"\{(\w+)\}", lambda found: _PLACES.get(found[1], "0" * 32), self.template)

    @property
    def public(self) -> bool:
        return self.template in PUBLIC_PATHS or self.template.startswith("/problems")


@dataclass
class ServedParty:
    name: str
    app: FastAPI
    http: httpx.AsyncClient
    tokens: Mapping[str, str] = field(default_factory=dict)

    def routes(self) -> Iterator[Route]:
        """All routes that its OpenAPI document names, and those that no document does."""
        for template, operations in self.app.openapi()["paths"].items():
            for method in operations:
                yield Route(method.upper(), template)
        for template in UNLISTED:
            yield Route("GET", template)

    async def ask(self, route: Route, who: str | None, **more: Any) -> httpx.Response:
        headers = {} if who is None else {"Authorization": f"Bearer {self.tokens[who]}"}
        return await self.http.request(route.method, route.url, headers=headers | more.pop("headers", {}), **more)


@asynccontextmanager
async def three_services(
    folder: Path,
    *,
    facilitator: Mapping[str, Any] | None = None,
    model_owner: Mapping[str, Any] | None = None,
    owner: Mapping[str, Any] | None = None,
) -> AsyncIterator[dict[str, ServedParty]]:
    """Start the three, each with tokens "read", "admin", "gone" (revoked), "data-owner", "model-owner" (party).

    The parties themselves have tokens of the Facilitator's, so that they reach it. All stop when the context is left.
    """
    now = datetime.now(UTC)
    given: dict[str, str] = {}
    records: list[TokenRecord] = []
    for name, scope, role in (
        ("read", Scope.READ, None),
        ("admin", Scope.ADMIN, None),
        ("gone", Scope.ADMIN, None),
        ("data-owner", Scope.PARTY, "data-owner"),
        ("model-owner", Scope.PARTY, "model-owner"),
    ):
        identity = None if role is None else Identity.generate()
        if identity is not None:
            write_secret(folder / name / "identity.key", identity.private_bytes())
        token, record = new_token(name, scope, now, party=identity and identity.party_id, role=role)  # type: ignore[arg-type]
        given[name] = token
        records.append(record.model_copy(update={"revoked_at": now}) if name == "gone" else record)
    for name in NAMES:
        (folder / name).mkdir(mode=0o700, exist_ok=True)
        write_tokens(folder / name, records)
        write_secret(folder / f"{name}.token", given.get(name, given["admin"]).encode())
    common: dict[str, Any] = {"workers": 1, "allow_small_keys": True}
    async with AsyncExitStack() as stack:
        executor = stack.enter_context(ThreadPoolExecutor())
        engine, clock = LocalEngine(), SystemClock()
        running: dict[str, ServedParty] = {}

        async def run(name: str, app: FastAPI) -> ServedParty:
            await stack.enter_async_context(app.router.lifespan_context(app))
            http = httpx.AsyncClient(
                transport=httpx.ASGITransport(app, raise_app_exceptions=False), base_url="http://127.0.0.1"
            )
            running[name] = ServedParty(name, app, await stack.enter_async_context(http), given)
            return running[name]

        settings = FacilitatorSettings(state_dir=folder / "facilitator", **common, **(facilitator or {}))
        first = await run("facilitator", create_facilitator(settings, clock=clock, executor=executor, engine=engine))
        line = httpx.ASGITransport(first.app)
        reached: dict[str, Any] = {"facilitator": "http://facilitator.invalid", "poll_wait_s": 0.5}
        of_model_owner = ModelOwnerSettings(
            state_dir=folder / "model-owner",
            token_file=folder / "model-owner.token",
            **reached,
            **common,
            **(model_owner or {}),
        )
        await run(
            "model-owner",
            create_model_owner(of_model_owner, clock=clock, executor=executor, transport=line, engine=engine),
        )
        data_owner = DataOwnerSettings(
            state_dir=folder / "data-owner",
            token_file=folder / "data-owner.token",
            **reached,
            **common,
            **(owner or {}),
        )
        await run(
            "data-owner", create_data_owner(data_owner, clock=clock, executor=executor, transport=line, engine=engine)
        )
        yield running
