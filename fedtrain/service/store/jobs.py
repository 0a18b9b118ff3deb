"""Jobs in a party's database: one table of states, and the one way to change a state.

    step(job_id, move)   →   load the state, let `move` make of it what follows, write that and what its effects keep

Each party's store is a `JobStore` with tables of its own beside; one suite of tests is run over all three. Methods
block: call them from a thread. What one of them has written is there after a crash that follows its return.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from fedtrain.protocol.outcome import EffectT, Outcome
from fedtrain.protocol.states import Phase
from fedtrain.service.store.database import open_database, read, write
from fedtrain.spec.problems import Code, Problem


class State(Protocol):
    """A job's state, as far as a store looks into it: a pydantic model."""

    @property
    def job_id(self) -> str: ...
    @property
    def phase(self) -> Phase: ...
    def model_dump_json(self) -> str: ...
    @classmethod
    def model_validate_json(cls, json_data: str, /) -> Any: ...


StateT = TypeVar("StateT", bound=State)
Move = Callable[[StateT], Outcome[StateT, EffectT]]


@dataclass(frozen=True)
class JobTable(Generic[StateT]):
    """Table of a party's jobs, with the columns `key`, `phase` and `state`.

    `columns`: what stands beside a state for jobs to be found by. `newest_first`: the order of `newest`.
    """

    table: sa.Table
    key: sa.Column[str]
    state: type[StateT]
    newest_first: tuple[Any, ...]
    columns: Callable[[StateT], dict[str, object]] = lambda _state: {}


class JobRows(Generic[StateT]):
    """Reads and writes states within one transaction."""

    def __init__(self, connection: Connection, jobs: JobTable[StateT]) -> None:
        self._connection = connection
        self._jobs = jobs

    def read(self, job_id: str, *, for_update: bool = False) -> StateT | None:
        """Return a job's state. `for_update` holds its row to the end, where the database has several writers."""
        query = self._query().where(self._jobs.key == job_id)
        row = self._connection.execute(query.with_for_update() if for_update else query).first()
        return None if row is None else self._state(row)

    def newest(self, limit: int | None = None) -> list[StateT]:
        """Return so many jobs, or all, newest first."""
        return self.select(self._query().order_by(*self._jobs.newest_first).limit(limit))

    def where(self, condition: sa.ColumnElement[bool], order: Any) -> list[StateT]:
        """Return the jobs that meet a condition, in that order."""
        return self.select(self._query().where(condition).order_by(order))

    def select(self, query: sa.Select[Any]) -> list[StateT]:
        return [self._state(row) for row in self._connection.execute(query).all()]

    def phase_counts(self) -> dict[Phase, int]:
        """Return how many jobs are in each phase that has any."""
        phase = self._jobs.table.c.phase
        rows = self._connection.execute(sa.select(phase, sa.func.count()).group_by(phase))
        return {Phase(name): count for name, count in rows}

    def open(self, state: StateT, **columns: object) -> StateT:
        """Keep a new job, or return the one that is there under its id."""
        there = self.read(state.job_id, for_update=True)
        if there is not None:
            return there
        values = {self._jobs.key.name: state.job_id, **self._values(None, state), **columns}
        self._connection.execute(sa.insert(self._jobs.table).values(values))
        self._written(None, state)
        return state

    def replace(self, before: StateT, after: StateT) -> None:
        """Write the state that follows `before`, which is the stored one."""
        values = self._values(before, after)
        self._connection.execute(sa.update(self._jobs.table).where(self._jobs.key == after.job_id).values(values))
        self._written(before, after)

    def _query(self) -> sa.Select[Any]:
        return sa.select(self._jobs.table.c.state)

    def _state(self, row: sa.Row[Any]) -> StateT:
        state: StateT = self._jobs.state.model_validate_json(row.state)
        return state

    def _values(self, _before: StateT | None, after: StateT) -> dict[str, object]:
        return {"phase": after.phase.value, "state": after.model_dump_json(), **self._jobs.columns(after)}

    def _written(self, before: StateT | None, after: StateT) -> None:
        """Write what a party keeps of a state in other tables."""


class JobStore(Generic[StateT, EffectT]):
    """A party's database, upgraded to the newest revision when it is opened. Any thread may share it."""

    def __init__(self, url: str, migrations: Path, own_table: str, jobs: JobTable[StateT]) -> None:
        """Open the store at `url`. Raises fedtrain.service.store.database.DatabaseError."""
        self._engine = open_database(url, migrations, own_table=own_table)
        self._jobs = jobs

    @property
    def engine(self) -> sa.Engine:
        """Return the open database, for what watches it or keeps further tables in it."""
        return self._engine

    def check(self) -> None:
        """Raises an exception when the store cannot be read."""
        with read(self._engine) as connection:
            connection.execute(sa.select(self._jobs.key).limit(1)).first()

    def close(self) -> None:
        self._engine.dispose()

    def job(self, job_id: str) -> StateT | None:
        """Return a job's state; None for an id that is not known."""
        with read(self._engine) as connection:
            return self._rows(connection).read(job_id)

    def jobs(self, limit: int | None = None) -> Sequence[StateT]:
        """Return so many jobs, or all, newest first."""
        with read(self._engine) as connection:
            return self._rows(connection).newest(limit)

    def phase_counts(self) -> dict[Phase, int]:
        """Return how many jobs are in each phase that has any."""
        with read(self._engine) as connection:
            return self._rows(connection).phase_counts()

    def open_job(self, state: StateT, **columns: object) -> StateT:
        """Keep a new job, or return the one that is there under its id. `columns`: what else its row has."""
        with self._writing() as connection:
            return self._rows(connection).open(state, **columns)

    def step(self, job_id: str, move: Move[StateT, EffectT]) -> Outcome[StateT, EffectT]:
        """Let `move` make of a job's state what follows, and keep that.

        `move` may take long: the store is not held meanwhile. Raises Problem: MODEL_NOT_FOUND; as `move` and `commit`.
        """
        before = self.job(job_id)
        if before is None:
            raise Problem(Code.MODEL_NOT_FOUND, f"There is no job {job_id[:64]} here.")
        outcome = move(before)
        if outcome.state is not before:
            self.commit(before, outcome)
        return outcome

    def commit(self, before: StateT, outcome: Outcome[StateT, EffectT]) -> None:
        """Put a job's state in the place of `before`, and write what its effects ask to keep: all or nothing.

        Raises Problem: MODEL_NOT_FOUND, or WRONG_STATE where the stored state is not `before` any more.
        """
        with self._writing() as connection:
            rows = self._rows(connection)
            stored = rows.read(before.job_id, for_update=True)
            if stored is None:
                raise Problem(Code.MODEL_NOT_FOUND, f"There is no job {before.job_id} here.")
            if stored != before:
                raise Problem(Code.WRONG_STATE, f"Job {before.job_id} has gone on meanwhile.")
            rows.replace(before, outcome.state)
            for effect in outcome.effects:
                self._keep(connection, before.job_id, effect)

    @contextmanager
    def _writing(self) -> Iterator[Connection]:
        with write(self._engine) as connection:
            yield connection

    def _rows(self, connection: Connection) -> JobRows[StateT]:
        return JobRows(connection, self._jobs)

    def _keep(self, connection: Connection, job_id: str, effect: EffectT) -> None:
        """Write what an effect asks to keep, in the transaction of its state."""
