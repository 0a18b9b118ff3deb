"""What any store of a Data Owner does. Calls block: make them from a thread."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from fedtrain.data_owner.job import AnswerFacts, JobState
from fedtrain.data_owner.release.audit import AuditRecord
from fedtrain.data_owner.store.records import Dataset, Decision, FrozenTable, Release
from fedtrain.protocol.messages.rounds import RoundKind
from fedtrain.protocol.states import Phase
from fedtrain.spec.model_spec import DataProps


class OwnerStore(Protocol):
    """Durable: what a call has written is there after a crash that follows its return."""

    def put_dataset(self, dataset: Dataset) -> Dataset:
        """Register a version and make it the one on offer under its name.

        A version that is there keeps its adopted schema unless `dataset` brings one. Raises
        Problem(ENCODING_DIFFERS) where it brings another schema than the version already has.
        """
        ...

    def dataset(self, name: str) -> Dataset | None:
        """The version on offer under that name."""
        ...

    def datasets(self) -> list[Dataset]:
        """Every version on offer, by name."""
        ...

    def dataset_version(self, name: str, version: str) -> Dataset | None:
        """One version, on offer or not."""
        ...

    def adopt_schema(self, name: str, version: str, schema: DataProps, job_id: str) -> None:
        """Give a version without a schema this one. Raises Problem(ENCODING_DIFFERS) where it has another."""
        ...

    def put_frozen_table(self, table: FrozenTable) -> None:
        """Keep that a table was read; the first record under a key stays."""
        ...

    def frozen_table(self, key: str) -> FrozenTable | None: ...

    def open_job(self, state: JobState) -> JobState:
        """Keep a new job, or return the one that is there under its id."""
        ...

    def job(self, job_id: str) -> JobState | None: ...

    def jobs(self) -> list[JobState]:
        """All jobs, the latest first."""
        ...

    def phase_counts(self) -> dict[Phase, int]:
        """How many jobs are in each phase that has any."""
        ...

    def save_job(self, state: JobState, decision: Decision | None = None) -> None:
        """Replace a job's state, together with the decision that led to it, where a person took one.

        Raises Problem(MODEL_NOT_FOUND) for a job that was never opened.
        """
        ...

    def put_decision(self, decision: Decision) -> None:
        """Keep a decision about a job, known here or not."""
        ...

    def answer(self, job_id: str, round_: int, kind: RoundKind) -> AnswerFacts | None: ...

    def answer_bytes(self, job_id: str, round_: int, kind: RoundKind) -> bytes | None:
        """The exact bytes of an answer."""
        ...

    def put_answer(self, state: JobState, facts: AnswerFacts, body: bytes, release: Release) -> None:
        """Keep an answer, its release and the job's state after it, all or nothing.

        Raises Problem(REQUEST_DIFFERS) where that round and kind was already answered.
        """
        ...

    def ended_jobs(self, before: datetime) -> list[str]:
        """Ids of the jobs that ended before that moment, whether they were ever answered or not."""
        ...

    def empty_answers(self, job_id: str) -> bool:
        """Empty the bytes of a job's answers; return whether there were any.

        The state, the releases and the answers' hashes and signatures stay.
        """
        ...

    def releases(self, job_id: str | None = None) -> list[Release]:
        """What left this owner, in order; of one job or of all."""
        ...

    def audit(self) -> list[AuditRecord]:
        """Every release and decision as it stands in the hash chain, unverified."""
        ...

    def released(self) -> dict[str, tuple[int, int]]:
        """How many answers, and numbers in them, left this owner, by job id."""
        ...

    def check(self) -> None:
        """Raises an exception when the store cannot be read."""
        ...

    def close(self) -> None: ...
