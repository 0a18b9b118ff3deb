"""Transactions of the Facilitator's store: all that one reads and writes.

All that one message changes is written in one `WriteTransaction`: the job's state is read inside it, so that no update
is lost, and either everything is there afterwards or nothing. Methods block; call them from a thread.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from fedtrain.facilitator.job import CreateTask
from fedtrain.facilitator.job_state import JobState
from fedtrain.facilitator.store.cards import CardRows, CardWrites
from fedtrain.facilitator.store.job_rows import JobRows
from fedtrain.facilitator.store.notices import tell
from fedtrain.facilitator.store.pruning import delete_bulk, drop_evidence, drop_void_round, jobs_with_bulk
from fedtrain.facilitator.store.records import Claim, StoredBlob, StoredEntry, StoredParty, StoredTask
from fedtrain.facilitator.store.requests import RequestRows, RequestWrites
from fedtrain.facilitator.store.tables import (
    TASK_SEQUENCE,
    answers,
    blobs,
    claims,
    counters,
    heads,
    job_blobs,
    jobs,
    log_entries,
    parties,
    tasks,
)
from fedtrain.protocol.documents.identity import sha256_hex
from fedtrain.protocol.documents.signed import SignedDocument
from fedtrain.protocol.messages.pieces import Pieces
from fedtrain.protocol.messages.tasks import TaskHeader, TaskKind
from fedtrain.protocol.states import Phase
from fedtrain.service.store.body_files import Body, BodyFile, BodyFiles
from fedtrain.service.store.filing import body_changes
from fedtrain.spec.problems import Code, Problem


class ReadTransaction:
    """A view of one moment."""

    _writes = False

    def __init__(self, connection: sa.Connection, job_rows: JobRows, bodies: BodyFiles | None) -> None:
        """`bodies`: where large ones lie; None where all of them are rows."""
        self._connection = connection
        self._job_rows = job_rows
        self._bodies = bodies

    @property
    def cards(self) -> CardRows:
        """Return the cards of datasets."""
        return CardRows(self._connection)

    @property
    def requests(self) -> RequestRows:
        """Return the requests for data."""
        return RequestRows(self._connection)

    def party(self, party: str) -> StoredParty | None:
        """Return a registered owner."""
        row = self._connection.execute(sa.select(parties).where(parties.c.party == party)).first()
        return None if row is None else _party(row)

    def parties(self) -> Sequence[StoredParty]:
        """Return all registered owners, by name."""
        return [_party(row) for row in self._connection.execute(sa.select(parties).order_by(parties.c.name))]

    def job(self, job_id: str) -> JobState | None:
        """Return a job's state; what is written holds its row to the end."""
        return self._job_rows.read(job_id, for_update=self._writes)

    def known_job(self, job_id: str) -> JobState:
        """Return a job's state, as `job`. Raises Problem(MODEL_NOT_FOUND)."""
        state = self.job(job_id)
        if state is None:
            raise Problem(Code.MODEL_NOT_FOUND, f"There is no job {job_id[:64]} here.")
        return state

    def jobs(self, limit: int) -> Sequence[JobState]:
        """Return the newest jobs, newest first."""
        return self._job_rows.newest(limit)

    def jobs_edition(self) -> str:
        """Return a text that is another one after each step of a job: a phase, a task, an answer to a request."""
        sequence = sa.select(counters.c.value).where(counters.c.name == TASK_SEQUENCE)
        given = sa.select(sa.func.count()).select_from(answers)
        found = (self._connection.scalar(sequence), self._connection.scalar(given), self._job_rows.phase_counts())
        return repr(found)

    def parties_edition(self) -> str:
        """Return a text that is another one once an owner has registered, or was forgotten, or a job is new."""
        registered = self._connection.execute(sa.select(sa.func.count(), sa.func.max(parties.c.registered_at))).one()
        return repr((*registered, self._connection.scalar(sa.select(sa.func.count()).select_from(jobs))))

    def jobs_in(self, phase: Phase) -> Sequence[str]:
        """Return the ids of the jobs in that phase."""
        return list(self._connection.scalars(sa.select(jobs.c.id).where(jobs.c.phase == phase.value)))

    def jobs_due(self, now: datetime) -> Sequence[str]:
        """Return the ids of the jobs whose deadline is at `now` or before."""
        return list(self._connection.scalars(sa.select(jobs.c.id).where(jobs.c.deadline_s <= now.timestamp())))

    def jobs_with_bulk(self, created_before: datetime) -> Sequence[str]:
        """Return the ids of the ended jobs of before that moment whose evidence is still there."""
        return jobs_with_bulk(self._connection, created_before)

    def manifest(self, job_id: str) -> SignedDocument | None:
        """Return a job's manifest, as its Model Owner signed it."""
        text = self._connection.scalar(sa.select(jobs.c.manifest).where(jobs.c.id == job_id))
        return None if text is None else SignedDocument.model_validate_json(text)

    def roster(self, job_id: str) -> SignedDocument | None:
        """Return a job's roster, once it is closed."""
        text = self._connection.scalar(sa.select(jobs.c.roster).where(jobs.c.id == job_id))
        return None if text is None else SignedDocument.model_validate_json(text)

    def task(self, task_id: str) -> StoredTask | None:
        """Return a task, open or not."""
        row = self._connection.execute(sa.select(tasks).where(tasks.c.id == task_id)).first()
        if row is None:
            return None
        return StoredTask(_header(row), row.request_hash, row.request_type, row.closed, row.result_hash)

    def open_tasks(self, recipient: str, after: int, limit: int) -> Sequence[TaskHeader]:
        """Return the recipient's open tasks without a result, with a sequence above `after`, in order."""
        query = (
            sa.select(tasks)
            .where(tasks.c.recipient == recipient, tasks.c.closed.is_(False), tasks.c.sequence > after)
            .order_by(tasks.c.sequence)
            .limit(limit)
        )
        return [_header(row) for row in self._connection.execute(query)]

    def open_task_counts(self) -> dict[TaskKind, int]:
        """Return how many tasks of each kind are open."""
        query = sa.select(tasks.c.kind, sa.func.count()).where(tasks.c.closed.is_(False)).group_by(tasks.c.kind)
        counted = {TaskKind(kind): count for kind, count in self._connection.execute(query)}
        return {kind: counted.get(kind, 0) for kind in TaskKind}

    def open_tasks_from(self, sender: str) -> int:
        """Return how many tasks of that sender are open."""
        query = sa.select(sa.func.count()).select_from(tasks)
        found = self._connection.scalar(query.where(tasks.c.sender == sender, tasks.c.closed.is_(False)))
        return int(found or 0)

    def blob(self, content_hash: str) -> Body | None:
        """Return the body under its SHA-256."""
        row = self._connection.execute(sa.select(blobs).where(blobs.c.hash == content_hash)).first()
        return None if row is None else self._body(row)

    def job_blob(self, job_id: str, content_hash: str) -> StoredBlob | None:
        """Return a blob, if it is evidence of that job."""
        query = (
            sa.select(blobs, job_blobs.c.content_type)
            .join(job_blobs, job_blobs.c.hash == blobs.c.hash)
            .where(job_blobs.c.job_id == job_id, job_blobs.c.hash == content_hash)
        )
        row = self._connection.execute(query).first()
        return None if row is None else StoredBlob(self._body(row), row.content_type)

    def _body(self, row: sa.Row[Any]) -> Body:
        if row.file_bytes is None:
            content: bytes = row.content
            return content
        if self._bodies is None:
            raise LookupError(f"the body {row.hash} is in a file, and this store has no folder of them")
        return self._bodies.at(row.hash, row.file_bytes)

    def log_entry(self, job_id: str, index: int) -> StoredEntry | None:
        """Return one entry of a job's log."""
        query = sa.select(log_entries).where(log_entries.c.job_id == job_id, log_entries.c.index == index)
        row = self._connection.execute(query).mappings().first()
        return None if row is None else StoredEntry(row["entry"], row["signed_request_hash"])

    def log_entries(self, job_id: str, start: int = 0) -> Sequence[StoredEntry]:
        """Return the entries from `start` on, in order."""
        query = sa.select(log_entries).where(log_entries.c.job_id == job_id, log_entries.c.index >= start)
        rows = self._connection.execute(query.order_by(log_entries.c.index)).mappings()
        return [StoredEntry(row["entry"], row["signed_request_hash"]) for row in rows]

    def heads(self, job_id: str, parties: Collection[str] | None = None) -> Sequence[SignedDocument]:
        """Return what parties signed of a job's end: all of them, or these."""
        query = sa.select(heads.c.signed).where(heads.c.job_id == job_id).order_by(heads.c.party)
        if parties is not None:
            query = query.where(heads.c.party.in_(parties))
        return [SignedDocument.model_validate_json(text) for text in self._connection.scalars(query)]

    def claim(self, name: str) -> Claim | None:
        """Say who has claimed the work of that name last, if nobody has released it."""
        row = self._connection.execute(sa.select(claims).where(claims.c.name == name)).first()
        return None if row is None else Claim(row.holder, datetime.fromtimestamp(row.until_s, UTC))


class WriteTransaction(ReadTransaction):
    """Reads and changes that are committed together, one writer at a time."""

    _writes = True

    @property
    def cards(self) -> CardWrites:
        """Return the cards of datasets, to be changed."""
        return CardWrites(self._connection)

    @property
    def requests(self) -> RequestWrites:
        """Return the requests for data, to be added to."""
        return RequestWrites(self._connection)

    def put_party(self, party: StoredParty) -> None:
        """Put an owner on the list of those that jobs ask, or its new registration in the place of the old."""
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
        """Take a party off the list of those that jobs ask. Returns whether it was on it."""
        return self._connection.execute(sa.delete(parties).where(parties.c.party == party)).rowcount > 0

    def add_job(self, state: JobState, manifest: SignedDocument) -> None:
        """Store a new job. Raises ValueError where its id is taken."""
        if self._job_rows.open(state, manifest=manifest.model_dump_json()) is not state:
            raise ValueError(f"job {state.job_id} is stored already")

    def put_job(self, state: JobState) -> None:
        """Replace a job's state. Raises ValueError for an unknown job."""
        self._job_rows.put(state)

    def put_roster(self, job_id: str, roster: SignedDocument) -> None:
        """Keep the roster of a job."""
        self._connection.execute(sa.update(jobs).where(jobs.c.id == job_id).values(roster=roster.model_dump_json()))

    def add_task(self, task_id: str, job_id: str, sender: str, created_at: str, task: CreateTask) -> bool:
        """Store a task under the next sequence number. False, and nothing stored, where its key is known."""
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
        """Close the job's open tasks of these kinds: they take no more results."""
        # Only those that are open: a long job has many more that are over.
        still_open = (tasks.c.job_id == job_id, tasks.c.closed.is_(False))
        names = [kind.value for kind in kinds]
        self._connection.execute(sa.update(tasks).where(*still_open, tasks.c.kind.in_(names)).values(closed=True))

    def answer_task(self, task_id: str, result: Body, content_type: str) -> None:
        """Store a task's result, which closes it. Raises ValueError where it is unknown or has one."""
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

    def put_blob(self, job_id: str, content: Body, content_type: str) -> str:
        """Store evidence of a job and return its SHA-256. The same bytes twice are stored once."""
        content_hash = self._keep(content)
        known = sa.select(job_blobs.c.hash).where(job_blobs.c.job_id == job_id, job_blobs.c.hash == content_hash)
        if self._connection.scalar(known) is None:
            self._connection.execute(
                sa.insert(job_blobs).values(job_id=job_id, hash=content_hash, content_type=content_type)
            )
        return content_hash

    def delete_bulk(self, job_id: str, created_before: datetime) -> None:
        """Delete an ended job's evidence and its closed tasks of before that moment; all else of it stays."""
        body_changes(self._connection).dropped |= delete_bulk(self._connection, job_id, created_before)

    def drop_evidence(self, job_id: str, since: int, up_to_round: int) -> None:
        """Delete the evidence of log entries from `since` on whose round is `up_to_round` at most, with its tasks."""
        body_changes(self._connection).dropped |= drop_evidence(self._connection, job_id, since, up_to_round)

    def drop_void_round(self, job_id: str, round_: int, signed_request_hash: str) -> None:
        """Delete what a round that has no sum was asked and answered with."""
        body_changes(self._connection).dropped |= drop_void_round(self._connection, job_id, round_, signed_request_hash)

    def _keep(self, content: Body | Pieces) -> str:
        if isinstance(content, BodyFile):
            return self._keep_file(content)
        if isinstance(content, bytes) and (self._bodies is None or len(content) <= self._bodies.above_bytes):
            content_hash = sha256_hex(content)
            if self._connection.scalar(sa.select(blobs.c.hash).where(blobs.c.hash == content_hash)) is None:
                self._connection.execute(sa.insert(blobs).values(hash=content_hash, content=content))
            return content_hash
        if self._bodies is None:
            raise LookupError("a body is made of files, and this store has no folder of them")
        # Of the same request to many owners there is one file, and it is written once.
        known = None if isinstance(content, tuple) else self.blob(sha256_hex(content))
        if isinstance(known, BodyFile) and known.path.exists():
            return known.hash
        written = self._bodies.write(content if isinstance(content, tuple) else (content,))
        try:
            return self._keep_file(written)
        finally:
            written.discard()

    def _keep_file(self, body: BodyFile) -> str:
        if self._bodies is None:
            raise LookupError(f"the body {body.hash} is in a file, and this store has no folder of them")
        known = self.blob(body.hash)
        if known is None:
            row = {"hash": body.hash, "content": b"", "file_bytes": body.size_bytes}
            self._connection.execute(sa.insert(blobs).values(row))
        if not isinstance(known, bytes):
            self._bodies.place(body)  # the same bytes, where it is there already
            body_changes(self._connection).placed.add(body.hash)
        return body.hash

    def append_log(self, job_id: str, index: int, entry: StoredEntry) -> None:
        """Store the next entry. Raises ValueError unless `index` is the number of entries before it."""
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

    def put_heads(self, job_id: str, signed: SignedDocument) -> None:
        """Keep what a party signed of a job's end in the place of what it signed before."""
        self._connection.execute(sa.delete(heads).where(heads.c.job_id == job_id, heads.c.party == signed.signer))
        values = {"job_id": job_id, "party": signed.signer, "signed": signed.model_dump_json()}
        self._connection.execute(sa.insert(heads).values(values))

    def put_claim(self, name: str, claim: Claim) -> None:
        """Put a claim in the place of the one that is there, if any."""
        values = {"holder": claim.holder, "until_s": claim.until.timestamp()}
        changed = self._connection.execute(sa.update(claims).where(claims.c.name == name).values(**values))
        if changed.rowcount == 0:
            self._connection.execute(sa.insert(claims).values(name=name, **values))

    def delete_claim(self, name: str) -> None:
        """Release a claim."""
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
