"""What any store of the Model Owner must do. One test suite holds every implementation to it.

All that one message changes in a job is written by one `commit`, and either everything is there afterwards or nothing:
a step's answer is in the store before it is sent. Methods block; call them from a thread.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from fedtrain.model_owner.job import HistoryRow, JobState, Learning, TrainedModel
from fedtrain.protocol.documents.signed import Hash, Name
from fedtrain.protocol.states import Phase
from fedtrain.spec.model_spec import Strict


class Dataset(Strict):
    """A test set. `version`: SHA-256 of the file's bytes. The newest one of a name is the current one."""

    id: str
    name: Name
    path: str
    version: Hash
    size_bytes: int
    registered_at: datetime


class Prediction(Strict):
    """A model's values on a test set. `document` is what GET /prediction answers."""

    id: str
    model_id: str
    dataset_id: str
    created_at: datetime
    document: dict[str, Any]


@dataclass(frozen=True)
class Changes:
    """What a message changed beside the job's state. `result`: a step's number, and the bytes that answer it."""

    learning: Learning | None = None
    history: HistoryRow | None = None
    model: TrainedModel | None = None
    result: tuple[int, bytes] | None = None


class ModelStore(ABC):
    """Jobs with what belongs to them, test sets, predictions."""

    @abstractmethod
    def add(self, state: JobState) -> None:
        """Keep a new job. Raises Problem(JOB_EXISTS) where its id is taken."""

    @abstractmethod
    def commit(self, before: JobState, after: JobState, changes: Changes) -> None:
        """Replace a job's state, with all that goes with it.

        Raises Problem(WRONG_STATE), and changes nothing, where the stored state is not `before` any more.
        """

    @abstractmethod
    def job(self, job_id: str) -> JobState | None: ...

    @abstractmethod
    def jobs(self, limit: int) -> Sequence[JobState]:
        """The newest jobs, newest first."""

    @abstractmethod
    def phase_counts(self) -> dict[Phase, int]:
        """How many jobs are in each phase that has any."""

    @abstractmethod
    def unsettled(self) -> Sequence[JobState]:
        """Jobs that have not ended, and cancelled ones that the Facilitator does not know of; oldest first."""

    @abstractmethod
    def learning(self, job_id: str) -> Learning | None: ...

    @abstractmethod
    def history(self, job_id: str, after_round: int = -1) -> Sequence[HistoryRow]:
        """The rounds above `after_round`, in order."""

    @abstractmethod
    def result(self, job_id: str, step: int) -> bytes | None:
        """The answer to a step, None where there is none, or none any more: see `prune`."""

    @abstractmethod
    def model(self, job_id: str) -> TrainedModel | None: ...

    @abstractmethod
    def latest_finished(self) -> str | None:
        """Id of the job that finished last."""

    @abstractmethod
    def put_dataset(self, dataset: Dataset) -> Dataset:
        """Keep a test set as the current one of its name; the same name, path and version again is the one there is."""

    @abstractmethod
    def current_dataset(self) -> Dataset | None:
        """The test set that was registered last."""

    @abstractmethod
    def datasets(self) -> Sequence[Dataset]:
        """All test sets, the current one first."""

    @abstractmethod
    def put_prediction(self, prediction: Prediction) -> Prediction:
        """Keep a prediction; where the model was scored on that test set before, return the one there is."""

    @abstractmethod
    def prediction(self, prediction_id: str) -> Prediction | None: ...

    @abstractmethod
    def prediction_on(self, model_id: str, dataset_id: str) -> Prediction | None: ...

    @abstractmethod
    def predictions(self, limit: int) -> Sequence[Prediction]:
        """The newest predictions, newest first."""

    @abstractmethod
    def prune(self, ended_before: datetime) -> int:
        """Delete the answers to steps of jobs that ended before that moment; return how many jobs lost theirs.

        States, models, histories and predictions stay.
        """

    @abstractmethod
    def check(self) -> None:
        """Raises whatever the database raises when it cannot be read."""

    @abstractmethod
    def close(self) -> None: ...
