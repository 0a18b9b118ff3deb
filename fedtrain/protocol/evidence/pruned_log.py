"""Proof by a log when its ciphertexts are gone: the hash chain, and every owner's signature in it. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from fedtrain.crypto import Engine
from fedtrain.protocol.documents.identity import sha256_hex, verify
from fedtrain.protocol.evidence.addition import check_set
from fedtrain.protocol.evidence.verification import Job, LogItem, LogPoint, LogVerifier
from fedtrain.protocol.messages.rounds import (
    ANSWER_TAG,
    NO_ENTRY,
    LogEntry,
    RoundRequest,
    SignedBytes,
    answer_statement,
    from_cbor,
)
from fedtrain.spec.problems import Code, Problem


def verify_entries(job: Job, entries: Sequence[bytes]) -> str:
    """Return the log's head, once every entry follows the one before it and holds one signed answer of every owner.

    Nothing is recomputed: that the sums are the answers' products, and what was asked, can no longer be shown. Raises
    Problem, whose detail begins with the entry's index: LOG_INCONSISTENT, BAD_SIGNATURE.
    """
    head = NO_ENTRY
    for index, data in enumerate(entries):
        try:
            _check(job, index, head, from_cbor(data, LogEntry))
        except Problem as problem:
            raise Problem(problem.code, f"Log entry {index}: {problem.detail}") from None
        head = sha256_hex(data)
    if not entries:
        raise Problem(Code.LOG_INCONSISTENT, "The log is empty.")
    return head


def kept_from(job: Job, entries: Sequence[bytes]) -> int:
    """Return the first entry whose ciphertexts a job keeps that drops those of old rounds; the log's end for others."""
    keep = job.plan.keep_rounds
    if keep is None or len(entries) < 2:
        return len(entries)
    rounds = [from_cbor(data, LogEntry).round for data in entries]
    return next(index for index in range(1, len(entries)) if rounds[index] > rounds[-1] - keep)


def verify_kept(job: Job, entries: Sequence[bytes], first: int, items: Sequence[LogItem], engine: Engine) -> None:
    """Recompute the sums of the entries from `first` on, of a log that `verify_entries` went through.

    N is what the first of them says: how it came about can no longer be shown. Raises Problem as `LogVerifier.add`,
    and LOG_INCONSISTENT where evidence is missing.
    """
    if not items or items[0].signed_request is None or [item.entry for item in items] != list(entries[first:]):
        raise Problem(Code.LOG_INCONSISTENT, f"Log entry {first}: the log has changed, or its evidence is missing.")
    before = from_cbor(entries[first - 1], LogEntry)
    told = from_cbor(from_cbor(items[0].signed_request, SignedBytes).body, RoundRequest).rows_total
    last_round = before.round if first > 1 else -1
    verifier = LogVerifier(job, engine, LogPoint(sha256_hex(entries[first - 1]), first, last_round, told))
    for item in items:
        verifier.add(item)


def _check(job: Job, index: int, head: str, entry: LogEntry) -> None:
    given = (entry.index, entry.previous, entry.manifest_hash, entry.roster_hash)
    if given != (index, head, job.manifest_hash, job.roster.hash):
        raise Problem(Code.LOG_INCONSISTENT, "it does not follow the entry before it, or is of another job or roster.")
    if index == 0:
        if entry.answers or entry.product_hash is not None:
            raise Problem(Code.LOG_INCONSISTENT, "it does not open a log.")
        return
    if entry.kind is None or entry.request_hash is None or entry.product_hash is None:
        raise Problem(Code.LOG_INCONSISTENT, "it records no sum.")
    check_set(entry, job.roster, job.quorum)
    if job.quorum is None and tuple(record.party for record in entry.answers) != job.roster.parties:
        raise Problem(Code.LOG_INCONSISTENT, "it does not record one answer of every owner on the roster.")
    for record in entry.answers:
        statement = answer_statement(
            entry.manifest_hash,
            entry.roster_hash,
            entry.round,
            entry.kind,
            entry.request_hash,
            record.ciphertexts_hash,
            entry.previous,
            record.commitments_hash,
        )
        verify(record.party, ANSWER_TAG, statement, record.signature)
