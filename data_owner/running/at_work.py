"""An owner at work: what answers the Facilitator's tasks, what its routes work on, and what goes on beside both."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import asynccontextmanager
from functools import partial

import structlog
from fastapi import FastAPI

from fedtrain.client.agent.heads import HeadKeeper
from fedtrain.client.agent.requests import Requests
from fedtrain.client.agent.tasks import TaskAgent
from fedtrain.client.facilitator import FacilitatorClient
from fedtrain.client.http import joined
from fedtrain.crypto.engine import Engine
from fedtrain.data_owner.agent.effects import JobEffects, Workshop
from fedtrain.data_owner.agent.jobs.deciding import Deciding
from fedtrain.data_owner.agent.jobs.ends import Ends
from fedtrain.data_owner.agent.jobs.owner_jobs import OwnerJobs
from fedtrain.data_owner.agent.jobs.settling import Settling
from fedtrain.data_owner.agent.jobs.tasks import OwnerTasks
from fedtrain.data_owner.agent.own_answers import OwnAnswers
from fedtrain.data_owner.agent.publishing import Publishing
from fedtrain.data_owner.agent.registering import Registering, on_offer
from fedtrain.data_owner.agent.requests import AskedRequests
from fedtrain.data_owner.agent.training import ObservedTrainer
from fedtrain.data_owner.data.cluster import Cluster
from fedtrain.data_owner.data.datasets import UPLOADS
from fedtrain.data_owner.pruning import prune
from fedtrain.data_owner.queries.runner import Queries
from fedtrain.data_owner.routes.parts import OwnerParts
from fedtrain.data_owner.running.own_table import register_own_table
from fedtrain.data_owner.running.workshop import Setup, open_workshop
from fedtrain.data_owner.scoring.asking import ScoringParts
from fedtrain.data_owner.scoring.desk import ScoringDesk
from fedtrain.data_owner.scoring.given_models import GivenModels, GivenParts
from fedtrain.data_owner.scoring.kept_scores import KeptScores
from fedtrain.data_owner.scoring.model_files import ModelFiles
from fedtrain.data_owner.store.people import record_in
from fedtrain.neural.worker_process import WorkerProcess, WorkerSettings
from fedtrain.service.notify.requests import RequestWatch, ToldFile, waiting_for
from fedtrain.service.people.sign_in import People
from fedtrain.service.runtime.connection import facilitator_client
from fedtrain.service.store.full_disk import call_in
from fedtrain.service.store.pruning import prune_regularly
from fedtrain.service.timestamps.stamper import stamper_of
from fedtrain.service.vault.head_files import HeadFiles

log = structlog.get_logger("data_owner")


@asynccontextmanager
async def at_work(app: FastAPI, setup: Setup, engine: Engine, cluster: Cluster | None) -> AsyncIterator[None]:
    """Open the store and run until the context ends; `app.state` has the parts meanwhile. Raises as `open_workshop`."""
    settings, clock, notifier = setup.settings, setup.clock, setup.notifier
    worker = WorkerProcess(
        WorkerSettings(settings.training_device, settings.training_memory_mib, settings.training_threads)
    )
    trainer = ObservedTrainer(setup.trainer or worker, clock.monotonic)
    shop = await asyncio.to_thread(open_workshop, setup, engine, cluster, trainer)
    record = await asyncio.to_thread(record_in, shop.store.engine, clock.now)
    app.state.sessions.people = People(shop.store.engine, clock, record)
    party_id, store = setup.identity.party_id, shop.store
    client = facilitator_client(settings, settings.facilitator, party_id, setup.transport, clock.now)
    # Of its own: what else there is to do must not wait for networks. One trains at a time, whatever the threads.
    training = ThreadPoolExecutor(1, thread_name_prefix="training")
    registering = _registering(setup, shop, client)
    jobs = _jobs(setup, shop, registering, client, training)
    deciding, settling = Deciding(jobs), Settling(jobs, client, registering)
    agent = _task_agent(setup, shop, jobs, settling, client)
    heads = HeadFiles(settings.state_dir)
    stamper = stamper_of(settings.timestamps, settings.state_dir, party_id, clock.now)
    ends = Ends(jobs)
    keeper = HeadKeeper(
        identity=setup.identity,
        name=settings.name,
        board=client,
        kept=heads,
        ended_jobs=ends.recent,
        job=ends.job,
        now=clock.now,
        audit_head=partial(asyncio.to_thread, store.audit_head),
        signed=stamper.signed,
    )
    jobs.retry, jobs.ended = agent.retry, keeper.ended
    if notifier.on:
        jobs.notify = notifier.tell
    asks = _asks(setup, shop, jobs, client)
    asked_requests = AskedRequests(
        setup.identity, store, Requests(setup.identity, client, clock.now), deciding.request_decided
    )
    running: list[asyncio.Task[None]] = []
    try:
        await asyncio.to_thread(register_own_table, settings, store, setup.stamp())
        settings.data_folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        app.state.parts = OwnerParts(
            store=store,
            jobs=jobs,
            deciding=deciding,
            settling=settling,
            registering=registering,
            memory=shop.memory,
            data_folder=settings.data_folder,
            timestamp=setup.stamp,
            scoring=ScoringDesk(asks),
            fits=setup.fits,
            inspector=shop.inspector,
            spendings=shop.spendings,
            publishing=Publishing(
                identity=setup.identity,
                name=settings.name,
                store=store,
                facilitator=client,
                now=clock.now,
                membership=setup.membership,
            ),
            heads=heads,
            given=GivenModels(
                GivenParts(
                    asks=asks,
                    files=ModelFiles(settings.state_dir / "models"),
                    examples=shop.examples,
                    trainer=trainer,
                    training=training,
                    manifest_of=jobs.manifest,
                )
            ),
            training_of=lambda job_id: trainer.on(shop.frozen.examples_path(job_id)),
            requests=asked_requests,
            queries=Queries(
                settings.database_files,
                settings.data_folder / UPLOADS,
                settings.upload_limit_bytes,
                settings.query_timeout_s,
            ),
        )
        app.state.agent, app.state.client = agent, client
        setup.metrics.watch(engine, shop.pools, client, store, trainer)
        shop.pools.start()
        notifier.start()
        stop = app.state.stop
        running = [
            asyncio.create_task(agent.run(stop), name="data owner agent"),
            asyncio.create_task(keeper.run(stop), name="data owner heads"),
            asyncio.create_task(stamper.run(stop), name="data owner time stamps"),
            asyncio.create_task(registering.keep(stop), name="data owner registration"),
            asyncio.create_task(
                asyncio.to_thread(setup.fits.look_at_all, store, shop.inspector), name="data owner tables"
            ),
            asyncio.create_task(
                prune_regularly(
                    lambda before: prune(store, shop.frozen, before), settings.prune_after_days, clock, stop
                ),
                name="data owner pruning",
            ),
        ]
        if notifier.tells("request-waits"):
            news, told_of = waiting_for(party_id), ToldFile(settings.state_dir)
            watch = RequestWatch(settings.name, news, asked_requests.listed, told_of, notifier.tell, clock.now)
            running.append(asyncio.create_task(watch.run(stop), name="data owner requests"))
        yield
    finally:
        app.state.stop.set()
        training.shutdown(wait=False, cancel_futures=True)
        await asyncio.to_thread(worker.close)
        await asyncio.gather(*running, return_exceptions=True)
        app.state.parts = app.state.agent = app.state.client = None
        setup.metrics.unwatch()
        await client.aclose()
        await asyncio.to_thread(shop.pools.stop)
        await asyncio.to_thread(notifier.close)
        await asyncio.to_thread(store.close)


def _registering(setup: Setup, shop: Workshop, client: FacilitatorClient) -> Registering:
    return Registering(
        identity=setup.identity,
        name=setup.settings.name,
        offered=partial(call_in, setup.executor, on_offer, setup.policy, shop.store),
        facilitator=client,
        interval_s=setup.settings.registration_interval_s,
        membership=setup.membership,
        facilitator_id=setup.settings.facilitator_id,
    )


def _jobs(
    setup: Setup, shop: Workshop, registering: Registering, client: FacilitatorClient, training: Executor
) -> OwnerJobs:
    return OwnerJobs(
        identity=setup.identity,
        name=setup.settings.name,
        policy=setup.policy,
        store=shop.store,
        effects=JobEffects(shop),
        registering=registering,
        facilitator=client,
        executor=setup.executor,
        training=training,
        now=setup.clock.now,
        allow_small_keys=setup.settings.allow_small_keys,
        membership=setup.membership,
        trust=setup.trust,
    )


def _task_agent(
    setup: Setup, shop: Workshop, jobs: OwnerJobs, settling: Settling, client: FacilitatorClient
) -> TaskAgent:
    tasks = OwnerTasks(jobs, OwnAnswers(client, setup.identity.party_id))
    return TaskAgent(
        client,
        setup.metrics.agent.timed(tasks.handlers),
        plan_of=tasks.plan_of,
        receive=joined if shop.store.bodies is None else shop.store.bodies.receive_mapped,
        wait_s=setup.settings.poll_wait_s,
        on_event=setup.metrics.agent.on_event,
        on_dropped=settling.on_dropped,
        on_listed=tasks.on_listed,
        on_connect=settling.connected,
    )


def _asks(setup: Setup, shop: Workshop, jobs: OwnerJobs, client: FacilitatorClient) -> ScoringParts:
    return ScoringParts(
        identity=setup.identity,
        store=shop.store,
        facilitator=client,
        engine=shop.engine,
        executor=setup.executor,
        policy=jobs.policy_now,
        now=setup.clock.now,
        monotonic=setup.clock.monotonic,
        draw_hex=secrets.token_hex,
        timeout_s=setup.settings.score_timeout_s,
        allow_small_keys=setup.settings.allow_small_keys,
        kept=KeptScores(setup.settings.state_dir / "scores"),
    )
