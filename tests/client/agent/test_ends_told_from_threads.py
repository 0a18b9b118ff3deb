"""Ends of jobs that a thread tells the keeper of heads, as a driver does after each step."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from datetime import UTC, datetime
from typing import Any, cast

from fedtrain.client.agent.heads import Board, EndedJob, HeadKeeper, Kept
from fedtrain.protocol.documents.identity import Identity

JOB_ID = "ab" * 16


class Asked:
    """Jobs as a keeper asks for them: none had ended before, and of none is there anything to sign."""

    def __init__(self) -> None:
        self.job_ids: list[str] = []
        self.one = asyncio.Event()

    async def ended_jobs(self) -> Sequence[EndedJob]:
        return ()

    async def job(self, job_id: str) -> EndedJob | None:
        self.job_ids.append(job_id)
        self.one.set()
        return None

    def keeper(self) -> HeadKeeper:
        return HeadKeeper(
            identity=Identity.generate(),
            name="clinic-a",
            board=cast("Board", None),
            kept=cast("Kept", None),
            ended_jobs=self.ended_jobs,
            job=self.job,
            now=lambda: datetime(2026, 1, 12, tzinfo=UTC),
        )


def in_debug_mode(play: Coroutine[Any, Any, HeadKeeper]) -> HeadKeeper:
    """Run with a loop that raises where a thread touches what is the loop's alone."""
    return asyncio.run(play, debug=True)


async def told_by_a_thread() -> HeadKeeper:
    asked, stop = Asked(), asyncio.Event()
    keeper = asked.keeper()
    running = asyncio.create_task(keeper.run(stop))
    await asyncio.sleep(0.01)  # it waits by now
    await asyncio.to_thread(keeper.ended, JOB_ID)
    async with asyncio.timeout(60):
        await asked.one.wait()
    stop.set()
    await running
    assert asked.job_ids == [JOB_ID]
    return keeper


def test_an_end_that_a_thread_tells_of_wakes_the_keeper() -> None:
    in_debug_mode(told_by_a_thread())


def test_an_end_that_is_told_after_the_stop_breaks_nobody() -> None:
    keeper = in_debug_mode(told_by_a_thread())
    keeper.ended(JOB_ID)  # of a thread that was at work still: the next start finds the job
