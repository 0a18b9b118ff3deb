"""Fetching what a job's log is verified by: some thousand requests where owners and rounds are many."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from typing import TypeVar

from pydantic import ValidationError

from fedtrain.client.facilitator import FacilitatorClient
from fedtrain.client.retry import Sleep, until_done
from fedtrain.protocol.documents.identity import sha256_hex
from fedtrain.protocol.documents.signed import Hash
from fedtrain.protocol.evidence.verification import LogItem
from fedtrain.protocol.messages.rounds import LogEntry, from_cbor
from fedtrain.protocol.messages.task_sizes import EvidenceLimits
from fedtrain.spec.model_spec import Strict
from fedtrain.spec.problems import Code, Problem

#: Answers of an entry that are asked for at a time.
AT_ONCE = 8

T = TypeVar("T")


class _Line(Strict, extra="ignore"):
    """Fields that are read of a line of `GET /models/{id}/log`; everything else is read from the entry itself."""

    index: int
    signed_request_hash: Hash | None = None


async def fetch_log(
    client: FacilitatorClient,
    job_id: str,
    limits: EvidenceLimits,
    start: int = 0,
    stop: int | None = None,
    *,
    sleep: Sleep = asyncio.sleep,
) -> list[LogItem]:
    """Return the job's log from entry `start` on, up to but without `stop`, each entry with its evidence.

    Where the Facilitator has answered all that it does for now (RATE_LIMITED), goes on when it says. Raises Problem: as
    the client, and LOG_INCONSISTENT where the evidence's bytes do not have the hashes that the entry names (an altered
    blob), naming the entry.
    """
    try:
        listed = await _patiently(lambda: client.log(job_id, start=start), sleep)
        lines = [_Line.model_validate(line) for line in listed]
    except ValidationError:
        raise Problem(Code.MALFORMED_MESSAGE, "The Facilitator's log does not list entries by index.") from None
    kept = [line for line in lines if line.index >= start and (stop is None or line.index < stop)]
    evidence = _Evidence(client, job_id, limits, sleep)
    # By place and not by what an entry says of itself: that is for the verifier to compare.
    return [await evidence.item(index, line) for index, line in enumerate(kept, start)]


async def fetch_entries(
    client: FacilitatorClient, job_id: str, limits: EvidenceLimits, *, sleep: Sleep = asyncio.sleep
) -> list[bytes]:
    """Return the exact bytes of every entry of the job's log, without evidence. Raises Problem as the client."""
    count = len(await _patiently(lambda: client.log(job_id), sleep))
    return [await _patiently(partial(client.log_entry, job_id, index, limits), sleep) for index in range(count)]


async def _patiently(call: Callable[[], Awaitable[T]], sleep: Sleep) -> T:
    return await until_done(call, _put_off, tell=lambda _error: None, sleep=sleep)


def _put_off(error: Exception) -> bool:
    return isinstance(error, Problem) and error.code is Code.RATE_LIMITED


class _Evidence:
    """One job's evidence, fetched."""

    def __init__(self, client: FacilitatorClient, job_id: str, limits: EvidenceLimits, sleep: Sleep) -> None:
        self._client = client
        self._job_id = job_id
        self._limits = limits
        self._sleep = sleep
        self._turns = asyncio.Semaphore(AT_ONCE)

    async def item(self, index: int, line: _Line) -> LogItem:
        entry_bytes = await _patiently(lambda: self._client.log_entry(self._job_id, index, self._limits), self._sleep)
        try:
            entry = from_cbor(entry_bytes, LogEntry)
        except Problem as problem:
            raise Problem(Code.LOG_INCONSISTENT, f"Log entry {index}: {problem.detail}") from None
        if index == 0 or line.signed_request_hash is None or entry.product_hash is None:
            return LogItem(entry_bytes)
        answers = (record.answer_hash for record in entry.answers)
        request, product, *given = await self._blobs(index, (line.signed_request_hash, entry.product_hash, *answers))
        return LogItem(entry_bytes, request, tuple(given), product)

    async def _blobs(self, index: int, hashes: Iterable[str]) -> list[bytes]:
        """In the order asked for. Raises the Problem of the first that has one."""
        found = await asyncio.gather(*(self._in_turn(index, one) for one in hashes), return_exceptions=True)
        for blob in found:
            if isinstance(blob, BaseException):
                raise blob
        return [blob for blob in found if isinstance(blob, bytes)]

    async def _in_turn(self, index: int, content_hash: str) -> bytes:
        async with self._turns:
            return await _patiently(partial(self._blob, index, content_hash), self._sleep)

    async def _blob(self, index: int, content_hash: str) -> bytes:
        try:
            content = await self._client.blob(self._job_id, content_hash, self._limits)
        except Problem as problem:
            if problem.code is not Code.NOT_FOUND:
                raise
            why = f"Log entry {index}: it names evidence that the Facilitator does not have: {problem.detail}"
            raise Problem(Code.LOG_INCONSISTENT, why) from None
        if sha256_hex(content) != content_hash:
            raise Problem(
                Code.LOG_INCONSISTENT,
                f"Log entry {index}: the Facilitator's evidence {content_hash[:16]}… has other bytes than its "
                "hash says.",
            )
        return content
