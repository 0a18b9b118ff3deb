"""Words of cards, and finding them: FTS5 on SQLite, full text on PostgreSQL, behind the same three functions.

The migration makes the table of words, `card_text`, in each database's own way. Both are given the same words, folded
by `fedtrain.protocol.documents.card.words_of`, so that they find the same cards.
"""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

from fedtrain.service.store.database_url import POSTGRESQL


def put_words(connection: sa.Connection, card: int, words: Sequence[str]) -> None:
    """Keep the words of a card in the place of those that it had."""
    delete_words(connection, card)
    if connection.dialect.name == POSTGRESQL:
        query = "INSERT INTO card_text (card, words) VALUES (:card, array_to_tsvector(:words))"
        connection.execute(sa.text(query), {"card": card, "words": sorted(set(words))})
    else:
        query = "INSERT INTO card_text (rowid, words) VALUES (:card, :words)"
        connection.execute(sa.text(query), {"card": card, "words": " ".join(words)})


def delete_words(connection: sa.Connection, card: int) -> None:
    """Forget the words of a card."""
    column = "card" if connection.dialect.name == POSTGRESQL else "rowid"
    connection.execute(sa.text(f"DELETE FROM card_text WHERE {column} = :card"), {"card": card})  # noqa: S608


def with_words(connection: sa.Connection, card: sa.ColumnElement[int], words: Sequence[str]) -> sa.ColumnElement[bool]:
    """Return the condition that a card has a word that begins with each of these, which are letters and digits."""
    if connection.dialect.name == POSTGRESQL:
        asked = " & ".join(f"'{word}':*" for word in words)
        found = sa.text("SELECT card FROM card_text WHERE words @@ CAST(:asked AS tsquery)").bindparams(asked=asked)
    else:
        asked = " AND ".join(f'"{word}"*' for word in words)
        found = sa.text("SELECT rowid AS card FROM card_text WHERE card_text MATCH :asked").bindparams(asked=asked)
        # SQLite would read each card that has the words, and sort them all. A sum is no key: it goes through the cards
        # by revision, the newest first, holds each against the list of those that have the words, and stops at a page.
        card = card + 0
    return card.in_(found.columns(sa.column("card", sa.BigInteger)).subquery().select())
