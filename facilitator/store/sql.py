"""The store on SQLAlchemy: SQLite by default, any database that SQLAlchemy knows otherwise."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from fedtrain.facilitator.job import CreateTask, JobState
from fedtrain.facilitator.store.contract import (
    Claim,
    ReadTransaction,
    Store,
    StoredBlob,
    StoredEntry,
    StoredParty,
    StoredTask,
    WriteTransaction,
)
from fedtrain.facilitator.store.job_rows import JobRows, JobsRead
from fedtrain.facilitator.store.notices import Listener, tell
from fedtrain.facilitator.store.pruning import delete_bulk, jobs_with_bulk
from fedtrain.facilitator.store.tables import (
    TASK_SEQUENCE,
    blobs,
    claims,
    counters,
    facilitator,
    job_blobs,
    jobs,
    log_entries,
    parties,
    tasks,
)
from fedtrain.protocol.documents.identity import sha256_hex
from fedtrain.protocol.documents.signed import SignedDocument
from fedtrain.protocol.messages.tasks import TaskHeader, TaskKind
from fedtrain.protocol.states import Phase
from fedtrain.service.store.database import open_database, read, write
from fedtrain.service.store.database_url import POSTGRESQL

MIGRATIONS = Path(__file__).parent / "migrations"
OWN_TABLE = "job_blobs"  # in every such store since the first revision, and in no other party's


class SqlStore(Store):
    """The store at a database URL, upgraded to the newest revision when it is opened."""

    def __init__(self, url: str) -> None:
        self._engine = open_database(url, MIGRATIONS, own_table=OWN_TABLE)
        # SQLite lets a second writer wait by polling, up to 100 ms a time; within the process a lock wakes it at once.
        self._one_writer = threading.Lock()
        self._jobs_read = JobsRead()

    @property
    def engine(self) -> sa.Engine:
        """The open database, for what watches it."""
        return self._engine

    @property
    def shared(self) -> bool:
        return self._engine.dialect.name == POSTGRESQL

    def owner(self, party: str) -> str:
        with self._one_writer, write(self._engine) as connection:
            known = connection.scalar(sa.select(facilitator.c.party))
            if known is None:
                connection.execute(sa.insert(facilitator).values(party=party))
        return party if known is None else known

    @contextmanager
    def listen(self, heard: Callable[[str], None], missed: Callable[[], None]) -> Iterator[None]:
        if not self.shared:
            yield
            return
        listener = Listener(self._engine, heard, missed)
        listener.start()
        try:
            yield
        finally:
            listener.close()

    @contextmanager
    def read(self) -> Iterator[ReadTransaction]:
        with read(self._engine) as connection:
            yield _SqlTransaction(connection, self._jobs_read, writes=False)

    @contextmanager
    def write(self) -> Iterator[WriteTransaction]:
        with self._one_writer, write(self._engine) as connection:
            yield _SqlTransaction(connection, self._jobs_read, writes=True)

    def check(self) -> None:
        with read(self._engine) as connection:
            connection.execute(sa.select(counters.c.name).limit(1)).first()

    def close(self) -> None:
        self._engine.dispose()


class _SqlTransaction(WriteTransaction):
    def __init__(self, connection: sa.Connection, jobs_read: JobsRead, *, writes: bool) -> None:
        self._connection = connection
        self._job_rows = JobRows(connection, jobs_read)
        self._writes = writes

    # Parties

    def party(self, party: str) -> StoredParty | None:
        row = self._connection.execute(sa.select(parties).where(parties.c.party == party)).first()
        return None if row is None else _party(row)

    def parties(self) -> Sequence[StoredParty]:
        return [_party(row) for row in self._connection.execute(sa.select(parties).order_by(parties.c.name))]

    def put_party(self, party: StoredParty) -> None:
        values = {
            "name": party.name,
            "datasets": list(party.datasets),
            "registered_at": party.registered_at,
            "signed": party.signed.model_dump_json(),
        }
        changed = self._connection.execute(sa.update(parties).where(parties.c.party == party.party).values(**values))
        if changed.rowcount == 0:
            self._connection.execute(sa.insert(parties).values(party=party.party, **values))

    def forget_party(self, party: str) -> bool:
        return self._connection.execute(sa.delete(parties).where(parties.c.party == party)).rowcount > 0

    # Jobs

    def job(self, job_id: str) -> JobState | None:
        return self._job_rows.read(job_id, for_update=self._writes)

    def jobs(self, limit: int) -> Sequence[JobState]:
        return self._job_rows.newest(limit)

    def jobs_in(self, phase: Phase) -> Sequence[str]:
        return list(self._connection.scalars(sa.select(jobs.c.id).where(jobs.c.phase == phase.value)))

    def phase_counts(self) -> dict[Phase, int]:
        query = sa.select(jobs.c.phase, sa.func.count()).group_by(jobs.c.phase)
        return {Phase(phase): count for phase, count in self._connection.execute(query)}

    def jobs_due(self, now: datetime) -> Sequence[str]:
        return list(self._connection.scalars(sa.select(jobs.c.id).where(jobs.c.deadline_s <= now.timestamp())))

    def add_job(self, state: JobState, manifest: SignedDocument) -> None:
        if self.job(state.job_id) is not None:
            raise ValueError(f"job {state.job_id} is stored already")
        self._job_rows.add(state, manifest)

    def put_job(self, state: JobState) -> None:
        self._job_rows.replace(state)

    def jobs_with_bulk(self, created_before: datetime) -> Sequence[str]:
        return jobs_with_bulk(self._connection, created_before)

    def manifest(self, job_id: str) -> SignedDocument | None:
        text = self._connection.scalar(sa.select(jobs.c.manifest).where(jobs.c.id == job_id))
        return None if text is None else SignedDocument.model_validate_json(text)

    def roster(self, job_id: str) -> SignedDocument | None:
        text = self._connection.scalar(sa.select(jobs.c.roster).where(jobs.c.id == job_id))
        return None if text is None else SignedDocument.model_validate_json(text)

    def put_roster(self, job_id: str, roster: SignedDocument) -> None:
        self._connection.execute(sa.update(jobs).where(jobs.c.id == job_id).values(roster=roster.model_dump_json()))

    # Tasks

    def task(self, task_id: str) -> StoredTask | None:
        row = self._connection.execute(sa.select(tasks).where(tasks.c.id == task_id)).first()
        if row is None:
            return None
        return StoredTask(_header(row), row.request_hash, row.request_type, row.closed, row.result_hash)

    def open_tasks(self, recipient: str, after: int, limit: int) -> Sequence[TaskHeader]:
        query = (
            sa.select(tasks)
            .where(tasks.c.recipient == recipient, tasks.c.closed.is_(False), tasks.c.sequence > after)
            .order_by(tasks.c.sequence)
            .limit(limit)
        )
        return [_header(row) for row in self._connection.execute(query)]

    def open_task_counts(self) -> dict[TaskKind, int]:
        query = sa.select(tasks.c.kind, sa.func.count()).where(tasks.c.closed.is_(False)).group_by(tasks.c.kind)
        counted = {TaskKind(kind): count for kind, count in self._connection.execute(query)}
        return {kind: counted.get(kind, 0) for kind in TaskKind}

    def open_tasks_from(self, sender: str) -> int:
        query = sa.select(sa.func.count()).select_from(tasks)
        found = self._connection.scalar(query.where(tasks.c.sender == sender, tasks.c.closed.is_(False)))
        return int(found or 0)

    def add_task(self, task_id: str, job_id: str, sender: str, created_at: str, task: CreateTask) -> bool:
        if self._connection.scalar(sa.select(tasks.c.id).where(tasks.c.key == task.key)) is not None:
            return False
        self._connection.execute(
            sa.insert(tasks).values(
                id=task_id,
                sequence=self._next_sequence(),
                key=task.key,
                kind=task.kind.value,
                sender=sender,
                recipient=task.recipient,
                job_id=job_id,
                created_at=created_at,
                request_hash=self._keep(task.request),
                request_type=task.content_type,
                closed=False,
            )
        )
        tell(self._connection, task.recipient)
        return True

    def close_tasks(self, job_id: str, kinds: Collection[TaskKind]) -> None:
        # Only those that are open: a long job has many more that are over.
        still_open = (tasks.c.job_id == job_id, tasks.c.closed.is_(False))
        names = [kind.value for kind in kinds]
        self._connection.execute(sa.update(tasks).where(*still_open, tasks.c.kind.in_(names)).values(closed=True))

    def answer_task(self, task_id: str, result: bytes, content_type: str) -> None:
        job_id = self._connection.scalar(sa.select(tasks.c.job_id).where(tasks.c.id == task_id))
        if job_id is None:
            raise ValueError(f"task {task_id} is not stored")
        changed = self._connection.execute(
            sa.update(tasks)
            .where(tasks.c.id == task_id, tasks.c.result_hash.is_(None))
            .values(closed=True, result_hash=self.put_blob(job_id, result, content_type))
        )
        if changed.rowcount != 1:
            raise ValueError(f"task {task_id} has a result already")
        tell(self._connection, task_id)

    def _next_sequence(self) -> int:
        query = (
            sa.update(counters)
            .where(counters.c.name == TASK_SEQUENCE)
            .values(value=counters.c.value + 1)
            .returning(counters.c.value)
        )
        return int(self._connection.execute(query).scalar_one())

    # Evidence and log

    def blob(self, content_hash: str) -> bytes | None:
        return self._connection.scalar(sa.select(blobs.c.content).where(blobs.c.hash == content_hash))

    def job_blob(self, job_id: str, content_hash: str) -> StoredBlob | None:
        query = (
            sa.select(blobs.c.content, job_blobs.c.content_type)
            .join(job_blobs, job_blobs.c.hash == blobs.c.hash)
            .where(job_blobs.c.job_id == job_id, job_blobs.c.hash == content_hash)
        )
        row = self._connection.execute(query).first()
        return None if row is None else StoredBlob(row.content, row.content_type)

    def put_blob(self, job_id: str, content: bytes, content_type: str) -> str:
        content_hash = self._keep(content)
        known = sa.select(job_blobs.c.hash).where(job_blobs.c.job_id == job_id, job_blobs.c.hash == content_hash)
        if self._connection.scalar(known) is None:
            self._connection.execute(
                sa.insert(job_blobs).values(job_id=job_id, hash=content_hash, content_type=content_type)
            )
        return content_hash

    def delete_bulk(self, job_id: str, created_before: datetime) -> None:
        delete_bulk(self._connection, job_id, created_before)

    def _keep(self, content: bytes) -> str:
        content_hash = sha256_hex(content)
        if self._connection.scalar(sa.select(blobs.c.hash).where(blobs.c.hash == content_hash)) is None:
            self._connection.execute(sa.insert(blobs).values(hash=content_hash, content=content))
        return content_hash

    def log_entry(self, job_id: str, index: int) -> StoredEntry | None:
        query = sa.select(log_entries).where(log_entries.c.job_id == job_id, log_entries.c.index == index)
        row = self._connection.execute(query).mappings().first()
        return None if row is None else StoredEntry(row["entry"], row["signed_request_hash"])

    def log_entries(self, job_id: str, start: int = 0) -> Sequence[StoredEntry]:
        query = sa.select(log_entries).where(log_entries.c.job_id == job_id, log_entries.c.index >= start)
        rows = self._connection.execute(query.order_by(log_entries.c.index)).mappings()
        return [StoredEntry(row["entry"], row["signed_request_hash"]) for row in rows]

    def append_log(self, job_id: str, index: int, entry: StoredEntry) -> None:
        length = self._connection.scalar(
            sa.select(sa.func.count()).select_from(log_entries).where(log_entries.c.job_id == job_id)
        )
        if index != length:
            raise ValueError(f"entry {index} does not follow the {length} entries of job {job_id}")
        self._connection.execute(
            sa.insert(log_entries).values(
                job_id=job_id, index=index, entry=entry.entry, signed_request_hash=entry.signed_request_hash
            )
        )

    # Claims

    def claim(self, name: str) -> Claim | None:
        row = self._connection.execute(sa.select(claims).where(claims.c.name == name)).first()
        return None if row is None else Claim(row.holder, datetime.fromtimestamp(row.until_s, UTC))

    def put_claim(self, name: str, claim: Claim) -> None:
        values = {"holder": claim.holder, "until_s": claim.until.timestamp()}
        changed = self._connection.execute(sa.update(claims).where(claims.c.name == name).values(**values))
        if changed.rowcount == 0:
            self._connection.execute(sa.insert(claims).values(name=name, **values))

    def delete_claim(self, name: str) -> None:
        self._connection.execute(sa.delete(claims).where(claims.c.name == name))


def _party(row: sa.Row[Any]) -> StoredParty:
    signed = SignedDocument.model_validate_json(row.signed)
    return StoredParty(row.party, row.name, tuple(row.datasets), row.registered_at, signed)


def _header(row: sa.Row[Any]) -> TaskHeader:
    return TaskHeader(
        id=row.id,
        kind=TaskKind(row.kind),
        sender=row.sender,
        recipient=row.recipient,
        job_id=row.job_id,
        key=row.key,
        created_at=row.created_at,
        sequence=row.sequence,
    )
