"""A Facilitator that is stopped at any point goes on from there, with the same numbers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor, Future
from pathlib import Path
from typing import Any

from fedtrain.facilitator.methods.adding import add_answers
from fedtrain.methods.regression.kinds import RoundKind
from fedtrain.planning.plans import plan_spec
from fedtrain.protocol.messages.tasks import TaskKind
from tests.harness.facilitator.fake_parties import FakeClock, FakeModelOwner, FakeOwner, decrypted, running
from tests.harness.facilitator.machine_bench import small_spec

NAMES = ("clinic-a", "clinic-b", "clinic-c")


class NeverAdds(Executor):
    """Does everything at once, but a sum never."""

    def __init__(self) -> None:
        self.asked_to_add = 0

    def submit(self, work: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        if add_answers in args[:1]:
            self.asked_to_add += 1
            return future
        try:
            future.set_result(work(*args, **kwargs))
        except Exception as error:  # noqa: BLE001 - as an executor does: whatever was raised goes to who waits
            future.set_exception(error)
        return future


class BreaksOnce(NeverAdds):
    """The first sum ends with a broken worker, the second one succeeds."""

    def submit(self, work: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        if add_answers not in args[:1]:
            return super().submit(work, *args, **kwargs)
        self.asked_to_add += 1
        future: Future[Any] = Future()
        if self.asked_to_add == 1:
            future.set_exception(OSError("a worker is gone"))
        else:
            future.set_result(work(*args, **kwargs))
        return future


def test_a_job_goes_on_after_a_restart_at_every_step(tmp_path: Path) -> None:
    async def job() -> None:
        clock, spec = FakeClock(), small_spec()
        budget = plan_spec(spec)
        async with running(tmp_path, clock) as facilitator:
            owners = [facilitator.owner(name) for name in NAMES]
            model_owner = facilitator.model_owner()
            own_id = (await model_owner.client.identity())["party_id"]
            for owner in owners:
                await owner.register()
            manifest = model_owner.manifest(spec)
            job_id = await model_owner.deploy(manifest)
            await owners[0].accept()
        async with running(tmp_path, clock) as facilitator:
            _reconnect(facilitator.app, model_owner, *owners)
            assert (await model_owner.client.identity())["party_id"] == own_id
            for owner in owners[1:]:
                await owner.accept()
        async with running(tmp_path, clock) as facilitator:
            _reconnect(facilitator.app, model_owner, *owners)
            header, step = await model_owner.step()
            assert step.roster is not None
            request = model_owner.request(step, manifest, step.roster.hash, 0, RoundKind.COUNTS)
            await model_owner.give(header, request)
            await owners[2].compute(budget, [[100, 1]])
        async with running(tmp_path, clock) as facilitator:
            _reconnect(facilitator.app, model_owner, *owners)
            await model_owner.give(header, request)
            for owner in owners[:2]:
                await owner.compute(budget, [[1, 10]])
            _, step = await model_owner.step()
            assert step.sum is not None and decrypted(step.sum) == [[102, 21]]
            assert (await model_owner.client.model(job_id))["round"] == 0

    asyncio.run(job())


def test_a_sum_that_was_not_done_is_computed_after_the_restart(tmp_path: Path) -> None:
    async def job() -> None:
        clock, spec = FakeClock(), small_spec()
        budget, never = plan_spec(spec), NeverAdds()
        async with running(tmp_path, clock, never) as facilitator:
            owners = [facilitator.owner(name) for name in NAMES]
            model_owner = facilitator.model_owner()
            job_id = await _ask_for_counts(model_owner, owners)
            for owner in owners:
                await owner.compute(budget, [[7, 8]])
            while never.asked_to_add == 0:
                await facilitator.tick()
            await facilitator.tick(100)
            assert never.asked_to_add == 1
            assert (await model_owner.client.model(job_id))["phase"] == "ADDING"
        async with running(tmp_path, clock) as facilitator:
            _reconnect(facilitator.app, model_owner)
            _, step = await model_owner.step()
            assert step.sum is not None and decrypted(step.sum) == [[21, 24]]

    asyncio.run(job())


def test_a_sum_that_failed_for_lack_of_means_is_tried_again_later(tmp_path: Path) -> None:
    async def job() -> None:
        budget, breaks = plan_spec(small_spec()), BreaksOnce()
        async with running(tmp_path, executor=breaks) as facilitator:
            owners = [facilitator.owner(name) for name in NAMES]
            model_owner = facilitator.model_owner()
            job_id = await _ask_for_counts(model_owner, owners)
            for owner in owners:
                await owner.compute(budget, [[7, 8]])
            while breaks.asked_to_add == 0:
                await facilitator.tick()
            await facilitator.tick(1)
            assert breaks.asked_to_add == 1
            assert (await model_owner.client.model(job_id))["phase"] == "ADDING"
            await facilitator.tick(10)
            _, step = await model_owner.step()
            assert step.sum is not None and breaks.asked_to_add == 2

    asyncio.run(job())


def test_a_deadline_that_passed_while_it_was_stopped_counts_at_once(tmp_path: Path) -> None:
    async def job() -> None:
        clock, spec = FakeClock(), small_spec(join_timeout_s=60.0, min_data_owners=2)
        async with running(tmp_path, clock) as facilitator:
            owners = [facilitator.owner(name) for name in NAMES]
            model_owner = facilitator.model_owner()
            for owner in owners:
                await owner.register()
            job_id = await model_owner.deploy(model_owner.manifest(spec))
            for owner in owners[:2]:
                await owner.accept()
            clock.pass_time(59)
            await facilitator.tick()
            assert (await model_owner.client.model(job_id))["phase"] == "JOINING"
        clock.pass_time(3600)
        async with running(tmp_path, clock) as facilitator:
            _reconnect(facilitator.app, model_owner)
            _, step = await model_owner.step()
            assert step.roster is not None
            view = await model_owner.client.model(job_id)
            assert [owner["name"] for owner in view["owners"]] == sorted(  # type: ignore[attr-defined]
                ["clinic-a", "clinic-b"], key=lambda name: {o.name: o.party_id for o in owners}[name]
            )

    asyncio.run(job())


async def _ask_for_counts(model_owner: FakeModelOwner, owners: list[FakeOwner]) -> str:
    for owner in owners:
        await owner.register()
    manifest = model_owner.manifest(small_spec())
    job_id = await model_owner.deploy(manifest)
    for owner in owners:
        await owner.accept()
    header, step = await model_owner.step()
    assert header.kind is TaskKind.STEP and step.roster is not None
    await model_owner.give(header, model_owner.request(step, manifest, step.roster.hash, 0, RoundKind.COUNTS))
    return job_id


def _reconnect(app: Any, *parties: FakeModelOwner | FakeOwner) -> None:
    for party in parties:
        party.reconnect(app)
