"""The store on SQLAlchemy: SQLite in the state folder, or any database it knows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, RowMapping

from fedtrain.data_owner import job as j
from fedtrain.data_owner.job_state import AnswerFacts, JobState
from fedtrain.data_owner.release.audit import (
    NO_RECORD,
    AuditEntry,
    AuditRecord,
    DecisionRecord,
    ReleaseRecord,
    SpendingRecord,
    chained,
)
from fedtrain.data_owner.store import tables
from fedtrain.data_owner.store.records import Dataset, DecidedRequest, Decision, FrozenTable, Release, Spending
from fedtrain.protocol.documents.signed import SignedDocument
from fedtrain.protocol.messages.rounds import Kind
from fedtrain.service.store.body_files import Body
from fedtrain.service.store.database import read, write
from fedtrain.service.store.filing import OutboxStore
from fedtrain.service.store.jobs import JobTable
from fedtrain.spec.model_spec import DataProps
from fedtrain.spec.problems import Code, Problem

MIGRATIONS = Path(__file__).parent / "migrations"
OWN_TABLE = "releases"  # in every such store since the first revision, and in no other party's


JOBS = JobTable(
    tables.jobs,
    tables.jobs.c.job_id,
    JobState,
    (tables.jobs.c.created_at.desc(), tables.jobs.c.job_id),
    lambda state: {"created_at": state.created_at.isoformat(timespec="microseconds")},
)


class OwnerStore(OutboxStore[JobState, j.Effect]):
    """Jobs, answers and the record of what was released; datasets and frozen tables."""

    def __init__(self, url: str, state_dir: Path | None = None) -> None:
        """`state_dir`: has the large bodies of a store on PostgreSQL; None for rows there. Raises DatabaseError."""
        super().__init__(url, MIGRATIONS, OWN_TABLE, JOBS, tables.answers, state_dir)

    def _keep(self, connection: Connection, job_id: str, effect: j.Effect) -> None:
        match effect:
            case j.KeepAnswer():
                self._put_answer(connection, job_id, effect)
            case j.DropAnswers():
                self._empty(connection, job_id, tables.answers.c.round <= effect.up_to_round)
            case j.KeepDecision():
                append(connection, tables.decisions, effect.decision)
            case _:
                pass  # done beside the store

    def _put_answer(self, connection: Connection, job_id: str, kept: j.KeepAnswer) -> None:
        """Keep an answer and its release. Raises Problem(REQUEST_DIFFERS) where that round and kind was answered
        before."""
        facts = kept.facts
        key = (job_id, facts.round, facts.kind)
        there = connection.execute(sa.select(tables.answers.c.request_hash).where(_is_answer(*key))).scalar()
        if there is not None:
            raise Problem(
                Code.REQUEST_DIFFERS,
                f"Round {facts.round} ({facts.kind}) of job {job_id} was already answered, for request {there[:16]}….",
            )
        connection.execute(
            sa.insert(tables.answers).values(
                job_id=job_id,
                round=facts.round,
                kind=facts.kind,
                request_hash=facts.request_hash,
                facts=facts.model_dump_json(),
                **self._filing(connection, kept.body),
            )
        )
        append(connection, tables.releases, kept.release)

    def _empty(self, connection: Connection, job_id: str, *which: sa.ColumnElement[bool]) -> int:
        """Empty the bytes of the job's answers of which `which` holds; return how many had any."""
        self._dropping(connection, tables.answers.c.job_id == job_id, *which)
        nothing = {"body": b"", "file_hash": None, "file_bytes": None}
        return connection.execute(sa.update(tables.answers).where(_full(job_id), *which).values(nothing)).rowcount

    def put_dataset(self, dataset: Dataset) -> Dataset:
        """Register a version and make it the one on offer under its name.

        A version that is there keeps its adopted schema unless `dataset` brings one. Raises
        Problem(ENCODING_DIFFERS) where it brings another schema than the version already has.
        """
        t = tables.datasets
        with write(self._engine) as connection:
            there = _dataset(connection, t.c.name == dataset.name, t.c.version == dataset.version)
            connection.execute(sa.update(t).where(t.c.name == dataset.name).values(current=False))
            values = {**dataset.model_dump(mode="json", by_alias=True), "current": True}
            if there is None:
                connection.execute(sa.insert(t).values(values))
                return dataset
            if dataset.schema_ is None:
                kept = there.model_dump(mode="json", by_alias=True)
                values |= {"schema": kept["schema"], "adopted_from": kept["adopted_from"]}
            elif there.schema_ != dataset.schema_ and _is_used(connection, there):
                raise _another_schema(dataset.name)
            same = (t.c.name == dataset.name) & (t.c.version == dataset.version)
            connection.execute(sa.update(t).where(same).values(values))
            return Dataset.model_validate({name: value for name, value in values.items() if name != "current"})

    def dataset(self, name: str) -> Dataset | None:
        """Return the version on offer under that name."""
        with read(self._engine) as connection:
            return _dataset(connection, tables.datasets.c.name == name, tables.datasets.c.current)

    def datasets(self) -> list[Dataset]:
        """Return every version on offer, by name."""
        t = tables.datasets
        with read(self._engine) as connection:
            rows = connection.execute(sa.select(t).where(t.c.current).order_by(t.c.name)).mappings().all()
        return [_to_dataset(row) for row in rows]

    def dataset_version(self, name: str, version: str) -> Dataset | None:
        """Return one version, on offer or not."""
        t = tables.datasets
        with read(self._engine) as connection:
            return _dataset(connection, t.c.name == name, t.c.version == version)

    def adopt_schema(self, name: str, version: str, schema: DataProps, job_id: str) -> None:
        """Give a version without a schema this one. Raises Problem(ENCODING_DIFFERS) where it has another."""
        t = tables.datasets
        with write(self._engine) as connection:
            there = _dataset(connection, t.c.name == name, t.c.version == version)
            if there is None:
                raise Problem(Code.DATASET_NOT_FOUND, f"Dataset {name!r} has no version {version[:16]}….")
            if there.schema_ is not None:
                if there.schema_ != schema:
                    raise _another_schema(name)
                return
            values = {"schema": schema.model_dump(mode="json"), "adopted_from": job_id}
            connection.execute(sa.update(t).where((t.c.name == name) & (t.c.version == version)).values(values))

    def put_frozen_table(self, table: FrozenTable) -> None:
        """Keep that a table was read; the first record under a key stays."""
        t = tables.frozen_tables
        with write(self._engine) as connection:
            if connection.execute(sa.select(t.c.key).where(t.c.key == table.key)).first() is None:
                connection.execute(sa.insert(t).values(table.model_dump(mode="json")))

    def frozen_table(self, key: str) -> FrozenTable | None:
        """Return the record of a table under its key."""
        t = tables.frozen_tables
        with read(self._engine) as connection:
            row = connection.execute(sa.select(t).where(t.c.key == key)).mappings().first()
        return None if row is None else FrozenTable.model_validate(dict(row))

    def put_decision(self, decision: Decision) -> None:
        """Keep a decision about a job, known here or not."""
        with write(self._engine) as connection:
            append(connection, tables.decisions, decision)

    def put_request(self, signed: SignedDocument, decision: SignedDocument, entry: Decision) -> None:
        """Keep a request with this owner's decision on it, in the place of an earlier one, and that in the audit."""
        t = tables.requests
        values = {"signed": signed.model_dump_json(), "decision": decision.model_dump_json()}
        with write(self._engine) as connection:
            done = connection.execute(sa.update(t).where(t.c.hash == signed.hash).values(**values))
            if done.rowcount == 0:
                connection.execute(sa.insert(t).values(hash=signed.hash, **values))
            append(connection, tables.decisions, entry)

    def request(self, request: str) -> DecidedRequest | None:
        """Return a request that was decided about here, by its hash."""
        t = tables.requests
        with read(self._engine) as connection:
            row = connection.execute(sa.select(t.c.signed, t.c.decision).where(t.c.hash == request)).first()
        if row is None:
            return None
        signed, decision = (SignedDocument.model_validate_json(text) for text in row)
        return DecidedRequest(signed=signed, decision=decision)

    def spend(self, entry: Callable[[Sequence[Spending]], Spending | None]) -> None:
        """Keep what `entry` makes of all that was spent before, in one transaction with it; None: nothing.

        Whatever `entry` raises, nothing is kept.
        """
        with write(self._engine) as connection:
            spending = entry(_spendings(connection))
            if spending is not None:
                append(connection, tables.spendings, spending)

    def spendings(self) -> list[Spending]:
        """Return what was set apart, spent or given back of the records' privacy, in order."""
        with read(self._engine) as connection:
            return _spendings(connection)

    def answer(self, job_id: str, round_: int, kind: Kind) -> AnswerFacts | None:
        """Return what is kept in view of an answer."""
        with read(self._engine) as connection:
            query = sa.select(tables.answers.c.facts).where(_is_answer(job_id, round_, kind))
            facts = connection.execute(query).scalar()
        return None if facts is None else AnswerFacts.model_validate_json(facts)

    def answer_body(self, job_id: str, round_: int, kind: Kind) -> Body | None:
        """Return the exact bytes of an answer, or the file of them; no bytes where they are kept no more."""
        return self._body(_is_answer(job_id, round_, kind))

    def ended_jobs(self, before: datetime) -> list[str]:
        """Return the ids of the jobs that ended before that moment, whether they were ever answered or not."""
        return [job.job_id for job in self.jobs() if job.ended and job.changed_at < before]

    def empty_answers(self, job_id: str) -> bool:
        """Empty the bytes of a job's answers; return whether there were any.

        The state, the releases and the answers' hashes and signatures stay.
        """
        with read(self._engine) as connection:
            if connection.execute(sa.select(tables.answers.c.round).where(_full(job_id)).limit(1)).first() is None:
                return False  # most jobs of most passes: the write lock is left alone
        with self._writing() as connection:
            return self._empty(connection, job_id) > 0

    def releases(self, job_id: str | None = None) -> list[Release]:
        """Return what left this owner, in order; of one job or of all."""
        t = tables.releases
        query = sa.select(t).order_by(t.c.id)
        if job_id is not None:
            query = query.where(t.c.job_id == job_id)
        with read(self._engine) as connection:
            rows = connection.execute(query).mappings().all()
        return [Release.model_validate({name: row[name] for name in Release.model_fields}) for row in rows]

    def audit_head(self) -> str:
        """Return the hash of the audit's last record, NO_RECORD where there is none."""
        with read(self._engine) as connection:
            return _head(connection)[1]

    def audit(self) -> list[AuditRecord]:
        """Return every release and decision as it stands in the hash chain, unverified."""
        with read(self._engine) as connection:
            releases = connection.execute(sa.select(tables.releases)).mappings().all()
            decisions = connection.execute(sa.select(tables.decisions)).mappings().all()
            spendings = connection.execute(sa.select(tables.spendings)).mappings().all()
        records: list[AuditRecord] = [
            *(ReleaseRecord.model_validate(_without_id(row)) for row in releases),
            *(DecisionRecord.model_validate(_without_id(row)) for row in decisions),
            *(SpendingRecord.model_validate(_without_id(row)) for row in spendings),
        ]
        return sorted(records, key=lambda record: record.index)

    def released(self) -> dict[str, tuple[int, int]]:
        """Return how many answers, and numbers in them, left this owner, by job id."""
        t = tables.releases
        query = sa.select(t.c.job_id, sa.func.count(), sa.func.sum(t.c.numbers)).group_by(t.c.job_id)
        with read(self._engine) as connection:
            return {job_id: (int(answers), int(numbers)) for job_id, answers, numbers in connection.execute(query)}


def _dataset(connection: Connection, *conditions: sa.ColumnElement[bool]) -> Dataset | None:
    row = connection.execute(sa.select(tables.datasets).where(*conditions)).mappings().first()
    return None if row is None else _to_dataset(row)


def _to_dataset(row: RowMapping) -> Dataset:
    return Dataset.model_validate({name: row[name] for name in row if name not in ("id", "current")})


def _spendings(connection: Connection) -> list[Spending]:
    rows = connection.execute(sa.select(tables.spendings).order_by(tables.spendings.c.index)).mappings().all()
    return [Spending.model_validate({name: row[name] for name in Spending.model_fields}) for row in rows]


def _head(connection: Connection) -> tuple[int, str]:
    """Return index and hash of the audit's last record, -1 and NO_RECORD where there is none."""
    index, head = -1, NO_RECORD
    for t in (tables.releases, tables.decisions, tables.spendings):
        last = connection.execute(sa.select(t.c.index, t.c.hash).order_by(t.c.index.desc()).limit(1)).first()
        if last is not None and last[0] > index:
            index, head = last
    return index, head


def append(connection: Connection, table: sa.Table, entry: AuditEntry) -> None:
    """Keep an entry as the audit's next record, in a write transaction."""
    # A write transaction holds the store's only write lock, so that nobody appends to the other tables meanwhile.
    index, previous = _head(connection)
    connection.execute(sa.insert(table).values(chained(entry, index + 1, previous).model_dump(mode="json")))


def _without_id(row: RowMapping) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name != "id"}


def _is_used(connection: Connection, dataset: Dataset) -> bool:
    """Say whether a job has accepted under this version's encoding, but for those that told nothing it shows in.

    These use it until they end.
    """
    states = connection.execute(sa.select(tables.jobs.c.state)).scalars()
    jobs = (JobState.model_validate_json(state) for state in states)
    version = (dataset.name, dataset.version)
    return any(
        (job.dataset, job.dataset_version) == version
        and job.join_answer is not None
        and job.refusal is None
        and not (job.ended and job.summed is not None and job.summed.thresholds)
        for job in jobs
    )


def _is_answer(job_id: str, round_: int, kind: Kind) -> sa.ColumnElement[bool]:
    t = tables.answers
    return (t.c.job_id == job_id) & (t.c.round == round_) & (t.c.kind == kind)


def _full(job_id: str) -> sa.ColumnElement[bool]:
    t = tables.answers
    return (t.c.job_id == job_id) & ((sa.func.length(t.c.body) > 0) | t.c.file_hash.is_not(None))


def _another_schema(name: str) -> Problem:
    return Problem(
        Code.ENCODING_DIFFERS,
        f"This version of dataset {name!r} already has another schema, and jobs may have used it: "
        "the encoding of a version never changes. Register a new version of the table with the new schema.",
    )
