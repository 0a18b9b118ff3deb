"""Trying again: pauses that grow and differ from party to party, one line in the log, and an end."""

from __future__ import annotations

import asyncio

import httpx
import pytest
from structlog.testing import capture_logs

from fedtrain.client.retry import ATTEMPTS_OF_A_MINUTE, backoff_s, for_a_minute, may_pass, retry_after_s, until_done
from fedtrain.spec.problems import Code, Problem

pytestmark = pytest.mark.anyio

AWAY = Problem(Code.FACILITATOR_UNREACHABLE, "away")


class Call:
    """Raises one error after another, and then returns 7."""

    def __init__(self, *errors: BaseException) -> None:
        self.errors = list(errors)
        self.slept: list[float] = []

    def now(self) -> int:
        if self.errors:
            raise self.errors.pop(0)
        return 7

    async def later(self) -> int:
        return self.now()

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)


async def test_pauses_double_up_to_a_limit_and_jitter_takes_up_to_half_of_each() -> None:
    for jitter, share in ((0.0, 0.5), (0.5, 0.75)):
        call = Call(*[AWAY] * 9)
        assert await until_done(call.later, sleep=call.sleep, jitter=lambda given=jitter: given) == 7
        assert call.slept == [share * longest for longest in (0.25, 0.5, 1, 2, 4, 8, 15, 15, 15)]


async def test_parties_that_lost_a_peer_together_do_not_come_back_together() -> None:
    calls = [Call(AWAY) for _ in range(8)]
    for call in calls:
        await until_done(call.later, sleep=call.sleep)
    assert len({call.slept[0] for call in calls}) > 1  # all equal once in 2**300


async def test_a_longer_pause_that_the_peer_asks_for_is_kept() -> None:
    call = Call(Problem(Code.RATE_LIMITED, "later", retry_after_s=9), Problem(Code.RATE_LIMITED, "l", retry_after_s=0))
    await until_done(call.later, sleep=call.sleep, jitter=lambda: 0.0)
    assert call.slept == [9.0, 0.25]


async def test_the_log_has_one_line_for_a_problem_that_lasts_and_one_more_for_another() -> None:
    call = Call(*[AWAY] * 5, *[Problem(Code.NOT_READY, "starting")] * 3)
    with capture_logs() as lines:
        await until_done(call.later, sleep=call.sleep)
    assert [(line["event"], line["code"], line["why"], line["log_level"]) for line in lines] == [
        ("trying again", "facilitator-unreachable", "away", "warning"),
        ("trying again", "not-ready", "starting", "warning"),
    ]


async def test_an_error_that_is_no_problem_is_told_once_as_it_is() -> None:
    call = Call(*[RuntimeError("broke")] * 3)
    told: list[Exception] = []
    await until_done(call.later, lambda _: True, tell=told.append, sleep=call.sleep)
    (error,) = told
    assert isinstance(error, RuntimeError)


@pytest.mark.parametrize("error", [Problem(Code.FORBIDDEN, "no"), RuntimeError("broke")], ids=str)
async def test_what_does_not_pass_is_raised_at_once_as_it_is(error: Exception) -> None:
    for run in (lambda call: until_done(call.later, sleep=call.sleep), _blocking):
        call = Call(error)
        with pytest.raises(type(error)) as caught:
            await run(call)
        assert caught.value is error and call.slept == []


@pytest.mark.parametrize("stop", [asyncio.CancelledError(), KeyboardInterrupt()], ids=repr)
async def test_a_stop_is_never_tried_again(stop: BaseException) -> None:
    call = Call(stop)
    with pytest.raises(type(stop)):
        await until_done(call.later, lambda _: True, sleep=call.sleep)
    assert call.slept == []


def test_for_a_minute_ends_with_the_last_problem_after_about_a_minute() -> None:
    slept: list[float] = []
    with pytest.raises(Problem) as caught:
        for_a_minute(Call(*[AWAY] * 99).now, sleep=slept.append, jitter=lambda: 0.5)
    assert caught.value is AWAY
    assert len(slept) == ATTEMPTS_OF_A_MINUTE - 1 and 50 < sum(slept) < 70
    assert for_a_minute(Call(AWAY).now, sleep=slept.append) == 7


@pytest.mark.parametrize(
    ("code", "passes"),
    [(Code.STORE_UNAVAILABLE, True), (Code.INTERNAL, True), (Code.RATE_LIMITED, True), (Code.FORBIDDEN, False)],
)
def test_what_is_away_overloaded_or_broken_may_pass(code: Code, passes: bool) -> None:
    assert may_pass(Problem(code, "x")) is passes
    assert not may_pass(ValueError("x"))


def test_a_pause_after_very_many_failures_is_still_a_number() -> None:
    assert backoff_s(10**6, 0.0) == 7.5


async def _blocking(call: Call) -> int:
    return for_a_minute(call.now, sleep=call.slept.append)


NOON = "Mon, 12 Jan 2026 12:00:00 GMT"


@pytest.mark.parametrize(
    ("said", "date", "expected"),
    [
        ("7", NOON, 7.0),
        ("Mon, 12 Jan 2026 12:01:30 GMT", NOON, 90.0),
        ("Mon, 12 Jan 2026 11:00:00 GMT", NOON, 0.0),
        ("Mon, 12 Jan 2026 12:01:30 GMT", None, None),
        ("soon", NOON, None),
        ("Mon, 12 Jan 99999999999 12:00:00 GMT", NOON, None),
        ("Mon, 12 Jan 2026 12:01:30 GMT", "Mon, 12 Jan 99999999999 12:00:00 GMT", None),
        ("Mon, 12 Jan 2026 12:01:30 -0000", NOON, 90.0),
    ],
)
def test_what_retry_after_says_is_a_number_of_seconds_or_nothing(
    said: str, date: str | None, expected: float | None
) -> None:
    headers = httpx.Headers({"Retry-After": said, **({} if date is None else {"Date": date})})
    assert retry_after_s(headers) == expected
