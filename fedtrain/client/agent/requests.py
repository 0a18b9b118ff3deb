"""Requests for data as a party has them from the Facilitator, each verified; and the words that it adds to them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, Protocol

from fedtrain.client.agent.catalogue import Refused
from fedtrain.client.agent.followed_requests import FollowedRequests
from fedtrain.protocol.documents.identity import Identity
from fedtrain.protocol.documents.request import KeptRequest, OpenRequest, RequestList, RequestMessage, open_kept
from fedtrain.protocol.documents.signed import SignedDocument, sign_document
from fedtrain.spec.problems import Code, Problem


class Carrier(Protocol):
    """The part that is asked of `fedtrain.client.facilitator.FacilitatorClient`."""

    async def post_request(self, signed: SignedDocument) -> None: ...
    async def say(self, request: str, kind: Literal["message", "decision"], signed: SignedDocument) -> None: ...
    async def requests(self, before: int | None = None) -> RequestList: ...
    async def one_request(self, request: str) -> KeptRequest: ...
    async def requests_edition(self, known: str, wait_s: float) -> str: ...


@dataclass(frozen=True)
class Listed:
    """A page of requests, those that are not believed, and where the next page begins."""

    requests: tuple[OpenRequest, ...]
    refused: tuple[Refused, ...]
    next: int | None


class Requests:
    """The requests that one party made, or is asked by."""

    def __init__(self, identity: Identity, carrier: Carrier, now: Callable[[], datetime]) -> None:
        self.party_id = identity.party_id
        self.carrier = carrier
        self.now = now
        self.news = FollowedRequests(carrier.requests_edition)
        self._identity = identity

    async def listed(self, before: int | None = None) -> Listed:
        """Return a page of requests, the newest first. Raises Problem as the Facilitator."""
        page = await self.carrier.requests(before)
        shown, refused = [], []
        for kept in page.requests:
            try:
                shown.append(self._mine(await asyncio.to_thread(open_kept, kept)))
            except Problem as problem:
                refused.append(Refused(kept.request.signer, problem.detail))
        return Listed(tuple(shown), tuple(refused), page.next)

    async def one(self, request: str) -> OpenRequest:
        """Return a request. Raises Problem: REQUEST_NOT_FOUND, as `open_kept`, and as the Facilitator."""
        kept = await self.carrier.one_request(request)
        opened = self._mine(await asyncio.to_thread(open_kept, kept))
        if opened.id != request:
            raise Problem(Code.BAD_SIGNATURE, f"The Facilitator gave {opened.id[:16]}… as request {request[:16]}….")
        return opened

    async def say(self, request: str, text: str) -> OpenRequest:
        """Add a signed message to a request, and return that with it. Raises Problem as `one`."""
        opened = await self.one(request)
        at = self.moment(opened)
        message = RequestMessage(request=request, party=self.party_id, at=at, text=text)
        await self.carrier.say(request, "message", sign_document(message, self._identity))
        return await self.one(request)

    def moment(self, opened: OpenRequest) -> datetime:
        """Return now, or a moment after this party's last words under a request where its clock is not that far."""
        own = [one.at for one in opened.messages if one.party == self.party_id]
        own += [one.at for one in opened.decisions if one.party == self.party_id]
        return max([self.now(), *(at + timedelta(milliseconds=1) for at in own)])

    def _mine(self, opened: OpenRequest) -> OpenRequest:
        """Raises Problem(REQUEST_NOT_FOUND) for a request between others."""
        if self.party_id not in (opened.document.model_owner, *opened.document.parties):
            raise Problem(Code.REQUEST_NOT_FOUND, f"Request {opened.id[:16]}… neither is this party's nor asks it.")
        return opened
