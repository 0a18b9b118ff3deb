"""Proof by a log when its ciphertexts are gone: the hash chain, and every owner's signature in it. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from fedtrain.protocol.documents.identity import sha256_hex, verify
from fedtrain.protocol.evidence.addition import check_set
from fedtrain.protocol.evidence.verification import Job
from fedtrain.protocol.messages.rounds import ANSWER_TAG, NO_ENTRY, LogEntry, answer_statement, from_cbor
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
