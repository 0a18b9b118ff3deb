"""A Model Owner's service in this process, its lifespan run, reached through ASGI."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import httpx
from fastapi import FastAPI

from fedtrain.model_owner.app import create_app
from fedtrain.model_owner.settings import ModelOwnerSettings
from fedtrain.service.runtime.system_clock import SystemClock
from fedtrain.spec.problems import Problem
from tests.harness.facilitator.fake_facilitator import FakeFacilitator
from tests.harness.model_owner.peers import spec_document
from tests.harness.own_people import own_people

ENDED = {"FINISHED", "FAILED", "CANCELLED"}


@dataclass
class Running:
    app: FastAPI
    http: httpx.AsyncClient
    state_dir: Path

    async def call(self, method: str, path: str, **arguments: Any) -> Any:
        """The JSON answer. Raises Problem."""
        response = await self.http.request(method, path, **arguments)
        if response.is_error:
            raise Problem.from_dict(response.json(), response.status_code)
        return response.json()

    async def deploy(self, document: dict[str, Any]) -> str:
        return str((await self.call("POST", "/models", json=document))["id"])

    async def until(self, model_id: str, reached: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """The model as soon as it is as `reached` says."""
        while True:
            model: dict[str, Any] = await self.call("GET", f"/models/{model_id}")
            if reached(model):
                return model
            assert model["status"] not in ENDED, model["reason"]
            await asyncio.sleep(0.01)

    async def ended(self, model_id: str) -> dict[str, Any]:
        return await self.until(model_id, lambda model: model["status"] in ENDED)


async def keys_left(folder: Path) -> list[Path]:
    """Return what lies in the folder of keys, once those of jobs that are over had a minute to go.

    A job is said to be over a moment before its key is destroyed, which a crash between the two makes up for.
    """
    for _ in range(6000):
        if not any(folder.iterdir()):
            break
        await asyncio.sleep(0.01)
    return list(folder.iterdir())


@asynccontextmanager
async def running(folder: Path, facilitator: FakeFacilitator, **settings: Any) -> AsyncIterator[Running]:
    """A started Model Owner; the same `folder` again is a restart."""
    made = ModelOwnerSettings(
        state_dir=folder,
        facilitator="http://facilitator.invalid",
        allow_small_keys=settings.pop("allow_small_keys", True),
        progress_cache_s=0,
        **settings,
    )
    with ThreadPoolExecutor() as executor:
        app = create_app(made, clock=SystemClock(), executor=executor, transport=facilitator)
        async with (
            app.router.lifespan_context(app),
            own_people(app, "http://model-owner.invalid") as http,
        ):
            yield Running(app, http, folder)


Begun: TypeAlias = tuple[FakeFacilitator, Running, str]


@asynccontextmanager
async def training(folder: Path, *, hold_after: int = 0) -> AsyncIterator[Begun]:
    """A Facilitator that holds back what follows so many answers, a started Model Owner, and a job in training."""
    facilitator = FakeFacilitator()
    facilitator.hold_after = hold_after
    async with _begun(folder, facilitator, "TRAINING") as begun:
        yield begun


@asynccontextmanager
async def deploying(folder: Path) -> AsyncIterator[Begun]:
    """A Facilitator that is down, a started Model Owner, and a job that waits to be posted."""
    facilitator = FakeFacilitator()
    facilitator.down = True
    async with _begun(folder, facilitator, "DEPLOYING") as begun:
        yield begun


@asynccontextmanager
async def _begun(folder: Path, facilitator: FakeFacilitator, phase: str) -> AsyncIterator[Begun]:
    async with running(folder, facilitator) as party:
        model_id = await party.deploy(spec_document())
        await party.until(model_id, lambda model: model["phase"] == phase)
        yield facilitator, party, model_id
