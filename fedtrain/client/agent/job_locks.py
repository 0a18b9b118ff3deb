"""One message of a job at a time."""

from __future__ import annotations

import asyncio
from weakref import WeakValueDictionary


class JobLocks:
    """A lock a job, there for as long as somebody holds it or waits for it: jobs come and go for months."""

    def __init__(self) -> None:
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    def of(self, job_id: str) -> asyncio.Lock:
        """Return the job's lock: the same one to all who use it at one time."""
        lock = self._locks.get(job_id)
        if lock is None:
            lock = self._locks[job_id] = asyncio.Lock()
        return lock

    def __len__(self) -> int:
        return len(self._locks)
