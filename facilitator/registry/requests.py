"""Requests for data: carried from Model Owners to the owners they ask, with all that is said about them."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable
from typing import Literal

import structlog

from fedtrain.facilitator.runner import Resources
from fedtrain.facilitator.store import ReadTransaction, StoredParty, StoredRequest
from fedtrain.facilitator.store.requests import bell_of
from fedtrain.protocol.documents.request import (
    MOST_DECISIONS_OF_PARTY,
    MOST_LISTED,
    MOST_MESSAGES,
    MOST_MESSAGES_OF_PARTY,
    KeptRequest,
    RequestDecision,
    RequestEntry,
    RequestList,
    RequestMessage,
    open_entry,
    open_request,
)
from fedtrain.protocol.documents.signed import Manifest, SignedDocument, parse_json
from fedtrain.spec.problems import Code, Problem

log = structlog.get_logger("facilitator")

MOST_REQUESTS = 1000
#: Of the requests in one answer; one that is larger is alone in it.
_PAGE_CHARACTERS = 16 << 20


class Requests:
    """Calls behind the routes under /requests. Parties to a request see it, and nobody else."""

    def __init__(self, resources: Resources) -> None:
        self._own = resources

    async def post(self, request: str, caller: str, body: bytes) -> KeptRequest:
        """Keep a request, and return it with all that was said; the same one again changes nothing.

        Raises Problem: INVALID_REQUEST for one too many, and as `open_request`.
        """
        signed = await asyncio.to_thread(parse_json, body, SignedDocument)
        _check_address(signed, request)
        document = await asyncio.to_thread(open_request, signed, caller)

        def put() -> KeptRequest:
            with self._own.store.write() as tx:
                known = tx.requests.request(request)
                if known is not None:
                    return known.kept
                if tx.requests.count_of(caller) >= MOST_REQUESTS:
                    why = f"A Model Owner has {MOST_REQUESTS:,} requests at most, and this is one more."
                    raise Problem(Code.INVALID_REQUEST, why)
                tx.requests.put_request(signed, document)
                log.info("request kept", request=request, owners=len(document.datasets))
            self._ring((document.model_owner, *document.parties))
            return KeptRequest(request=signed)

        return await asyncio.to_thread(put)

    async def said(
        self, request: str, kind: Literal["message", "decision"], entry: str, caller: str, body: bytes
    ) -> KeptRequest:
        """Keep what a party said about a request, and return that with all of it; the same again changes nothing.

        Raises Problem: REQUEST_NOT_FOUND, FORBIDDEN for another's words, RATE_LIMITED for too many, and as
        `open_entry`.
        """
        signed = await asyncio.to_thread(parse_json, body, SignedDocument)
        _check_address(signed, entry)
        if signed.signer != caller:
            raise Problem(Code.FORBIDDEN, f"{caller[:16]}… cannot speak for {signed.signer[:16]}….")
        as_entry = RequestEntry(kind=kind, signed=signed)

        def put() -> KeptRequest:
            with self._own.store.write() as tx:
                known = _of_party(tx, request, caller)
                if as_entry in known.kept.entries:
                    return known.kept
                document = open_request(known.kept.request)
                if kind == "message":
                    open_entry(signed, RequestMessage, request, document)
                else:
                    open_entry(signed, RequestDecision, request, document)
                _check_room(known, kind, caller)
                tx.requests.put_entry(known, as_entry)
                log.info("request answered", request=request, party=caller, kind=kind)
            self._ring(known.parties)
            return KeptRequest(request=known.kept.request, entries=(*known.kept.entries, as_entry))

        return await asyncio.to_thread(put)

    async def request(self, request: str, caller: str) -> KeptRequest:
        """Return a request to a party to it. Raises Problem(REQUEST_NOT_FOUND)."""

        def look() -> KeptRequest:
            with self._own.store.read() as tx:
                return _of_party(tx, request, caller).kept

        return await asyncio.to_thread(look)

    async def requests(self, caller: str, before: int | None) -> RequestList:
        """Return the caller's requests, the newest first."""

        def look() -> RequestList:
            with self._own.store.read() as tx:
                found = tx.requests.of_party(caller, before, MOST_LISTED + 1)
            page: list[StoredRequest] = []
            characters = 0
            for one in found[:MOST_LISTED]:
                characters += len(one.kept.model_dump_json())
                if page and characters > _PAGE_CHARACTERS:
                    break
                page.append(one)
            more = page[-1].number if len(page) < len(found) else None
            return RequestList(requests=tuple(one.kept for one in page), next=more)

        return await asyncio.to_thread(look)

    async def edition(self, caller: str, known: str, *, wait_s: float, stop: asyncio.Event) -> str:
        """Return the edition of the caller's requests as soon as it is another one than `known`, or after `wait_s`."""

        def look() -> str:
            with self._own.store.read() as tx:
                return tx.requests.edition_of(caller)

        ends_at = self._own.clock.monotonic() + wait_s
        with self._own.doorbell.listen(bell_of(caller)) as bell:
            while True:
                found = await asyncio.to_thread(look)
                left_s = ends_at - self._own.clock.monotonic()
                if found != known or left_s <= 0 or not await bell.wait(left_s, stop):
                    return found

    def _ring(self, parties: Iterable[str]) -> None:
        for party in parties:
            self._own.doorbell.ring(bell_of(party))


def asked_owners(tx: ReadTransaction, manifest: Manifest) -> frozenset[str] | None:
    """Return the owners that a job's request asked, None where it comes of none that is here."""
    return None if manifest.request is None else tx.requests.owners_of(manifest.request)


def may_be_invited(manifest: Manifest, asked: Collection[str] | None, owner: StoredParty) -> bool:
    """Say whether a job asks an owner: one that has its dataset, and is among `asked`, as `asked_owners` gives them."""
    return manifest.spec.asked_dataset in owner.datasets and (asked is None or owner.party in asked)


def _of_party(tx: ReadTransaction, request: str, party: str) -> StoredRequest:
    known = tx.requests.request(request)
    if known is None or party not in known.parties:
        raise Problem(Code.REQUEST_NOT_FOUND, f"There is no request {request[:64]} for {party[:16]}… here.")
    return known


def _check_room(known: StoredRequest, kind: Literal["message", "decision"], party: str) -> None:
    """Raises Problem(RATE_LIMITED)."""
    alike = [entry.signed.signer for entry in known.kept.entries if entry.kind == kind]
    if kind == "decision" and alike.count(party) >= MOST_DECISIONS_OF_PARTY:
        raise Problem(Code.RATE_LIMITED, f"A request has {MOST_DECISIONS_OF_PARTY} decisions of one party at most.")
    if kind == "message" and (alike.count(party) >= MOST_MESSAGES_OF_PARTY or len(alike) >= MOST_MESSAGES):
        raise Problem(
            Code.RATE_LIMITED,
            f"A request has {MOST_MESSAGES} messages at most, and {MOST_MESSAGES_OF_PARTY} of one party: talk about it "
            "elsewhere, or make a new one.",
        )


def _check_address(signed: SignedDocument, address: str) -> None:
    if signed.hash != address:
        raise Problem(Code.MALFORMED_MESSAGE, f"What is signed has the hash {signed.hash}, and the address {address}.")
