"""The folder of what jobs are answered from: each one's files and salt, until it is forgotten."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Final

from fedtrain.data_owner.data.frozen.examples_folder import SUFFIX, forget_examples
from fedtrain.data_owner.data.rows.split import ValidationSplit
from fedtrain.service.vault.secret_files import delete_secret, read_secret, write_secret
from fedtrain.spec.problems import Code, Problem

SALT_BYTES: Final = 32
VALIDATION_FRACTION: Final = 0.2


class FrozenFolder:
    """One owner's folder, at `path`. Blocks: call it from a thread."""

    def __init__(
        self, path: Path, random_bytes: Callable[[int], bytes], *, validation_fraction: float = VALIDATION_FRACTION
    ) -> None:
        self.path = path
        self._random_bytes = random_bytes
        self._validation_fraction = validation_fraction
        # A table is inspected in one thread while another freezes one: both must find the same salt.
        self._drawing = threading.Lock()
        path.mkdir(parents=True, exist_ok=True, mode=0o700)

    def moments_path(self, job_id: str) -> Path:
        """Return the file of a job's frozen moments, whether it is there or not."""
        return self.path / f"{job_id}.job"

    def examples_path(self, job_id: str) -> Path:
        """Return the folder of a job's frozen examples, whether there are any or not."""
        return self.path / f"{job_id}{SUFFIX}"

    def new_salt(self, job_id: str) -> bytes:
        """Draw the salt of a job's commitment, and keep it."""
        salt = self._random_bytes(SALT_BYTES)
        write_secret(self._salt_path(job_id), salt)
        return salt

    def salt(self, job_id: str) -> bytes:
        """Return the salt of a job's commitment. Raises Problem(OWNER_LOST_ITS_KEY) where it is gone."""
        try:
            return read_secret(self._salt_path(job_id))
        except FileNotFoundError:
            raise lost(job_id, "the salt of its commitment is gone") from None

    def split(self) -> ValidationSplit:
        """This owner's split; its salt is drawn once and kept."""
        path = self.path / "validation.salt"
        with self._drawing:
            try:
                salt = read_secret(path)
            except FileNotFoundError:
                salt = self._random_bytes(SALT_BYTES)
                write_secret(path, salt)
        return ValidationSplit(self._validation_fraction, salt)

    def check_there(self) -> None:
        """Raise Problem(STORE_UNAVAILABLE), which is tried again, where the whole folder is away."""
        if not self.path.is_dir():
            raise Problem(
                Code.STORE_UNAVAILABLE, f"The folder of moments, {self.path}, is not there: mount or restore it."
            )

    def forget_job(self, job_id: str) -> bool:
        """Delete an ended job's block or examples, and their salt, and return whether any of them was there.

        The dataset's own moments stay for further jobs.
        """
        block, salt = self.moments_path(job_id), self._salt_path(job_id)
        had_examples = forget_examples(self.examples_path(job_id))
        if not had_examples and not block.exists() and not salt.exists():
            return False
        block.unlink(missing_ok=True)
        delete_secret(salt)
        return True

    def _salt_path(self, job_id: str) -> Path:
        return self.path / f"{job_id}.salt"


def lost(job_id: str, why: str) -> Problem:
    """Return the problem of a job whose data are not those that this owner committed to."""
    return Problem(
        Code.OWNER_LOST_ITS_KEY,
        f"What job {job_id} is answered from is lost: {why}. Restore the state folder, or deploy the job again.",
    )
