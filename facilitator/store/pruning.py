"""Deleting an ended job's ciphertexts; its log, hashes, signatures, manifest and roster stay."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

import sqlalchemy as sa

from fedtrain.facilitator.store.tables import blobs, job_blobs, jobs, log_entries, tasks
from fedtrain.protocol.messages.rounds import LogEntry, from_cbor
from fedtrain.protocol.messages.tasks import TaskKind
from fedtrain.protocol.states import ENDED

_AT_ONCE = 500
_OF_ROUNDS = (TaskKind.COMPUTE, TaskKind.SIGN_SET, TaskKind.UNMASK, TaskKind.STEP)


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


def delete_bulk(connection: sa.Connection, job_id: str, created_before: datetime) -> set[str]:
    """Delete the job's evidence and its closed tasks of before that moment, with whatever nothing else refers to.

    Return the hashes of the bodies that are gone with it, here and below.
    """
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
    return _delete_unused(connection, hashes)


def drop_evidence(connection: sa.Connection, job_id: str, since: int, up_to_round: int) -> set[str]:
    """Delete requests, answers and sums of log entries from `since` on whose round is `up_to_round` at most.

    With the tasks that carried them: a job that keeps those of its last rounds alone has gone on since.
    """
    hashes: set[str] = set()
    rows = connection.execute(
        sa.select(log_entries.c.entry, log_entries.c.signed_request_hash).where(
            log_entries.c.job_id == job_id, log_entries.c.index >= since
        )
    )
    for stored, signed_request_hash in rows.all():
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
    # Tasks are numbered as they are made: what came before a later round was asked is of rounds up to this one.
    before_later = tasks.c.sequence < _first_asked_after(connection, job_id, up_to_round)
    return _drop(connection, job_id, hashes, tasks.c.kind.in_([kind.value for kind in _OF_ROUNDS]), before_later)


def drop_void_round(connection: sa.Connection, job_id: str, round_: int, signed_request_hash: str) -> set[str]:
    """Delete the request and the answers of a round that has no sum, with the tasks that carried them."""
    of_owners = (kind.value for kind in _OF_ROUNDS if kind is not TaskKind.STEP)
    of_round = [tasks.c.key.startswith(f"{kind}/{job_id}/{round_}/", autoescape=True) for kind in of_owners]
    return _drop(connection, job_id, {signed_request_hash}, sa.or_(*of_round))


def _first_asked_after(connection: sa.Connection, job_id: str, round_: int) -> int:
    """Return the number of the first task that asks owners for a later round; 0 where there is none."""
    of_job = (tasks.c.job_id == job_id, tasks.c.kind == TaskKind.COMPUTE.value)
    asked = connection.execute(sa.select(tasks.c.sequence, tasks.c.key).where(*of_job).order_by(tasks.c.sequence))
    return next((sequence for sequence, key in asked if int(key.split("/")[2]) > round_), 0)


def _drop(connection: sa.Connection, job_id: str, hashes: set[str], *over: sa.ColumnElement[bool]) -> set[str]:
    """Delete the job's tasks of which `over` holds, and all that they carried, beside what is under `hashes`."""
    of_them, ids = (tasks.c.job_id == job_id, *over), list[str]()
    for row in connection.execute(sa.select(tasks.c.id, tasks.c.request_hash, tasks.c.result_hash).where(*of_them)):
        ids.append(row.id)
        hashes.update(content_hash for content_hash in row[1:] if content_hash is not None)
    for some in _chunks(ids):
        connection.execute(sa.delete(tasks).where(tasks.c.id.in_(some)))
    for some in _chunks(sorted(hashes)):
        connection.execute(sa.delete(job_blobs).where(job_blobs.c.job_id == job_id, job_blobs.c.hash.in_(some)))
    return _delete_unused(connection, hashes)


def _delete_unused(connection: sa.Connection, hashes: set[str]) -> set[str]:
    """Delete those of the blobs that nothing refers to, and return their hashes."""
    unused: set[str] = set()
    for some in _chunks(sorted(hashes)):
        # The same bytes may be another job's too, such as the empty result of an END task.
        used: set[str | None] = set()
        for column in (job_blobs.c.hash, tasks.c.request_hash, tasks.c.result_hash):
            used.update(connection.scalars(sa.select(column).where(column.in_(some)).distinct()))
        unused.update(one for one in some if one not in used)
        connection.execute(sa.delete(blobs).where(blobs.c.hash.in_([one for one in some if one not in used])))
    return unused


def _stamp(moment: datetime) -> str:
    """As `tasks.created_at` has it."""
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _chunks(values: Sequence[str]) -> Iterator[Sequence[str]]:
    """SQLite takes no more than so many variables in a statement."""
    for start in range(0, len(values), _AT_ONCE):
        yield values[start : start + _AT_ONCE]
