"""Statements of parties about the ends of jobs, as this party keeps them: a file a job in its state folder.

STATE_DIR/heads/JOB_ID.json     signed statements, of each party the latest
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from fedtrain.protocol.documents.signed import SignedDocument, parse_json
from fedtrain.protocol.evidence.heads import HeadList, HeadStatement, open_statement
from fedtrain.service.vault.secret_files import SecretFileError, read_secret, write_secret
from fedtrain.spec.problems import Problem


class HeadFiles:
    """Keeps signed statements. A party's later one takes an earlier one's place only where it says no less."""

    def __init__(self, state_dir: Path) -> None:
        self._folder = state_dir / "heads"

    def of(self, job_id: str) -> tuple[SignedDocument, ...]:
        """Return what is kept of a job. Raises SecretFileError for a file that is unusable."""
        path = self._path(job_id)
        try:
            return parse_json(read_secret(path), HeadList).statements
        except FileNotFoundError:
            return ()
        except Problem as problem:
            raise SecretFileError(f"{path} holds no signed heads: {problem.detail}") from None

    def keep(self, job_id: str, signed: Sequence[SignedDocument]) -> None:
        """Keep statements about a job: what contradicts an earlier one is kept beside it.

        Raises Problem as `open_statement`.
        """
        kept = {one: open_statement(one, job_id) for one in self.of(job_id)}
        after = dict(kept)
        for one in signed:
            statement = open_statement(one, job_id)
            said = [(other, known) for other, known in after.items() if known.party == statement.party]
            if any(known.goes_further(statement) for _, known in said):
                continue
            for other, known in said:
                if statement.goes_further(known):
                    del after[other]
            after[one] = statement
        if after != kept:
            write_secret(self._path(job_id), HeadList(statements=tuple(after)).model_dump_json().encode())

    def statements(self, job_id: str) -> tuple[HeadStatement, ...]:
        """Return what is kept of a job, opened. Raises as `of`, and Problem as `open_statement`."""
        return tuple(open_statement(one, job_id) for one in self.of(job_id))

    def jobs(self) -> list[str]:
        """Return the ids of the jobs of which something is kept."""
        return sorted(path.stem for path in self._folder.glob("[0-9a-f]*.json"))

    def changed_since(self, since: datetime) -> list[str]:
        """Return the ids of the jobs of which something was kept since then, by this machine's clock."""
        kept = self._folder.glob("[0-9a-f]*.json")
        return sorted(path.stem for path in kept if path.stat().st_mtime >= since.timestamp())

    def _path(self, job_id: str) -> Path:
        return self._folder / f"{job_id}.json"
