"""Cards that another party signs, that a Facilitator edits, or that come back after they were withdrawn."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest

from fedtrain.client.agent.catalogue import Catalogue
from fedtrain.protocol.documents.card import CardList, CardWithdrawal, open_card
from fedtrain.protocol.documents.signed import SignedDocument, sign_document
from fedtrain.spec.problems import Code, Problem
from tests.harness.cards import FAR, card_of, signed_card, signed_withdrawal
from tests.harness.data_owner.owner_bench import identity_of
from tests.harness.facilitator.fake_parties import Facilitator, running

NOW = datetime(2026, 1, 12, 9, 0, tzinfo=UTC)


def play(folder: Path, scene: Callable[[Facilitator], Awaitable[None]]) -> None:
    async def run() -> None:
        async with running(folder) as facilitator:
            await scene(facilitator)

    asyncio.run(run())


async def refused(code: Code, call: Awaitable[object]) -> str:
    with pytest.raises(Problem) as caught:
        await call
    assert caught.value.code is code, caught.value.detail
    return caught.value.detail


async def titles(facilitator: Facilitator, *asked: tuple[str, str]) -> list[str]:
    page = await facilitator.owner("reader").client.cards(asked)
    return [open_card(signed).title for signed in page.cards]


def test_a_card_is_shown_as_its_owner_signed_it_and_the_same_one_again_changes_nothing(tmp_path: Path) -> None:
    async def scene(facilitator: Facilitator) -> None:
        ana = facilitator.owner("ana")
        card = signed_card(ana.identity)
        for _ in range(2):
            await ana.client.publish("default", card)
        (shown,) = (await facilitator.owner("reader").client.cards([("q", "length")])).cards
        assert shown == card

    play(tmp_path, scene)


def test_a_card_that_another_party_signed_or_sends_is_refused(tmp_path: Path) -> None:
    async def scene(facilitator: Facilitator) -> None:
        ana, eve = facilitator.owner("ana"), facilitator.owner("eve")
        in_her_name = sign_document(card_of(ana.identity), eve.identity)
        await refused(Code.BAD_SIGNATURE, eve.client.publish("default", in_her_name))
        await refused(Code.FORBIDDEN, eve.client.publish("default", signed_card(ana.identity)))
        swapped = signed_card(ana.identity).model_copy(update={"signer": eve.party_id})
        await refused(Code.BAD_SIGNATURE, eve.client.publish("default", swapped))
        await refused(Code.MALFORMED_MESSAGE, ana.client.publish("other", signed_card(ana.identity)))
        assert await titles(facilitator) == []

    play(tmp_path, scene)


def test_a_withdrawn_card_cannot_be_shown_again_by_its_bytes(tmp_path: Path) -> None:
    async def scene(facilitator: Facilitator) -> None:
        ana, eve = facilitator.owner("ana"), facilitator.owner("eve")
        card, taken_back = signed_card(ana.identity, 5), signed_withdrawal(ana.identity, 6)
        await ana.client.publish("default", card)
        await refused(Code.FORBIDDEN, eve.client.withdraw("default", taken_back))
        forged = sign_document(CardWithdrawal.model_validate_json(taken_back.document), eve.identity)
        await refused(Code.BAD_SIGNATURE, eve.client.withdraw("default", forged))
        assert await titles(facilitator) != []
        await ana.client.withdraw("default", taken_back)
        assert await titles(facilitator) == []
        said = await refused(Code.CARD_SUPERSEDED, ana.client.publish("default", card))
        assert "was withdrawn by revision 6" in said
        await refused(Code.CARD_SUPERSEDED, ana.client.publish("default", signed_card(ana.identity, 6)))
        await ana.client.publish("default", signed_card(ana.identity, 7))
        # Nor does an old withdrawal take a newer card away.
        await ana.client.withdraw("default", signed_withdrawal(ana.identity, 8))
        await ana.client.publish("default", signed_card(ana.identity, 9, title="Anew"))
        await refused(Code.CARD_SUPERSEDED, ana.client.withdraw("default", taken_back))
        assert await titles(facilitator) == ["Anew"]

    play(tmp_path, scene)


def test_a_withdrawal_that_comes_first_keeps_an_older_card_out(tmp_path: Path) -> None:
    async def scene(facilitator: Facilitator) -> None:
        ana = facilitator.owner("ana")
        await ana.client.withdraw("default", signed_withdrawal(ana.identity, 6))
        await refused(Code.CARD_SUPERSEDED, ana.client.publish("default", signed_card(ana.identity, 5)))

    play(tmp_path, scene)


def test_a_card_that_is_over_is_neither_taken_nor_shown(tmp_path: Path) -> None:
    async def scene(facilitator: Facilitator) -> None:
        ana = facilitator.owner("ana")
        over = signed_card(ana.identity, not_after=datetime(2026, 1, 12, 8, 59, tzinfo=UTC))
        await refused(Code.INVALID_REQUEST, ana.client.publish("default", over))
        await ana.client.publish(
            "default", signed_card(ana.identity, not_after=datetime(2026, 1, 12, 9, 1, tzinfo=UTC))
        )
        assert len(await titles(facilitator)) == 1
        facilitator.clock.pass_time(60)
        assert await titles(facilitator) == []

    play(tmp_path, scene)


def test_a_search_that_cannot_be_meant_is_refused_by_field(tmp_path: Path) -> None:
    async def scene(facilitator: Facilitator) -> None:
        reader = facilitator.owner("reader")
        for field, value in (("q", "!?"), ("q", "a " * 17), ("tag", "Cardiology"), ("type", "number"), ("limit", "0")):
            said = await refused(Code.INVALID_REQUEST, reader.client.cards([(field, value)]))
            assert field in said
        await refused(Code.INVALID_REQUEST, reader.client.cards([("after", "1' OR 1=1")]))

    play(tmp_path, scene)


class DishonestShelf:
    """A Facilitator that shows whatever it likes."""

    def __init__(self, *cards: SignedDocument) -> None:
        self.page = CardList(cards=cards)

    async def cards(self, _asked: Sequence[tuple[str, str]]) -> CardList:
        return self.page


def edited(signed: SignedDocument, **changes: object) -> SignedDocument:
    return signed.model_copy(update={"document": json.dumps(json.loads(signed.document) | changes)})


def test_what_a_facilitator_edited_made_up_or_shows_too_long_is_told_and_not_shown() -> None:
    ana, eve = identity_of("ana"), identity_of("eve")
    honest = signed_card(ana)
    bad = [
        edited(honest, title="Free for all"),
        edited(honest, terms="none"),
        honest.model_copy(update={"signer": eve.party_id}),
        sign_document(card_of(ana), eve),
        signed_card(ana, not_after=datetime(2026, 1, 12, 8, 0, tzinfo=UTC)),
        signed_withdrawal(ana, 9),
    ]
    found = asyncio.run(Catalogue(DishonestShelf(honest, *bad), lambda: NOW).find([]))
    assert [card.title for card in found.cards] == ["Length of stay in hospital"]
    assert len(found.refused) == len(bad)
    assert found.cards[0].not_after == FAR
