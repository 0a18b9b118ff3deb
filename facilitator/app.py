"""The Facilitator as a web application."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from concurrent.futures import Executor
from contextlib import asynccontextmanager
from functools import partial

from fastapi import FastAPI
from prometheus_client import CollectorRegistry

from fedtrain.crypto import Engine
from fedtrain.facilitator.desk import TaskDesk
from fedtrain.facilitator.metrics import Metrics
from fedtrain.facilitator.registry.catalogue import Catalogue
from fedtrain.facilitator.registry.claims import Claims
from fedtrain.facilitator.registry.heads import Heads
from fedtrain.facilitator.registry.mailbox import Mailbox
from fedtrain.facilitator.registry.pruning import prune
from fedtrain.facilitator.registry.requests import Requests
from fedtrain.facilitator.registry.sightings import Sightings
from fedtrain.facilitator.routes import ROUTERS
from fedtrain.facilitator.routes.access import long_polls
from fedtrain.facilitator.runner import JobRunner, Resources
from fedtrain.facilitator.service import JobService
from fedtrain.facilitator.settings import FacilitatorSettings
from fedtrain.facilitator.store import Store
from fedtrain.protocol.clock import Clock
from fedtrain.protocol.documents.card import CARD_BYTES
from fedtrain.protocol.documents.request import ENTRY_BYTES
from fedtrain.protocol.messages.task_sizes import REGISTRATION_BYTES, STATEMENT_BYTES
from fedtrain.protocol.states import Role
from fedtrain.service.health.node import check_node
from fedtrain.service.limits.body_limits import BodyLimit, BodyLimits
from fedtrain.service.people.sign_in import People
from fedtrain.service.runtime.connection import gate_of, key_files_of, organisation_of
from fedtrain.service.runtime.doorbell import Doorbell
from fedtrain.service.runtime.engines import engine_of
from fedtrain.service.store.body_files import IN_FILES_ABOVE_BYTES, BodyFiles
from fedtrain.service.store.database import DatabaseError, shown, state_of
from fedtrain.service.store.database_url import SQLITE, read_url
from fedtrain.service.store.pruning import prune_regularly
from fedtrain.service.timestamps.stamper import stamper_of
from fedtrain.service.vault.head_files import HeadFiles
from fedtrain.service.vault.identity_file import load_or_create_identity
from fedtrain.service.web.app import create_service
from fedtrain.service.web.event_streams import SharedEdition

_DESCRIPTION = """Runs the rounds between a Model Owner and Data Owners, all of whom call it and none of whom it calls.

It sees ciphertexts, public keys and progress; never data, gradients, a model or a loss. Its hash chain lets every
party of a job recompute each sum."""


def create_app(
    settings: FacilitatorSettings, *, clock: Clock, executor: Executor, engine: Engine | None = None
) -> FastAPI:
    """Return the application. `executor` runs what takes long, over `engine`: without one, workers of its own.

    The store is opened when the lifespan starts. Raises SecretFileError where the identity or the token list in the
    state folder is not usable.
    """
    keys = key_files_of(settings)
    identity = load_or_create_identity(settings.state_dir, keys)
    registry = CollectorRegistry()
    metrics = Metrics(registry)
    metered = metrics.service.executor(executor)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with engine_of(settings.workers, engine, settings.engine) as arithmetic, running_over(app, arithmetic):
            yield

    @asynccontextmanager
    async def running_over(app: FastAPI, arithmetic: Engine) -> AsyncIterator[None]:
        store = await asyncio.to_thread(_open_store, settings, identity.party_id)
        app.state.sessions.people = People(store.engine, clock)
        doorbell = Doorbell()
        resources = Resources(
            store=store,
            identity=identity,
            name=settings.name,
            clock=clock,
            executor=metered,
            engine=arithmetic,
            doorbell=doorbell,
            metrics=metrics,
            claims=Claims(store, clock, settings.claim_lease_s),
            allow_small_keys=settings.allow_small_keys,
        )
        runner = JobRunner(resources)
        stop = app.state.stop
        app.state.runner = runner
        app.state.service = service = JobService(resources, runner)

        async def federation() -> str:
            return f"{await service.parties_edition()}-{app.state.sightings.edition()}"

        app.state.editions = {"jobs": SharedEdition(service.jobs_edition), "federation": SharedEdition(federation)}
        app.state.desk = TaskDesk(resources, runner)
        app.state.mailbox = Mailbox(resources, runner)
        stamper = stamper_of(settings.timestamps, settings.state_dir, identity.party_id, clock.now)
        app.state.heads = Heads(resources, runner, HeadFiles(settings.state_dir), stamper.signed)
        app.state.catalogue = Catalogue(resources)
        app.state.requests = Requests(resources)
        ticker = asyncio.create_task(runner.run(app.state.stop, settings.tick_interval_s), name="facilitator ticker")
        stamping = asyncio.create_task(stamper.run(stop), name="facilitator time stamps")
        pruning = asyncio.create_task(
            prune_regularly(lambda before: prune(store, before, clock.now()), settings.prune_after_days, clock, stop),
            name="facilitator pruning",
        )
        try:
            with store.listen(doorbell.ring, doorbell.ring_all), metrics.watching(store, arithmetic):
                yield
        finally:
            app.state.stop.set()
            await ticker
            await pruning
            await stamping
            await runner.close()
            app.state.runner = None
            await asyncio.to_thread(store.close)

    def readiness() -> Mapping[str, str]:
        runner: JobRunner | None = getattr(app.state, "runner", None)
        return {"store": "not open yet" if runner is None else state_of(runner.check_store)}

    app = create_service(
        title="federated-trainer: Facilitator",
        description=_DESCRIPTION,
        role=Role.FACILITATOR,
        identity=identity,
        name=settings.name,
        routers=ROUTERS,
        lifespan=lifespan,
        gate=gate_of(settings),
        organisation=organisation_of(settings, clock),
        rate_limit=settings.rate_limit,
        monotonic=clock.monotonic,
        body_limits=BodyLimits(
            by_route={
                # What a task's result, or what is sent to another party, may have follows from its job's plan, and
                # the routes hold it against that before they read it.
                ("PUT", "/tasks/{task_id}/result"): BodyLimit(
                    settings.result_limit_bytes, json_bytes=STATEMENT_BYTES, held_bytes=_held_bytes(settings)
                ),
                ("POST", "/tasks"): BodyLimit(settings.result_limit_bytes, json_bytes=STATEMENT_BYTES),
                ("PUT", "/models/{job_id}"): BodyLimit(settings.manifest_limit_bytes),
                ("PUT", "/data-owners/{party_id}"): BodyLimit(REGISTRATION_BYTES),
                ("PUT", "/datasets/{party_id}/{dataset}"): BodyLimit(CARD_BYTES),
                ("PUT", "/requests/{request_id}"): BodyLimit(settings.manifest_limit_bytes),
                ("PUT", "/requests/{request_id}/messages/{hash}"): BodyLimit(ENTRY_BYTES),
                ("PUT", "/requests/{request_id}/decisions/{hash}"): BodyLimit(ENTRY_BYTES),
            }
        ),
        readiness=readiness,
        registry=registry,
        health=partial(check_node, settings, Role.FACILITATOR, clock.now),
    )
    app.state.longest_wait_s = settings.longest_wait_s
    app.state.long_polls = long_polls()
    app.state.sightings = Sightings(clock)
    return app


def _open_store(settings: FacilitatorSettings, party: str) -> Store:
    """Return the store, upgraded. Raises DatabaseError, also where processes of another identity share it."""
    in_folder = None if settings.bodies_dir is None else BodyFiles(settings.bodies_dir)
    if in_folder is not None and not _on_server(settings):
        raise DatabaseError(
            f"FEDTRAIN_BODIES_DIR is {settings.bodies_dir}, and only a store on PostgreSQL has its large bodies "
            "elsewhere: leave it out, and they lie beside the store's file."
        )
    store = Store(settings.database, in_folder)
    owner = store.owner(party) if store.shared else party
    if owner != party:
        store.close()
        raise DatabaseError(
            f"The store {shown(settings.database)} is the Facilitator's with the id {owner[:16]}…; the identity in "
            f"{settings.state_dir} is {party[:16]}…. Processes that share a store have one identity: copy identity.key."
        )
    store.remove_unnamed_bodies()
    return store


def _held_bytes(settings: FacilitatorSettings) -> int | None:
    """Return how much of a large result is in memory as it comes: all of it where it becomes a row."""
    return None if settings.bodies_dir is None and _on_server(settings) else IN_FILES_ABOVE_BYTES


def _on_server(settings: FacilitatorSettings) -> bool:
    return read_url(settings.database).get_backend_name() != SQLITE
