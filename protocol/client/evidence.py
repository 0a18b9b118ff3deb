"""Fetching what a job's log is verified by."""

from __future__ import annotations

from pydantic import ValidationError

from protocol.client.facilitator import FacilitatorClient
from protocol.documents import Hash
from protocol.identity import sha256_hex
from protocol.messages import LogEntry, from_cbor
from protocol.problems import Code, Problem
from protocol.spec import Strict
from protocol.verification import LogItem


class _Line(Strict, extra="ignore"):
    """What is read of a line of `GET /models/{id}/log`; everything else is read from the entry itself."""

    index: int
    signed_request_hash: Hash | None = None


async def fetch_log(client: FacilitatorClient, job_id: str, start: int = 0) -> list[LogItem]:
    """Return the job's log from entry `start` on, each entry with its evidence.

    Raises Problem: as the client, and LOG_INCONSISTENT where the evidence's bytes do not have the hashes that the
    entry names (an altered blob), naming the entry.
    """
    try:
        lines = [_Line.model_validate(line) for line in await client.log(job_id, start=start)]
    except ValidationError:
        raise Problem(Code.MALFORMED_MESSAGE, "The Facilitator's log does not list entries by index.") from None
    kept = [line for line in lines if line.index >= start]
    # By place and not by what an entry says of itself: that is for the verifier to compare.
    return [await _item(client, job_id, index, line) for index, line in enumerate(kept, start)]


async def _item(client: FacilitatorClient, job_id: str, index: int, line: _Line) -> LogItem:
    entry_bytes = await client.log_entry(job_id, index)
    try:
        entry = from_cbor(entry_bytes, LogEntry)
    except Problem as problem:
        raise Problem(Code.LOG_INCONSISTENT, f"Log entry {index}: {problem.detail}") from None
    if index == 0 or line.signed_request_hash is None or entry.product_hash is None:
        return LogItem(entry_bytes)
    return LogItem(
        entry_bytes,
        await _blob(client, job_id, index, line.signed_request_hash),
        tuple([await _blob(client, job_id, index, record.answer_hash) for record in entry.answers]),
        await _blob(client, job_id, index, entry.product_hash),
    )


async def _blob(client: FacilitatorClient, job_id: str, index: int, content_hash: str) -> bytes:
    try:
        content = await client.blob(job_id, content_hash)
    except Problem as problem:
        if problem.code is not Code.NOT_FOUND:
            raise
        why = f"Log entry {index}: it names evidence that the Facilitator does not have: {problem.detail}"
        raise Problem(Code.LOG_INCONSISTENT, why) from None
    if sha256_hex(content) != content_hash:
        raise Problem(
            Code.LOG_INCONSISTENT,
            f"Log entry {index}: the Facilitator's evidence {content_hash[:16]}… has other bytes than its hash says.",
        )
    return content
