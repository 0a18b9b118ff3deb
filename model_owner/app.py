"""The Model Owner as a web application."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Mapping
from concurrent.futures import Executor
from contextlib import asynccontextmanager
from functools import cache, partial

import httpx
from fastapi import FastAPI
from prometheus_client import CollectorRegistry

from fedtrain.client.agent.catalogue import Catalogue
from fedtrain.client.agent.heads import HeadKeeper
from fedtrain.client.agent.requests import Requests
from fedtrain.client.agent.tasks import TaskAgent
from fedtrain.client.facilitator import FacilitatorClient
from fedtrain.client.http import joined
from fedtrain.crypto import Engine
from fedtrain.model_owner.giving import Giving
from fedtrain.model_owner.jobs.datasets import Datasets
from fedtrain.model_owner.jobs.effects import JobEffects
from fedtrain.model_owner.jobs.preparation import Preparation
from fedtrain.model_owner.jobs.requests import OwnRequests, Requester
from fedtrain.model_owner.jobs.resources import JobContexts, Resources
from fedtrain.model_owner.jobs.tasks import JobTasks
from fedtrain.model_owner.metrics import Metrics
from fedtrain.model_owner.results.predictions import Predictions
from fedtrain.model_owner.results.round_metrics import RoundMetrics
from fedtrain.model_owner.results.views import FacilitatorViews
from fedtrain.model_owner.routes import ROUTERS
from fedtrain.model_owner.routes.access import Desk
from fedtrain.model_owner.scoring.desk import ScoringDesk, ScoringParts
from fedtrain.model_owner.scoring.ledger import ScoringLedger
from fedtrain.model_owner.scoring.told import BitsTold
from fedtrain.model_owner.service import ModelService
from fedtrain.model_owner.settings import ModelOwnerSettings
from fedtrain.model_owner.store import ModelStore
from fedtrain.model_owner.sums.keys import KeyRing
from fedtrain.neural import Trainer
from fedtrain.neural.worker_process import WorkerProcess
from fedtrain.protocol.clock import Clock
from fedtrain.protocol.documents.identity import Identity
from fedtrain.protocol.documents.signed import SignedDocument
from fedtrain.protocol.messages.items import MOST_ITEMS
from fedtrain.protocol.messages.task_sizes import STATEMENT_BYTES
from fedtrain.protocol.messages.tasks import TaskKind
from fedtrain.protocol.states import Role
from fedtrain.service.health.facilitator import check_reached
from fedtrain.service.health.node import check_node
from fedtrain.service.limits.body_limits import BodyLimit, BodyLimits
from fedtrain.service.notify.notifier import notifier_of
from fedtrain.service.notify.requests import RequestWatch, ToldFile, decisions
from fedtrain.service.people.sign_in import People
from fedtrain.service.runtime.connection import facilitator_client, gate_of, key_files_of, organisation_of
from fedtrain.service.runtime.doorbell import Doorbell
from fedtrain.service.runtime.engines import engine_of
from fedtrain.service.runtime.machine_speed import unit_costs
from fedtrain.service.store.database import state_of
from fedtrain.service.store.pruning import prune_regularly
from fedtrain.service.timestamps.stamper import stamper_of
from fedtrain.service.vault.backup import restored_at
from fedtrain.service.vault.head_files import HeadFiles
from fedtrain.service.vault.identity_file import load_or_create_identity
from fedtrain.service.vault.key_files import KeyFiles
from fedtrain.service.vault.trust_file import read_membership, watched_trust
from fedtrain.service.web.app import create_service
from fedtrain.spec.model_spec import MOST_SPEC_ITEMS

_DESCRIPTION = """Trains models on records that it never sees: it alone can decrypt the federation's sums.

Post a model spec, watch the rounds, and score your own test set or rows of your own."""


def create_app(
    settings: ModelOwnerSettings,
    *,
    clock: Clock,
    executor: Executor,
    transport: httpx.AsyncBaseTransport | None = None,
    engine: Engine | None = None,
    trainer: Trainer | None = None,
) -> FastAPI:
    """Return the application. `executor` runs what takes long, over `engine`: without one, workers of its own.

    `transport` replaces the network to the Facilitator, and `trainer` the worker process that evaluates the rounds of
    networks, which starts when it is needed. The store is opened when the lifespan starts. Raises
    SecretFileError where the identity is not usable.
    """
    key_files = key_files_of(settings)
    identity = load_or_create_identity(settings.state_dir, key_files)
    membership = read_membership(settings.state_dir, identity.party_id, Role.MODEL_OWNER)
    registry = CollectorRegistry()
    metrics = Metrics(registry)
    parts = _Parts(settings, clock, executor, transport, identity, membership, key_files, metrics, trainer)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with engine_of(settings.workers, engine, settings.engine) as arithmetic, parts.running(app, arithmetic):
            yield

    def readiness() -> Mapping[str, str]:
        agent = parts.agent
        desk: Desk | None = getattr(app.state, "desk", None)
        return {
            "store": "not open yet" if desk is None else state_of(desk.store.check),
            "facilitator": "ok" if agent is not None and agent.connected else f"{settings.facilitator} is not reached",
        }

    app = create_service(
        title="federated-trainer: Model Owner",
        description=_DESCRIPTION,
        role=Role.MODEL_OWNER,
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
        health=partial(
            check_node, settings, Role.MODEL_OWNER, clock.now, lambda: check_reached(parts.agent, parts.client)
        ),
    )
    return app


def _body_limits(settings: ModelOwnerSettings) -> BodyLimits:
    most = settings.body_limit_bytes
    return BodyLimits(
        by_route={
            ("POST", "/models"): BodyLimit(most, MOST_SPEC_ITEMS),
            ("POST", "/requests"): BodyLimit(most, MOST_SPEC_ITEMS),
            ("POST", "/datasets"): BodyLimit(settings.upload_limit_bytes, json_bytes=STATEMENT_BYTES, held_bytes=0),
            ("POST", "/prediction"): BodyLimit(most, MOST_ITEMS),
            ("POST", "/models/{model_id}/scoring"): BodyLimit(most, 25_000),
        }
    )


class _Parts:
    """Parts of a running Model Owner, put together within the event loop."""

    def __init__(
        self,
        settings: ModelOwnerSettings,
        clock: Clock,
        executor: Executor,
        transport: httpx.AsyncBaseTransport | None,
        identity: Identity,
        membership: SignedDocument | None,
        key_files: KeyFiles,
        metrics: Metrics,
        trainer: Trainer | None,
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._executor = metrics.service.executor(executor)
        self._transport = transport
        self._identity = identity
        self._membership = membership
        self._key_files = key_files
        self._metrics = metrics
        self._trainer = trainer
        self.agent: TaskAgent | None = None
        self.client: FacilitatorClient | None = None

    @asynccontextmanager
    async def running(self, app: FastAPI, engine: Engine) -> AsyncIterator[None]:
        """Open the store, take up what was under way, and work tasks off until the application stops."""
        settings = self._settings
        trust = watched_trust(settings.state_dir)
        trust.value()  # a list that cannot be used is known before the first job
        store = await asyncio.to_thread(ModelStore, settings.database, settings.state_dir)
        await asyncio.to_thread(store.remove_unnamed_bodies)
        app.state.sessions.people = People(store.engine, self._clock)
        client = self.client = facilitator_client(
            settings, settings.facilitator, self._identity.party_id, self._transport, self._clock.now
        )
        keys = self._key_ring("keys", engine)
        doorbell = Doorbell()
        worker = WorkerProcess()
        round_metrics = RoundMetrics(store, settings.state_dir / "tests", self._trainer or worker)
        await asyncio.to_thread(round_metrics.forget_unfinished)
        resources = Resources(
            store=store,
            identity=self._identity,
            name=settings.name,
            clock=self._clock,
            executor=self._executor,
            engine=engine,
            keys=keys,
            client=client,
            doorbell=doorbell,
            metrics=self._metrics,
            allow_small_keys=settings.allow_small_keys,
            unit_costs=cache(
                partial(unit_costs, settings.state_dir, monotonic=self._clock.monotonic, choice=settings.engine)
            ),
            data_folder=settings.data_folder,
            round_metrics=round_metrics,
            membership=self._membership,
            trust=trust.value,
        )
        contexts = JobContexts(resources)
        effects = JobEffects(resources, contexts)
        service = ModelService(resources, contexts, effects)
        tasks = JobTasks(resources, contexts, service)
        predictions = Predictions(store, self._clock, self._executor)
        scoring = self._scoring(store, predictions, engine)
        agent = self.agent = TaskAgent(
            client,
            self._metrics.agent.timed(
                {
                    TaskKind.STEP: tasks.on_step,
                    TaskKind.END: tasks.on_end,
                    TaskKind.SCORING: scoring.on_scoring,
                    TaskKind.SCORE: scoring.on_score,
                    TaskKind.MODEL: Giving(self._identity, store, self._executor).on_model,
                }
            ),
            plan_of=service.plan_of,
            receive=joined if store.bodies is None else store.bodies.receive_mapped,
            wait_s=settings.poll_wait_s,
            on_event=self._metrics.agent.on_event,
            on_problem=tasks.on_problem,
        )
        preparation = Preparation(
            service, tasks, store, keys, client, facilitator_id=settings.facilitator_id, posted=agent.retry
        )
        stamper = stamper_of(settings.timestamps, settings.state_dir, self._identity.party_id, self._clock.now)
        keeper = HeadKeeper(
            identity=self._identity,
            name=settings.name,
            board=client,
            kept=HeadFiles(settings.state_dir),
            ended_jobs=service.ends,
            job=service.end,
            now=self._clock.now,
            signed=stamper.signed,
        )
        service.ended = keeper.ended
        notifier = notifier_of(settings.notify, settings.state_dir)
        if notifier.on:
            service.notify = notifier.tell
        datasets = Datasets(store, settings.data_folder, self._clock)
        views = FacilitatorViews(client, self._clock, settings.progress_cache_s)
        running: list[asyncio.Task[None]] = []
        try:
            if settings.test_data is not None:
                await asyncio.to_thread(datasets.register_file, settings.test_data.absolute())
            catalogue = Catalogue(client, self._clock.now)
            requests = OwnRequests(
                Requester(self._identity, settings.name, self._membership, settings.allow_small_keys),
                Requests(self._identity, client, self._clock.now),
                catalogue,
                store,
            )
            app.state.desk = Desk(
                service, preparation, predictions, datasets, store, views, doorbell, scoring, catalogue, requests
            )
            await preparation.resume()
            self._metrics.watch(engine, store.engine, keys.filler)
            keys.filler.start()
            notifier.start()
            self._metrics.service.jobs.watch(store.phase_counts)
            running = [
                asyncio.create_task(agent.run(app.state.stop), name="model owner agent"),
                asyncio.create_task(keeper.run(app.state.stop), name="model owner heads"),
                asyncio.create_task(stamper.run(app.state.stop), name="model owner time stamps"),
                asyncio.create_task(
                    prune_regularly(store.prune, settings.prune_after_days, self._clock, app.state.stop),
                    name="model owner pruning",
                ),
            ]
            if notifier.tells("request-decided"):
                told, listed = ToldFile(settings.state_dir), requests.requests.listed
                watch = RequestWatch(settings.name, decisions(), listed, told, notifier.tell, self._clock.now)
                running.append(asyncio.create_task(watch.run(app.state.stop), name="model owner requests"))
            yield
        finally:
            app.state.stop.set()
            app.state.desk = None
            try:
                await asyncio.gather(*running)
                await preparation.close()
            finally:
                # Once nobody waits for it: a round that was being evaluated is evaluated at the next start.
                await asyncio.to_thread(worker.close)
            await views.close()
            await client.aclose()
            self._metrics.unwatch()
            await asyncio.to_thread(keys.filler.stop)
            await asyncio.to_thread(notifier.close)
            await asyncio.to_thread(store.close)

    def _key_ring(self, folder: str, engine: Engine) -> KeyRing:
        settings = self._settings
        return KeyRing(settings.state_dir / folder, self._key_files, engine, allow_small=settings.allow_small_keys)

    def _scoring(self, store: ModelStore, predictions: Predictions, engine: Engine) -> ScoringDesk:
        return ScoringDesk(
            ScoringParts(
                identity=self._identity,
                store=store,
                ledger=ScoringLedger(store.engine, BitsTold(self._settings.state_dir)),
                keys=self._key_ring("scoring-keys", engine),
                engine=engine,
                executor=self._executor,
                clock=self._clock,
                restored_at=restored_at(self._settings.state_dir),
                calibration=predictions.calibration,
                draw_hex=secrets.token_hex,
            )
        )
