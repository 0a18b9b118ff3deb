"""The store on SQLAlchemy: SQLite in the state folder, or any database it knows."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, RowMapping

from fedtrain.model_owner import job as j
from fedtrain.model_owner.job_state import JobState
from fedtrain.model_owner.methods.learning import HistoryRow, Learning
from fedtrain.model_owner.results.fitted import TrainedModel
from fedtrain.model_owner.store import tables
from fedtrain.model_owner.store.records import Dataset, Prediction
from fedtrain.protocol.documents.signed import SignedDocument
from fedtrain.protocol.states import Phase
from fedtrain.service.store.body_files import Body
from fedtrain.service.store.database import read, write
from fedtrain.service.store.filing import OutboxStore
from fedtrain.service.store.jobs import JobTable

MIGRATIONS = Path(__file__).parent / "migrations"
OWN_TABLE = "outbox"  # in every such store since the first revision, and in no other party's


JOBS = JobTable(
    tables.models,
    tables.models.c.job_id,
    JobState,
    (tables.models.c.sequence.desc(),),
    lambda state: {
        "settled": state.ended and state.cancel_told,
        "ended_at": None if state.ending is None else state.ending.at.isoformat(timespec="microseconds"),
    },
)


class ModelStore(OutboxStore[JobState, j.Effect]):
    """Jobs with what belongs to them, test sets, predictions. A step's answer is in the store before it is sent."""

    def __init__(self, url: str, state_dir: Path | None = None) -> None:
        """`state_dir`: has the large bodies of a store on PostgreSQL; None for rows there. Raises DatabaseError."""
        super().__init__(url, MIGRATIONS, OWN_TABLE, JOBS, tables.outbox, state_dir)

    # Jobs

    def unsettled(self) -> list[JobState]:
        """Return jobs that have not ended, and cancelled ones that the Facilitator does not know of; oldest first."""
        t = tables.models
        with read(self._engine) as connection:
            return self._rows(connection).where(sa.not_(t.c.settled), t.c.sequence)

    def models_by_request(self) -> dict[str, list[str]]:
        """Return the ids of the jobs that came of each request, the newest first."""
        found: dict[str, list[str]] = {}
        for state in self.jobs():
            if state.request is not None:
                found.setdefault(state.request, []).append(state.job_id)
        return found

    def keyed_request(self, key: str) -> SignedDocument | None:
        """Return the request that was signed under the key with that hash."""
        with read(self._engine) as connection:
            return _keyed_request(connection, key)

    def put_keyed_request(self, key: str, signed: SignedDocument) -> SignedDocument:
        """Keep a request under the hash of its key, and return what is there: the first one stays."""
        with write(self._engine) as connection:
            there = _keyed_request(connection, key)
            if there is None:
                values = {"key": key, "signed": signed.model_dump_json()}
                connection.execute(sa.insert(tables.keyed_requests).values(values))
            return there or signed

    def _keep(self, connection: Connection, job_id: str, effect: j.Effect) -> None:
        match effect:
            case j.KeepLearning():
                _put(connection, tables.learning, job_id, learning=effect.learning.model_dump_json())
            case j.KeepHistory(row=row):
                connection.execute(
                    sa.insert(tables.history).values(job_id=job_id, round=row.round, row=row.model_dump_json())
                )
            case j.KeepModel():
                _put(connection, tables.trained, job_id, model=effect.model.model_dump_json())
            case j.DropResults():
                t = tables.outbox
                self._delete_results(connection, t.c.job_id == job_id, t.c.step <= effect.up_to_step)
            case j.GiveResult():
                kept = self._filing(connection, effect.body)
                connection.execute(sa.insert(tables.outbox).values(job_id=job_id, step=effect.step, **kept))

    def _delete_results(self, connection: Connection, *which: sa.ColumnElement[bool]) -> None:
        self._dropping(connection, *which)
        connection.execute(sa.delete(tables.outbox).where(*which))

    def learning(self, job_id: str) -> Learning | None:
        """Return the optimiser's state, None before the counts are in."""
        t = tables.learning
        text = self._scalar(sa.select(t.c.learning).where(t.c.job_id == job_id))
        return None if text is None else Learning.model_validate_json(text)

    def history(self, job_id: str, after_round: int = -1) -> Sequence[HistoryRow]:
        """Return the rounds above `after_round`, in order."""
        t = tables.history
        query = sa.select(t.c.row).where((t.c.job_id == job_id) & (t.c.round > after_round)).order_by(t.c.round)
        with read(self._engine) as connection:
            rows = connection.execute(query).scalars().all()
        return [HistoryRow.model_validate_json(row) for row in rows]

    def result(self, job_id: str, step: int) -> Body | None:
        """Return the answer to a step, or its file; None where there is none, or none any more: see `prune`."""
        t = tables.outbox
        return self._body(t.c.job_id == job_id, t.c.step == step)

    def model(self, job_id: str) -> TrainedModel | None:
        """Return the trained model, None before the job has finished."""
        t = tables.trained
        text = self._scalar(sa.select(t.c.model).where(t.c.job_id == job_id))
        return None if text is None else TrainedModel.model_validate_json(text)

    def latest_finished(self) -> str | None:
        """Return the id of the job that finished last."""
        t = tables.models
        query = sa.select(t.c.job_id).where(t.c.phase == Phase.FINISHED.value)
        job_id: str | None = self._scalar(query.order_by(t.c.ended_at.desc(), t.c.sequence.desc()).limit(1))
        return job_id

    # Test sets

    def put_dataset(self, dataset: Dataset) -> Dataset:
        """Keep a test set as the current one of its name; the same name, path and version again is the one there is."""
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
        """Return the test set that was registered last."""
        found = self._datasets(1)
        return found[0] if found else None

    def datasets(self) -> Sequence[Dataset]:
        """Return all test sets, the current one first."""
        return self._datasets(None)

    def _datasets(self, limit: int | None) -> list[Dataset]:
        t = tables.datasets
        with read(self._engine) as connection:
            rows = connection.execute(sa.select(t).order_by(t.c.current.desc()).limit(limit)).mappings().all()
        return [_dataset(row) for row in rows]

    # Predictions

    def put_prediction(self, prediction: Prediction) -> Prediction:
        """Keep a prediction; where the model was scored on that test set before, return the one there is."""
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
        """Return a prediction by its id."""
        t = tables.predictions
        return _prediction(self._scalar(sa.select(t.c.prediction).where(t.c.id == prediction_id)))

    def prediction_on(self, model_id: str, dataset_id: str) -> Prediction | None:
        """Return the prediction of a model on a test set."""
        return _prediction(self._scalar(_on(model_id, dataset_id)))

    def predictions(self, limit: int) -> Sequence[Prediction]:
        """Return the newest predictions, newest first."""
        t = tables.predictions
        with read(self._engine) as connection:
            texts = connection.execute(sa.select(t.c.prediction).order_by(t.c.sequence.desc()).limit(limit))
            return [Prediction.model_validate_json(text) for text in texts.scalars()]

    def prune(self, ended_before: datetime) -> int:
        """Delete the answers to steps of jobs that ended before that moment; return how many jobs lost theirs.

        States, models, histories and predictions stay.
        """
        t = tables.models
        over = sa.select(t.c.job_id).where(t.c.settled, t.c.ended_at < ended_before.isoformat(timespec="microseconds"))
        in_them = tables.outbox.c.job_id.in_(over)
        with self._writing() as connection:
            pruned = connection.execute(sa.select(sa.func.count(tables.outbox.c.job_id.distinct())).where(in_them))
            count = int(pruned.scalar_one())
            self._delete_results(connection, in_them)
        return count

    def _scalar(self, query: sa.Select[Any]) -> Any:
        with read(self._engine) as connection:
            return connection.execute(query).scalar()


def _keyed_request(connection: Connection, key: str) -> SignedDocument | None:
    t = tables.keyed_requests
    text = connection.scalar(sa.select(t.c.signed).where(t.c.key == key))
    return None if text is None else SignedDocument.model_validate_json(text)


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
