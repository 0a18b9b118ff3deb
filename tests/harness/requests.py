"""Requests for data, and what is said about them, for tests."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from fedtrain.protocol.documents.identity import Identity
from fedtrain.protocol.documents.request import (
    AskedDataset,
    Conditions,
    RequestDecision,
    RequestDocument,
    RequestMessage,
)
from fedtrain.protocol.documents.signed import SignedDocument, sign_document
from fedtrain.spec.model_spec import ModelSpec
from tests.harness.data_owner.owner_bench import spec_of

ASKED_AT = datetime(2026, 1, 12, 9, 0, tzinfo=UTC)


def titled(spec: ModelSpec | None = None, **fields: object) -> ModelSpec:
    """A spec with what a request's has: a title and a purpose."""
    said = {"name": "Length of stay", "purpose": "plan beds for the winter", **fields}
    return (spec or spec_of()).model_copy(update=said)


def request_of(
    model_owner: Identity, owners: Sequence[Identity], spec: ModelSpec | None = None, **fields: object
) -> RequestDocument:
    """A request of these owners' default datasets."""
    datasets = tuple(
        AskedDataset(party=one.party_id, name=f"clinic-{at}", dataset="default", card="ca" * 32, title="Stays")
        for at, one in enumerate(owners)
    )
    said: dict[str, object] = {
        "model_owner": model_owner.party_id,
        "model_owner_name": "model-owner",
        "created_at": ASKED_AT,
        "spec": titled() if spec is None else spec,
        "datasets": datasets,
    }
    return RequestDocument.model_validate(said | fields)


def signed_request(
    model_owner: Identity, owners: Sequence[Identity], spec: ModelSpec | None = None, **fields: object
) -> SignedDocument:
    """The same, signed by its Model Owner."""
    return sign_document(request_of(model_owner, owners, spec, **fields), model_owner)


def said(party: Identity, request: str, text: str = "Which wards?", at: datetime = ASKED_AT) -> SignedDocument:
    """A message of that party, signed by it."""
    return sign_document(RequestMessage(request=request, party=party.party_id, at=at, text=text), party)


def approval(party: Identity, request: str, at: datetime = ASKED_AT, **conditions: object) -> SignedDocument:
    """An owner's approval, by these conditions, signed by it."""
    decision = RequestDecision(
        request=request,
        party=party.party_id,
        at=at,
        decision="approved",
        conditions=Conditions.model_validate(conditions),
    )
    return sign_document(decision, party)
