"""The log as people read it."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict, TypeAdapter

from fedtrain.facilitator.store import StoredEntry
from fedtrain.protocol.documents.identity import sha256_hex
from fedtrain.protocol.messages.rounds import Kind, LogEntry, from_cbor
from fedtrain.spec.problems import Code, Problem


class LoggedAnswer(BaseModel):
    """One owner's answer in a sum: hashes of the answer and of its ciphertexts, and the owner's signature in hex."""

    party: str
    answer_hash: str
    ciphertexts_hash: str
    signature: str


class LogLine(BaseModel):
    """One entry. `hash` is what the next one names as `previous`; `signed_request_hash` finds the signed request."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "index": 1,
                "hash": "3b" * 32,
                "previous": "9f" * 32,
                "manifest_hash": "a0" * 32,
                "roster_hash": "b1" * 32,
                "round": 0,
                "kind": "counts",
                "request_hash": "c2" * 32,
                "signed_request_hash": "d3" * 32,
                "answers": [
                    {
                        "party": "1a" * 32,
                        "answer_hash": "e4" * 32,
                        "ciphertexts_hash": "f5" * 32,
                        "signature": "8e" * 64,
                    }
                ],
                "product_hash": "06" * 32,
            }
        }
    )

    index: int
    hash: str
    previous: str
    manifest_hash: str
    roster_hash: str
    round: int
    kind: Kind | None
    request_hash: str | None
    signed_request_hash: str | None
    answers: list[LoggedAnswer]
    product_hash: str | None


_LOG_LINES = TypeAdapter(list[LogLine])


def log_lines_json(start: int, stored: Sequence[StoredEntry]) -> bytes:
    """Return entries `start`, `start` + 1, … as a JSON array. Raises Problem as `log_line`.

    For a thread: rounds × owners make it long, and the event loop would stand still meanwhile.
    """
    return _LOG_LINES.dump_json([log_line(index, entry) for index, entry in enumerate(stored, start)])


def log_line(index: int, stored: StoredEntry) -> LogLine:
    """Return the stored entry at `index` as JSON shows it. Raises Problem(LOG_INCONSISTENT) for a damaged one."""
    try:
        entry = from_cbor(stored.entry, LogEntry)
    except Problem as problem:
        why = f"Log entry {index}: the Facilitator's copy is damaged: {problem.detail}"
        raise Problem(Code.LOG_INCONSISTENT, why) from None
    return LogLine(
        index=entry.index,
        hash=sha256_hex(stored.entry),
        previous=entry.previous,
        manifest_hash=entry.manifest_hash,
        roster_hash=entry.roster_hash,
        round=entry.round,
        kind=entry.kind,
        request_hash=entry.request_hash,
        signed_request_hash=stored.signed_request_hash,
        answers=[
            LoggedAnswer(
                party=record.party,
                answer_hash=record.answer_hash,
                ciphertexts_hash=record.ciphertexts_hash,
                signature=record.signature.hex(),
            )
            for record in entry.answers
        ],
        product_hash=entry.product_hash,
    )
