"""Lock of a state folder: one process at a time, or several where they keep their state in one database.

The lock is the kernel's, on an empty file in the folder, so that it goes with its process, however that ends. It is
not the file that says whether somebody is there: that stays.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fedtrain.spec.setup_error import SetupError

#: Begins with a dot, as what is no part of a party's state does: no backup takes it.
LOCK_FILE = ".lock"


class FolderInUseError(SetupError):
    """Another process works in the state folder; the message names it and says what to do."""


@contextmanager
def folder_lock(state_dir: Path, *, shared: bool = False) -> Iterator[None]:
    """Work in `state_dir`, which is there, alone; with `shared` beside others that share it.

    Raises FolderInUseError at once, and never waits, where another process does not allow it; OSError.
    """
    descriptor = _take(state_dir, fcntl.LOCK_SH if shared else fcntl.LOCK_EX)
    try:
        yield
    finally:
        os.close(descriptor)


def _take(state_dir: Path, kind: int) -> int:
    path = state_dir / LOCK_FILE
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
            if path.exists() and os.path.samestat(os.fstat(descriptor), path.stat()):
                return descriptor
        except BlockingIOError:
            os.close(descriptor)
            raise FolderInUseError(
                f"{state_dir} is in use: a service of this party runs there, or a command is changing its keys. "
                "Stop it first, or name another folder with --state-dir."
            ) from None
        except OSError:
            os.close(descriptor)
            raise
        os.close(descriptor)  # a restore has just put another folder in its place
