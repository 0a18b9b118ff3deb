"""An owner's cards: signed here, and given to the Facilitator, which shows them to those whom they are for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta

import structlog

from fedtrain.client.agent.catalogue import Catalogue, Found
from fedtrain.client.facilitator import FacilitatorClient
from fedtrain.data_owner.store.sql import OwnerStore
from fedtrain.protocol.documents.card import Card, CardTerms, CardWithdrawal, card_columns
from fedtrain.protocol.documents.identity import Identity
from fedtrain.protocol.documents.signed import SignedDocument, sign_document
from fedtrain.spec.problems import Code, Problem

log = structlog.get_logger("data_owner.agent")


class Publishing:
    """Publishes and withdraws one owner's cards. Used in one event loop."""

    def __init__(
        self,
        *,
        identity: Identity,
        name: str,
        store: OwnerStore,
        facilitator: FacilitatorClient,
        now: Callable[[], datetime],
        membership: SignedDocument | None,
    ) -> None:
        """`membership`: the consortium's word for this owner, which its cards carry."""
        self._identity = identity
        self._name = name
        self._store = store
        self._facilitator = facilitator
        self._catalogue = Catalogue(facilitator, now)
        self._now = now
        self._membership = membership

    async def publish(self, dataset: str, terms: CardTerms) -> Card:
        """Sign a card of a dataset and give it to the Facilitator, in the place of the one that is there.

        Raises Problem: DATASET_NOT_FOUND, what the Facilitator refuses, FACILITATOR_UNREACHABLE.
        """
        found = await asyncio.to_thread(self._store.dataset, dataset)
        if found is None:
            raise Problem(Code.DATASET_NOT_FOUND, f"Dataset {dataset!r} is not registered here.")
        card = Card(
            party=self._identity.party_id,
            name=self._name,
            dataset=dataset,
            revision=self._revision(),
            not_after=self._now() + timedelta(days=terms.days),
            columns=card_columns(found.schema_, terms.columns),
            membership=self._membership,
            **terms.model_dump(exclude={"columns", "days"}),
        )
        await self._facilitator.publish(dataset, sign_document(card, self._identity))
        log.info("card published", dataset=dataset)
        return card

    async def withdraw(self, dataset: str) -> CardWithdrawal:
        """Take a dataset's card back, whether the dataset is here still or not. Raises Problem as `publish`."""
        said = CardWithdrawal(party=self._identity.party_id, dataset=dataset, revision=self._revision())
        await self._facilitator.withdraw(dataset, sign_document(said, self._identity))
        log.info("card withdrawn", dataset=dataset)
        return said

    async def published(self, after: str | None = None) -> Found:
        """Return a page of this owner's own cards, as the Facilitator shows them. Raises Problem."""
        asked = [("party", self._identity.party_id), ("limit", "100")]
        return await self._catalogue.find(asked if after is None else [*asked, ("after", after)])

    def _revision(self) -> int:
        """Milliseconds: later than every one before, without a count that a restored folder would have forgotten."""
        return int(self._now().timestamp() * 1000)
