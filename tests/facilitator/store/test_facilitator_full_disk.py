"""The Facilitator's disk is full for a while: it stays up, says so by name, loses nothing, and goes on afterwards."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from fedtrain.protocol.messages.rounds import to_cbor
from fedtrain.protocol.messages.tasks import CBOR_TYPE, TaskKind
from fedtrain.spec.problems import Code
from tests.harness.facilitator.fake_parties import Facilitator, decrypted
from tests.harness.facilitator.scenes import counting, refusal, with_facilitator
from tests.harness.sqlite_disk import SqliteDisk


def disk_of(facilitator: Facilitator) -> SqliteDisk:
    return SqliteDisk(facilitator.app.state.runner._own.store.engine)


def test_results_are_refused_by_name_and_taken_when_there_is_room_again(tmp_path: Path) -> None:
    async def play(facilitator: Facilitator) -> None:
        scene = await counting(facilitator)
        disk = disk_of(facilitator)
        given = []
        for owner in scene.owners:
            header, request = await owner.task(TaskKind.COMPUTE)
            given.append((owner, header.id, to_cbor(owner.answer(request, scene.budget, [[10, 1]]))))
        before = await scene.owners[0].client.model(scene.job_id)
        disk.fill()
        for owner, task_id, body in given:
            problem = await refusal(owner.client.put_result(task_id, body, CBOR_TYPE))
            assert problem.code is Code.STORE_UNAVAILABLE and "full" in problem.detail
        async with facilitator.client as http:
            assert (await http.get("/healthz")).status_code == 200
            refused = await http.put(f"/tasks/{given[0][1]}/result", content=given[0][2], headers=_headers(given[0][0]))
            assert (refused.status_code, refused.json()["type"]) == (503, "/problems/store-unavailable")
        await facilitator.tick()
        assert await scene.owners[0].client.model(scene.job_id) == before
        disk.make_room()
        for owner, task_id, body in given:
            await owner.client.put_result(task_id, body, CBOR_TYPE)
        _, step = await scene.model_owner.step()
        assert step.sum is not None and decrypted(step.sum) == [[30, 3]]

    with_facilitator(tmp_path, play)


def test_a_sum_that_finds_no_room_is_done_again(tmp_path: Path) -> None:
    async def play(facilitator: Facilitator) -> None:
        scene = await counting(facilitator)
        disk = disk_of(facilitator)
        apply = facilitator.app.state.runner._apply_unless_over

        async def full_when_the_sum_is_there(*arguments: Any) -> Any:
            if not tried:
                disk.fill()
            tried.append(True)
            return await apply(*arguments)

        tried: list[bool] = []
        facilitator.app.state.runner._apply_unless_over = full_when_the_sum_is_there
        for owner in scene.owners:
            await owner.compute(scene.budget, [[10, 1]])
        while not tried:
            await asyncio.sleep(0.01)
        while facilitator.app.state.runner._sums:
            await asyncio.sleep(0.01)
        assert (await scene.owners[0].client.model(scene.job_id))["phase"] == "ADDING"
        disk.make_room()
        await facilitator.tick(10)
        _, step = await scene.model_owner.step()
        assert step.sum is not None and decrypted(step.sum) == [[30, 3]]
        assert len(tried) == 2

    with_facilitator(tmp_path, play)


def _headers(owner: Any) -> dict[str, str]:
    return {"Content-Type": CBOR_TYPE, "Fedtrain-Party": owner.party_id}


@pytest.mark.parametrize("wait_s", [0, 20])
def test_polls_are_answered_while_the_disk_is_full(tmp_path: Path, wait_s: float) -> None:
    async def play(facilitator: Facilitator) -> None:
        scene = await counting(facilitator)
        disk_of(facilitator).fill()
        listed = (await scene.owners[0].client.tasks(wait_s=wait_s, after=0)).tasks
        assert [header.kind for header in listed] == [TaskKind.COMPUTE]

    with_facilitator(tmp_path, play)
