"""Evidence of many owners: several requests at a time, in order, and later where the Facilitator says later."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable

import httpx
import pytest

from fedtrain.client.evidence import AT_ONCE, fetch_log
from fedtrain.client.facilitator import FacilitatorClient
from fedtrain.client.retry import FIRST_BACKOFF_S
from fedtrain.methods.regression.kinds import RoundKind
from fedtrain.protocol.documents.identity import sha256_hex
from fedtrain.protocol.messages.rounds import NO_ENTRY, AnswerRecord, LogEntry, to_cbor
from fedtrain.spec.problems import PROBLEM_JSON, Code, Problem
from tests.harness.facilitator.roomy import ROOMY

pytestmark = pytest.mark.anyio

JOB = "0" * 32
OWNERS = 30
Refuse = Callable[[str], Problem | None]


def never(_path: str) -> Problem | None:
    return None


class Log(httpx.AsyncBaseTransport):
    """A Facilitator with a log of one sum. `refuse` says what goes wrong with a path; `most` at a time were asked."""

    def __init__(self, refuse: Refuse = never) -> None:
        contents = [f"answer {number}".encode() for number in range(OWNERS)]
        self.answers = tuple(contents)
        blobs = [b"request", b"product", *contents]
        self.blobs = {sha256_hex(blob): blob for blob in blobs}
        self.entry = to_cbor(entry_of(contents))
        self.refuse = refuse
        self.asked: list[str] = []
        self.now = self.most = 0

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.now += 1
        self.most = max(self.most, self.now)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        self.now -= 1
        path = request.url.path.removeprefix(f"/models/{JOB}")
        self.asked.append(path)
        problem = self.refuse(path)
        if problem is not None:
            headers = {"Content-Type": PROBLEM_JSON}
            return httpx.Response(problem.code.status, json=problem.to_dict(), headers=headers)
        if path == "/log":
            return httpx.Response(200, json=[{"index": 1, "signed_request_hash": sha256_hex(b"request")}])
        return httpx.Response(200, content=self.entry if path == "/log/1" else self.blobs[path.rsplit("/", 1)[1]])

    @property
    def client(self) -> FacilitatorClient:
        return FacilitatorClient("http://facilitator", party_id="a1" * 32, transport=self)


def entry_of(answers: list[bytes]) -> LogEntry:
    records = tuple(
        AnswerRecord(
            party=hashlib.sha256(answer).hexdigest(),
            answer_hash=sha256_hex(answer),
            ciphertexts_hash="cd" * 32,
            signature=bytes(64),
        )
        for answer in answers
    )
    return LogEntry(
        index=1,
        previous=NO_ENTRY,
        manifest_hash="11" * 32,
        roster_hash="22" * 32,
        round=0,
        kind=RoundKind.COUNTS,
        request_hash="33" * 32,
        answers=records,
        product_hash=sha256_hex(b"product"),
    )


class Pauses:
    """Sleeps not at all, and knows how long it would have."""

    def __init__(self) -> None:
        self.slept: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.slept.append(seconds)


async def test_answers_are_fetched_several_at_a_time_and_come_in_the_entrys_order() -> None:
    log = Log()
    (item,) = await fetch_log(log.client, JOB, ROOMY, start=1)
    assert item.answers == log.answers
    assert (item.entry, item.signed_request, item.product) == (log.entry, b"request", b"product")
    assert log.most == AT_ONCE > 1
    assert len(log.asked) == OWNERS + 4


@pytest.mark.parametrize(("extra", "pause_s"), [({"retry_after_s": 3}, 3.0), ({}, None)])
async def test_what_the_facilitator_puts_off_is_asked_for_when_it_says(
    extra: dict[str, int], pause_s: float | None
) -> None:
    put_off: set[str] = set()

    def once(path: str) -> Problem | None:
        if path in put_off:
            return None
        put_off.add(path)
        return Problem(Code.RATE_LIMITED, "This caller has used up its requests.", **extra)

    log, pauses = Log(once), Pauses()
    (item,) = await fetch_log(log.client, JOB, ROOMY, start=1, sleep=pauses)
    assert item.answers == log.answers
    assert len(pauses.slept) == OWNERS + 4
    if pause_s is None:
        assert all(FIRST_BACKOFF_S / 2 <= slept <= FIRST_BACKOFF_S for slept in pauses.slept)
    else:
        assert set(pauses.slept) == {pause_s}


@pytest.mark.parametrize("code", [Code.FORBIDDEN, Code.INTERNAL, Code.FACILITATOR_UNREACHABLE])
async def test_anything_else_that_it_says_is_raised_at_once(code: Code) -> None:
    withheld = f"/blobs/{sha256_hex(b'answer 3')}"
    log, pauses = Log(lambda path: Problem(code, "No.") if path == withheld else None), Pauses()
    with pytest.raises(Problem) as caught:
        await fetch_log(log.client, JOB, ROOMY, start=1, sleep=pauses)
    assert caught.value.code is code
    assert pauses.slept == [] and log.asked.count(withheld) == 1


async def test_an_answer_with_other_bytes_is_named_by_its_entry() -> None:
    log = Log()
    log.blobs[sha256_hex(b"answer 7")] = b"answer 8"
    with pytest.raises(Problem, match=r"^Log entry 1: the Facilitator's evidence") as caught:
        await fetch_log(log.client, JOB, ROOMY, start=1)
    assert sha256_hex(b"answer 7")[:16] in caught.value.detail
