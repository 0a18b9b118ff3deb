"""Requests that are followed: one wait at the Facilitator however many look, and none when nobody does."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from fedtrain.client.agent import followed_requests
from fedtrain.client.agent.followed_requests import FollowedRequests
from fedtrain.spec.problems import Code, Problem

pytestmark = pytest.mark.anyio


class Board:
    """A Facilitator that is asked for editions, and answers with what it is given."""

    def __init__(self) -> None:
        self.known: list[str] = []
        self.asking = 0
        self.answers: asyncio.Queue[str | Problem] = asyncio.Queue()

    async def ask(self, known: str, _wait_s: float) -> str:
        self.known.append(known)
        self.asking += 1
        try:
            answer = await self.answers.get()
        finally:
            self.asking -= 1
        if isinstance(answer, Problem):
            raise answer
        return answer


async def until(holds: Callable[[], bool]) -> None:
    while not holds():
        await asyncio.sleep(0.01)


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(followed_requests, "APART_S", 0.0)


async def test_many_who_look_are_one_wait_which_ends_with_the_last() -> None:
    board = Board()
    requests = FollowedRequests(board.ask)
    assert await requests.edition() is None
    with requests.followed():
        with requests.followed(), requests.followed():
            await until(lambda: board.asking == 1)
            board.answers.put_nowait("1.0")
            await until(lambda: board.known == ["", "1.0"])
            assert await requests.edition() == "1.0"
        assert board.asking == 1
        board.answers.put_nowait("1.1")
        await until(lambda: board.known[-1] == "1.1")
    await until(lambda: board.asking == 0)
    with requests.followed():  # it goes on from what is known
        await until(lambda: board.known[-1] == "1.1" and board.asking == 1)


async def test_a_facilitator_that_cannot_be_asked_is_news_each_time_and_asked_again() -> None:
    board = Board()
    requests = FollowedRequests(board.ask)
    with requests.followed():
        seen = []
        for answer in ("1.0", Problem(Code.FACILITATOR_UNREACHABLE, "away"), Problem(Code.NOT_FOUND, "old"), "1.0"):
            before = await requests.edition()
            board.answers.put_nowait(answer)
            while (now := await requests.edition()) == before:
                await asyncio.sleep(0.01)
            seen.append(now)
        assert seen[0] == seen[3] == "1.0" and len(set(seen)) == 3
