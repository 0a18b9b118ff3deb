"""A party's store with its large bodies in files beside it, and what of the two a transaction leaves.

A file is there before its row, and goes after it. With a transaction that fails go the files that it placed, with one
that is committed those whose rows it dropped; what a crash leaves is removed at the next start, in a folder of its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import sqlalchemy as sa
import structlog
from sqlalchemy.engine import Connection

from fedtrain.protocol.outcome import EffectT
from fedtrain.service.store.body_files import Body, BodyFiles
from fedtrain.service.store.database import read
from fedtrain.service.store.database_url import POSTGRESQL
from fedtrain.service.store.jobs import JobStore, JobTable, StateT
from fedtrain.service.vault.backup import BODIES, bodies_beside
from fedtrain.spec.problems import Problem

log = structlog.get_logger("protocol.server")

_CHANGES = "fedtrain_bodies"


@dataclass
class BodyChanges:
    """Hashes of the bodies that one transaction placed, and of those whose rows it deleted."""

    placed: set[str] = field(default_factory=set)
    dropped: set[str] = field(default_factory=set)


def body_changes(connection: Connection) -> BodyChanges:
    """Return what a write transaction of a `FilingStore` has done to bodies, to be added to."""
    changes: BodyChanges = connection.get_execution_options()[_CHANGES]
    return changes


class FilingStore(JobStore[StateT, EffectT]):
    """A store that may have large bodies in files."""

    def __init__(
        self,
        url: str,
        migrations: Path,
        own_table: str,
        jobs: JobTable[StateT],
        filed: sa.Select[tuple[str]],
        bodies: BodyFiles | None = None,
    ) -> None:
        """`filed`: the hashes of the bodies that rows say are in files. `bodies`: where those lie; by default beside an
        SQLite file, and on PostgreSQL nowhere: they are rows. Raises DatabaseError."""
        super().__init__(url, migrations, own_table, jobs)
        self._filed = filed
        self._may_share = False  # with other stores in one folder, as earlier versions did
        file = self._engine.url.database
        beside = None if self.shared or file is None else self._beside(Path(file))
        self.bodies = bodies or beside

    def _beside(self, file: Path) -> BodyFiles:
        """Return the folder beside an SQLite file; of earlier versions, where it has bodies of this store, that one."""
        own, before = BodyFiles(bodies_beside(file)), BodyFiles(file.parent / BODIES)
        if own.folder == before.folder or own.folder.is_dir() or not before.folder.is_dir():
            return own
        with read(self._engine) as connection:
            self._may_share = bool(before.there(self._named(connection)))
        return before if self._may_share else own

    @property
    def shared(self) -> bool:
        """Say whether other processes may be at work on it."""
        return self._engine.dialect.name == POSTGRESQL

    def has_filed(self) -> bool:
        """Say whether rows stand for files."""
        with read(self._engine) as connection:
            return connection.scalar(self._filed.limit(1)) is not None

    def remove_unnamed_bodies(self) -> None:
        """Remove the files that a crash left without a row, unless they may be another store's. For the service, at its
        start."""
        if self.bodies is None or self._may_share or not self.bodies.folder.is_dir():
            return
        with self._writing() as connection:
            self.bodies.remove(self.bodies.unnamed(self._named(connection)))
            self.bodies.remove_parts(shared=self.shared)

    @contextmanager
    def _writing(self) -> Iterator[Connection]:
        changes = BodyChanges()
        left = changes.placed
        try:
            with super()._writing() as connection:
                yield connection.execution_options(**{_CHANGES: changes})
            left = changes.dropped
        finally:
            self._remove(left)

    def _remove(self, hashes: set[str]) -> None:
        """Remove the files of these bodies that no row names; what fails is done at the next start."""
        if self.bodies is None or not (there := self.bodies.there(hashes)):
            return
        try:
            # Within a write transaction, so that nobody places one of them again meanwhile.
            with super()._writing() as connection:
                self.bodies.remove(there - self._named(connection))
        except (Problem, OSError) as error:
            log.warning("bodies without a row are left until the next start", why=str(error))

    def _named(self, connection: Connection) -> set[str]:
        return set(connection.scalars(self._filed))


def body_columns() -> tuple[sa.Column[bytes], sa.Column[str], sa.Column[int]]:
    """Return the columns of a table of answers: the exact bytes that were, or will be, sent, or the file of them."""
    return (
        sa.Column("body", sa.LargeBinary, nullable=False),  # empty where they are in a file
        sa.Column("file_hash", sa.String(64), index=True),
        sa.Column("file_bytes", sa.BigInteger),
    )


class OutboxStore(FilingStore[StateT, EffectT]):
    """A store of what its party answers: a large answer is a file, from the transaction on that keeps it."""

    def __init__(
        self,
        url: str,
        migrations: Path,
        own_table: str,
        jobs: JobTable[StateT],
        answers: sa.Table,
        state_dir: Path | None,
    ) -> None:
        """`answers`: a table with `body_columns`. `state_dir`: the party's folder, with the bodies of a store on
        PostgreSQL; None for rows there. Raises DatabaseError."""
        filed = sa.select(answers.c.file_hash).where(answers.c.file_hash.is_not(None))
        super().__init__(url, migrations, own_table, jobs, filed)
        if self.bodies is None and state_dir is not None:
            self.bodies = BodyFiles(state_dir / BODIES)
        self._answers = answers

    def _body(self, *which: sa.ColumnElement[bool]) -> Body | None:
        """Return an answer's bytes, or where they lie; None where there is no such row."""
        t = self._answers
        with read(self._engine) as connection:
            row = connection.execute(sa.select(t.c.body, t.c.file_hash, t.c.file_bytes).where(*which)).first()
        if row is None:
            return None
        if row.file_hash is None:
            return bytes(row.body)
        if self.bodies is None:
            raise LookupError(f"the answer {row.file_hash} is in a file, and this store has no folder of them")
        return self.bodies.at(row.file_hash, row.file_bytes)

    def _filing(self, connection: Connection, body: bytes) -> dict[str, object]:
        """Return the values of an answer's `body_columns`, once a large one is a file. Raises OSError."""
        if self.bodies is None or len(body) <= self.bodies.above_bytes:
            return {"body": body}
        written = self.bodies.write((body,))
        try:
            self.bodies.place(written)
        finally:
            written.discard()
        body_changes(connection).placed.add(written.hash)
        return {"body": b"", "file_hash": written.hash, "file_bytes": written.size_bytes}

    def _dropping(self, connection: Connection, *which: sa.ColumnElement[bool]) -> None:
        """Have the files of these answers go once the transaction, which drops their rows, is committed."""
        t = self._answers
        found = connection.scalars(sa.select(t.c.file_hash).where(t.c.file_hash.is_not(None), *which))
        body_changes(connection).dropped.update(found)
