"""All parties in one process: the services' own code, joined by ASGI transports instead of ports.

`simulate` runs on this, and so do the tests of whole jobs.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from fastapi import FastAPI
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from fedtrain.crypto import Engine
from fedtrain.data_owner.app import create_app as create_data_owner
from fedtrain.data_owner.policy.rules import OwnerPolicy
from fedtrain.data_owner.settings import DataOwnerSettings
from fedtrain.facilitator.app import create_app as create_facilitator
from fedtrain.facilitator.settings import FacilitatorSettings
from fedtrain.model_owner.app import create_app as create_model_owner
from fedtrain.model_owner.settings import ModelOwnerSettings
from fedtrain.neural import Trainer
from fedtrain.protocol.clock import Clock
from fedtrain.service.runtime.engines import engine_of
from fedtrain.service.runtime.settings import ADMIN_TOKEN_FILE
from fedtrain.service.runtime.system_clock import SystemClock
from fedtrain.service.vault.secret_files import read_secret
from fedtrain.spec.problems import Problem

FACILITATOR = "http://facilitator.invalid"
ENDED = frozenset({"FINISHED", "FAILED", "CANCELLED"})
POLL_S = 0.05


@dataclass
class Party:
    """A running service, and a client that calls its routes as its own people would."""

    name: str
    app: FastAPI
    http: httpx.AsyncClient
    state_dir: Path

    async def get(self, path: str, **params: str) -> Any:
        return _answer(await self.http.get(path, params=params))

    async def get_bytes(self, path: str, **params: str) -> bytes:
        """Return a body that is no JSON document to read, such as an export."""
        response = await self.http.get(path, params=params)
        if response.is_error:
            raise Problem.from_dict(response.json(), response.status_code)
        return response.content

    async def post(self, path: str, body: object) -> Any:
        return _answer(await self.http.post(path, json=body))


def _answer(response: httpx.Response) -> Any:
    if response.is_error:
        raise Problem.from_dict(response.json(), response.status_code)
    return response.json()


@dataclass
class Federation:
    """Facilitator, Model Owner and Data Owners, all started."""

    facilitator: Party
    model_owner: Party
    data_owners: tuple[Party, ...]

    async def deploy(self, spec: Mapping[str, Any]) -> str:
        """Post a model spec and return the job's id. Raises Problem when it is refused."""
        answer = await self.model_owner.post("/models", dict(spec))
        return str(answer["id"])

    async def wait(self, model_id: str, show: Callable[[dict[str, Any]], None] | None = None) -> dict[str, Any]:
        """Return what GET /models/{id} says when the job has ended; `show` is given what it says on the way."""
        while True:
            state: dict[str, Any] = await self.model_owner.get(f"/models/{model_id}")
            if show is not None:
                show(state)
            if state["status"] in ENDED:
                return state
            await asyncio.sleep(POLL_S)


@asynccontextmanager
async def federation(
    folder: Path,
    tables: Mapping[str, Path],
    *,
    mappings: Mapping[str, Path] | None = None,
    test_data: Path | None = None,
    allow_small_keys: bool | None = None,
    clock: Clock | None = None,
    owner_settings: Mapping[str, Any] | None = None,
    owner_policy: OwnerPolicy | None = None,
    wiretap: Callable[[bytes], None] | None = None,
    line: Callable[[FastAPI], ASGIApp] | None = None,
    engine: Engine | None = None,
    database_urls: Mapping[str, str] | None = None,
    trainer: Trainer | None = None,
) -> AsyncIterator[Federation]:
    """Start a Facilitator, a Model Owner and one Data Owner for each of `tables` (name → path), state in `folder`.

    `mappings` are mapping files of those owners, by name, whose tables are read by one.

    What is not given here comes from `FEDTRAIN_*` in the environment, as it does for services with ports.
    `owner_settings` are further settings of every Data Owner, and `owner_policy` stands in for their policy. `wiretap`
    is given each request line and each piece of a body that reaches the Facilitator from a party; `line` returns what
    they reach in its place. All share one `engine`, by default with workers of its own. `database_urls`
    (party's name → URL) are stores elsewhere than in `folder`. `trainer` trains and evaluates networks for all, in the
    place of a worker process of each. All are stopped when the context is left.
    """
    clock = clock or SystemClock()
    async with AsyncExitStack() as stack:
        executor = stack.enter_context(ThreadPoolExecutor(thread_name_prefix="engine"))
        common = {} if allow_small_keys is None else {"allow_small_keys": allow_small_keys}
        urls = database_urls or {}
        start = _Starter(stack, folder, clock, executor, common, wiretap, line, engine, urls, owner_policy, trainer)
        facilitator = await start.facilitator()
        model_owner = await start.model_owner(facilitator, test_data)
        mapped = {name: {"mapping": path} for name, path in (mappings or {}).items()}
        owners = [
            await start.data_owner(facilitator, name, path, {**(owner_settings or {}), **mapped.get(name, {})})
            for name, path in tables.items()
        ]
        await _wait_registered(facilitator, owners)
        yield Federation(facilitator, model_owner, tuple(owners))


@dataclass
class _Starter:
    stack: AsyncExitStack
    folder: Path
    clock: Clock
    executor: Executor
    common: dict[str, Any]
    wiretap: Callable[[bytes], None] | None
    line: Callable[[FastAPI], ASGIApp] | None
    engine: Engine | None
    database_urls: Mapping[str, str]
    owner_policy: OwnerPolicy | None
    trainer: Trainer | None

    async def facilitator(self) -> Party:
        settings = FacilitatorSettings(
            name="facilitator", state_dir=self.folder / "facilitator", **self._settings("facilitator")
        )
        self.engine = await self.stack.enter_async_context(engine_of(settings.workers, self.engine, settings.engine))
        app = create_facilitator(settings, clock=self.clock, executor=self.executor, engine=self.engine)
        return await self._run("facilitator", app, settings.state_dir)

    async def model_owner(self, facilitator: Party, test_data: Path | None) -> Party:
        settings = ModelOwnerSettings(
            name="model-owner",
            state_dir=self.folder / "model-owner",
            facilitator=FACILITATOR,
            test_data=test_data,
            **self._settings("model-owner"),
        )
        transport = self._line_to(facilitator)
        app = create_model_owner(
            settings,
            clock=self.clock,
            executor=self.executor,
            transport=transport,
            engine=self.engine,
            trainer=self.trainer,
        )
        return await self._run("model-owner", app, settings.state_dir)

    async def data_owner(self, facilitator: Party, name: str, data: Path, more: Mapping[str, Any]) -> Party:
        settings = DataOwnerSettings(
            name=name,
            state_dir=self.folder / name,
            facilitator=FACILITATOR,
            data=data,
            **{**self._settings(name), **more},
        )
        transport = self._line_to(facilitator)
        app = create_data_owner(
            settings,
            clock=self.clock,
            executor=self.executor,
            transport=transport,
            policy=self.owner_policy,
            engine=self.engine,
            trainer=self.trainer,
        )
        return await self._run(name, app, settings.state_dir)

    def _settings(self, name: str) -> dict[str, Any]:
        return self.common | ({"database_url": self.database_urls[name]} if name in self.database_urls else {})

    def _line_to(self, facilitator: Party) -> httpx.ASGITransport:
        reached = facilitator.app if self.line is None else self.line(facilitator.app)
        return httpx.ASGITransport(reached if self.wiretap is None else _Wiretapped(reached, self.wiretap))

    async def _run(self, name: str, app: FastAPI, state_dir: Path) -> Party:
        await self.stack.enter_async_context(app.router.lifespan_context(app))
        transport = httpx.ASGITransport(app)
        shown = _own_token(app, state_dir)
        http = httpx.AsyncClient(transport=transport, base_url=f"http://{name}.invalid", headers=shown)
        await self.stack.enter_async_context(http)
        return Party(name, app, http, state_dir)


def _own_token(app: FastAPI, state_dir: Path) -> dict[str, str]:
    """The token for the service's own people: what `fedtrain provision` made, or the one for decisions."""
    decisions = getattr(app.state.gate, "decisions", None)
    try:
        token = read_secret(state_dir / ADMIN_TOKEN_FILE).decode() if decisions is None else decisions.value
    except FileNotFoundError:
        return {}
    return {"Authorization": f"Bearer {token.strip()}"}


@dataclass
class _Wiretapped:
    """An application whose incoming requests somebody reads along."""

    app: ASGIApp
    heard: Callable[[bytes], None]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.heard(f"{scope['method']} {scope['path']}?".encode() + scope["query_string"])
        for name, value in scope["headers"]:
            self.heard(name + b": " + value)

        async def listening_receive() -> Message:
            message = await receive()
            self.heard(message.get("body", b""))
            return message

        await self.app(scope, listening_receive, send)


async def _wait_registered(facilitator: Party, owners: Sequence[Party]) -> None:
    """A job asks the owners that are registered when it comes, so it comes after them."""
    while True:
        answer = await facilitator.get("/data-owners")
        listed = answer["data_owners"] if isinstance(answer, dict) else answer
        if len(listed) >= len(owners):
            return
        await asyncio.sleep(POLL_S)
