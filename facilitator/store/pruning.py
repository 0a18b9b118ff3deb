"""Deleting an ended job's ciphertexts; its log, hashes, signatures, manifest and roster stay."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

import sqlalchemy as sa

from fedtrain.facilitator.store.tables import blobs, job_blobs, jobs, tasks
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
