"""The store on SQLAlchemy: SQLite by default, any database that SQLAlchemy knows otherwise."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa

from fedtrain.facilitator.job import Effect, Outcome
from fedtrain.facilitator.job_state import JobState
from fedtrain.facilitator.store.job_rows import JOBS, JobRows, JobsRead
from fedtrain.facilitator.store.notices import Listener
from fedtrain.facilitator.store.results import Given, judge
from fedtrain.facilitator.store.tables import blobs, facilitator
from fedtrain.facilitator.store.transactions import ReadTransaction, WriteTransaction
from fedtrain.service.store.body_files import BodyFiles
from fedtrain.service.store.database import DatabaseError, read
from fedtrain.service.store.filing import FilingStore
from fedtrain.service.store.jobs import Move

MIGRATIONS = Path(__file__).parent / "migrations"
OWN_TABLE = "job_blobs"  # in every such store since the first revision, and in no other party's
_FILED = sa.select(blobs.c.hash).where(blobs.c.file_bytes.is_not(None))


class Store(FilingStore[JobState, Effect]):
    """Opens transactions, each a view of one moment. Written in one, everything is there afterwards or nothing."""

    def __init__(self, url: str, bodies: BodyFiles | None = None) -> None:
        """`bodies`: where large ones lie; by default beside an SQLite file, and on PostgreSQL in rows.

        Raises DatabaseError, also where some lie in files and no folder is named.
        """
        super().__init__(url, MIGRATIONS, OWN_TABLE, JOBS, _FILED, bodies)
        # SQLite lets a second writer wait by polling, up to 100 ms a time; within the process a lock wakes it at once.
        self._one_writer = threading.Lock()
        self._jobs_read = JobsRead()
        if self.bodies is None and self.has_filed():
            self.close()
            raise DatabaseError(
                "The store keeps large bodies in files: name their folder in FEDTRAIN_BODIES_DIR, as it was before."
            )

    def owner(self, party: str) -> str:
        """Return the Facilitator whose store it is: `party`, from now on, where it was nobody's."""
        with self._writing() as connection:
            known = connection.scalar(sa.select(facilitator.c.party))
            if known is None:
                connection.execute(sa.insert(facilitator).values(party=party))
        return party if known is None else known

    @contextmanager
    def listen(self, heard: Callable[[str], None], missed: Callable[[], None]) -> Iterator[None]:
        """Within the block, hear from a thread what any process commits on a shared store.

        `heard` is given the recipient of each new task, and the id of each task that gets a result. `missed` is called
        where some may have been lost: at the beginning, and after each interruption.
        """
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
            yield ReadTransaction(connection, self._rows(connection), self.bodies)

    @contextmanager
    def write(self) -> Iterator[WriteTransaction]:
        """A transaction that is committed when the block ends, and undone when an exception leaves it."""
        with self._writing() as connection:
            yield WriteTransaction(connection, self._rows(connection), self.bodies)

    def step(
        self,
        job_id: str,
        move: Move[JobState, Effect],
        given: Given | None = None,
        keep: Callable[[WriteTransaction, JobState, Effect], None] | None = None,
    ) -> Outcome:
        """Let `move` make of a job's state what follows, and keep that, in one transaction.

        Other processes may be at work on the job, so nothing of it is read before. `given`: the task's result that
        leads to the step; it is stored with it, and counts once. `keep` writes the effects. Raises Problem:
        MODEL_NOT_FOUND; as `judge` and `move`.
        """
        with self.write() as tx:
            if given is not None and judge(tx.task(given.task_id), given) == "known":
                return Outcome(tx.known_job(job_id))
            before = tx.known_job(job_id)
            outcome = move(before)
            if given is not None:
                tx.answer_task(given.task_id, given.body, given.content_type)
            if outcome.state != before:
                tx.put_job(outcome.state)
            if keep is not None:
                for effect in outcome.effects:
                    keep(tx, outcome.state, effect)
        return outcome

    @contextmanager
    def _writing(self) -> Iterator[sa.Connection]:
        with self._one_writer, super()._writing() as connection:
            yield connection

    def _rows(self, connection: sa.Connection) -> JobRows:
        return JobRows(connection, self._jobs_read)
