"""Time stamps of what this party signed at ends of jobs, beside the statements in its state folder.

STATE_DIR/heads/JOB_ID.stamps     each with the signed statement that it is over, oldest first
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Annotated

from cryptography.x509 import Certificate
from pydantic import Field

from fedtrain.protocol.documents.signed import SignedDocument, parse_json
from fedtrain.protocol.evidence.heads import HeadStatement, open_statement
from fedtrain.service.timestamps.stamp import Stamp, StampError, check_stamp
from fedtrain.service.vault.secret_files import SecretFileError, read_secret, write_secret
from fedtrain.spec.model_spec import Strict
from fedtrain.spec.problems import Problem

SUFFIX = ".stamps"


class StampList(Strict):
    """All stamps of a job's end that a party has."""

    stamps: Annotated[tuple[Stamp, ...], Field(max_length=1000)]


class StampFiles:
    """Keeps stamps. An earlier one stays when a later statement has one, too: its time is the earlier."""

    def __init__(self, state_dir: Path) -> None:
        self._folder = state_dir / "heads"

    def path(self, job_id: str) -> Path:
        return self._folder / f"{job_id}{SUFFIX}"

    def of(self, job_id: str) -> tuple[Stamp, ...]:
        """Return what is kept of a job. Raises SecretFileError for a file that is unusable."""
        path = self.path(job_id)
        try:
            return read_stamps(path, read_secret(path))
        except FileNotFoundError:
            return ()

    def has(self, job_id: str, signed: SignedDocument) -> bool:
        """Return whether this very statement is stamped. Raises as `of`."""
        return any(one.signed == signed for one in self.of(job_id))

    def keep(self, job_id: str, stamp: Stamp) -> None:
        """Keep one more. Raises as `of`."""
        listed = StampList(stamps=(*self.of(job_id), stamp))
        write_secret(self.path(job_id), listed.model_dump_json().encode())


def read_stamps(path: Path, content: bytes) -> tuple[Stamp, ...]:
    """Return the stamps of a file's content. Raises SecretFileError that names the file."""
    try:
        return parse_json(content, StampList).stamps
    except Problem as problem:
        raise SecretFileError(f"{path} holds no time stamps: {problem.detail}") from None


def check_stamps(
    path: Path, stamps: Sequence[Stamp], job_id: str, roots: Sequence[Certificate] | None
) -> list[tuple[HeadStatement, datetime | None]]:
    """Return each stamped statement with the authority's time, None for all without `roots`. `path`: for what is told.

    Raises Problem as `open_statement`, StampError that names the file and the party.
    """
    found: list[tuple[HeadStatement, datetime | None]] = []
    for number, stamp in enumerate(stamps, 1):
        statement = open_statement(stamp.signed, job_id)
        try:
            at = None if roots is None else check_stamp(bytes.fromhex(stamp.response), stamp.signed, roots)
        except StampError as error:
            raise StampError(
                f"{path}: time stamp {number}, of what {statement.name} signed, does not hold: {error}."
            ) from None
        found.append((statement, at))
    return found
