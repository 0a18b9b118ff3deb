"""Requests in the store, and what parties said about them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from fedtrain.facilitator.store.notices import tell
from fedtrain.facilitator.store.tables import request_entries, request_parties, requests
from fedtrain.protocol.documents.request import KeptRequest, RequestDocument, RequestEntry
from fedtrain.protocol.documents.signed import SignedDocument


def bell_of(party: str) -> str:
    """Return where it is told that there is something new in a party's requests."""
    return f"requests/{party}"


@dataclass(frozen=True)
class StoredRequest:
    """A request with its entries in the order in which they came. `number` grows."""

    number: int
    parties: frozenset[str]
    kept: KeptRequest


class RequestRows:
    """Reads requests."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def request(self, request: str) -> StoredRequest | None:
        """Return a request by its hash."""
        row = self._connection.execute(sa.select(requests).where(requests.c.hash == request)).first()
        return None if row is None else self._stored(row)

    def of_party(self, party: str, before: int | None, limit: int) -> Sequence[StoredRequest]:
        """Return the requests that a party made or is asked by, the newest first, numbered below `before`."""
        mine = sa.select(request_parties.c.request).where(request_parties.c.party == party)
        query = sa.select(requests).where(requests.c.id.in_(mine))
        if before is not None:
            query = query.where(requests.c.id < before)
        rows = self._connection.execute(query.order_by(requests.c.id.desc()).limit(limit)).all()
        return [self._stored(row) for row in rows]

    def owners_of(self, request: str) -> frozenset[str] | None:
        """Return the owners that a request asks, None where it is not here."""
        query = sa.select(requests.c.id, requests.c.model_owner).where(requests.c.hash == request)
        row = self._connection.execute(query).first()
        return None if row is None else self._parties(row.id) - {row.model_owner}

    def count_of(self, model_owner: str) -> int:
        """Return how many requests a Model Owner has made."""
        query = sa.select(sa.func.count()).select_from(requests).where(requests.c.model_owner == model_owner)
        return int(self._connection.scalar(query) or 0)

    def edition_of(self, party: str) -> str:
        """Return a text that is another one after each further request of a party's, and each further word under one.

        It counts the party's own alone, so that it tells nothing of how much others have.
        """
        own = sa.select(request_parties.c.request).where(request_parties.c.party == party)
        made = self._connection.scalar(sa.select(sa.func.count()).select_from(own.subquery()))
        said = self._connection.scalar(
            sa.select(sa.func.count()).select_from(request_entries).where(request_entries.c.request.in_(own))
        )
        return f"{made}.{said}"

    def _stored(self, row: sa.Row[Any]) -> StoredRequest:
        query = sa.select(request_entries).where(request_entries.c.request == row.id).order_by(request_entries.c.id)
        entries = tuple(
            RequestEntry.model_validate({"kind": one.kind, "signed": SignedDocument.model_validate_json(one.signed)})
            for one in self._connection.execute(query)
        )
        signed = SignedDocument.model_validate_json(row.signed)
        return StoredRequest(row.id, self._parties(row.id), KeptRequest(request=signed, entries=entries))

    def _parties(self, number: int) -> frozenset[str]:
        query = sa.select(request_parties.c.party).where(request_parties.c.request == number)
        return frozenset(self._connection.scalars(query))


class RequestWrites(RequestRows):
    """Reads and writes requests."""

    def put_request(self, signed: SignedDocument, document: RequestDocument) -> None:
        """Keep a new request."""
        values = {"hash": signed.hash, "model_owner": document.model_owner, "signed": signed.model_dump_json()}
        key = self._connection.execute(sa.insert(requests).values(**values)).inserted_primary_key
        assert key is not None  # noqa: S101 - for the type checker: one row was inserted
        parties = sorted({document.model_owner, *document.parties})
        self._connection.execute(
            sa.insert(request_parties), [{"request": int(key[0]), "party": party} for party in parties]
        )
        self._tell(parties)

    def put_entry(self, request: StoredRequest, entry: RequestEntry) -> None:
        """Keep what a party said about a request."""
        signed = entry.signed.model_dump_json()
        self._connection.execute(
            sa.insert(request_entries).values(request=request.number, kind=entry.kind, signed=signed)
        )
        self._tell(request.parties)

    def _tell(self, parties: Iterable[str]) -> None:
        for party in parties:
            tell(self._connection, bell_of(party))
