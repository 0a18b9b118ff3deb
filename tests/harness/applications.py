"""Services for the adapters' tests: in process, and behind a real socket."""

from __future__ import annotations

import socket
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import pytest
import uvicorn
from fastapi import APIRouter, FastAPI
from prometheus_client import CollectorRegistry

from fedtrain.protocol.documents.identity import Identity
from fedtrain.protocol.states import Role
from fedtrain.service.limits.body_limits import BodyLimits
from fedtrain.service.people.organisation import Organisation
from fedtrain.service.web.app import create_service
from fedtrain.service.web.caller import Gate, OpenGate
from fedtrain.service.web.decision_token import DecisionToken

ServiceMaker = Callable[..., FastAPI]


@asynccontextmanager
async def _no_lifespan(app: FastAPI) -> AsyncIterator[None]:
    yield


@pytest.fixture
def make_service() -> ServiceMaker:
    """Make a service with the given router and defaults for the rest."""

    def make(
        router: APIRouter,
        *,
        lifespan: object = _no_lifespan,
        gate: Gate | None = None,
        body_limits: BodyLimits | None = None,
        readiness: Callable[[], Mapping[str, str]] = dict,
        identity: Identity | None = None,
        remarks: Callable[[], Sequence[str]] = tuple,
        organisation: Organisation | None = None,
    ) -> FastAPI:
        return create_service(
            title="Test",
            description="A service under test",
            role=Role.FACILITATOR,
            identity=identity or Identity.generate(),
            name="tested",
            routers=[router],
            lifespan=lifespan,
            gate=gate or OpenGate(DecisionToken(Path())),
            body_limits=body_limits or BodyLimits(),
            readiness=readiness,
            registry=CollectorRegistry(),
            remarks=remarks,
            organisation=organisation,
        )

    return make


@pytest.fixture
def served() -> Callable[[FastAPI], object]:
    """Serve an application on a free port of loopback, in a thread; gives the port."""

    @contextmanager
    def serve(app: FastAPI) -> Iterator[int]:
        listener = socket.create_server(("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan="on", timeout_graceful_shutdown=5))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            server.should_exit = True
            thread.join()

    return serve
