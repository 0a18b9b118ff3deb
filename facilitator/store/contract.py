"""What any store of the Facilitator must do. One test suite holds every implementation to it.

All that one event changes is written in one `write` transaction: the job's state is read inside it, so that no update
is lost, and either everything is there afterwards or nothing. Methods block; call them from a thread.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime

from fedtrain.facilitator.job import CreateTask, JobState
from fedtrain.protocol.documents.signed import SignedDocument
from fedtrain.protocol.messages.tasks import TaskHeader, TaskKind
from fedtrain.protocol.states import Phase


@dataclass(frozen=True)
class StoredParty:
    """A registered Data Owner, and the registration as it signed it."""

    party: str
    name: str
    datasets: tuple[str, ...]
    registered_at: str
    signed: SignedDocument


@dataclass(frozen=True)
class StoredTask:
    """A task with its request's hash. `result_hash` is there once it is answered; a closed task takes no result."""

    header: TaskHeader
    request_hash: str
    request_type: str
    closed: bool
    result_hash: str | None


@dataclass(frozen=True)
class StoredBlob:
    """Bytes under their SHA-256, and what they are."""

    content: bytes
    content_type: str


@dataclass(frozen=True)
class StoredEntry:
    """One log entry's exact bytes, and where the signed request of its sum is (None for the first)."""

    entry: bytes
    signed_request_hash: str | None


@dataclass(frozen=True)
class Claim:
    """Which process has taken on some work, and until when it may be taken for alive."""

    holder: str
    until: datetime


class ReadTransaction(ABC):
    """A view of one moment."""

    @abstractmethod
    def party(self, party: str) -> StoredParty | None: ...

    @abstractmethod
    def parties(self) -> Sequence[StoredParty]:
        """All registered owners, by name."""

    @abstractmethod
    def job(self, job_id: str) -> JobState | None: ...

    @abstractmethod
    def jobs(self, limit: int) -> Sequence[JobState]:
        """The newest jobs, newest first."""

    @abstractmethod
    def jobs_in(self, phase: Phase) -> Sequence[str]:
        """Ids of the jobs in that phase."""

    @abstractmethod
    def phase_counts(self) -> dict[Phase, int]:
        """How many jobs are in each phase that has any."""

    @abstractmethod
    def jobs_due(self, now: datetime) -> Sequence[str]:
        """Ids of the jobs whose deadline is at `now` or before."""

    @abstractmethod
    def jobs_with_bulk(self, created_before: datetime) -> Sequence[str]:
        """Ids of the ended jobs of before that moment whose evidence is still there."""

    @abstractmethod
    def manifest(self, job_id: str) -> SignedDocument | None: ...

    @abstractmethod
    def roster(self, job_id: str) -> SignedDocument | None: ...

    @abstractmethod
    def task(self, task_id: str) -> StoredTask | None: ...

    @abstractmethod
    def open_tasks(self, recipient: str, after: int, limit: int) -> Sequence[TaskHeader]:
        """The recipient's tasks without a result that are not closed, with a sequence above `after`, in order."""

    @abstractmethod
    def open_task_counts(self) -> dict[TaskKind, int]:
        """How many tasks of each kind are open."""

    @abstractmethod
    def open_tasks_from(self, sender: str) -> int:
        """How many tasks of that sender are open."""

    @abstractmethod
    def blob(self, content_hash: str) -> bytes | None: ...

    @abstractmethod
    def job_blob(self, job_id: str, content_hash: str) -> StoredBlob | None:
        """A blob, if it is evidence of that job."""

    @abstractmethod
    def log_entry(self, job_id: str, index: int) -> StoredEntry | None: ...

    @abstractmethod
    def log_entries(self, job_id: str, start: int = 0) -> Sequence[StoredEntry]:
        """The entries from `start` on, in order."""

    @abstractmethod
    def claim(self, name: str) -> Claim | None:
        """Who has claimed the work of that name last, if nobody has released it."""


class WriteTransaction(ReadTransaction):
    """Reads and changes that are committed together, one writer at a time."""

    @abstractmethod
    def put_party(self, party: StoredParty) -> None: ...

    @abstractmethod
    def forget_party(self, party: str) -> bool:
        """Take a party off the list of those that jobs ask. Returns whether it was on it."""

    @abstractmethod
    def add_job(self, state: JobState, manifest: SignedDocument) -> None:
        """Store a new job. Raises ValueError where its id is taken."""

    @abstractmethod
    def put_job(self, state: JobState) -> None:
        """Replace a job's state. Raises ValueError for an unknown job."""

    @abstractmethod
    def put_roster(self, job_id: str, roster: SignedDocument) -> None: ...

    @abstractmethod
    def add_task(self, task_id: str, job_id: str, sender: str, created_at: str, task: CreateTask) -> bool:
        """Store a task under the next sequence number. False, and nothing stored, where its key is known."""

    @abstractmethod
    def close_tasks(self, job_id: str, kinds: Collection[TaskKind]) -> None:
        """The job's open tasks of these kinds take no more results."""

    @abstractmethod
    def answer_task(self, task_id: str, result: bytes, content_type: str) -> None:
        """Store a task's result, which closes it. Raises ValueError where it is unknown or has one."""

    @abstractmethod
    def put_blob(self, job_id: str, content: bytes, content_type: str) -> str:
        """Store evidence of a job and return its SHA-256. The same bytes twice are stored once."""

    @abstractmethod
    def delete_bulk(self, job_id: str, created_before: datetime) -> None:
        """Delete an ended job's evidence and its closed tasks of before that moment; all else of it stays."""

    @abstractmethod
    def append_log(self, job_id: str, index: int, entry: StoredEntry) -> None:
        """Store the next entry. Raises ValueError unless `index` is the number of entries before it."""

    @abstractmethod
    def put_claim(self, name: str, claim: Claim) -> None:
        """Put a claim in the place of the one that is there, if any."""

    @abstractmethod
    def delete_claim(self, name: str) -> None: ...


class Store(ABC):
    """Opens transactions."""

    @property
    @abstractmethod
    def shared(self) -> bool:
        """Whether other processes may be at work on it."""

    @abstractmethod
    def owner(self, party: str) -> str:
        """The Facilitator whose store it is: `party`, from now on, where it was nobody's."""

    @abstractmethod
    def listen(self, heard: Callable[[str], None], missed: Callable[[], None]) -> AbstractContextManager[None]:
        """Within the block, hear from a thread what any process commits on a shared store.

        `heard` is given the recipient of each new task, and the id of each task that gets a result. `missed` is called
        where some may have been lost: at the beginning, and after each interruption.
        """

    @abstractmethod
    def read(self) -> AbstractContextManager[ReadTransaction]: ...

    @abstractmethod
    def write(self) -> AbstractContextManager[WriteTransaction]:
        """A transaction that is committed when the block ends, and undone when an exception leaves it."""

    @abstractmethod
    def check(self) -> None:
        """Raises an exception when the store cannot be read."""

    @abstractmethod
    def close(self) -> None: ...
