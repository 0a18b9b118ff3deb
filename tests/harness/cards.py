"""Cards of datasets, for tests."""

from __future__ import annotations

from datetime import UTC, datetime

from fedtrain.protocol.documents.card import Card, CardColumn, CardWithdrawal
from fedtrain.protocol.documents.identity import Identity
from fedtrain.protocol.documents.signed import SignedDocument, sign_document
from fedtrain.spec.columns import FeatureType

FAR = datetime(2027, 1, 1, tzinfo=UTC)


def card_of(identity: Identity, revision: int = 1, **fields: object) -> Card:
    """A card of dataset "default", with two columns."""
    columns = (
        CardColumn(name="Age", type=FeatureType.CONTINUOUS, description="years at admission"),
        CardColumn(name="ward", type=FeatureType.NOMINAL),
    )
    said: dict[str, object] = {
        "party": identity.party_id,
        "name": "clinic-a",
        "dataset": "default",
        "revision": revision,
        "not_after": FAR,
        "title": "Length of stay in hospital",
        "description": "Stays of ten years, with café visits",
        "tags": ("cardiology",),
        "columns": columns,
    }
    return Card.model_validate(said | fields)


def signed_card(identity: Identity, revision: int = 1, **fields: object) -> SignedDocument:
    """The same, signed by that identity."""
    return sign_document(card_of(identity, revision, **fields), identity)


def signed_withdrawal(identity: Identity, revision: int, dataset: str = "default") -> SignedDocument:
    """A withdrawal of it, signed."""
    return sign_document(CardWithdrawal(party=identity.party_id, dataset=dataset, revision=revision), identity)
