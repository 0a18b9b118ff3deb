"""The frame of every service: problems, limits, probes, metrics, identity, the caller, and a clean stop."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from importlib.metadata import version
from typing import Literal

import structlog
from fastapi import APIRouter, Depends, FastAPI, Response
from fastapi.security import HTTPBearer
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from pydantic import BaseModel

from fedtrain.protocol.documents.identity import Identity
from fedtrain.protocol.states import Role
from fedtrain.protocol.version import PROTOCOL_VERSION
from fedtrain.service.health.finding import Finding
from fedtrain.service.health.routes import health_routes
from fedtrain.service.limits.body_limits import BodyLimitMiddleware, BodyLimits
from fedtrain.service.limits.rate_limit import RateLimit
from fedtrain.service.metrics.http_metrics import HttpMetricsMiddleware
from fedtrain.service.metrics.loop_lag import LoopLag
from fedtrain.service.metrics.service_metrics import tell_build
from fedtrain.service.pages import built_files
from fedtrain.service.pages import organisation as organisation_routes
from fedtrain.service.pages import people as people_routes
from fedtrain.service.pages import routes as session_routes
from fedtrain.service.pages.sessions import Sessions
from fedtrain.service.people.organisation import Organisation
from fedtrain.service.people.permissions import Permission
from fedtrain.service.problems import pages as problem_pages
from fedtrain.service.web import documentation
from fedtrain.service.web.access import AccessMiddleware
from fedtrain.service.web.caller import Gate, OpenGate, caller, needs
from fedtrain.service.web.errors import UnexpectedErrorMiddleware, add_problem_handlers
from fedtrain.service.web.event_streams import event_streams
from fedtrain.service.web.responses import PROBLEM_RESPONSES
from fedtrain.spec.problems import Code, Problem
from fedtrain.spec.setup_error import SetupError

log = structlog.get_logger("protocol.server")

Access = Literal["open", "token"]
Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[None]]
#: What a service needs, each with "ok" or what is wrong with it. Called in a thread, so it may look at the store.
Readiness = Callable[[], Mapping[str, str]]


class ServiceIdentity(BaseModel):
    """The answer to GET /identity."""

    party_id: str
    role: Role
    name: str
    protocol: str
    version: str


class Health(BaseModel):
    """The answer to GET /healthz."""

    status: str


class Ready(BaseModel):
    """The answer to GET /readyz when all is well. `access`: whether callers must show a token, or are believed.

    `remarks`: what keeps the service from some of its work, and is left out where nothing does.
    """

    status: str
    checks: dict[str, str]
    access: Access
    remarks: tuple[str, ...] = ()


@asynccontextmanager
async def _told_when_it_cannot_start(app: FastAPI, lifespan: Lifespan) -> AsyncIterator[None]:
    """Run `lifespan`; what a person can mend goes to `app.state.cannot_start` as one line, for who runs the service."""
    app.state.cannot_start = None
    stack = AsyncExitStack()
    try:
        await stack.enter_async_context(lifespan(app))
    except (Problem, SetupError) as error:
        app.state.cannot_start = str(error)
        raise
    async with stack:
        yield


def create_service(
    *,
    title: str,
    description: str,
    role: Role,
    identity: Identity,
    name: str,
    routers: Sequence[APIRouter],
    lifespan: Lifespan,
    gate: Gate,
    body_limits: BodyLimits,
    readiness: Readiness,
    registry: CollectorRegistry,
    rate_limit: RateLimit | None = None,
    monotonic: Callable[[], float] = time.monotonic,
    remarks: Callable[[], Sequence[str]] = tuple,
    organisation: Organisation | None = None,
    health: Callable[[], Iterable[Finding]] = tuple,
) -> FastAPI:
    """Return the service's application.

    `app.state.stop` is an asyncio.Event that is set as soon as the service is told to stop; whatever waits long waits
    for it too. Routes read the caller by `AnyCaller`, which runs before every router's routes.
    `rate_limit` holds for each caller; `monotonic` is its clock. `remarks`: lines that `/readyz` shows to anybody.
    `organisation`: the provider by which people sign in beside their accounts here. `health`: the node's checks.
    """
    release = version("federated-trainer")
    access: Access = "open" if isinstance(gate, OpenGate) else "token"

    @asynccontextmanager
    async def stopping_lifespan(app: FastAPI) -> AsyncIterator[None]:
        if app.state.stop.is_set():  # the application runs again, as after a restart in a test
            app.state.stop = asyncio.Event()
        async with _told_when_it_cannot_start(app, lifespan), lag.watched():
            log.info("service started", role=role.value, party=identity.party_id, name=name, access=access)
            if access == "open":
                log.warning("open access: no token is asked for, and callers are believed who they say they are")
            try:
                yield
            finally:
                app.state.stop.set()
        log.info("service stopped", role=role.value)

    app = FastAPI(
        title=title,
        description=description,
        version=release,
        docs_url=None,
        redoc_url=None,
        lifespan=stopping_lifespan,
        responses=PROBLEM_RESPONSES,
    )
    app.state.stop = asyncio.Event()
    app.state.gate = gate
    app.state.sessions = sessions = Sessions(gate, identity.party_id, monotonic, parties_call=role is Role.FACILITATOR)
    app.state.organisation = organisation
    sessions.by_organisation = organisation is not None
    app.state.body_limits = body_limits
    app.state.role = role
    app.state.event_streams = event_streams()
    add_problem_handlers(app)
    app.include_router(problem_pages.routes())
    about = {"role": role.value, "name": name, "version": release, "protocol": PROTOCOL_VERSION}
    start = documentation.routes(title, {**about, "party": identity.party_id}, built_files.document())
    app.include_router(start)
    app.include_router(built_files.routes())
    app.include_router(session_routes.router)
    app.include_router(organisation_routes.router)
    # The last one added is the outermost: errors are caught within the count of requests, limits within both.
    app.add_middleware(BodyLimitMiddleware, limits=body_limits)
    app.add_middleware(AccessMiddleware, gate=sessions, role=role, rate_limit=rate_limit, monotonic=monotonic)
    app.add_middleware(UnexpectedErrorMiddleware)
    app.add_middleware(HttpMetricsMiddleware, registry=registry)
    tell_build(registry, role, release)
    lag = LoopLag(registry)
    who = ServiceIdentity(party_id=identity.party_id, role=role, name=name, protocol=PROTOCOL_VERSION, version=release)
    app.include_router(_common_routes(who, readiness, remarks, registry, access))
    # For /docs alone, which then asks for the token; the gate is what looks at it.
    bearer = HTTPBearer(auto_error=False, description="A token of `fedtrain token`")
    shown = [Depends(bearer)] if access == "token" else []
    # Kept for whoever wants to know which permission each of their routes takes.
    app.state.routers = (session_routes.links, people_routes.router, health_routes(readiness, health), *routers)
    for router in app.state.routers:
        app.include_router(router, dependencies=[Depends(caller), *shown])
    return app


def _common_routes(
    who: ServiceIdentity,
    readiness: Readiness,
    remarks: Callable[[], Sequence[str]],
    registry: CollectorRegistry,
    access: Access,
) -> APIRouter:
    router = APIRouter(tags=["service"])

    @router.get("/healthz", summary="Is the process alive?")
    async def healthz() -> Health:
        return Health(status="ok")

    @router.get(
        "/readyz",
        summary="Can it do its work, and if not, what is missing?",
        response_model_exclude_defaults=True,
    )
    def readyz() -> Ready:
        checks, told = dict(readiness()), remarks()
        wrong = {check: state for check, state in checks.items() if state != "ok"}
        if wrong:
            detail = "; ".join(f"{check}: {state}" for check, state in wrong.items())
            more = {"remarks": list(told)} if told else {}
            raise Problem(Code.NOT_READY, f"{detail}.", checks=checks, access=access, **more)
        return Ready(status="ok", checks=checks, access=access, remarks=tuple(told))

    @router.get("/identity", summary="Who is this?")
    async def identity() -> ServiceIdentity:
        return who

    @router.get(
        "/metrics",
        summary="Prometheus metrics",
        response_class=Response,
        dependencies=[Depends(caller), needs(Permission.WATCH)],
    )
    def metrics() -> Response:
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)

    return router
