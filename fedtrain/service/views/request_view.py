"""A request for data as every party to it tells its own people of it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Final, Literal

from fastapi import Path, Query
from pydantic import BaseModel

from fedtrain.client.agent.catalogue import Refused
from fedtrain.protocol.documents.request import Conditions, OpenRequest, PlainText, departures
from fedtrain.protocol.documents.signed import Hash
from fedtrain.spec.model_spec import Strict

RequestIdInPath = Annotated[Hash, Path(description="The request's id, the same at every party.", examples=["7c" * 32])]
Before = Annotated[int | None, Query(ge=1, le=1 << 53, description="The `next` of the page before")]


class Words(Strict):
    """A question, or an answer to one: all parties to the request read it. Plain text, which lines may break in."""

    text: PlainText


class AskedOwner(BaseModel):
    """An owner that is asked, by which card, and what it has decided so far; all None before it has.

    `departs`: where it has approved, why the job cannot come by that approval now: field and reason; [] where it can.
    """

    party: str
    name: str
    dataset: str
    title: str
    card: str
    decision: Literal["approved", "declined"] | None
    decided_at: datetime | None
    conditions: Conditions | None
    reason: str | None
    departs: list[str]


class Said(BaseModel):
    """A message under a request, in the words of a party to it."""

    party: str
    name: str
    at: datetime
    text: str


class RequestLine(BaseModel):
    """A request in a list. `messages` and `approved` count."""

    id: str
    title: str
    purpose: str
    model_owner: str
    model_owner_name: str
    created_at: datetime
    dataset: str
    owners: list[AskedOwner]
    approved: int
    messages: int


class RefusedRequest(BaseModel):
    """A request that is not shown: who seems to have made it, and why it is not believed."""

    signer: str
    why: str

    @classmethod
    def of(cls, refused: Sequence[Refused]) -> list[RefusedRequest]:
        return [cls(signer=one.signer, why=one.why) for one in refused]


class RequestView(RequestLine):
    """A request, what was said about it, and the spec that is asked with. `id`: the hash of what was signed."""

    thread: list[Said]
    spec: dict[str, Any]


def line_of(opened: OpenRequest, now: datetime) -> dict[str, Any]:
    """Return the fields of RequestLine."""
    document = opened.document
    owners = [_owner(opened, one.party, now) for one in document.datasets]
    return {
        "id": opened.id,
        "title": document.title,
        "purpose": document.purpose,
        "model_owner": document.model_owner,
        "model_owner_name": document.model_owner_name,
        "created_at": document.created_at,
        "dataset": document.spec.asked_dataset,
        "owners": owners,
        "approved": sum(one.decision == "approved" for one in owners),
        "messages": len(opened.messages),
    }


def view_of(opened: OpenRequest, now: datetime) -> dict[str, Any]:
    """Return the fields of RequestView."""
    document = opened.document
    thread = [
        Said(party=one.party, name=document.name_of(one.party), at=one.at, text=one.text) for one in opened.messages
    ]
    spec = document.spec.model_dump(mode="json", exclude_none=True)
    return {**line_of(opened, now), "thread": thread, "spec": spec}


def _owner(opened: OpenRequest, party: str, now: datetime) -> AskedOwner:
    document, decision = opened.document, opened.decision_of(party)
    asked = next(one for one in document.datasets if one.party == party)
    departs: list[str] = []
    if decision is not None and decision.decision == "approved":
        found = departures(document.spec, document.model_owner, document, decision.conditions, now)
        departs = [f"{one.field}: {one.message}" for one in found]
    return AskedOwner(
        party=party,
        name=asked.name,
        dataset=asked.dataset,
        title=asked.title,
        card=asked.card,
        decision=None if decision is None else decision.decision,
        decided_at=None if decision is None else decision.at,
        conditions=None if decision is None or decision.decision == "declined" else decision.conditions,
        reason=None if decision is None else decision.reason,
        departs=departs,
    )


OWNER_EXAMPLE: Final[dict[str, Any]] = {
    "party": "1a" * 32,
    "name": "clinic-a",
    "dataset": "default",
    "title": "Stays on the cardiology wards, 2015 to 2024",
    "card": "ca" * 32,
    "decision": "approved",
    "decided_at": "2026-01-13T08:15:00Z",
    "conditions": {"until": "2026-06-30T00:00:00Z", "max_rounds": 20},
    "reason": None,
    "departs": [],
}
LINE_EXAMPLE: Final[dict[str, Any]] = {
    "id": "7c" * 32,
    "title": "stay in hospital",
    "purpose": "plan beds for the winter",
    "model_owner": "3b" * 32,
    "model_owner_name": "acme",
    "created_at": "2026-01-12T09:28:00Z",
    "dataset": "default",
    "owners": [OWNER_EXAMPLE],
    "approved": 1,
    "messages": 1,
}
SAID_EXAMPLE: Final[dict[str, Any]] = {
    "party": "1a" * 32,
    "name": "clinic-a",
    "at": "2026-01-12T10:02:00Z",
    "text": "Which wards is it about?",
}
VIEW_EXAMPLE: Final[dict[str, Any]] = LINE_EXAMPLE | {"thread": [SAID_EXAMPLE], "spec": {}}
