"""Editions of requests at the Facilitator: who waits hears of its own requests at once, and of no others."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from fedtrain.spec.problems import Code, Problem
from tests.harness.facilitator.fake_parties import Facilitator, Party, running
from tests.harness.requests import approval, said, signed_request


async def waiting(facilitator: Facilitator, party: Party, known: str) -> asyncio.Task[str]:
    """A wait for another edition, which is at the service."""
    polls = facilitator.app.state.long_polls
    before = polls.total
    task = asyncio.create_task(party.client.requests_edition(known, 60))
    while polls.total == before:
        assert not task.done()
        await asyncio.sleep(0.01)
    return task


def test_each_further_word_is_news_to_the_parties_to_the_request_and_to_nobody_else(tmp_path: Path) -> None:
    async def play() -> None:
        async with running(tmp_path) as facilitator:
            acme, ana, eve = facilitator.model_owner("acme"), facilitator.owner("ana"), facilitator.owner("eve")
            stranger = await waiting(facilitator, eve, "0.0")
            known = await acme.client.requests_edition("", 60)  # who knows none is answered at once
            asked = signed_request(acme.identity, (ana.identity,))
            request = asked.hash
            steps = (
                lambda: acme.client.post_request(asked),
                lambda: ana.client.say(request, "message", said(ana.identity, request)),
                lambda: ana.client.say(request, "decision", approval(ana.identity, request)),
            )
            for step in steps:
                tasks = [await waiting(facilitator, party, known) for party in (acme, ana)]
                await step()
                first, second = await asyncio.gather(*tasks)
                assert first == second != known
                known = first
                await step()  # the same again is no news
                assert await acme.client.requests_edition(known, 0) == known
            # Nothing of it woke her, or could be read from her edition.
            assert not stranger.done()
            assert await eve.client.requests_edition("0.0", 0) == "0.0"
            await acme.client.post_request(signed_request(acme.identity, (eve.identity,)))
            assert await stranger == "1.0"
            assert await ana.client.requests_edition(known, 0) == known

    asyncio.run(play())


def test_an_edition_is_a_partys(tmp_path: Path) -> None:
    async def play() -> None:
        async with running(tmp_path) as facilitator, facilitator.client as http:
            answer = await http.get("/changes/requests")
            assert (answer.status_code, answer.json()["type"]) == (401, "/problems/unauthenticated")
            with pytest.raises(Problem) as refused:
                await facilitator.owner("ana").client.requests_edition("x" * 101, 0)
            assert refused.value.code is Code.INVALID_REQUEST

    asyncio.run(play())
