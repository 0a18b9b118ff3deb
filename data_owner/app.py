"""The Data Owner as a web application, with the agent that works its tasks off."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from concurrent.futures import Executor
from contextlib import asynccontextmanager
from functools import partial

import httpx
import structlog
from fastapi import FastAPI
from prometheus_client import CollectorRegistry

from fedtrain.crypto.engine import Engine
from fedtrain.crypto.engine.dask import over_cluster
from fedtrain.data_owner.data.cluster import SCHEME, Cluster, is_open
from fedtrain.data_owner.data.table_fits import TableFits
from fedtrain.data_owner.metrics import Metrics
from fedtrain.data_owner.policy.rules import OwnerPolicy
from fedtrain.data_owner.routes import ROUTERS
from fedtrain.data_owner.routes.parts import OwnerParts
from fedtrain.data_owner.running.at_work import at_work
from fedtrain.data_owner.running.workshop import Setup
from fedtrain.data_owner.settings import DataOwnerSettings
from fedtrain.neural import Trainer
from fedtrain.protocol.clock import Clock
from fedtrain.protocol.documents.card import CARD_BYTES
from fedtrain.protocol.loopback import is_loopback
from fedtrain.protocol.messages.items import MOST_ITEMS
from fedtrain.protocol.states import Role
from fedtrain.service.health.facilitator import check_reached
from fedtrain.service.health.finding import Finding, ok
from fedtrain.service.health.node import check_node
from fedtrain.service.limits.body_limits import BodyLimit, BodyLimits
from fedtrain.service.notify.notifier import notifier_of
from fedtrain.service.runtime.connection import gate_of, key_files_of, organisation_of
from fedtrain.service.runtime.engines import engine_of
from fedtrain.service.store.database import state_of
from fedtrain.service.vault.identity_file import load_or_create_identity
from fedtrain.service.vault.trust_file import read_membership, watched_trust
from fedtrain.service.web.app import create_service
from fedtrain.spec.model_spec import MOST_SPEC_ITEMS

log = structlog.get_logger("data_owner")

_DESCRIPTION = """Holds records, which never leave. It answers the Facilitator's tasks by itself.

These routes are for its own people: which data are on offer, which jobs it takes part in, what it has released."""


def create_app(
    settings: DataOwnerSettings,
    *,
    clock: Clock,
    executor: Executor,
    transport: httpx.AsyncBaseTransport | None = None,
    policy: OwnerPolicy | None = None,
    engine: Engine | None = None,
    trainer: Trainer | None = None,
) -> FastAPI:
    """Return the application; the store is opened, and the agent runs, within its lifespan.

    `executor` runs what takes long, over `engine`: without one, workers of its own. `transport` is how the Facilitator
    is reached, by default the network. `policy` stands in for the settings', and `trainer` for the worker process that
    trains networks, which starts when it is needed. Raises Problem(INVALID_REQUEST) for a
    policy file that cannot be used, and SecretFileError where the identity in the state folder is not usable.
    """
    keys = key_files_of(settings)
    identity = load_or_create_identity(settings.state_dir, keys)
    owner_policy = policy or settings.policy()
    trust = watched_trust(settings.state_dir)
    trust.value()  # a list that cannot be used is known before the first job
    registry = CollectorRegistry()
    metrics = Metrics(registry)
    fits = TableFits()
    setup = Setup(
        settings=settings,
        clock=clock,
        identity=identity,
        keys=keys,
        policy=owner_policy,
        trust=trust.value,
        membership=read_membership(settings.state_dir, identity.party_id, Role.DATA_OWNER),
        notifier=notifier_of(settings.notify, settings.state_dir),
        metrics=metrics,
        fits=fits,
        executor=metrics.service.executor(executor),
        transport=transport,
        trainer=trainer,
    )

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with (
            engine_of(settings.workers, engine, settings.engine) as near,
            cluster_of(settings, clock) as cluster,
            at_work(app, setup, near if cluster is None else over_cluster(near, cluster), cluster),
        ):
            if policy is None:
                log.info("policy", file=settings.policy_told())
            if owner_policy.knowing(trust.value()).any_model_owner:
                log.warning("open policy: any Model Owner is accepted", loopback=is_loopback(settings.host))
            yield

    def readiness() -> Mapping[str, str]:
        return _readiness(app, settings)

    def own_checks() -> Iterator[Finding]:
        parts: OwnerParts | None = getattr(app.state, "parts", None)
        yield from check_reached(getattr(app.state, "agent", None), getattr(app.state, "client", None))
        if policy is None:
            yield ok("policy", settings.policy_told())
        yield from () if parts is None else fits.findings(parts.store)

    app: FastAPI = create_service(
        title="federated-trainer: Data Owner",
        description=_DESCRIPTION,
        role=Role.DATA_OWNER,
        identity=identity,
        name=settings.name,
        routers=ROUTERS,
        lifespan=lifespan,
        gate=gate_of(settings),
        organisation=organisation_of(settings, clock),
        rate_limit=settings.rate_limit,
        monotonic=clock.monotonic,
        body_limits=_body_limits(settings),
        readiness=readiness,
        registry=registry,
        remarks=fits.remarks,
        health=partial(check_node, settings, Role.DATA_OWNER, clock.now, own_checks),
    )
    return app


@asynccontextmanager
async def cluster_of(settings: DataOwnerSettings, clock: Clock) -> AsyncIterator[Cluster | None]:
    """The Dask cluster that the settings name, while the service runs; None for none."""
    if not settings.engine.startswith(SCHEME):
        yield None
        return
    cluster = Cluster(settings.engine, settings.workers, clock.monotonic)
    if is_open(settings.engine):
        log.warning("records go to the Dask cluster unencrypted: set up TLS for it", cluster=settings.engine)
    try:
        await asyncio.to_thread(cluster.slots)  # whether it is there is said at the start
        yield cluster
    finally:
        await asyncio.to_thread(cluster.close)


def _body_limits(settings: DataOwnerSettings) -> BodyLimits:
    most = settings.body_limit_bytes
    uploads = BodyLimit(settings.upload_limit_bytes, MOST_SPEC_ITEMS, json_bytes=most, held_bytes=0)
    sized = BodyLimit(most, MOST_ITEMS)
    return BodyLimits(
        by_route={
            ("POST", "/datasets"): uploads,
            ("POST", "/datasets/query"): BodyLimit(most, MOST_SPEC_ITEMS),
            ("POST", "/datasets/{name}/check"): BodyLimit(most, MOST_SPEC_ITEMS),
            ("POST", "/score"): sized,
            ("POST", "/models/{job_id}/prediction"): sized,
            ("PUT", "/datasets/{name}/card"): BodyLimit(CARD_BYTES),
            ("POST", "/consents"): sized,
        }
    )


def _readiness(app: FastAPI, settings: DataOwnerSettings) -> Mapping[str, str]:
    parts = getattr(app.state, "parts", None)
    if not isinstance(parts, OwnerParts):
        return {"store": "not open yet"}
    reached = "ok" if app.state.agent.connected else f"{settings.facilitator} is not reached yet"
    return {"store": state_of(parts.store.check), "facilitator": reached}
