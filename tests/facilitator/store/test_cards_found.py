"""Cards are found by words, tags and columns, in the same way on each kind of database."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from fedtrain.facilitator.store import CardQuery, Store
from fedtrain.protocol.documents.card import open_card, open_withdrawal, words_of
from fedtrain.protocol.documents.identity import Identity
from fedtrain.protocol.documents.signed import SignedDocument
from tests.harness.cards import FAR, card_of, signed_card, signed_withdrawal

NOW = datetime(2026, 1, 12, tzinfo=UTC)
ANA, BEA = Identity.generate(), Identity.generate()


@pytest.fixture
def store(store_url: str) -> Iterator[Store]:
    opened = Store(store_url)
    yield opened
    opened.close()


def put(store: Store, signed: SignedDocument) -> None:
    with store.write() as tx:
        tx.cards.put_card(signed, open_card(signed))


def found(store: Store, reader: str | None = None, limit: int = 20, **asked: Any) -> list[str]:
    q = asked.pop("q", None)
    if q is not None:
        asked["words"] = words_of(q)
    with store.read() as tx:
        cards = tx.cards.find(CardQuery(reader, asked.pop("now", NOW), **asked), limit)
    return [open_card(one.signed).dataset for one in cards]


SEARCHES: list[tuple[dict[str, Any], bool]] = [
    ({"q": "length of stay"}, True),
    ({"q": "LENGTH stay"}, True),
    ({"q": "len"}, True),
    ({"q": "cafe"}, True),
    ({"q": "Café"}, True),
    ({"q": "age"}, True),
    ({"q": "admission cardio"}, True),
    ({"q": "clinic"}, True),
    ({"q": "length unknown"}, False),
    ({"q": "ength"}, False),
    ({"q": "stay' OR 1=1 --"}, False),
    ({"q": 'stay" NEAR(x)'}, False),
    ({"tags": ["cardiology"]}, True),
    ({"tags": ["cardio"]}, False),
    ({"tags": ["cardiology", "stroke"]}, False),
    ({"columns": ["age"]}, True),
    ({"columns": ["AGE", "ward"]}, True),
    ({"columns": ["ag"]}, False),
    ({"columns": ["age"], "types": ["continuous"]}, True),
    ({"columns": ["age"], "types": ["nominal"]}, False),
    ({"types": ["nominal"]}, True),
    ({"types": ["ordinal"]}, False),
    ({"party": ANA.party_id}, True),
    ({"party": BEA.party_id}, False),
    ({"q": "stay", "tags": ["cardiology"], "columns": ["ward"], "party": ANA.party_id}, True),
]


def test_a_card_is_found_by_what_it_says_and_by_nothing_else(store: Store) -> None:
    put(store, signed_card(ANA))
    for asked, there in SEARCHES:
        assert found(store, **asked) == (["default"] if there else []), asked


def test_pages_follow_each_other_newest_first_and_show_each_card_once(store: Store) -> None:
    for number in range(7):
        put(store, signed_card(ANA if number % 2 else BEA, revision=10 + number // 3, dataset=f"d{number}"))
    seen: list[str] = []
    after = None
    while True:
        with store.read() as tx:
            page = tx.cards.find(CardQuery(None, NOW, after=after), 2)
        if not page:
            break
        seen += [open_card(one.signed).dataset for one in page]
        after = (page[-1].revision, page[-1].number)
    assert sorted(seen) == [f"d{number}" for number in range(7)]
    assert seen[0] == "d6" and set(seen[1:4]) == {"d3", "d4", "d5"}


def test_each_reader_sees_what_is_for_it(store: Store) -> None:
    put(store, signed_card(ANA, visible_to=(BEA.party_id,), dataset="for-bea"))
    put(store, signed_card(ANA, visible_to=(), dataset="for-nobody"))
    put(store, signed_card(ANA, dataset="for-all"))
    assert found(store) == ["for-all"]
    assert sorted(found(store, BEA.party_id)) == ["for-all", "for-bea"]
    assert sorted(found(store, ANA.party_id)) == ["for-all", "for-bea", "for-nobody"]
    assert found(store, "00" * 32, q="stay") == ["for-all"]


def test_a_new_card_takes_the_place_of_the_old_one_in_everything(store: Store) -> None:
    put(store, signed_card(ANA, visible_to=(BEA.party_id,)))
    put(store, signed_card(ANA, 2, title="Emergency visits", description="", tags=("stroke",), columns=()))
    assert found(store, q="emergency", tags=["stroke"]) == ["default"]
    for asked in ({"q": "length"}, {"tags": ["cardiology"]}, {"columns": ["age"]}):
        assert found(store, BEA.party_id, **asked) == []
    with store.read() as tx:
        assert tx.cards.count_of(ANA.party_id) == 1


def test_a_withdrawn_card_and_one_that_is_over_are_not_found(store: Store) -> None:
    put(store, signed_card(ANA))
    assert found(store, now=FAR) == []
    taken_back = signed_withdrawal(ANA, 2)
    with store.write() as tx:
        tx.cards.put_withdrawal(taken_back, open_withdrawal(taken_back, ANA.party_id))
    assert found(store, ANA.party_id) == found(store, ANA.party_id, q="stay") == []
    with store.read() as tx:
        known = tx.cards.card(ANA.party_id, "default")
    assert known is not None and known.withdrawn and known.signed == taken_back
    put(store, signed_card(ANA, 3))
    assert found(store, q="stay") == ["default"]


def test_words_are_folded_once_for_all_databases() -> None:
    assert words_of("Länge_des  AUFENTHALTS (Tage), 2.5 café") == [
        "lange", "des", "aufenthalts", "tage", "2", "5", "cafe",
    ]  # fmt: skip
    assert "Age" in card_of(ANA).text and "years" in card_of(ANA).text
