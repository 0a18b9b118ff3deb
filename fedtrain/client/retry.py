"""Trying again what may pass: the pause before it, what is worth it, and the one line that tells of it."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TypeVar

import httpx
import structlog
from tenacity import AsyncRetrying, RetryCallState, Retrying, retry_if_exception, stop_after_attempt

from fedtrain.protocol.http_dates import moment_of
from fedtrain.spec.problems import Code, Problem

log = structlog.get_logger("protocol.agent")

FIRST_BACKOFF_S = 0.25
LONGEST_BACKOFF_S = 15.0
#: A peer, or a proxy before it, may ask for longer pauses than these; not for any length.
LONGEST_ASKED_S = 300.0
#: Attempts whose pauses make about a minute, which a service takes to be started again.
ATTEMPTS_OF_A_MINUTE = 11

T = TypeVar("T")
Sleep = Callable[[float], Awaitable[None]]
Jitter = Callable[[], float]
Passes = Callable[[Exception], bool]
Tell = Callable[[Exception], None]


def may_pass(error: Exception) -> bool:
    """Return whether trying the same again later can help: the peer is away, overloaded or broken."""
    return isinstance(error, Problem) and (error.code.status >= 500 or error.code is Code.RATE_LIMITED)


def _tell(error: Exception) -> None:
    if isinstance(error, Problem):
        log.warning("trying again", code=error.code.slug, why=error.detail)


async def until_done(
    call: Callable[[], Awaitable[T]],
    passes: Passes = may_pass,
    *,
    tell: Tell = _tell,
    sleep: Sleep = asyncio.sleep,
    jitter: Jitter = random.random,
) -> T:
    """Return what `call` returns, trying again while its errors may pass. Raises the one that may not.

    `tell` is called once for all attempts in a row that end in the same problem. `jitter` in [0, 1) is drawn by each
    caller, so that parties that lost a peer together do not return together.
    """

    async def attempt() -> T:
        return await call()

    again = AsyncRetrying(
        retry=_if_passing(passes),
        wait=partial(_pause_s, jitter=jitter),
        before_sleep=_Once(tell),
        sleep=sleep,
        reraise=True,
    )
    return await again(attempt)


def for_a_minute(
    call: Callable[[], T],
    passes: Passes = may_pass,
    *,
    sleep: Callable[[float], None] = time.sleep,
    jitter: Jitter = random.random,
) -> T:
    """Return what `call` returns, trying again for about a minute while its errors may pass. Raises the last one."""
    again = Retrying(
        retry=_if_passing(passes),
        wait=partial(_pause_s, jitter=jitter),
        stop=stop_after_attempt(ATTEMPTS_OF_A_MINUTE),
        sleep=sleep,
        reraise=True,
    )
    return again(call)


def backoff_s(failures: int, jitter: float) -> float:
    """Return the pause after so many failures in a row, at least 1: doubling, and between half and all of it."""
    longest = min(LONGEST_BACKOFF_S, FIRST_BACKOFF_S * 2.0 ** min(failures - 1, 16))
    return longest * (0.5 + jitter / 2)


def asked_s(problem: Problem) -> float:
    """Return the pause that the peer asked for by Retry-After, at most LONGEST_ASKED_S; 0.0 where it asked for none."""
    asked = problem.extra.get("retry_after_s")
    if isinstance(asked, bool) or not isinstance(asked, int | float) or not asked > 0:
        return 0.0
    return min(float(asked), LONGEST_ASKED_S)


def retry_after_s(headers: httpx.Headers) -> float | None:
    """Return what Retry-After says (RFC 9110 §10.2.3), None where there is none that can be read.

    A date is held against the sender's own, so that the two machines' clocks may differ.
    """
    said = headers.get("retry-after", "").strip()
    if said.isascii() and said.isdigit():
        return float(said[:9])
    until, sent = moment_of(said), moment_of(headers.get("date", ""))
    return None if until is None or sent is None else max(0.0, (until - sent).total_seconds())


def _if_passing(passes: Passes) -> retry_if_exception:
    # A stop is no error: CancelledError and KeyboardInterrupt go through at once.
    return retry_if_exception(lambda error: isinstance(error, Exception) and passes(error))


def _error(state: RetryCallState) -> BaseException | None:
    return None if state.outcome is None else state.outcome.exception()


def _pause_s(state: RetryCallState, jitter: Jitter) -> float:
    error = _error(state)
    return max(asked_s(error) if isinstance(error, Problem) else 0.0, backoff_s(state.attempt_number, jitter()))


class _Once:
    """Tells of a failure, and not of the next one where that is the same."""

    def __init__(self, tell: Tell) -> None:
        self._tell = tell
        self._told: object = None

    def __call__(self, state: RetryCallState) -> None:
        error = _error(state)
        failure = error.code if isinstance(error, Problem) else type(error)
        if failure != self._told and isinstance(error, Exception):
            self._told = failure
            self._tell(error)
