"""Keeping an owner registered at the Facilitator: who it is, and which datasets it offers."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import Protocol

import structlog

from fedtrain.client.retry import backoff_s
from fedtrain.data_owner.policy.rules import OwnerPolicy
from fedtrain.data_owner.store.sql import OwnerStore
from fedtrain.protocol.documents.identity import Identity
from fedtrain.protocol.documents.signed import Registration, SignedDocument, sign_document
from fedtrain.spec.problems import Code, Problem

log = structlog.get_logger("data_owner.agent")


class Registry(Protocol):
    """The part that is asked of `fedtrain.client.facilitator.FacilitatorClient`."""

    async def identity(self) -> dict[str, object]: ...
    async def register(self, signed: SignedDocument) -> None: ...


class Registering:
    """Registers one owner, and again whenever that is due. Used in one event loop."""

    def __init__(
        self,
        *,
        identity: Identity,
        name: str,
        offered: Callable[[], Awaitable[tuple[str, ...]]],
        facilitator: Registry,
        interval_s: float,
        membership: SignedDocument | None,
        facilitator_id: str | None,
    ) -> None:
        """`offered`: names of the datasets on offer now. `facilitator_id`: whom the Facilitator must be; None for
        anyone."""
        self._identity = identity
        self._name = name
        self._offered = offered
        self._facilitator = facilitator
        self._interval_s = interval_s
        self._membership = membership
        self._pinned = facilitator_id
        self._datasets_changed = asyncio.Event()
        self._registered = asyncio.Event()
        #: The Facilitator where this owner was registered last; empty before that.
        self.facilitator_id = ""

    def datasets_changed(self) -> None:
        """Register again, as soon as may be."""
        self._datasets_changed.set()

    async def keep(self, stop: asyncio.Event) -> None:
        """Register again when datasets change, and now and then: a Facilitator may lose its store.

        The first registration, and the one after every interruption, is the task agent's `on_connect`.
        """
        failures = 0
        await _first_of(None, stop, self._registered)
        while not stop.is_set():
            wait_s = backoff_s(failures, random.random()) if failures else self._interval_s  # noqa: S311
            await _first_of(wait_s, stop, self._datasets_changed)
            if stop.is_set():
                return
            failures += 1
            try:
                await self.register()
                failures = 0
            except Problem as problem:
                log.warning("registration failed", code=problem.code.slug, detail=problem.detail)
            except Exception:  # whatever broke it, what changes from now on has to be registered
                log.exception("registration broke")

    async def register(self) -> None:
        """Tell the Facilitator who this owner is and what it offers. Raises Problem where that fails."""
        # Before the datasets are read: a change after that registers once more.
        self._datasets_changed.clear()
        who = await self._facilitator.identity()
        if self._pinned not in (None, who["party_id"]):
            raise Problem(
                Code.FORBIDDEN,
                f"The Facilitator is {str(who['party_id'])[:16]}…, pinned is {str(self._pinned)[:16]}….",
            )
        names = await self._offered()
        document = Registration(
            party=self._identity.party_id, name=self._name, datasets=names, membership=self._membership
        )
        await self._facilitator.register(sign_document(document, self._identity))
        if self.facilitator_id != who["party_id"]:
            log.info("registered", facilitator=who["party_id"], datasets=list(names))
        self.facilitator_id = str(who["party_id"])
        self._registered.set()


async def _first_of(timeout_s: float | None, *events: asyncio.Event) -> None:
    """Return when one of the events is set, or after `timeout_s` where there is one."""
    waits = [asyncio.ensure_future(event.wait()) for event in events]
    try:
        await asyncio.wait(waits, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()


def on_offer(policy: OwnerPolicy, store: OwnerStore) -> tuple[str, ...]:
    """Return the names of the datasets that the policy lets others train on. Blocks."""
    allowed = {offer.name for offer in policy.datasets} if policy.datasets is not None else None
    return tuple(dataset.name for dataset in store.datasets() if allowed is None or dataset.name in allowed)
