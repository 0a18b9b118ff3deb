"""Cards in the store, and finding them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from fedtrain.facilitator.store.card_text import delete_words, put_words, with_words
from fedtrain.facilitator.store.tables import card_columns, card_readers, card_tags, cards
from fedtrain.protocol.documents.card import Card, CardWithdrawal, words_of
from fedtrain.protocol.documents.signed import SignedDocument


@dataclass(frozen=True)
class StoredCard:
    """The latest that an owner signed of a dataset: a card or, where it is `withdrawn`, its withdrawal."""

    number: int
    revision: int
    withdrawn: bool
    signed: SignedDocument


@dataclass(frozen=True)
class CardQuery:
    """Terms of a search, all of which must hold.

    reader: who looks, None for somebody of no party. words: the card has a word that begins with each; folded. tags:
    it has them all. columns: by name, whatever the case, each of a type of `types` where there are any. party: its
    owner. card: its hash. after: revision and number of the last card that was given.
    """

    reader: str | None
    now: datetime
    words: Sequence[str] = ()
    tags: Sequence[str] = ()
    columns: Sequence[str] = ()
    types: Sequence[str] = ()
    party: str | None = None
    card: str | None = None
    after: tuple[int, int] | None = None


class CardRows:
    """Reads cards."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def card(self, party: str, dataset: str) -> StoredCard | None:
        """Return the latest of a dataset, withdrawn or not."""
        query = sa.select(cards).where(cards.c.party == party, cards.c.dataset == dataset)
        row = self._connection.execute(query).first()
        if row is None:
            return None
        return _stored(row)

    def count_of(self, party: str) -> int:
        """Return how many datasets of an owner have, or had, a card."""
        query = sa.select(sa.func.count()).select_from(cards).where(cards.c.party == party)
        return int(self._connection.scalar(query) or 0)

    def find(self, query: CardQuery, limit: int) -> Sequence[StoredCard]:
        """Return the cards that the reader may see and that fit, the newest first."""
        may_see: list[sa.ColumnElement[bool]] = [cards.c.public]
        if query.reader is not None:
            may_see += [cards.c.party == query.reader, _has(card_readers, card_readers.c.value == query.reader)]
        conditions: list[sa.ColumnElement[bool]] = [
            sa.not_(cards.c.withdrawn),
            cards.c.not_after_s > query.now.timestamp(),
            sa.or_(*may_see),
            *(_has(card_tags, card_tags.c.value == tag) for tag in query.tags),
            *(_has_column(_name(name), query.types) for name in query.columns),
        ]
        if query.types and not query.columns:
            conditions.append(_has(card_columns, card_columns.c.type.in_(query.types)))
        if query.words:
            conditions.append(with_words(self._connection, cards.c.id, query.words))
        if query.party is not None:
            conditions.append(cards.c.party == query.party)
        if query.card is not None:
            conditions.append(cards.c.hash == query.card)
        if query.after is not None:
            revision, number = query.after
            same = (cards.c.revision == revision) & (cards.c.id < number)
            conditions.append((cards.c.revision < revision) | same)
        asked = sa.select(cards).where(*conditions).order_by(cards.c.revision.desc(), cards.c.id.desc()).limit(limit)
        return [_stored(row) for row in self._connection.execute(asked)]


class CardWrites(CardRows):
    """Reads and writes cards."""

    def put_card(self, signed: SignedDocument, card: Card) -> None:
        """Keep a card in the place of the dataset's last, and what it is found by."""
        number = self._put(
            card.party,
            card.dataset,
            revision=card.revision,
            withdrawn=False,
            not_after_s=card.not_after.timestamp(),
            public=card.visible_to is None,
            signed=signed.model_dump_json(),
            hash=signed.hash,
        )
        put_words(self._connection, number, words_of(card.text))
        self._insert(card_tags, [{"card": number, "value": tag} for tag in card.tags])
        self._insert(card_readers, [{"card": number, "value": one} for one in sorted(set(card.visible_to or ()))])
        self._insert(
            card_columns,
            [
                {"card": number, "place": place, "value": _name(column.name), "type": column.type.value}
                for place, column in enumerate(card.columns)
            ],
        )

    def put_withdrawal(self, signed: SignedDocument, withdrawal: CardWithdrawal) -> None:
        """Keep that a dataset has no card, and nothing that one could be found by."""
        self._put(
            withdrawal.party,
            withdrawal.dataset,
            revision=withdrawal.revision,
            withdrawn=True,
            not_after_s=0.0,
            public=False,
            signed=signed.model_dump_json(),
            hash=signed.hash,
        )

    def _put(self, party: str, dataset: str, **values: Any) -> int:
        same = (cards.c.party == party) & (cards.c.dataset == dataset)
        number = self._connection.scalar(sa.select(cards.c.id).where(same))
        if number is None:
            inserted = self._connection.execute(sa.insert(cards).values(party=party, dataset=dataset, **values))
            key = inserted.inserted_primary_key
            assert key is not None  # noqa: S101 - for the type checker: one row was inserted
            return int(key[0])
        self._connection.execute(sa.update(cards).where(same).values(**values))
        delete_words(self._connection, number)
        for table in (card_tags, card_readers, card_columns):
            self._connection.execute(sa.delete(table).where(table.c.card == number))
        return int(number)

    def _insert(self, table: sa.Table, rows: list[dict[str, Any]]) -> None:
        if rows:
            self._connection.execute(sa.insert(table), rows)


def _stored(row: sa.Row[Any]) -> StoredCard:
    return StoredCard(row.id, row.revision, row.withdrawn, SignedDocument.model_validate_json(row.signed))


def _name(column: str) -> str:
    """A column's name as it is compared, cut where accents that are taken apart make it longer than the table has."""
    return " ".join(words_of(column))[:512]


def _has(table: sa.Table, condition: sa.ColumnElement[bool]) -> sa.ColumnElement[bool]:
    return cards.c.id.in_(sa.select(table.c.card).where(condition))


def _has_column(name: str, types: Sequence[str]) -> sa.ColumnElement[bool]:
    condition = card_columns.c.value == name
    return _has(card_columns, condition & card_columns.c.type.in_(types) if types else condition)
