"""A request for data: a job with people in it, which each owner approves or declines before it is one.

The Model Owner signs what it would train, on which datasets; owners and Model Owner talk about it in a thread of signed
messages; each owner signs its decision. The Facilitator carries all of it; it can leave something out, and change
nothing. A request goes by the hash of the document, so that what was approved is what is named.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Final, Literal, Self, TypeVar

from pydantic import (
    AfterValidator,
    AwareDatetime,
    Field,
    SerializerFunctionWrapHandler,
    StrictInt,
    StrictStr,
    model_serializer,
    model_validator,
)

from fedtrain.methods.network.private import claimed_epsilon
from fedtrain.planning.plans import rounds_of
from fedtrain.protocol.documents.card import Title, readable
from fedtrain.protocol.documents.signed import Document, Hash, Name, PartyId, SignedDocument, open_document
from fedtrain.spec.model_spec import ModelSpec, Strict
from fedtrain.spec.problems import Code, Problem

MOST_DATASETS: Final = 1000
#: Characters of a message.
MOST_TEXT: Final = 2000
#: A message or a decision, as JSON within JSON.
ENTRY_BYTES: Final = 32 << 10
#: Messages under one request, and those of one party. Decisions count apart: talk takes nobody's right to decide.
MOST_MESSAGES: Final = 500
MOST_MESSAGES_OF_PARTY: Final = 100
MOST_DECISIONS_OF_PARTY: Final = 20
_MOST_ENTRIES: Final = MOST_MESSAGES + MOST_DATASETS * MOST_DECISIONS_OF_PARTY
#: Requests in one answer.
MOST_LISTED: Final = 20

PlainText = Annotated[StrictStr, Field(min_length=1, max_length=MOST_TEXT), AfterValidator(readable)]


class AskedDataset(Strict):
    """A dataset that is asked for: whose it is, and the card that it was found by, by its hash."""

    party: PartyId
    name: Name
    dataset: Name
    card: Hash
    title: Title


class RequestDocument(Document):
    """A job that a Model Owner asks owners to approve. Its title and purpose are the spec's `name` and `purpose`."""

    model_owner: PartyId
    model_owner_name: Name
    created_at: AwareDatetime
    spec: ModelSpec
    datasets: Annotated[tuple[AskedDataset, ...], Field(min_length=1, max_length=MOST_DATASETS)]
    membership: SignedDocument | None = None

    @model_validator(mode="after")
    def _of_one_job(self) -> Self:
        if self.spec.name is None or self.spec.purpose is None:
            raise ValueError("spec: a request has a title and a purpose: its name and its purpose")
        if len(set(self.parties)) < len(self.datasets):
            raise ValueError("datasets: an owner takes part in a job with one dataset, and here one has two")
        for number, one in enumerate(self.datasets):
            if one.dataset != self.spec.asked_dataset:
                raise ValueError(
                    f"datasets.{number}: the spec asks every owner for {self.spec.asked_dataset!r}, and this card is "
                    f"of {one.dataset!r}: say so in the spec's `dataset`, or leave the card out"
                )
        return self

    @property
    def parties(self) -> tuple[str, ...]:
        """Owners that are asked."""
        return tuple(one.party for one in self.datasets)

    @property
    def title(self) -> str:
        return self.spec.name or ""

    @property
    def purpose(self) -> str:
        return self.spec.purpose or ""

    def name_of(self, party: str) -> str:
        """Return what a party to the request calls itself. Raises LookupError for any other."""
        if party == self.model_owner:
            return self.model_owner_name
        return next(one.name for one in self.datasets if one.party == party)


class Conditions(Strict):
    """Terms of an approval, all of which must hold when the job comes; what is not given is left out.

    `until`: the job has to come before. `max_rounds`, `max_epsilon`: the job may take that at most.
    """

    until: AwareDatetime | None = None
    max_rounds: Annotated[StrictInt, Field(ge=1, le=10_000_000)] | None = None
    max_epsilon: Annotated[float, Field(gt=0, le=100, allow_inf_nan=False)] | None = None

    @model_serializer(mode="wrap")
    def _without_unused(self, serialise: SerializerFunctionWrapHandler) -> dict[str, Any]:
        fields: dict[str, Any] = serialise(self)
        return {name: value for name, value in fields.items() if value is not None}


class RequestMessage(Document):
    """Words of a party to a request about it, read by all of them."""

    request: Hash
    party: PartyId
    at: AwareDatetime
    text: PlainText


class RequestDecision(Document):
    """An owner's decision on a request; a later one takes an earlier one's place. `reason`: of declining, if told."""

    request: Hash
    party: PartyId
    at: AwareDatetime
    decision: Literal["approved", "declined"]
    conditions: Conditions = Conditions()
    reason: PlainText | None = None

    @model_validator(mode="after")
    def _of_its_kind(self) -> Self:
        if self.decision == "declined" and self.conditions != Conditions():
            raise ValueError("conditions: what is declined has none")
        if self.decision == "approved" and self.reason is not None:
            raise ValueError("reason: what is approved has none: say it in a message")
        return self


class RequestEntry(Strict):
    """A message or a decision, as it was signed."""

    kind: Literal["message", "decision"]
    signed: SignedDocument


class KeptRequest(Strict):
    """A request and all that was said about it, as the Facilitator has them: whoever reads them verifies them."""

    request: SignedDocument
    entries: Annotated[tuple[RequestEntry, ...], Field(max_length=_MOST_ENTRIES)] = ()


class RequestList(Strict):
    """Requests of one party, the newest first. `next`: what to ask for those that follow, None at the end."""

    requests: Annotated[tuple[KeptRequest, ...], Field(max_length=MOST_LISTED)]
    next: Annotated[int, Field(ge=1)] | None = None


@dataclass(frozen=True)
class OpenRequest:
    """A request whose every signature was checked. `signed`: as its Model Owner signed it."""

    signed: SignedDocument
    document: RequestDocument
    messages: tuple[RequestMessage, ...] = ()
    decisions: tuple[RequestDecision, ...] = ()

    @property
    def id(self) -> str:
        return self.signed.hash

    def decision_of(self, party: str) -> RequestDecision | None:
        """Return an owner's latest decision."""
        own = [one for one in self.decisions if one.party == party]
        return max(own, key=lambda one: one.at, default=None)


@dataclass(frozen=True)
class Departure:
    """A field in which a job is not what was approved, and how, in words."""

    field: str
    message: str


def open_request(signed: SignedDocument, model_owner: str | None = None) -> RequestDocument:
    """Return a request that its own Model Owner signed, `model_owner` where that is known.

    Raises Problem: BAD_SIGNATURE where it is another's or was changed, MALFORMED_MESSAGE, PROTOCOL_VERSION.
    """
    document = open_document(signed, RequestDocument, signer=model_owner)
    if signed.signer != document.model_owner:
        raise Problem(
            Code.BAD_SIGNATURE,
            f"The request is of {document.model_owner[:16]}…, and signed by {signed.signer[:16]}….",
        )
    return document


AnyEntry = TypeVar("AnyEntry", RequestMessage, RequestDecision)


def open_entry(signed: SignedDocument, kind: type[AnyEntry], request: str, document: RequestDocument) -> AnyEntry:
    """Return a message or decision on the request with that hash, of a party to it.

    Raises Problem: BAD_SIGNATURE, MALFORMED_MESSAGE where it is about another request, FORBIDDEN where it is of
    somebody else, or a decision of the Model Owner's.
    """
    entry = open_document(signed, kind)
    if entry.party != signed.signer:
        raise Problem(Code.BAD_SIGNATURE, f"It is of {entry.party[:16]}…, and signed by {signed.signer[:16]}….")
    if entry.request != request:
        raise Problem(
            Code.MALFORMED_MESSAGE, f"It is about request {entry.request[:16]}…, and not about {request[:16]}…."
        )
    may = document.parties if kind is RequestDecision else (*document.parties, document.model_owner)
    if entry.party not in may:
        raise Problem(Code.FORBIDDEN, f"{entry.party[:16]}… is not asked by request {request[:16]}….")
    return entry


def open_kept(kept: KeptRequest) -> OpenRequest:
    """Return a request with what was said about it, by the moments of saying. Raises Problem as the two above."""
    document, request = open_request(kept.request), kept.request.hash
    messages = [open_entry(one.signed, RequestMessage, request, document) for one in _of("message", kept.entries)]
    decisions = [open_entry(one.signed, RequestDecision, request, document) for one in _of("decision", kept.entries)]
    return OpenRequest(
        kept.request,
        document,
        tuple(sorted(messages, key=lambda one: one.at)),
        tuple(sorted(decisions, key=lambda one: one.at)),
    )


def _of(kind: str, entries: Sequence[RequestEntry]) -> list[RequestEntry]:
    return [entry for entry in entries if entry.kind == kind]


def departures(
    spec: ModelSpec, model_owner: str, document: RequestDocument, conditions: Conditions, now: datetime
) -> tuple[Departure, ...]:
    """Return the fields in which a job is not what an owner approved by `conditions`; () where it may come now.

    It may take fewer rounds than it was asked with, or a smaller ε, and nothing else may differ.
    """
    return tuple(_departures(spec, model_owner, document, conditions, now))


def _departures(
    spec: ModelSpec, model_owner: str, document: RequestDocument, conditions: Conditions, now: datetime
) -> Iterator[Departure]:
    if model_owner != document.model_owner:
        yield Departure("model_owner", f"it is {model_owner[:16]}…, and {document.model_owner[:16]}… asked")
    if spec.model_dump_json() != document.spec.model_dump_json():  # to Python True is 1
        smaller = _smaller(spec, document.spec)
        job, approved = dict(_leaves(spec)), dict(_leaves(document.spec))
        for field in sorted({*job, *approved} - smaller):
            if not _same(job.get(field), approved.get(field)):
                why = f"it is {_value(job.get(field))}, and {_value(approved.get(field))} was approved"
                yield Departure(field, why)
    if conditions.until is not None and now >= conditions.until:
        yield Departure("until", f"the approval ended at {conditions.until:%Y-%m-%d %H:%M %Z}")
    rounds, epsilon = rounds_of(spec), _epsilon(spec)
    if conditions.max_rounds is not None and rounds > conditions.max_rounds:
        why = f"{rounds} rounds are more than the {conditions.max_rounds} that were approved"
        yield Departure("training.rounds", why)
    if conditions.max_epsilon is not None and (epsilon is None or epsilon > conditions.max_epsilon):
        asked = "a job without privacy" if epsilon is None else f"epsilon {epsilon:.6g}"
        yield Departure("privacy.epsilon", f"{asked} is more than the {conditions.max_epsilon:g} that was approved")


def _same(value: object, other: object) -> bool:
    return value == other and isinstance(value, bool) == isinstance(other, bool)


def _smaller(spec: ModelSpec, asked: ModelSpec) -> set[str]:
    """Return the fields that a job may have smaller than it was asked with, where they are not larger."""
    allowed = set()
    if rounds_of(spec) <= rounds_of(asked):
        allowed.add("training.rounds")
    epsilon, of_asked = _epsilon(spec), _epsilon(asked)
    if epsilon is not None and of_asked is not None and epsilon <= of_asked:
        allowed.add("privacy.epsilon")
    return allowed


def _epsilon(spec: ModelSpec) -> float | None:
    return None if spec.privacy is None else claimed_epsilon(spec, spec.privacy)


def _leaves(spec: ModelSpec) -> Iterator[tuple[str, object]]:
    return _leaves_of(spec.model_dump(mode="json", exclude_none=True), ())


def _leaves_of(value: object, names: tuple[str, ...]) -> Iterator[tuple[str, object]]:
    """Return each value that has no parts, by the dotted name of its field; an empty list or object counts as one."""
    inner: list[tuple[object, object]] = []
    if isinstance(value, dict):
        inner = list(value.items())
    elif isinstance(value, list):
        inner = list(enumerate(value))
    if not inner:
        yield ".".join(names), value
    for name, part in inner:
        yield from _leaves_of(part, (*names, str(name)))


def _value(value: object) -> str:
    text = "nothing" if value is None else repr(value) if isinstance(value, str) else str(value)
    return text if len(text) <= 100 else text[:100] + "…"
