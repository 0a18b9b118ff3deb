"""Deleting an ended job's ciphertexts; its log, hashes, signatures, manifest and roster stay."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

import sqlalchemy as sa

from fedtrain.facilitator.store.tables import blobs, job_blobs, jobs, log_entries, tasks
from fedtrain.protocol.messages.rounds import LogEntry, from_cbor
from fedtrain.protocol.states import ENDED

_AT_ONCE = 500


def jobs_with_bulk(connection: sa.Connection, created_before: datetime) -> list[str]:
    """Ids of the ended jobs of before that moment that still have evidence."""
    # What was computed with a finished model since then is no evidence, and its sender may not have fetched it yet.
    younger = sa.exists().where(
        tasks.c.job_id == job_blobs.c.job_id,
        tasks.c.result_hash == job_blobs.c.hash,
        tasks.c.created_at >= _stamp(created_before),
    )
    has_evidence = sa.exists().where(job_blobs.c.job_id == jobs.c.id, ~younger.correlate(job_blobs))
    query = sa.select(jobs.c.id).where(
        jobs.c.phase.in_([phase.value for phase in ENDED]),
        jobs.c.created_at_s < created_before.timestamp(),
        has_evidence,
    )
    return list(connection.scalars(query))


def delete_bulk(connection: sa.Connection, job_id: str, created_before: datetime) -> None:
    """Delete the job's evidence and its closed tasks of before that moment, with whatever nothing else refers to."""
    over = (
        tasks.c.job_id == job_id,
        tasks.c.closed.is_(True),
        tasks.c.created_at < _stamp(created_before),
    )
    hashes: set[str] = set(connection.scalars(sa.select(job_blobs.c.hash).where(job_blobs.c.job_id == job_id)))
    for row in connection.execute(sa.select(tasks.c.request_hash, tasks.c.result_hash).where(*over)):
        hashes.update(content_hash for content_hash in row if content_hash is not None)
    connection.execute(sa.delete(tasks).where(*over))
    results = sa.select(tasks.c.result_hash).where(tasks.c.job_id == job_id, tasks.c.result_hash.is_not(None))
    connection.execute(sa.delete(job_blobs).where(job_blobs.c.job_id == job_id, job_blobs.c.hash.not_in(results)))
    _delete_unused(connection, hashes)


def drop_evidence(connection: sa.Connection, job_id: str, since: int, up_to_round: int) -> None:
    """Delete requests, answers and sums of log entries from `since` on whose round is `up_to_round` at most.

    With the tasks that carried them: a job that keeps those of its last rounds alone has gone on since.
    """
    hashes: set[str] = set()
    over = []
    rows = connection.execute(
        sa.select(log_entries.c.index, log_entries.c.entry, log_entries.c.signed_request_hash).where(
            log_entries.c.job_id == job_id, log_entries.c.index >= since
        )
    )
    for index, stored, signed_request_hash in rows.all():
        entry = from_cbor(stored, LogEntry)
        if entry.round > up_to_round or entry.kind is None:
            continue
        named = (
            entry.request_hash,
            entry.product_hash,
            signed_request_hash,
            *(one.answer_hash for one in entry.answers),
        )
        hashes.update(one for one in named if one is not None)
        over += [tasks.c.key == f"step/{job_id}/{index}"]
        over += [tasks.c.key.startswith(f"compute/{job_id}/{entry.round}/{entry.kind}/", autoescape=True)]
    if not over:
        return
    of_them = (tasks.c.job_id == job_id, sa.or_(*over))
    for row in connection.execute(sa.select(tasks.c.request_hash, tasks.c.result_hash).where(*of_them)):
        hashes.update(content_hash for content_hash in row if content_hash is not None)
    connection.execute(sa.delete(tasks).where(*of_them))
    for some in _chunks(sorted(hashes)):
        connection.execute(sa.delete(job_blobs).where(job_blobs.c.job_id == job_id, job_blobs.c.hash.in_(some)))
    _delete_unused(connection, hashes)


def _delete_unused(connection: sa.Connection, hashes: set[str]) -> None:
    """Delete those of the blobs that nothing refers to."""
    for some in _chunks(sorted(hashes)):
        # The same bytes may be another job's too, such as the empty result of an END task.
        used: set[str | None] = set()
        for column in (job_blobs.c.hash, tasks.c.request_hash, tasks.c.result_hash):
            used.update(connection.scalars(sa.select(column).where(column.in_(some)).distinct()))
        connection.execute(sa.delete(blobs).where(blobs.c.hash.in_([one for one in some if one not in used])))


def _stamp(moment: datetime) -> str:
    """As `tasks.created_at` has it."""
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _chunks(values: Sequence[str]) -> Iterator[Sequence[str]]:
    """SQLite takes no more than so many variables in a statement."""
    for start in range(0, len(values), _AT_ONCE):
        yield values[start : start + _AT_ONCE]
