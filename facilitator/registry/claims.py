"""Work that one of several processes does, on the store that they share: claimed for a while, and anew while it lasts.

A process that dies leaves its claim, and another takes the work over when the claim has run out. What is claimed may be
done twice all the same, by a process that stalled and woke: it must be such that the second time changes nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from uuid import uuid4

import structlog

from fedtrain.facilitator.store import Claim, Store
from fedtrain.protocol.clock import Clock
from fedtrain.spec.problems import Problem

log = structlog.get_logger("facilitator")

#: A claim is renewed so many times before it would run out.
_RENEWALS = 3


class Claims:
    """The claims of one process, each for `lease_s` seconds at a time."""

    def __init__(self, store: Store, clock: Clock, lease_s: float) -> None:
        self._store = store
        self._clock = clock
        self._lease_s = lease_s
        self._holder = uuid4().hex

    @asynccontextmanager
    async def hold(self, name: str) -> AsyncIterator[bool]:
        """Say whether the work of that name is this process's now; if so, until the block is left.

        On a store that no other process shares it always is. Raises Problem(STORE_UNAVAILABLE).
        """
        if not self._store.shared:
            yield True
            return
        if not await asyncio.to_thread(self._take, name):
            yield False
            return
        done = asyncio.Event()
        renewing = asyncio.create_task(self._renew(name, done), name=f"claim of {name}")
        try:
            yield True
        finally:
            done.set()  # and not cancelled: a renewal that is under way must not come after the release
            await renewing
            await asyncio.to_thread(self._release, name)

    async def _renew(self, name: str, done: asyncio.Event) -> None:
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(done.wait(), self._lease_s / _RENEWALS)
            if done.is_set():
                return
            try:
                await asyncio.to_thread(self._take, name)
            except Problem as problem:
                log.warning("claim not renewed", claim=name, code=problem.code.slug, why=problem.detail)

    def _take(self, name: str) -> bool:
        with self._store.read() as tx:  # most often another process is at it, and nobody need wait for that
            if not self._is_free(tx.claim(name)):
                return False
        with self._store.write() as tx:
            if not self._is_free(tx.claim(name)):
                return False
            tx.put_claim(name, Claim(self._holder, self._clock.now() + timedelta(seconds=self._lease_s)))
        return True

    def _is_free(self, claim: Claim | None) -> bool:
        if claim is None or claim.holder == self._holder:
            return True
        # One that would last for longer than any is given was made under a clock that has been set back since.
        left_s = (claim.until - self._clock.now()).total_seconds()
        return left_s <= 0 or left_s > 2 * self._lease_s

    def _release(self, name: str) -> None:
        try:
            with self._store.write() as tx:
                claim = tx.claim(name)
                if claim is not None and claim.holder == self._holder:
                    tx.delete_claim(name)
        except Problem as problem:
            log.warning("claim runs out by itself", claim=name, code=problem.code.slug, why=problem.detail)
