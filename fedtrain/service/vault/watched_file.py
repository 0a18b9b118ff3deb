"""A 0600 file that a command may change while its service runs: read again whenever it is another one."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

from fedtrain.service.vault.secret_files import read_secret

T = TypeVar("T")


class WatchedFile(Generic[T]):
    """`parse` of the file's bytes, remembered until the file is replaced. One `stat` a look."""

    def __init__(self, path: Path, parse: Callable[[bytes], T], absent: T) -> None:
        """`absent` stands for a file that is not there."""
        self.path = path
        self._parse = parse
        self._absent = absent
        self._lock = threading.Lock()
        self._seen: tuple[int, int, int] | None = None
        self._value = absent

    def value(self) -> T:
        """Return what the file says now. Raises SecretFileError when others may use it, and what `parse` raises."""
        with self._lock:
            seen = self._look()
            if seen != self._seen:
                self._value = self._absent if seen is None else self._parse(read_secret(self.path))
                self._seen = seen
            return self._value

    def _look(self) -> tuple[int, int, int] | None:
        try:
            status = self.path.stat()
        except FileNotFoundError:
            return None
        # Files are replaced, never written in place, so that a change is a new inode.
        return status.st_ino, status.st_mtime_ns, status.st_size
