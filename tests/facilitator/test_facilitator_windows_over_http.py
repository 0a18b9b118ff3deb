"""Windows of encrypted updates through the routes, and the log of a whole job verified without a key."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from fedtrain.crypto import LocalEngine
from fedtrain.methods.regression.kinds import RoundKind
from fedtrain.planning.plans import plan_spec
from fedtrain.protocol.documents.signed import SignedDocument
from fedtrain.protocol.evidence.verification import Job, LogItem, verify_log
from fedtrain.protocol.messages.rounds import Step, from_cbor
from fedtrain.protocol.messages.tasks import TaskKind
from fedtrain.spec.problems import Problem
from tests.harness.facilitator.fake_parties import FakeModelOwner, running
from tests.harness.facilitator.machine_bench import small_spec
from tests.harness.facilitator.roomy import ROOMY

NAMES = ("clinic-a", "clinic-b", "clinic-c")


async def read_log(reader: FakeModelOwner, job_id: str) -> list[LogItem]:
    """The whole log with its evidence, as `fedtrain verify` fetches it."""
    items = []
    for line in await reader.client.log(job_id):
        entry = await reader.client.log_entry(job_id, int(str(line["index"])), ROOMY)
        if line["kind"] is None:
            items.append(LogItem(entry))
            continue
        answers: Any = line["answers"]
        items.append(
            LogItem(
                entry,
                await reader.client.blob(job_id, str(line["signed_request_hash"]), ROOMY),
                tuple([await reader.client.blob(job_id, answer["answer_hash"], ROOMY) for answer in answers]),
                await reader.client.blob(job_id, str(line["product_hash"]), ROOMY),
            )
        )
    return items


@pytest.mark.slow
@pytest.mark.parametrize("optimizer", ["gradient_descent", "momentum"])
def test_the_facilitator_runs_a_window_by_itself_and_its_log_verifies(tmp_path: Path, optimizer: str) -> None:
    async def play() -> None:
        async with running(tmp_path) as facilitator:
            owners = [facilitator.owner(name) for name in NAMES]
            for owner in owners:
                await owner.register()
            model_owner = facilitator.model_owner()
            # Three rounds in windows of two: the last window is cut short by the end of training.
            spec = small_spec(optimizer=optimizer, reencrypt_every=2, rounds=3)
            manifest, budget = model_owner.manifest(spec), plan_spec(spec)
            job_id = await model_owner.deploy(manifest)
            for owner in owners:
                await owner.accept()
            header, step = await model_owner.step()
            assert step.roster is not None
            roster: SignedDocument = step.roster
            job = Job.open(manifest, roster, str((await model_owner.client.identity())["party_id"]))

            await model_owner.give(header, model_owner.request(step, manifest, roster.hash, 0, RoundKind.COUNTS))
            for owner in owners:
                await owner.compute(budget, [[140, 9]])
            header, step = await model_owner.step()

            for number, updates in ((1, 2), (3, 1)):
                request = model_owner.request(
                    step, manifest, roster.hash, number, RoundKind.GRADIENT, twice=optimizer == "momentum"
                )
                await model_owner.give(header, request)
                for update in range(updates):
                    for owner in owners:
                        await owner.compute(budget, [[update + 1], [2], [-3]])
                header, step = await model_owner.step()
                _check_end_of_window(step, optimizer)
                verifier = verify_log(job, await read_log(model_owner, job_id), LocalEngine())
                assert step.weights is not None
                previous = None if step.previous_weights is None else step.previous_weights.ciphertexts
                assert verifier.weights_after_window == (step.weights.ciphertexts, previous)
            assert (await model_owner.client.model(job_id))["round"] == 3
            await _check_that_tampering_shows(job, await read_log(model_owner, job_id))

    asyncio.run(play())


def _check_end_of_window(step: Step, optimizer: str) -> None:
    assert step.sum is None and step.weights is not None
    assert (step.previous_weights is not None) == (optimizer == "momentum")


async def _check_that_tampering_shows(job: Job, items: list[LogItem]) -> None:
    swapped = [*items[:2], items[3], items[2], *items[4:]]
    without_an_answer = [
        *items[:-1],
        LogItem(items[-1].entry, items[-1].signed_request, items[-1].answers[1:], items[-1].product),
    ]
    for wrong in (swapped, without_an_answer):
        with pytest.raises(Problem):
            verify_log(job, wrong, LocalEngine())


def test_a_window_goes_on_after_a_restart_in_its_middle(tmp_path: Path) -> None:
    async def play() -> None:
        spec = small_spec(optimizer="gradient_descent", reencrypt_every=2)
        budget = plan_spec(spec)
        async with running(tmp_path) as facilitator:
            owners = [facilitator.owner(name) for name in NAMES]
            for owner in owners:
                await owner.register()
            model_owner = facilitator.model_owner()
            manifest = model_owner.manifest(spec)
            await model_owner.deploy(manifest)
            for owner in owners:
                await owner.accept()
            header, step = await model_owner.step()
            assert step.roster is not None
            roster_hash = step.roster.hash
            await model_owner.give(header, model_owner.request(step, manifest, roster_hash, 0, RoundKind.COUNTS))
            for owner in owners:
                await owner.compute(budget, [[140, 9]])
            header, step = await model_owner.step()
            await model_owner.give(header, model_owner.request(step, manifest, roster_hash, 1, RoundKind.GRADIENT))
            for owner in owners:
                await owner.compute(budget, [[1], [2], [-3]])
            await owners[0].task(TaskKind.COMPUTE)
        async with running(tmp_path) as facilitator:
            for party in (model_owner, *owners):
                party.reconnect(facilitator.app)
            for owner in owners:
                await owner.compute(budget, [[1], [2], [-3]])
            _, request = await model_owner.task(TaskKind.STEP)
            assert from_cbor(request, Step).weights is not None

    asyncio.run(play())
