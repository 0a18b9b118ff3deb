"""Searches among many cards on SQLite and PostgreSQL: `python -m benchmarks.catalogue [--cards N] [--database URL]`.

Prints, for each kind of search, the median and the largest of 50 in milliseconds, the whole search as a Facilitator
does it. Without a URL the stores are SQLite in a temporary folder, and a PostgreSQL server of its own, as the tests'.
Exit code 1 where a median is above the 50 ms that a search may take.
"""

from __future__ import annotations

import random
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import typer

from fedtrain.facilitator.store import CardQuery, Store
from fedtrain.protocol.documents.card import Card, CardColumn, words_of
from fedtrain.protocol.documents.identity import Identity
from fedtrain.protocol.documents.signed import sign_document
from fedtrain.service.store.database import sqlite_url
from fedtrain.spec.columns import FeatureType

NOW = datetime(2026, 1, 1, tzinfo=UTC)
_WORDS = [f"{a}{b}" for a in ("card", "neur", "onc", "lab", "ward", "stay", "cost", "age") for b in ("io", "al", "um")]
_REPEATS = 50
#: The most that a search may take, at the median.
LIMIT_MS = 50.0

SEARCHES: dict[str, dict[str, Any]] = {
    "one common word": {"words": ["cardio"]},
    "three words": {"words": ["cardio", "neural", "stay"]},
    "a word that none has": {"words": ["zebra"]},
    "a tag": {"tags": ["tag 3"]},
    "a column and its type": {"columns": ["column 7"], "types": ["continuous"]},
    "a word, a tag and a column": {"words": ["lab"], "tags": ["tag 1"], "columns": ["column 2"]},
    "nothing, the newest": {},
}


def fill(store: Store, cards: int) -> None:
    """Put so many cards of 100 owners, each of 20 columns, into the store."""
    draw = random.Random(1)  # noqa: S311 - no secret
    owners = [Identity.generate() for _ in range(100)]
    for start in range(0, cards, 500):
        with store.write() as tx:
            for number in range(start, min(cards, start + 500)):
                owner = owners[number % len(owners)]
                card = Card(
                    party=owner.party_id,
                    name="owner",
                    dataset=f"d{number}",
                    revision=number + 1,
                    not_after=NOW + timedelta(days=100),
                    title=" ".join(draw.choices(_WORDS, k=6)),
                    description=" ".join(draw.choices(_WORDS, k=60)),
                    tags=(f"tag {number % 50}",),
                    columns=tuple(
                        CardColumn(name=f"column {draw.randrange(300)}", type=FeatureType.CONTINUOUS) for _ in range(20)
                    ),
                )
                tx.cards.put_card(sign_document(card, owner), card)


def measured(store: Store, search: dict[str, Any]) -> tuple[int, list[float]]:
    """Return how many cards a search finds on its first page, and the milliseconds of each repeat."""
    query = CardQuery(None, NOW, **{**search, "words": words_of(" ".join(search.get("words", [])))})
    found, took = 0, []
    for _ in range(_REPEATS):
        start = time.perf_counter()
        with store.read() as tx:
            found = len(tx.cards.find(query, 20))
        took.append((time.perf_counter() - start) * 1000)
    return found, took


def timed(kind: str, url: str, cards: int) -> bool:
    """Fill the store at `url`, print what its searches take; return whether all medians are within the limit."""
    store = Store(url)
    start = time.perf_counter()
    fill(store, cards)
    typer.echo(f"{kind}: {cards:,} cards put in {time.perf_counter() - start:.1f} s")
    within = True
    for name, search in SEARCHES.items():
        found, took = measured(store, search)
        median = statistics.median(took)
        typer.echo(f"  {name}: {median:.1f} ms, at most {max(took):.1f} ms ({found} on the first page)")
        within = within and median <= LIMIT_MS
    store.close()
    return within


@contextmanager
def databases(url: str | None) -> Iterator[dict[str, str]]:
    """Yield the URLs of the stores to time, by what they are; those without a `url` are deleted at the end."""
    if url is not None:
        yield {url.partition(":")[0]: url}
        return
    from tests.harness.postgresql import PostgreSql

    server = PostgreSql.make()
    try:
        with tempfile.TemporaryDirectory() as folder:
            yield {"SQLite": sqlite_url(Path(folder) / "state.sqlite3"), "PostgreSQL": server.new_database()}
    finally:
        server.remove()


def main(
    cards: Annotated[int, typer.Option(min=1)] = 10_000,
    database: Annotated[str | None, typer.Option(help="postgresql://user@host/database")] = None,
) -> None:
    """Fill stores, and time searches."""
    with databases(database) as urls:
        within = [timed(kind, url, cards) for kind, url in urls.items()]
    if not all(within):
        raise typer.Exit(1)


if __name__ == "__main__":
    typer.run(main)
