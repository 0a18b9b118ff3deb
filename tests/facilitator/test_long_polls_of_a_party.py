"""Long polls are counted by party: one that holds as many as it may is answered at once, and others wait on."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from fedtrain.facilitator.routes.access import MOST_POLLS_OF_A_PARTY
from fedtrain.protocol.messages.tasks import CBOR_TYPE, TaskKind
from fedtrain.spec.problems import Code, Problem
from tests.harness.facilitator.fake_parties import Facilitator, Party
from tests.harness.facilitator.scenes import counting, refusal, with_facilitator

Poll = Callable[[], Awaitable[object]]


async def held(facilitator: Facilitator, poll: Poll, count: int) -> list[asyncio.Task[object]]:
    """So many polls, all of them at the service and waiting."""
    polls = facilitator.app.state.long_polls
    before = polls.total
    tasks = [asyncio.ensure_future(poll()) for _ in range(count)]
    while polls.total < before + count:
        assert not any(task.done() for task in tasks)
        await asyncio.sleep(0.01)
    return tasks


async def ended(tasks: list[asyncio.Task[object]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def assert_full(problem: Problem) -> None:
    assert problem.code is Code.RATE_LIMITED
    assert f"{MOST_POLLS_OF_A_PARTY} long polls of this caller are open" in problem.detail
    assert problem.extra["retry_after_s"] == 5


@pytest.mark.parametrize("of", ["tasks", "result", "requests"])
def test_a_party_has_so_many_long_polls_and_one_more_is_answered_at_once(tmp_path: Path, of: str) -> None:
    async def play(facilitator: Facilitator) -> None:
        scene = await counting(facilitator)
        owner, other = scene.owners[0], scene.owners[1]
        nonce, to = "ab" * 32, scene.model_owner.party_id
        sent = await owner.client.send_task(TaskKind.SCORING, to, scene.job_id, nonce, b"\xa0")

        def poll(party: Party = owner) -> Awaitable[object]:
            if of == "tasks":
                return party.client.tasks(wait_s=60, after=1_000_000)
            if of == "requests":
                return party.client.requests_edition("0.0", 60)
            return party.client.sent_result(sent.id, 1 << 16, wait_s=60)

        waiting = await held(facilitator, poll, MOST_POLLS_OF_A_PARTY)
        assert_full(await refusal(poll()))
        assert_full(await refusal(owner.client.tasks(wait_s=0.01, after=1_000_000)))
        # Asking without waiting is no poll, and another party's are its own.
        await owner.client.tasks(wait_s=0, after=0)
        others = await held(facilitator, lambda: other.client.tasks(wait_s=60, after=1_000_000), 1)
        # What they waited for answers them, and makes room.
        if of == "result":
            header, _ = await scene.model_owner.task(TaskKind.SCORING)
            await scene.model_owner.client.put_result(header.id, b"\xa0", CBOR_TYPE)
            assert set(await asyncio.gather(*waiting)) == {b"\xa0"}
        else:
            await ended(waiting)
        while facilitator.app.state.long_polls.total > len(others):
            await asyncio.sleep(0.01)
        await ended([*await held(facilitator, lambda: owner.client.tasks(wait_s=60, after=1_000_000), 1), *others])

    with_facilitator(tmp_path, play)
