"""The cards of datasets: kept for their owners, and found by those whom they are for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import structlog

from fedtrain.facilitator.runner import Resources
from fedtrain.facilitator.store import CardQuery, StoredCard, WriteTransaction
from fedtrain.protocol.documents.card import Card, CardList, CardWithdrawal, open_card, open_withdrawal, words_of
from fedtrain.protocol.documents.signed import SignedDocument, parse_json
from fedtrain.spec.problems import Code, Problem

log = structlog.get_logger("facilitator")

#: As many datasets as a registration can name.
MOST_CARDS = 1000
MOST_WORDS = 16


@dataclass(frozen=True)
class Asked:
    """A search as it comes, `after` being the `next` of the page before."""

    q: str | None = None
    tags: Sequence[str] = ()
    columns: Sequence[str] = ()
    types: Sequence[str] = ()
    party: str | None = None
    card: str | None = None
    after: str | None = None
    limit: int = 20


class Catalogue:
    """Calls behind the routes under /datasets."""

    def __init__(self, resources: Resources) -> None:
        self._own = resources

    async def publish(self, party: str, dataset: str, caller: str, body: bytes) -> SignedDocument:
        """Keep a dataset's card, and return it; the same one again changes nothing.

        Raises Problem: FORBIDDEN for another caller, CARD_SUPERSEDED where there is a later one or a later withdrawal,
        INVALID_REQUEST for one that is over, or one too many; and as `open_card`.
        """
        _check_caller(caller, party)
        signed = await asyncio.to_thread(parse_json, body, SignedDocument)
        card = await asyncio.to_thread(open_card, signed, party)
        _check_address(card.dataset, dataset)
        if card.is_over(self._own.clock.now()):
            until = f"{card.not_after:%Y-%m-%d}"
            raise Problem(Code.INVALID_REQUEST, f"The card was to be shown until {until}: sign a new one.")
        if await asyncio.to_thread(self._put, signed, card, lambda tx: tx.cards.put_card(signed, card)):
            log.info("card published", party=party, dataset=dataset)
        return signed

    async def withdraw(self, party: str, dataset: str, caller: str, body: bytes) -> SignedDocument:
        """Show a dataset's card no more, nor any that its owner signed before. Raises Problem as `publish`."""
        _check_caller(caller, party)
        signed = await asyncio.to_thread(parse_json, body, SignedDocument)
        withdrawal = await asyncio.to_thread(open_withdrawal, signed, party)
        _check_address(withdrawal.dataset, dataset)
        put = lambda tx: tx.cards.put_withdrawal(signed, withdrawal)  # noqa: E731
        if await asyncio.to_thread(self._put, signed, withdrawal, put):
            log.info("card withdrawn", party=party, dataset=dataset)
        return signed

    def _put(
        self, signed: SignedDocument, said: Card | CardWithdrawal, put: Callable[[WriteTransaction], None]
    ) -> bool:
        """Keep what is newer than what is there; False where it is there already."""
        with self._own.store.write() as tx:
            known = tx.cards.card(said.party, said.dataset)
            if known is not None and known.signed == signed:
                return False
            if known is not None and said.revision <= known.revision:
                what = "was withdrawn" if known.withdrawn else "has a card"
                raise Problem(
                    Code.CARD_SUPERSEDED,
                    f"Dataset {said.dataset!r} {what} by revision {known.revision}, and this is {said.revision}.",
                )
            if known is None and tx.cards.count_of(said.party) >= MOST_CARDS:
                raise Problem(Code.INVALID_REQUEST, f"A party has {MOST_CARDS:,} cards at most, and this is one more.")
            put(tx)
        return True

    async def find(self, asked: Asked, reader: str | None) -> CardList:
        """Return the cards that `reader` may see and that fit, the newest first. Raises Problem(INVALID_REQUEST)."""
        words = [] if asked.q is None else words_of(asked.q)
        if asked.q is not None and not words:
            raise _wrong("q", "there is no letter or digit to look for", asked.q)
        if len(words) > MOST_WORDS:
            raise _wrong("q", f"{len(words)} words are more than the {MOST_WORDS} that are looked for", asked.q)
        revision, _, number = (asked.after or "").partition("-")
        query = CardQuery(
            reader=reader,
            now=self._own.clock.now(),
            words=words,
            tags=asked.tags,
            columns=asked.columns,
            types=asked.types,
            party=asked.party,
            card=asked.card,
            after=(int(revision), int(number)) if asked.after else None,
        )
        found = await asyncio.to_thread(self._find, query, asked.limit + 1)
        page = found[: asked.limit]
        more = f"{page[-1].revision}-{page[-1].number}" if len(found) > asked.limit else None
        return CardList(cards=tuple(one.signed for one in page), next=more)

    def _find(self, query: CardQuery, limit: int) -> Sequence[StoredCard]:
        with self._own.store.read() as tx:
            return tx.cards.find(query, limit)


def _check_caller(caller: str, party: str) -> None:
    if caller != party:
        raise Problem(Code.FORBIDDEN, f"{caller[:16]}… cannot speak for {party[:16]}…: each party publishes its own.")


def _check_address(said: str, dataset: str) -> None:
    if said != dataset:
        raise Problem(Code.MALFORMED_MESSAGE, f"What is signed is of dataset {said!r}, the address of {dataset!r}.")


def _wrong(field: str, why: str, value: object) -> Problem:
    return Problem(
        Code.INVALID_REQUEST, f"{field}: {why}.", errors=[{"field": field, "message": why, "value": str(value)[:100]}]
    )
