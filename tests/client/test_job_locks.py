"""Locks by job: shared while they are used, gone afterwards."""

from __future__ import annotations

import asyncio
import gc

import pytest

from fedtrain.client.agent.job_locks import JobLocks

pytestmark = pytest.mark.anyio


async def test_one_message_of_a_job_at_a_time_and_jobs_side_by_side() -> None:
    locks, seen = JobLocks(), []

    async def message(job_id: str, number: int) -> None:
        async with locks.of(job_id):
            seen.append((job_id, number, "in"))
            await asyncio.sleep(0)
            gc.collect()  # a lock that somebody waits for stays
            await asyncio.sleep(0)
            seen.append((job_id, number, "out"))

    await asyncio.gather(*(message(job_id, number) for number in range(3) for job_id in ("a", "b")))
    for job_id in ("a", "b"):
        mine = [(number, what) for job, number, what in seen if job == job_id]
        assert mine == [(number, what) for number in range(3) for what in ("in", "out")]
    assert seen[:2] == [("a", 0, "in"), ("b", 0, "in")]


async def test_nothing_is_left_of_jobs_that_nobody_is_busy_with() -> None:
    locks = JobLocks()
    async with locks.of("a"):
        for number in range(1000):
            async with locks.of(f"job {number}"):
                assert len(locks) <= 3
        assert locks.of("a").locked()
    gc.collect()
    assert len(locks) == 0
