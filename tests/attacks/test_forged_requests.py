"""Requests that another party signs, that a Facilitator alters, approvals of another request, and words without end."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from fedtrain.protocol.documents.request import (
    MOST_TEXT,
    KeptRequest,
    RequestEntry,
    open_kept,
    open_request,
)
from fedtrain.protocol.documents.signed import SignedDocument, sign_document
from fedtrain.protocol.messages.tasks import JSON_TYPE
from fedtrain.spec.problems import Code, Problem
from tests.harness.data_owner.owner_bench import identity_of
from tests.harness.facilitator.fake_parties import Facilitator, running
from tests.harness.requests import approval, request_of, said, signed_request

ACME, ANA, BEA, EVE = (identity_of(name) for name in ("acme", "ana", "bea", "eve"))


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


@pytest.mark.slow
def test_a_request_goes_to_those_that_it_asks_and_to_nobody_else(tmp_path: Path) -> None:
    async def scene(facilitator: Facilitator) -> None:
        acme, ana, eve = facilitator.model_owner("acme"), facilitator.owner("ana"), facilitator.owner("eve")
        signed = signed_request(acme.identity, (ana.identity,))
        for _ in range(2):
            await acme.client.post_request(signed)
        for party in (acme, ana):
            (kept,) = (await party.client.requests()).requests
            assert (kept.request, kept.entries) == (signed, ())
        assert (await eve.client.requests()).requests == ()
        await refused(Code.REQUEST_NOT_FOUND, eve.client.one_request(signed.hash))

        question, yes = said(ana.identity, signed.hash), approval(ana.identity, signed.hash, max_rounds=5)
        for _ in range(2):
            await ana.client.say(signed.hash, "message", question)
            await ana.client.say(signed.hash, "decision", yes)
        opened = open_kept(await acme.client.one_request(signed.hash))
        assert [one.text for one in opened.messages] == ["Which wards?"]
        decision = opened.decision_of(ana.party_id)
        assert decision is not None and decision.conditions.max_rounds == 5

    play(tmp_path, scene)


def test_what_another_party_signed_or_sends_is_refused(tmp_path: Path) -> None:
    async def scene(facilitator: Facilitator) -> None:
        acme, ana, eve = facilitator.model_owner("acme"), facilitator.owner("ana"), facilitator.owner("eve")
        honest = signed_request(acme.identity, (ana.identity,))
        in_its_name = sign_document(request_of(acme.identity, (ana.identity,)), eve.identity)
        await refused(Code.BAD_SIGNATURE, eve.client.post_request(in_its_name))
        await refused(Code.BAD_SIGNATURE, eve.client.post_request(honest))
        await acme.client.post_request(honest)

        request = honest.hash
        await refused(Code.FORBIDDEN, eve.client.say(request, "message", said(ana.identity, request)))
        await refused(Code.REQUEST_NOT_FOUND, eve.client.say(request, "message", said(eve.identity, request)))
        as_ana = said(ana.identity, request).model_copy(update={"signer": acme.party_id})
        await refused(Code.BAD_SIGNATURE, acme.client.say(request, "message", as_ana))
        await refused(Code.FORBIDDEN, acme.client.say(request, "decision", approval(acme.identity, request)))
        assert (await ana.client.one_request(request)).entries == ()

    play(tmp_path, scene)


def test_an_approval_of_another_request_counts_for_no_other(tmp_path: Path) -> None:
    async def scene(facilitator: Facilitator) -> None:
        acme, ana = facilitator.model_owner("acme"), facilitator.owner("ana")
        small = signed_request(acme.identity, (ana.identity,))
        large = signed_request(acme.identity, (ana.identity,), created_at="2026-01-12T10:00:00Z")
        for one in (small, large):
            await acme.client.post_request(one)
        yes = approval(ana.identity, small.hash)
        await ana.client.say(small.hash, "decision", yes)
        detail = await refused(Code.MALFORMED_MESSAGE, ana.client.say(large.hash, "decision", yes))
        assert small.hash[:16] in detail
        # A message is no decision, whatever it is called.
        await refused(Code.BAD_SIGNATURE, ana.client.say(small.hash, "message", yes))

    play(tmp_path, scene)


def test_words_have_an_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fedtrain.facilitator.registry.requests.MOST_MESSAGES_OF_PARTY", 3)
    monkeypatch.setattr("fedtrain.facilitator.registry.requests.MOST_DECISIONS_OF_PARTY", 1)

    async def scene(facilitator: Facilitator) -> None:
        acme, ana = facilitator.model_owner("acme"), facilitator.owner("ana")
        signed = signed_request(acme.identity, (ana.identity,))
        await acme.client.post_request(signed)
        request = signed.hash
        document = json.dumps({"request": request, "party": ana.party_id, "text": "a" * (10 << 20)})
        huge = ana.identity.sign("requestmessage", document.encode()).hex()
        body = json.dumps({"document": document, "signer": ana.party_id, "signature": huge}).encode()
        headers = {"Content-Type": JSON_TYPE, "Fedtrain-Party": ana.party_id}
        async with facilitator.client as client:
            path = f"/requests/{request}/messages/{'0f' * 32}"
            assert (await client.put(path, content=body, headers=headers)).status_code == 413
        with pytest.raises(ValueError, match="at most 2000"):
            said(ana.identity, request, "a" * (MOST_TEXT + 1))
        for words in ("turned \u202e round", "\x1b[2J"):
            with pytest.raises(ValueError, match="control character"):
                said(ana.identity, request, words)
        for number in range(3):
            await ana.client.say(request, "message", said(ana.identity, request, f"question {number}"))
        await refused(Code.RATE_LIMITED, ana.client.say(request, "message", said(ana.identity, request, "and")))
        # Who has talked too much may decide all the same.
        await ana.client.say(request, "decision", approval(ana.identity, request))
        # What is there already is not one more, and the other side has its own room.
        await ana.client.say(request, "message", said(ana.identity, request, "question 0"))
        await acme.client.say(request, "message", said(acme.identity, request, "answer"))
        assert len((await acme.client.one_request(request)).entries) == 5

    play(tmp_path, scene)


def edited(signed: SignedDocument, **changes: object) -> SignedDocument:
    return signed.model_copy(update={"document": json.dumps(json.loads(signed.document) | changes)})


def test_whatever_a_facilitator_alters_makes_up_or_moves_is_refused() -> None:
    honest = signed_request(ACME, (ANA, BEA))
    document = json.loads(honest.document)
    with pytest.raises(Problem) as caught:
        open_request(edited(honest, spec=document["spec"] | {"purpose": "something else"}))
    assert caught.value.code is Code.BAD_SIGNATURE

    other = signed_request(ACME, (ANA, BEA), created_at="2026-01-12T10:00:00Z")
    yes, word = approval(ANA, honest.hash), said(ANA, honest.hash)
    assert open_kept(kept(honest, "decision", yes)).decision_of(ANA.party_id) is not None
    for code, request, kind, entry in (
        (Code.BAD_SIGNATURE, honest, "decision", edited(approval(ANA, honest.hash, max_rounds=5), conditions={})),
        (Code.BAD_SIGNATURE, honest, "decision", yes.model_copy(update={"signer": BEA.party_id})),
        (Code.BAD_SIGNATURE, honest, "decision", word),
        (Code.BAD_SIGNATURE, honest, "message", edited(word, text="Yes.")),
        (Code.MALFORMED_MESSAGE, other, "decision", yes),
        (Code.FORBIDDEN, honest, "decision", approval(EVE, honest.hash)),
        (Code.FORBIDDEN, honest, "decision", approval(ACME, honest.hash)),
        (Code.FORBIDDEN, honest, "message", said(EVE, honest.hash)),
    ):
        with pytest.raises(Problem) as caught:
            open_kept(kept(request, kind, entry))
        assert caught.value.code is code, caught.value.detail


def kept(request: SignedDocument, kind: str, signed: SignedDocument) -> KeptRequest:
    return KeptRequest(request=request, entries=(RequestEntry.model_validate({"kind": kind, "signed": signed}),))
