"""Jobs brought to a certain point, for tests that begin there."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from fedtrain.methods.regression.budget import Budget
from fedtrain.methods.regression.kinds import RoundKind
from fedtrain.planning.plans import plan_spec
from fedtrain.protocol.documents.signed import SignedDocument
from fedtrain.protocol.messages.rounds import Step, StepResult
from fedtrain.protocol.messages.tasks import TaskHeader
from fedtrain.spec.problems import Problem
from tests.harness.facilitator.fake_parties import Facilitator, FakeClock, FakeModelOwner, FakeOwner, running
from tests.harness.facilitator.machine_bench import small_spec


@dataclass
class Scene:
    """A job of three owners that waits for the counts of each."""

    facilitator: Facilitator
    owners: list[FakeOwner]
    model_owner: FakeModelOwner
    manifest: SignedDocument
    budget: Budget
    job_id: str
    first_step: tuple[TaskHeader, Step]


async def joined(facilitator: Facilitator, **training: object) -> Scene:
    owners = [facilitator.owner(name) for name in ("clinic-a", "clinic-b", "clinic-c")]
    for owner in owners:
        await owner.register()
    model_owner, spec = facilitator.model_owner(), small_spec(**training)
    manifest = model_owner.manifest(spec)
    job_id = await model_owner.deploy(manifest)
    for owner in owners:
        await owner.accept()
    step = await model_owner.step()
    return Scene(facilitator, owners, model_owner, manifest, plan_spec(spec), job_id, step)


async def counting(facilitator: Facilitator, **training: object) -> Scene:
    scene = await joined(facilitator, **training)
    header, _step = scene.first_step
    await scene.model_owner.give(header, counts_request(scene))
    return scene


def counts_request(scene: Scene, **changes: object) -> StepResult:
    step = scene.first_step[1]
    assert step.roster is not None
    return scene.model_owner.request(step, scene.manifest, step.roster.hash, 0, RoundKind.COUNTS, **changes)


async def refusal(call: Awaitable[object]) -> Problem:
    with pytest.raises(Problem) as caught:
        await call
    return caught.value


def with_facilitator(
    tmp_path: Path, play: Callable[[Facilitator], Awaitable[None]], clock: FakeClock | None = None, **settings: object
) -> None:
    async def run() -> None:
        async with running(tmp_path, clock, **settings) as facilitator:
            await play(facilitator)

    asyncio.run(run())
