"""Cards as a party finds them at the Facilitator, each verified: what its owner did not sign is told, and not shown."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from fedtrain.protocol.documents.card import Card, CardList, open_card
from fedtrain.protocol.documents.signed import SignedDocument
from fedtrain.spec.problems import Problem


class Shelf(Protocol):
    """The part that is asked of `fedtrain.client.facilitator.FacilitatorClient`."""

    async def cards(self, asked: Sequence[tuple[str, str]]) -> CardList: ...


@dataclass(frozen=True)
class Refused:
    """A card that is not shown: who seems to have signed it, and why it is not believed."""

    signer: str
    why: str


@dataclass(frozen=True)
class Found:
    """A page of cards, by the hash of each, those that were refused, and where the next page begins."""

    by_id: Mapping[str, Card]
    refused: tuple[Refused, ...]
    next: str | None

    @property
    def cards(self) -> tuple[Card, ...]:
        return tuple(self.by_id.values())

    def as_json(self) -> dict[str, Any]:
        """Return the page as a party's own people see it."""
        return {
            "cards": [
                {"id": id_, **card.model_dump(mode="json", exclude={"membership", "protocol"})}
                for id_, card in self.by_id.items()
            ],
            "refused": [{"signer": one.signer, "why": one.why} for one in self.refused],
            "next": self.next,
        }


class Catalogue:
    """The cards that one party may see."""

    def __init__(self, shelf: Shelf, now: Callable[[], datetime]) -> None:
        self._shelf = shelf
        self._now = now

    async def find(self, asked: Sequence[tuple[str, str]]) -> Found:
        """Look for cards, by the parameters of the Facilitator's `GET /datasets`, and verify each.

        Its owner's signature must hold, and it must not be over. Raises Problem as the Facilitator.
        """
        page = await self._shelf.cards(asked)
        shown: dict[str, Card] = {}
        refused: list[Refused] = []
        for signed in page.cards:
            card = _believed(signed, self._now())
            if isinstance(card, Card):
                shown[signed.hash] = card
            else:
                refused.append(card)
        return Found(shown, tuple(refused), page.next)


def _believed(signed: SignedDocument, now: datetime) -> Card | Refused:
    try:
        card = open_card(signed)
    except Problem as problem:
        return Refused(signed.signer, problem.detail)
    if card.is_over(now):
        return Refused(signed.signer, f"It was to be shown until {card.not_after:%Y-%m-%d}.")
    return card
