"""Requests that ask this owner: shown, talked about, and decided by its people. What they decide is kept, then told."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Literal

import structlog

from fedtrain.client.agent.requests import Listed, Requests
from fedtrain.data_owner.approval import Decided, Person
from fedtrain.data_owner.job_state import JobState
from fedtrain.data_owner.release.decisions import decided_on_request
from fedtrain.data_owner.store.sql import OwnerStore
from fedtrain.protocol.documents.identity import Identity
from fedtrain.protocol.documents.request import (
    Conditions,
    OpenRequest,
    RequestDecision,
    open_entry,
    open_request,
)
from fedtrain.protocol.documents.signed import Manifest, sign_document
from fedtrain.protocol.states import Phase
from fedtrain.spec.problems import Code, Problem

log = structlog.get_logger("data_owner.agent")

#: A job that ended so, and told nothing before: what let it in may let another one in.
_UNUSED = frozenset({Phase.DECLINED, Phase.FAILED, Phase.CANCELLED})


class AskedRequests:
    """Requests at one owner. Used in one event loop."""

    def __init__(
        self, identity: Identity, store: OwnerStore, requests: Requests, decided: Callable[[str], Awaitable[None]]
    ) -> None:
        """`decided` is told each request that people of this owner decided about."""
        self._identity = identity
        self._store = store
        self.requests = requests
        self._decided = decided
        #: The order in which decisions are kept is that of their moments.
        self._deciding = asyncio.Lock()

    async def listed(self, before: int | None = None) -> Listed:
        """Return a page of the requests that ask this owner. Raises Problem as the Facilitator."""
        page = await self.requests.listed(before)
        return Listed(tuple([await self._with_own(one) for one in page.requests]), page.refused, page.next)

    async def one(self, request: str) -> OpenRequest:
        """Return a request, whose latest decision of this owner is the one that is kept here.

        Raises Problem: REQUEST_NOT_FOUND, and as the Facilitator.
        """
        return await self._with_own(await self.requests.one(request))

    async def say(self, request: str, text: str) -> OpenRequest:
        """Ask, or answer, in the name of this owner. Raises Problem as `one`."""
        return await self._with_own(await self.requests.say(request, text))

    async def approve(self, request: str, conditions: Conditions, who: Person) -> OpenRequest:
        """Approve a request by conditions. Raises Problem: INVALID_REQUEST for a date that has passed; as `one`."""
        now = self.requests.now()
        if conditions.until is not None and conditions.until <= now:
            why = f"conditions.until: {conditions.until:%Y-%m-%d %H:%M %Z} has passed: give a later date, or none."
            raise Problem(Code.INVALID_REQUEST, why)
        return await self._decide(request, "approved", who, conditions=conditions)

    async def decline(self, request: str, reason: str | None, who: Person) -> OpenRequest:
        """Decline a request, or take an approval back; a job that has joined goes on. Raises Problem as `one`."""
        return await self._decide(request, "declined", who, reason=reason)

    async def _decide(
        self,
        request: str,
        what: Literal["approved", "declined"],
        who: Person,
        *,
        conditions: Conditions | None = None,
        reason: str | None = None,
    ) -> OpenRequest:
        async with self._deciding:
            opened = await self._as_kept(request) or await self.one(request)
            if self._identity.party_id not in opened.document.parties:
                raise Problem(Code.REQUEST_NOT_FOUND, f"Request {request[:16]}… does not ask this owner.")
            decision = RequestDecision(
                request=request,
                party=self._identity.party_id,
                at=self.requests.moment(opened),
                decision=what,
                conditions=conditions or Conditions(),
                reason=reason,
            )
            signed = sign_document(decision, self._identity)
            entry = decided_on_request(opened, decision, who)
            await asyncio.to_thread(self._store.put_request, opened.signed, signed, entry)
        log.info("request decided", request=request, decision=what)
        await self._decided(request)
        try:
            return await self.one(request)
        except Problem as problem:  # it holds here, whatever the Facilitator has of it
            log.warning("decision not told yet", request=request, code=problem.code.slug)
            return replace(opened, decisions=(*opened.decisions, decision))

    async def _as_kept(self, request: str) -> OpenRequest | None:
        """Return a request as it was when this owner decided about it, which no Facilitator can withhold."""
        kept = await asyncio.to_thread(self._store.request, request)
        if kept is None:
            return None
        document = open_request(kept.signed)
        own = open_entry(kept.decision, RequestDecision, request, document)
        return OpenRequest(kept.signed, document, decisions=(own,))

    async def _with_own(self, opened: OpenRequest) -> OpenRequest:
        """Return the request with this owner's latest decision, which is told once more where it did not arrive."""
        kept = await asyncio.to_thread(self._store.request, opened.id)
        if kept is None:
            return opened
        own = open_entry(kept.decision, RequestDecision, opened.id, opened.document)
        if own in opened.decisions:
            return opened
        try:
            await self.requests.carrier.say(opened.id, "decision", kept.decision)
        except Problem as problem:
            log.warning("decision not told yet", request=opened.id, code=problem.code.slug)
        return replace(opened, decisions=(*opened.decisions, own))


def decided(store: OwnerStore, manifest: Manifest) -> Decided | None:
    """Return what was decided here about the request that a job names; None where nothing was. Blocks."""
    kept = None if manifest.request is None else store.request(manifest.request)
    if kept is None or manifest.request is None:
        return None
    document = open_request(kept.signed)
    decision = open_entry(kept.decision, RequestDecision, manifest.request, document)
    used = (job.job_id for job in store.jobs() if _uses(job, manifest))
    return Decided(document, decision, next(used, None))


def _uses(job: JobState, manifest: Manifest) -> bool:
    same = job.request == manifest.request and job.job_id != manifest.job_id
    return same and job.join_answer is not None and (job.last is not None or job.phase not in _UNUSED)
