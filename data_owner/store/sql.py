"""The store on SQLAlchemy: SQLite in the state folder, or any database it knows."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, RowMapping

from fedtrain.data_owner.job import AnswerFacts, JobState
from fedtrain.data_owner.release.audit import NO_RECORD, AuditRecord, DecisionRecord, ReleaseRecord, chained
from fedtrain.data_owner.store import tables
from fedtrain.data_owner.store.records import Dataset, Decision, FrozenTable, Release
from fedtrain.protocol.messages.rounds import RoundKind
from fedtrain.protocol.states import Phase
from fedtrain.service.store.database import open_database, read, write
from fedtrain.spec.model_spec import DataProps
from fedtrain.spec.problems import Code, Problem

MIGRATIONS = Path(__file__).parent / "migrations"
OWN_TABLE = "releases"  # in every such store since the first revision, and in no other party's


class SqlStore:
    """Implements `fedtrain.data_owner.store.contract.OwnerStore`. Any thread may share it."""

    def __init__(self, url: str) -> None:
        """Open the store at `url`, upgraded. Raises fedtrain.service.store.database.DatabaseError."""
        self._engine = open_database(url, MIGRATIONS, own_table=OWN_TABLE)

    @property
    def engine(self) -> sa.Engine:
        """The open database, for what watches it."""
        return self._engine

    def put_dataset(self, dataset: Dataset) -> Dataset:
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
            elif there.schema_ not in (None, dataset.schema_) and _is_used(connection, there):
                raise _another_schema(dataset.name)
            same = (t.c.name == dataset.name) & (t.c.version == dataset.version)
            connection.execute(sa.update(t).where(same).values(values))
            return Dataset.model_validate({name: value for name, value in values.items() if name != "current"})

    def dataset(self, name: str) -> Dataset | None:
        with read(self._engine) as connection:
            return _dataset(connection, tables.datasets.c.name == name, tables.datasets.c.current)

    def datasets(self) -> list[Dataset]:
        t = tables.datasets
        with read(self._engine) as connection:
            rows = connection.execute(sa.select(t).where(t.c.current).order_by(t.c.name)).mappings().all()
        return [_to_dataset(row) for row in rows]

    def dataset_version(self, name: str, version: str) -> Dataset | None:
        t = tables.datasets
        with read(self._engine) as connection:
            return _dataset(connection, t.c.name == name, t.c.version == version)

    def adopt_schema(self, name: str, version: str, schema: DataProps, job_id: str) -> None:
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
        t = tables.frozen_tables
        with write(self._engine) as connection:
            if connection.execute(sa.select(t.c.key).where(t.c.key == table.key)).first() is None:
                connection.execute(sa.insert(t).values(table.model_dump(mode="json")))

    def frozen_table(self, key: str) -> FrozenTable | None:
        t = tables.frozen_tables
        with read(self._engine) as connection:
            row = connection.execute(sa.select(t).where(t.c.key == key)).mappings().first()
        return None if row is None else FrozenTable.model_validate(dict(row))

    def open_job(self, state: JobState) -> JobState:
        with write(self._engine) as connection:
            there = _job(connection, state.job_id)
            if there is not None:
                return there
            connection.execute(sa.insert(tables.jobs).values(job_id=state.job_id, **_job_values(state)))
        return state

    def job(self, job_id: str) -> JobState | None:
        with read(self._engine) as connection:
            return _job(connection, job_id)

    def jobs(self) -> list[JobState]:
        t = tables.jobs
        newest_first = sa.select(t.c.state).order_by(t.c.created_at.desc(), t.c.job_id)
        with read(self._engine) as connection:
            states = connection.execute(newest_first).scalars().all()
        return [JobState.model_validate_json(state) for state in states]

    def phase_counts(self) -> dict[Phase, int]:
        t = tables.jobs
        with read(self._engine) as connection:
            rows = connection.execute(sa.select(t.c.phase, sa.func.count()).group_by(t.c.phase)).all()
        return {Phase(phase): count for phase, count in rows}

    def save_job(self, state: JobState, decision: Decision | None = None) -> None:
        with write(self._engine) as connection:
            _save_job(connection, state)
            if decision is not None:
                _append(connection, tables.decisions, decision)

    def put_decision(self, decision: Decision) -> None:
        with write(self._engine) as connection:
            _append(connection, tables.decisions, decision)

    def answer(self, job_id: str, round_: int, kind: RoundKind) -> AnswerFacts | None:
        facts = self._of_answer(tables.answers.c.facts, job_id, round_, kind)
        return None if facts is None else AnswerFacts.model_validate_json(facts)

    def answer_bytes(self, job_id: str, round_: int, kind: RoundKind) -> bytes | None:
        body = self._of_answer(tables.answers.c.body, job_id, round_, kind)
        return None if body is None else bytes(body)

    def _of_answer(self, column: sa.Column[Any], job_id: str, round_: int, kind: RoundKind) -> Any:
        with read(self._engine) as connection:
            return connection.execute(sa.select(column).where(_is_answer(job_id, round_, kind))).scalar()

    def put_answer(self, state: JobState, facts: AnswerFacts, body: bytes, release: Release) -> None:
        t = tables.answers
        key = (state.job_id, facts.round, facts.kind)
        with write(self._engine) as connection:
            there = connection.execute(sa.select(t.c.request_hash).where(_is_answer(*key))).scalar()
            if there is not None:
                raise Problem(
                    Code.REQUEST_DIFFERS,
                    f"Round {facts.round} ({facts.kind}) of job {state.job_id} was already answered, "
                    f"for request {there[:16]}….",
                )
            _save_job(connection, state)
            connection.execute(
                sa.insert(t).values(
                    job_id=state.job_id,
                    round=facts.round,
                    kind=facts.kind.value,
                    request_hash=facts.request_hash,
                    facts=facts.model_dump_json(),
                    body=body,
                )
            )
            _append(connection, tables.releases, release)

    def ended_jobs(self, before: datetime) -> list[str]:
        return [job.job_id for job in self.jobs() if job.ended and job.changed_at < before]

    def empty_answers(self, job_id: str) -> bool:
        t = tables.answers
        full = (t.c.job_id == job_id) & (sa.func.length(t.c.body) > 0)
        with read(self._engine) as connection:
            if connection.execute(sa.select(t.c.round).where(full).limit(1)).first() is None:
                return False  # most jobs of most passes: the write lock is left alone
        with write(self._engine) as connection:
            return connection.execute(sa.update(t).where(full).values(body=b"")).rowcount > 0

    def releases(self, job_id: str | None = None) -> list[Release]:
        t = tables.releases
        query = sa.select(t).order_by(t.c.id)
        if job_id is not None:
            query = query.where(t.c.job_id == job_id)
        with read(self._engine) as connection:
            rows = connection.execute(query).mappings().all()
        return [Release.model_validate({name: row[name] for name in Release.model_fields}) for row in rows]

    def audit(self) -> list[AuditRecord]:
        with read(self._engine) as connection:
            releases = connection.execute(sa.select(tables.releases)).mappings().all()
            decisions = connection.execute(sa.select(tables.decisions)).mappings().all()
        records: list[AuditRecord] = [
            *(ReleaseRecord.model_validate(_without_id(row)) for row in releases),
            *(DecisionRecord.model_validate(_without_id(row)) for row in decisions),
        ]
        return sorted(records, key=lambda record: record.index)

    def released(self) -> dict[str, tuple[int, int]]:
        t = tables.releases
        query = sa.select(t.c.job_id, sa.func.count(), sa.func.sum(t.c.numbers)).group_by(t.c.job_id)
        with read(self._engine) as connection:
            return {job_id: (int(answers), int(numbers)) for job_id, answers, numbers in connection.execute(query)}

    def check(self) -> None:
        with read(self._engine) as connection:
            connection.execute(sa.select(tables.jobs.c.job_id).limit(1)).first()

    def close(self) -> None:
        self._engine.dispose()


def _dataset(connection: Connection, *conditions: sa.ColumnElement[bool]) -> Dataset | None:
    row = connection.execute(sa.select(tables.datasets).where(*conditions)).mappings().first()
    return None if row is None else _to_dataset(row)


def _to_dataset(row: RowMapping) -> Dataset:
    return Dataset.model_validate({name: row[name] for name in row if name not in ("id", "current")})


def _job(connection: Connection, job_id: str) -> JobState | None:
    state = connection.execute(sa.select(tables.jobs.c.state).where(tables.jobs.c.job_id == job_id)).scalar()
    return None if state is None else JobState.model_validate_json(state)


def _job_values(state: JobState) -> dict[str, str]:
    created_at = state.created_at.isoformat(timespec="microseconds")
    return {"phase": state.phase.value, "created_at": created_at, "state": state.model_dump_json()}


def _save_job(connection: Connection, state: JobState) -> None:
    t = tables.jobs
    done = connection.execute(sa.update(t).where(t.c.job_id == state.job_id).values(**_job_values(state)))
    if done.rowcount != 1:
        raise Problem(Code.MODEL_NOT_FOUND, f"Job {state.job_id} is not known here.")


def _append(connection: Connection, table: sa.Table, entry: Release | Decision) -> None:
    # A write transaction holds the store's only write lock, so that nobody appends to the other table meanwhile.
    index, previous = -1, NO_RECORD
    for t in (tables.releases, tables.decisions):
        last = connection.execute(sa.select(t.c.index, t.c.hash).order_by(t.c.index.desc()).limit(1)).first()
        if last is not None and last[0] > index:
            index, previous = last
    connection.execute(sa.insert(table).values(chained(entry, index + 1, previous).model_dump(mode="json")))


def _without_id(row: RowMapping) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name != "id"}


def _is_used(connection: Connection, dataset: Dataset) -> bool:
    """Whether a job has accepted under this version's encoding."""
    states = connection.execute(sa.select(tables.jobs.c.state)).scalars()
    jobs = (JobState.model_validate_json(state) for state in states)
    version = (dataset.name, dataset.version)
    return any(
        (job.dataset, job.dataset_version) == version and job.join_answer is not None and job.refusal is None
        for job in jobs
    )


def _is_answer(job_id: str, round_: int, kind: RoundKind) -> sa.ColumnElement[bool]:
    t = tables.answers
    return (t.c.job_id == job_id) & (t.c.round == round_) & (t.c.kind == kind.value)


def _another_schema(name: str) -> Problem:
    return Problem(
        Code.ENCODING_DIFFERS,
        f"This version of dataset {name!r} already has another schema, and jobs may have used it: "
        "the encoding of a version never changes. Register a new version of the table with the new schema.",
    )
