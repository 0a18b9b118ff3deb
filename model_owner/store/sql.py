"""The store on SQLAlchemy: SQLite in the state folder, or any database it knows."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, RowMapping

from fedtrain.model_owner.job import HistoryRow, JobState, Learning, TrainedModel
from fedtrain.model_owner.store import tables
from fedtrain.model_owner.store.contract import Changes, Dataset, ModelStore, Prediction
from fedtrain.protocol.states import Phase
from fedtrain.service.store.database import open_database, read, write
from fedtrain.spec.problems import Code, Problem

MIGRATIONS = Path(__file__).parent / "migrations"
OWN_TABLE = "outbox"  # in every such store since the first revision, and in no other party's


class SqlStore(ModelStore):
    """Any thread may share it."""

    def __init__(self, url: str) -> None:
        """Open the store at `url`, upgraded. Raises fedtrain.service.store.database.DatabaseError."""
        self._engine = open_database(url, MIGRATIONS, own_table=OWN_TABLE)

    @property
    def engine(self) -> sa.Engine:
        """The open database, for what keeps further tables in it."""
        return self._engine

    # Jobs

    def add(self, state: JobState) -> None:
        t = tables.models
        with write(self._engine) as connection:
            if _state_text(connection, state.job_id) is not None:
                raise Problem(Code.JOB_EXISTS, f"There is a job {state.job_id} already.")
            connection.execute(sa.insert(t).values(job_id=state.job_id, **_values(state)))

    def commit(self, before: JobState, after: JobState, changes: Changes) -> None:
        job_id = before.job_id
        with write(self._engine) as connection:
            stored = _state_text(connection, job_id)
            if stored is None or JobState.model_validate_json(stored) != before:
                raise Problem(Code.WRONG_STATE, f"Job {job_id} has gone on meanwhile.")
            connection.execute(sa.update(tables.models).where(tables.models.c.job_id == job_id).values(_values(after)))
            if changes.learning is not None:
                _put(connection, tables.learning, job_id, learning=changes.learning.model_dump_json())
            if changes.history is not None:
                row = changes.history
                connection.execute(
                    sa.insert(tables.history).values(job_id=job_id, round=row.round, row=row.model_dump_json())
                )
            if changes.model is not None:
                _put(connection, tables.trained, job_id, model=changes.model.model_dump_json())
            if changes.result is not None:
                step, body = changes.result
                connection.execute(sa.insert(tables.outbox).values(job_id=job_id, step=step, body=body))

    def job(self, job_id: str) -> JobState | None:
        with read(self._engine) as connection:
            text = _state_text(connection, job_id)
        return None if text is None else JobState.model_validate_json(text)

    def jobs(self, limit: int) -> Sequence[JobState]:
        t = tables.models
        return self._states(sa.select(t.c.state).order_by(t.c.sequence.desc()).limit(limit))

    def phase_counts(self) -> dict[Phase, int]:
        t = tables.models
        with read(self._engine) as connection:
            rows = connection.execute(sa.select(t.c.phase, sa.func.count()).group_by(t.c.phase)).all()
        return {Phase(phase): count for phase, count in rows}

    def unsettled(self) -> Sequence[JobState]:
        t = tables.models
        return self._states(sa.select(t.c.state).where(sa.not_(t.c.settled)).order_by(t.c.sequence))

    def _states(self, query: sa.Select[Any]) -> list[JobState]:
        with read(self._engine) as connection:
            texts = connection.execute(query).scalars().all()
        return [JobState.model_validate_json(text) for text in texts]

    def learning(self, job_id: str) -> Learning | None:
        t = tables.learning
        text = self._scalar(sa.select(t.c.learning).where(t.c.job_id == job_id))
        return None if text is None else Learning.model_validate_json(text)

    def history(self, job_id: str, after_round: int = -1) -> Sequence[HistoryRow]:
        t = tables.history
        query = sa.select(t.c.row).where((t.c.job_id == job_id) & (t.c.round > after_round)).order_by(t.c.round)
        with read(self._engine) as connection:
            rows = connection.execute(query).scalars().all()
        return [HistoryRow.model_validate_json(row) for row in rows]

    def result(self, job_id: str, step: int) -> bytes | None:
        t = tables.outbox
        body = self._scalar(sa.select(t.c.body).where((t.c.job_id == job_id) & (t.c.step == step)))
        return None if body is None else bytes(body)

    def model(self, job_id: str) -> TrainedModel | None:
        t = tables.trained
        text = self._scalar(sa.select(t.c.model).where(t.c.job_id == job_id))
        return None if text is None else TrainedModel.model_validate_json(text)

    def latest_finished(self) -> str | None:
        t = tables.models
        query = sa.select(t.c.job_id).where(t.c.phase == Phase.FINISHED.value)
        job_id: str | None = self._scalar(query.order_by(t.c.ended_at.desc(), t.c.sequence.desc()).limit(1))
        return job_id

    # Test sets

    def put_dataset(self, dataset: Dataset) -> Dataset:
        t = tables.datasets
        with write(self._engine) as connection:
            newest = connection.execute(sa.select(sa.func.coalesce(sa.func.max(t.c.current), 0))).scalar_one()
            same = (t.c.name == dataset.name) & (t.c.path == dataset.path) & (t.c.version == dataset.version)
            there = connection.execute(sa.select(t).where(same)).mappings().first()
            if there is not None:
                connection.execute(sa.update(t).where(same).values(current=newest + 1))
                return _dataset(there)
            values = {**dataset.model_dump(), "registered_at": dataset.registered_at.isoformat()}
            connection.execute(sa.insert(t).values(**values, current=newest + 1))
        return dataset

    def current_dataset(self) -> Dataset | None:
        found = self._datasets(1)
        return found[0] if found else None

    def datasets(self) -> Sequence[Dataset]:
        return self._datasets(None)

    def _datasets(self, limit: int | None) -> list[Dataset]:
        t = tables.datasets
        with read(self._engine) as connection:
            rows = connection.execute(sa.select(t).order_by(t.c.current.desc()).limit(limit)).mappings().all()
        return [_dataset(row) for row in rows]

    # Predictions

    def put_prediction(self, prediction: Prediction) -> Prediction:
        t = tables.predictions
        with write(self._engine) as connection:
            there = connection.execute(_on(prediction.model_id, prediction.dataset_id)).scalar()
            if there is not None:
                return Prediction.model_validate_json(there)
            connection.execute(
                sa.insert(t).values(
                    id=prediction.id,
                    model_id=prediction.model_id,
                    dataset_id=prediction.dataset_id,
                    prediction=prediction.model_dump_json(),
                )
            )
        return prediction

    def prediction(self, prediction_id: str) -> Prediction | None:
        t = tables.predictions
        return _prediction(self._scalar(sa.select(t.c.prediction).where(t.c.id == prediction_id)))

    def prediction_on(self, model_id: str, dataset_id: str) -> Prediction | None:
        return _prediction(self._scalar(_on(model_id, dataset_id)))

    def predictions(self, limit: int) -> Sequence[Prediction]:
        t = tables.predictions
        with read(self._engine) as connection:
            texts = connection.execute(sa.select(t.c.prediction).order_by(t.c.sequence.desc()).limit(limit))
            return [Prediction.model_validate_json(text) for text in texts.scalars()]

    def prune(self, ended_before: datetime) -> int:
        t = tables.models
        over = sa.select(t.c.job_id).where(t.c.settled, t.c.ended_at < ended_before.isoformat(timespec="microseconds"))
        in_them = tables.outbox.c.job_id.in_(over)
        with write(self._engine) as connection:
            pruned = connection.execute(sa.select(sa.func.count(tables.outbox.c.job_id.distinct())).where(in_them))
            count = int(pruned.scalar_one())
            connection.execute(sa.delete(tables.outbox).where(in_them))
        return count

    def check(self) -> None:
        self._scalar(sa.select(tables.models.c.job_id).limit(1))

    def close(self) -> None:
        self._engine.dispose()

    def _scalar(self, query: sa.Select[Any]) -> Any:
        with read(self._engine) as connection:
            return connection.execute(query).scalar()


def _state_text(connection: Connection, job_id: str) -> str | None:
    t = tables.models
    return connection.execute(sa.select(t.c.state).where(t.c.job_id == job_id)).scalar()


def _values(state: JobState) -> dict[str, object]:
    return {
        "phase": state.phase.value,
        "settled": state.ended and state.cancel_told,
        "ended_at": None if state.ending is None else state.ending.at.isoformat(timespec="microseconds"),
        "state": state.model_dump_json(),
    }


def _put(connection: Connection, table: sa.Table, job_id: str, **values: object) -> None:
    """Insert or replace the one row of a job."""
    done = connection.execute(sa.update(table).where(table.c.job_id == job_id).values(**values))
    if done.rowcount == 0:
        connection.execute(sa.insert(table).values(job_id=job_id, **values))


def _dataset(row: RowMapping) -> Dataset:
    return Dataset.model_validate({name: row[name] for name in Dataset.model_fields})


def _on(model_id: str, dataset_id: str) -> sa.Select[Any]:
    t = tables.predictions
    return sa.select(t.c.prediction).where((t.c.model_id == model_id) & (t.c.dataset_id == dataset_id))


def _prediction(text: Any) -> Prediction | None:
    return None if text is None else Prediction.model_validate_json(text)
