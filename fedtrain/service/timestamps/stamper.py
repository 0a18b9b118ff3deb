"""Having an authority date what this party signs at ends of jobs. No job and no signature waits for it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from importlib.util import find_spec
from pathlib import Path

import structlog

from fedtrain.client.agent.heads import FIRST_PAUSE_S, LONGEST_PAUSE_S, WAITED_FOR, until_stopped
from fedtrain.service.runtime.extras import how_to_install
from fedtrain.service.timestamps.authority import Authority
from fedtrain.service.timestamps.settings import TimestampSettings
from fedtrain.service.timestamps.stamp import StampError, read_roots
from fedtrain.service.timestamps.stamp_files import StampFiles
from fedtrain.service.vault.head_files import HeadFiles
from fedtrain.spec.setup_error import SetupError

log = structlog.get_logger("timestamps")


class Stamper:
    """Has the latest statement of this party stamped, of each job. Create it within the event loop that runs it.

    An authority that fails is asked again ever more rarely, at most hourly, for 30 days.
    """

    def __init__(
        self,
        authority: Authority | None,
        heads: HeadFiles,
        stamps: StampFiles,
        party_id: str,
        now: Callable[[], datetime],
    ) -> None:
        """Without an `authority` nothing is stamped."""
        self._authority = authority
        self._heads = heads
        self._stamps = stamps
        self._party_id = party_id
        self._now = now
        self._waiting: dict[str, datetime] = {}
        self._told = asyncio.Event()

    def signed(self, job_id: str) -> None:
        """Take note that this party has signed the end of a job; on the event loop."""
        if self._authority is not None:
            self._waiting[job_id] = self._now()
            self._told.set()

    async def run(self, stop: asyncio.Event) -> None:
        """Have statements stamped until the service stops, at first those of before. What fails is logged."""
        if self._authority is None:
            return
        try:
            for job_id in await asyncio.to_thread(self._heads.changed_since, self._now() - WAITED_FOR):
                self._waiting.setdefault(job_id, self._now())
        except Exception:  # the service goes on without the jobs of before
            log.exception("ended jobs not read")
        pause_s = 0.0
        while not stop.is_set():
            self._told.clear()
            failed = await until_stopped(stop, self._stamp_waiting(self._authority))
            pause_s = min(LONGEST_PAUSE_S, max(FIRST_PAUSE_S, 2 * pause_s)) if failed else 0.0
            await until_stopped(stop, self._next(pause_s if failed else None))

    async def _next(self, pause_s: float | None) -> None:
        """Return when something was signed, or the pause is over; None for one without an end."""
        with suppress(TimeoutError):
            async with asyncio.timeout(pause_s):
                await self._told.wait()

    async def _stamp_waiting(self, authority: Authority) -> bool:
        """Have all stamped that wait; return whether the authority failed, which then is asked for nothing more."""
        for job_id, since in list(self._waiting.items()):
            del self._waiting[job_id]
            try:
                await self._stamp(authority, job_id)
            except StampError as error:
                log.warning("heads not stamped yet", job=job_id, why=str(error))
                if self._now() - since < WAITED_FOR:
                    self._waiting.setdefault(job_id, since)  # behind the others
                return True
            except Exception:  # whatever broke it, others are stamped all the same
                log.exception("heads not stamped", job=job_id)
        return False

    async def _stamp(self, authority: Authority, job_id: str) -> None:
        kept = await asyncio.to_thread(self._heads.of, job_id)
        own = [one for one in kept if one.signer == self._party_id]
        if not own or await asyncio.to_thread(self._stamps.has, job_id, own[-1]):
            return
        stamp = await authority.stamp(own[-1])
        await asyncio.to_thread(self._stamps.keep, job_id, stamp)
        log.info("heads stamped", job=job_id)


def stamper_of(
    settings: TimestampSettings | None, state_dir: Path, party_id: str, now: Callable[[], datetime]
) -> Stamper:
    """Return what has ends of jobs stamped as the settings say; without settings it does nothing.

    Raises SetupError where its package is missing or the roots cannot be read, ProxyError.
    """
    authority = None
    if settings is not None:
        if find_spec("rfc3161_client") is None:
            raise SetupError(f"To have ends of jobs stamped by {settings.url}: {how_to_install('rfc3161_client')}.")
        authority = Authority(settings.url, read_roots(state_dir / settings.roots))
    return Stamper(authority, HeadFiles(state_dir), StampFiles(state_dir), party_id, now)
