"""The Data Owner as a web application, with the agent that works its tasks off."""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import asynccontextmanager
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import httpx
import structlog
from fastapi import FastAPI
from prometheus_client import CollectorRegistry

from fedtrain.client.agent.heads import HeadKeeper
from fedtrain.client.agent.requests import Requests
from fedtrain.client.agent.tasks import TaskAgent
from fedtrain.client.facilitator import FacilitatorClient
from fedtrain.client.http import joined
from fedtrain.crypto.engine import Engine
from fedtrain.crypto.engine.dask import over_cluster
from fedtrain.data_owner.agent.effects import JobEffects, Workshop
from fedtrain.data_owner.agent.past import Memory
from fedtrain.data_owner.agent.publishing import Publishing
from fedtrain.data_owner.agent.requests import AskedRequests
from fedtrain.data_owner.agent.service import OwnerService
from fedtrain.data_owner.agent.spending import Spendings
from fedtrain.data_owner.agent.training import ObservedTrainer
from fedtrain.data_owner.data.cluster import SCHEME, Cluster, is_open
from fedtrain.data_owner.data.datasets import pair_as_table, register
from fedtrain.data_owner.data.frozen.examples_freezer import ExamplesFreezer
from fedtrain.data_owner.data.frozen.folder import FrozenFolder
from fedtrain.data_owner.data.frozen.moments_freezer import MomentsFreezer
from fedtrain.data_owner.data.partitions import ClusterReducer
from fedtrain.data_owner.data.reduction import reduce_here
from fedtrain.data_owner.data.table_fits import TableFits
from fedtrain.data_owner.metrics import Metrics
from fedtrain.data_owner.policy.inspector import Inspector
from fedtrain.data_owner.policy.rules import OwnerPolicy
from fedtrain.data_owner.pruning import prune
from fedtrain.data_owner.release.marks import AnswerMarks
from fedtrain.data_owner.release.mask_keys import MaskKeys, SealingKeys
from fedtrain.data_owner.release.noised_release import NoiseKey
from fedtrain.data_owner.release.pools import Pools
from fedtrain.data_owner.release.told_files import RowFiles, ToldSums
from fedtrain.data_owner.routes import audit, budget, consents, given_models, models, requests, scores, sign_offs
from fedtrain.data_owner.routes.datasets import cards, contents, registered
from fedtrain.data_owner.routes.parts import OwnerParts
from fedtrain.data_owner.scoring.asking import ScoringParts
from fedtrain.data_owner.scoring.desk import ScoringDesk
from fedtrain.data_owner.scoring.given_models import GivenModels, GivenParts
from fedtrain.data_owner.scoring.kept_scores import KeptScores
from fedtrain.data_owner.scoring.model_files import ModelFiles
from fedtrain.data_owner.settings import DataOwnerSettings
from fedtrain.data_owner.store.sql import OwnerStore
from fedtrain.neural import Trainer
from fedtrain.neural.worker_process import WorkerProcess, WorkerSettings
from fedtrain.protocol.clock import Clock, timestamp
from fedtrain.protocol.documents.card import CARD_BYTES
from fedtrain.protocol.documents.signed import SignedDocument, parse_json
from fedtrain.protocol.documents.trust import Trust
from fedtrain.protocol.loopback import is_loopback
from fedtrain.protocol.messages.items import MOST_ITEMS
from fedtrain.protocol.states import Role
from fedtrain.service.health.facilitator import check_reached
from fedtrain.service.health.finding import Finding, ok
from fedtrain.service.health.node import check_node
from fedtrain.service.limits.body_limits import BodyLimit, BodyLimits
from fedtrain.service.notify.notifier import notifier_of
from fedtrain.service.notify.requests import RequestWatch, ToldFile, waiting_for
from fedtrain.service.people.sign_in import People
from fedtrain.service.runtime.connection import facilitator_client, gate_of, key_files_of, organisation_of
from fedtrain.service.runtime.engines import engine_of
from fedtrain.service.runtime.extras import how_to_install
from fedtrain.service.store.database import state_of
from fedtrain.service.store.pruning import prune_regularly
from fedtrain.service.timestamps.stamper import stamper_of
from fedtrain.service.vault.backup import restored_at
from fedtrain.service.vault.head_files import HeadFiles
from fedtrain.service.vault.identity_file import load_or_create_identity
from fedtrain.service.vault.trust_file import read_membership, watched_trust
from fedtrain.service.web.app import create_service
from fedtrain.spec.model_spec import DEFAULT_DATASET, MOST_SPEC_ITEMS, DataProps
from fedtrain.spec.problems import Code, Problem
from fedtrain.tabular.mapping.file import read_mapping

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
    random_bytes: Callable[[int], bytes] = secrets.token_bytes,
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
    membership = read_membership(settings.state_dir, identity.party_id, Role.DATA_OWNER)
    notifier = notifier_of(settings.notify, settings.state_dir)
    registry = CollectorRegistry()
    fits = TableFits()
    metrics = Metrics(registry)
    metered = metrics.service.executor(executor)

    def stamp() -> str:
        return timestamp(clock)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with (
            engine_of(settings.workers, engine, settings.engine) as near,
            cluster_of(settings, clock) as cluster,
            running_over(app, near if cluster is None else over_cluster(near, cluster), cluster),
        ):
            yield

    @asynccontextmanager
    async def running_over(app: FastAPI, arithmetic: Engine, cluster: Cluster | None) -> AsyncIterator[None]:
        store = await asyncio.to_thread(OwnerStore, settings.database)
        await asyncio.to_thread(store.remove_unnamed_bodies)
        app.state.sessions.people = People(store.engine, clock)
        pools = Pools(arithmetic)
        worker = WorkerProcess(
            WorkerSettings(settings.training_device, settings.training_memory_mib, settings.training_threads)
        )
        observed = ObservedTrainer(trainer or worker, clock.monotonic)
        client = facilitator_client(settings, settings.facilitator, identity.party_id, transport, clock.now)
        rows = RowFiles(settings.state_dir, keys, random_bytes)
        told = ToldSums(settings.state_dir)
        memory = Memory(told, rows, store, clock.now, restored_at(settings.state_dir))
        spendings = Spendings(store, told, rows.get, clock.now)
        await asyncio.to_thread(memory.take_over)
        frozen = FrozenFolder(settings.state_dir / "moments", random_bytes)
        reduce = reduce_here if cluster is None else ClusterReducer(cluster)
        examples = ExamplesFreezer(frozen, rows)
        await asyncio.to_thread(examples.forget_unfinished)
        workshop = Workshop(
            identity=identity,
            store=store,
            frozen=frozen,
            moments=MomentsFreezer(frozen, store, stamp, rows, reduce=reduce),
            examples=examples,
            inspector=Inspector(frozen.path, owner_policy, frozen.split, rows.key),
            mask_keys=MaskKeys(settings.state_dir / "keys", keys),
            sealing_keys=SealingKeys(settings.state_dir / "keys", keys),
            noise_key=NoiseKey(settings.state_dir, keys, random_bytes),
            marks=AnswerMarks(settings.state_dir / "keys"),
            memory=memory,
            spendings=spendings,
            pools=pools,
            engine=arithmetic,
            now=clock.now,
            trainer=observed,
            cannot_train=how_to_install("torch") if trainer is None and find_spec("torch") is None else None,
        )
        # Of its own: what else there is to do must not wait for networks. One trains at a time, whatever the threads.
        training = ThreadPoolExecutor(1, thread_name_prefix="training")
        service = _service(settings, membership, owner_policy, trust.value, workshop, client, metered, training)
        agent = TaskAgent(
            client,
            metrics.agent.timed(service.handlers),
            plan_of=service.plan_of,
            receive=joined if store.bodies is None else store.bodies.receive_mapped,
            wait_s=settings.poll_wait_s,
            on_event=metrics.agent.on_event,
            on_dropped=service.on_dropped,
            on_listed=service.on_listed,
            on_connect=service.connected,
        )
        service.retry = agent.retry
        heads = HeadFiles(settings.state_dir)
        stamper = stamper_of(settings.timestamps, settings.state_dir, identity.party_id, clock.now)
        keeper = HeadKeeper(
            identity=identity,
            name=settings.name,
            board=client,
            kept=heads,
            ended_jobs=service.ends,
            job=service.end,
            now=clock.now,
            audit_head=partial(asyncio.to_thread, store.audit_head),
            signed=stamper.signed,
        )
        service.ended = keeper.ended
        if notifier.on:
            service.notify = notifier.tell
        asks = _asks(settings, workshop, client, metered, service, clock)
        asked_requests = AskedRequests(identity, store, Requests(identity, client, clock.now), service.request_decided)
        running: list[asyncio.Task[None]] = []
        try:
            await asyncio.to_thread(_register_own_table, settings, store, stamp())
            settings.data_folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            app.state.parts = OwnerParts(
                store,
                service,
                memory,
                settings.data_folder,
                stamp,
                ScoringDesk(asks),
                fits,
                workshop.inspector,
                spendings,
                Publishing(
                    identity=identity,
                    name=settings.name,
                    store=store,
                    facilitator=client,
                    now=clock.now,
                    membership=membership,
                ),
                heads,
                GivenModels(
                    GivenParts(
                        asks=asks,
                        files=ModelFiles(settings.state_dir / "models"),
                        examples=examples,
                        trainer=observed,
                        training=training,
                        manifest_of=service.manifest,
                    )
                ),
                lambda job_id: observed.on(frozen.examples_path(job_id)),
                asked_requests,
            )
            app.state.agent, app.state.client = agent, client
            metrics.watch(arithmetic, pools, client, store, observed)
            pools.start()
            notifier.start()
            running = [
                asyncio.create_task(agent.run(app.state.stop), name="data owner agent"),
                asyncio.create_task(keeper.run(app.state.stop), name="data owner heads"),
                asyncio.create_task(stamper.run(app.state.stop), name="data owner time stamps"),
                asyncio.create_task(service.registering.keep(app.state.stop), name="data owner registration"),
                asyncio.create_task(
                    asyncio.to_thread(fits.look_at_all, store, workshop.inspector), name="data owner tables"
                ),
                asyncio.create_task(
                    prune_regularly(
                        lambda before: prune(store, frozen, before),
                        settings.prune_after_days,
                        clock,
                        app.state.stop,
                    ),
                    name="data owner pruning",
                ),
            ]
            if notifier.tells("request-waits"):
                news, told_of = waiting_for(identity.party_id), ToldFile(settings.state_dir)
                watch = RequestWatch(settings.name, news, asked_requests.listed, told_of, notifier.tell, clock.now)
                running.append(asyncio.create_task(watch.run(app.state.stop), name="data owner requests"))
            if policy is None:
                log.info("policy", file=settings.policy_told())
            if owner_policy.knowing(trust.value()).any_model_owner:
                log.warning("open policy: any Model Owner is accepted", loopback=is_loopback(settings.host))
            yield
        finally:
            app.state.stop.set()
            training.shutdown(wait=False, cancel_futures=True)
            await asyncio.to_thread(worker.close)
            await asyncio.gather(*running, return_exceptions=True)
            app.state.parts = app.state.agent = app.state.client = None
            metrics.unwatch()
            await client.aclose()
            await asyncio.to_thread(pools.stop)
            await asyncio.to_thread(notifier.close)
            await asyncio.to_thread(store.close)

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
        routers=(
            registered.router,
            cards.router,
            contents.router,
            models.router,
            requests.router,
            sign_offs.router,
            consents.router,
            audit.router,
            budget.router,
            scores.router,
            given_models.router,
        ),
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


def _service(
    settings: DataOwnerSettings,
    membership: SignedDocument | None,
    policy: OwnerPolicy,
    trust: Callable[[], Trust],
    workshop: Workshop,
    client: FacilitatorClient,
    executor: Executor,
    training: Executor,
) -> OwnerService:
    return OwnerService(
        identity=workshop.identity,
        name=settings.name,
        policy=policy,
        store=workshop.store,
        effects=JobEffects(workshop),
        facilitator=client,
        executor=executor,
        training=training,
        now=workshop.now,
        allow_small_keys=settings.allow_small_keys,
        registration_interval_s=settings.registration_interval_s,
        membership=membership,
        facilitator_id=settings.facilitator_id,
        trust=trust,
    )


def _asks(
    settings: DataOwnerSettings,
    workshop: Workshop,
    client: FacilitatorClient,
    executor: Executor,
    service: OwnerService,
    clock: Clock,
) -> ScoringParts:
    return ScoringParts(
        identity=workshop.identity,
        store=workshop.store,
        facilitator=client,
        engine=workshop.engine,
        executor=executor,
        policy=service.policy_now,
        now=workshop.now,
        monotonic=clock.monotonic,
        draw_hex=secrets.token_hex,
        timeout_s=settings.score_timeout_s,
        allow_small_keys=settings.allow_small_keys,
        kept=KeptScores(settings.state_dir / "scores"),
    )


def _body_limits(settings: DataOwnerSettings) -> BodyLimits:
    most = settings.body_limit_bytes
    uploads = BodyLimit(settings.upload_limit_bytes, MOST_SPEC_ITEMS, json_bytes=most, held_bytes=0)
    sized = BodyLimit(most, MOST_ITEMS)
    return BodyLimits(
        by_route={
            ("POST", "/datasets"): uploads,
            ("POST", "/datasets/{name}/check"): BodyLimit(most, MOST_SPEC_ITEMS),
            ("POST", "/score"): sized,
            ("POST", "/models/{job_id}/prediction"): sized,
            ("PUT", "/datasets/{name}/card"): BodyLimit(CARD_BYTES),
            ("POST", "/consents"): sized,
        }
    )


def _register_own_table(settings: DataOwnerSettings, store: OwnerStore, registered_at: str) -> None:
    """Register what the settings name as dataset "default". Raises Problem for a table or schema that is unusable."""
    if settings.data is None:
        return
    mapping = None if settings.mapping is None else read_mapping(settings.mapping)
    data = settings.data
    if settings.target is not None:
        data = pair_as_table(data, settings.target, settings.data_folder)
    register(store, DEFAULT_DATASET, data, read_schema(settings.schema_file), registered_at, mapping)


def read_schema(path: Path | None) -> DataProps | None:
    """The consortium's schema.json. Raises Problem(INVALID_REQUEST) for one that cannot be used."""
    if path is None:
        return None
    try:
        content = path.read_bytes()
        return parse_json(content, DataProps)
    except OSError as error:
        raise Problem(Code.INVALID_REQUEST, f"The schema {path} cannot be read: {error.strerror}.") from None
    except Problem as problem:
        why = "it is a model spec: take its data_props." if _is_spec(content) else problem.detail
        raise Problem(Code.INVALID_REQUEST, f"The schema {path} cannot be used: {why}") from None


def _is_spec(content: bytes) -> bool:
    """Say whether JSON that is no schema has one inside, as a model spec has."""
    try:
        document = json.loads(content)
    except ValueError:
        return False
    return isinstance(document, dict) and "data_props" in document


def _readiness(app: FastAPI, settings: DataOwnerSettings) -> Mapping[str, str]:
    parts = getattr(app.state, "parts", None)
    if not isinstance(parts, OwnerParts):
        return {"store": "not open yet"}
    reached = "ok" if app.state.agent.connected else f"{settings.facilitator} is not reached yet"
    return {"store": state_of(parts.store.check), "facilitator": reached}
