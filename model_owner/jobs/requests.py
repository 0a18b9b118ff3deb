"""Requests of this Model Owner: made of cards that were found, and turned into the job that owners approved."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from fedtrain.client.agent.catalogue import Catalogue
from fedtrain.client.agent.requests import Requests
from fedtrain.model_owner.jobs.deploying import key_hash, made_of_another
from fedtrain.model_owner.jobs.specs import plan_of, spec_of
from fedtrain.protocol.documents.identity import Identity
from fedtrain.protocol.documents.request import AskedDataset, OpenRequest, RequestDocument, departures, open_request
from fedtrain.protocol.documents.signed import SignedDocument, sign_document
from fedtrain.service.web.validation import problem_of
from fedtrain.spec.model_spec import ModelSpec
from fedtrain.spec.problems import Code, Problem


@dataclass(frozen=True)
class Requester:
    """This Model Owner as it signs its requests. `membership`: the consortium's word for it, where there is one."""

    identity: Identity
    name: str
    membership: SignedDocument | None
    allow_small_keys: bool


class KeyedRequests(Protocol):
    """The part that is asked of this party's store: what was signed under a caller's key, by that key's hash."""

    def keyed_request(self, key: str) -> SignedDocument | None: ...
    def put_keyed_request(self, key: str, signed: SignedDocument) -> SignedDocument: ...


class OwnRequests:
    """Makes requests, and jobs of them."""

    def __init__(self, own: Requester, requests: Requests, catalogue: Catalogue, keyed: KeyedRequests) -> None:
        self._own = own
        self.requests = requests
        self._catalogue = catalogue
        self._keyed = keyed

    async def make(self, spec: ModelSpec, cards: Sequence[str], idempotency_key: str | None = None) -> OpenRequest:
        """Ask the owners of these cards, by their hashes, to approve a job; with a key that has come before, once.

        Raises Problem: INVALID_REQUEST naming a card that nobody shows, or a field; INVALID_SPEC, DOES_NOT_FIT;
        IDEMPOTENCY_CONFLICT where the key came with another spec or other cards.
        """
        if idempotency_key is None:
            return await self._post(await self._signed(spec, cards))
        key = key_hash(self._own.identity.party_id, idempotency_key)
        there = await asyncio.to_thread(self._keyed.keyed_request, key)
        if there is None:
            signed = await self._signed(spec, cards)
            # Before anybody is asked: what is lost from here on, the same call finds.
            there = await asyncio.to_thread(self._keyed.put_keyed_request, key, signed)
            if there == signed:
                return await self._post(signed)
        document = open_request(there)
        if (document.spec, [one.card for one in document.datasets]) != (spec, list(cards)):
            raise made_of_another(f"Request {there.hash[:16]}…", "spec or of other datasets", "request")
        await self._post(there)
        return await self.requests.one(there.hash)

    async def _post(self, signed: SignedDocument) -> OpenRequest:
        await self.requests.carrier.post_request(signed)
        return OpenRequest(signed, open_request(signed))

    async def _signed(self, spec: ModelSpec, cards: Sequence[str]) -> SignedDocument:
        await asyncio.to_thread(plan_of, spec, allow_small_keys=self._own.allow_small_keys)
        asked = [await self._asked(number, card) for number, card in enumerate(cards)]
        _check_datasets(spec, asked)
        document = RequestDocument(
            model_owner=self._own.identity.party_id,
            model_owner_name=self._own.name,
            created_at=self.requests.now(),
            spec=spec,
            datasets=tuple(asked),
            membership=self._own.membership,
        )
        return sign_document(document, self._own.identity)

    async def _asked(self, number: int, card: str) -> AskedDataset:
        found = (await self._catalogue.find([("card", card)])).by_id.get(card)
        if found is None:
            why = f"no card {card[:16]}… is shown to this party: look for it again, its owner may have a newer one"
            raise _wrong(f"datasets.{number}", why, card)
        return AskedDataset(party=found.party, name=found.name, dataset=found.dataset, card=card, title=found.title)

    async def approved_spec(self, request: str, rounds: int | None = None, epsilon: float | None = None) -> ModelSpec:
        """Return the spec of the job that a request becomes, with fewer rounds or a smaller ε where those are given.

        Raises Problem: REQUEST_NOT_FOUND; INVALID_SPEC; APPROVAL_DIFFERS, naming each owner and field where the job is
        more than an owner approved; REQUEST_NOT_APPROVED where fewer owners have than the job needs.
        """
        opened = await self.requests.one(request)
        if opened.document.model_owner != self.requests.party_id:
            raise Problem(Code.REQUEST_NOT_FOUND, f"Request {request[:16]}… is another Model Owner's.")
        spec = await asyncio.to_thread(_with_less, opened.document.spec, rounds, epsilon)
        await asyncio.to_thread(self._check_approvals, opened, spec)
        return spec

    def _check_approvals(self, opened: OpenRequest, spec: ModelSpec) -> None:
        document, now = opened.document, self.requests.now()
        errors: list[dict[str, object]] = []
        missing: list[str] = []
        for one in document.datasets:
            decision = opened.decision_of(one.party)
            if decision is None or decision.decision == "declined":
                missing.append(f"{one.name} has {'not decided' if decision is None else 'declined'}")
                continue
            found = departures(spec, document.model_owner, document, decision.conditions, now)
            if any(departure.field == "until" for departure in found):
                missing.append(f"{one.name}'s approval has ended")
                continue
            errors += [{"field": each.field, "message": f"{one.name}: {each.message}"} for each in found]
        if errors:
            raise problem_of(errors, Code.APPROVAL_DIFFERS)
        approved, least = len(document.datasets) - len(missing), spec.training.min_data_owners
        if approved < least:
            raise Problem(
                Code.REQUEST_NOT_APPROVED,
                f"{approved} owners have approved the request, and the job needs {least}: {'; '.join(missing)}.",
            )


def titled_spec(document: object, title: str, purpose: str) -> ModelSpec:
    """Return the spec that a request is made with, under its title and purpose. Raises Problem(INVALID_SPEC)."""
    if isinstance(document, dict):  # what else it may be is refused by name
        for name, said in (("name", title), ("purpose", purpose)):
            if document.get(name) not in (None, said):
                why = f"the spec says {str(document[name])[:100]!r} itself: leave it out, or say the same in both"
                raise _wrong(f"spec.{name}", why, document[name])
        document = {**document, "name": title, "purpose": purpose}
    return spec_of(document)


def _with_less(spec: ModelSpec, rounds: int | None, epsilon: float | None) -> ModelSpec:
    if rounds is None and epsilon is None:
        return spec
    document = spec.model_dump(mode="json", exclude_none=True)
    if rounds is not None:
        document["training"]["rounds"] = rounds
    if epsilon is not None:
        if spec.privacy is None or spec.privacy.epsilon is None:
            raise _wrong("epsilon", "the request's spec gives no epsilon that could be smaller: leave it out", epsilon)
        document["privacy"]["epsilon"] = epsilon
    return spec_of(document)


def _check_datasets(spec: ModelSpec, asked: Sequence[AskedDataset]) -> None:
    """Raises Problem(INVALID_REQUEST), naming the card or field."""
    seen: set[str] = set()
    for number, one in enumerate(asked):
        if one.dataset != spec.asked_dataset:
            why = (
                f"the card is of dataset {one.dataset!r}, and the spec asks every owner for {spec.asked_dataset!r}: "
                "name the one in the spec's `dataset` that all of them have"
            )
            raise _wrong(f"datasets.{number}", why, one.card)
        if one.party in seen:
            raise _wrong(f"datasets.{number}", f"{one.name} is asked twice: one card an owner", one.card)
        seen.add(one.party)
    least, most = spec.training.min_data_owners, spec.training.max_data_owners
    if not least <= len(asked) <= most:
        why = f"{len(asked)} owners are asked, and the job takes {least} to {most}: choose others, or change the spec"
        raise _wrong("datasets", why, len(asked))


def _wrong(field: str, why: str, value: object) -> Problem:
    error = {"field": field, "message": why, "value": str(value)[:100]}
    return Problem(Code.INVALID_REQUEST, f"{field}: {why}.", errors=[error])
