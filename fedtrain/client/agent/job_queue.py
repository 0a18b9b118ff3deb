"""The open tasks of one job, worked off one at a time, by ascending sequence."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from enum import Enum

from fedtrain.protocol.messages.tasks import TaskHeader


class Outcome(Enum):
    """End of a task."""

    DONE = "done"  # answered, or over
    KEPT = "kept"  # not yet: waits for `retry`
    FAILED = "failed"  # waits for `retry` or the next whole list


class JobQueue:
    """One job's tasks and the asyncio task that works them off.

    `polls` returns the number of the latest poll. A task that is done stays out as long as a poll that began before it
    was done may still list it, and no longer: what a later poll lists is open again, as after a restored backup.
    """

    def __init__(self, work: Callable[[TaskHeader], Awaitable[Outcome]], polls: Callable[[], int]) -> None:
        self._work = work
        self._polls = polls
        self._open: dict[str, TaskHeader] = {}
        self._waiting: dict[str, Outcome] = {}
        self._done_at: dict[str, int] = {}
        self._retries = 0
        self._wake = asyncio.Event()
        self._worker = asyncio.create_task(self._run())

    @property
    def idle(self) -> bool:
        """True where nothing is open and nothing that is done needs to be remembered."""
        return not self._open and not self._done_at

    def offer(self, listed: list[TaskHeader], poll: int, whole: bool) -> None:
        """Take in what poll number `poll` listed of this job; `whole` when it listed everything that is open."""
        for header in listed:
            if self._done_at.get(header.id, -1) < poll:
                self._open.setdefault(header.id, header)
        self._done_at.clear()  # polls follow one another, so every later one begins after all of these were done
        if whole:
            still_open = {header.id for header in listed}
            for task, outcome in list(self._waiting.items()):
                if task not in still_open:
                    del self._open[task], self._waiting[task]
                elif outcome is Outcome.FAILED:
                    del self._waiting[task]
        self._wake.set()

    def retry(self) -> None:
        """Take up again what was kept or had failed."""
        self._retries += 1
        self._waiting.clear()
        self._wake.set()

    def close(self) -> asyncio.Task[None]:
        """Cancel the worker and return it, to be awaited."""
        self._worker.cancel()
        return self._worker

    async def _run(self) -> None:
        while True:
            ready = [header for task, header in self._open.items() if task not in self._waiting]
            if not ready:
                self._wake.clear()
                await self._wake.wait()
                continue
            header = min(ready, key=lambda one: one.sequence)
            retries = self._retries
            outcome = await self._work(header)
            if outcome is Outcome.DONE:
                del self._open[header.id]
                self._done_at[header.id] = self._polls()
            elif retries == self._retries:  # else what it waits for came while it was at work
                self._waiting[header.id] = outcome
