"""Secrets in the state folder: written whole or not at all, for nobody but their owner to read."""

from __future__ import annotations

import errno
import os
import re
import stat
from collections.abc import Iterable
from io import BufferedReader
from pathlib import Path
from secrets import token_hex

from fedtrain.spec.setup_error import SetupError

IDENTITY_FILE = "identity.key"
#: The key that a Data Owner hashes its rows under.
ROW_KEY_FILE = "rows.key"
#: The key that a Data Owner's noise follows from.
NOISE_KEY_FILE = "noise.key"
#: What a sealed key's file begins with; `fedtrain.service.vault.key_files` says what follows.
SEALED = b"fedtrain sealed key 1\n"
#: What `write_secret` calls a file until it is whole: the name it will have between a dot and a random number.
TEMPORARY_NAME = re.compile(r"\..+\.[0-9a-f]{16}")


class SecretFileError(SetupError):
    """A secret cannot be used as it lies there; the message names the file and says what to do."""


def write_secret(path: Path, secret: bytes | Iterable[bytes], *, replace: bool = True) -> None:
    """Write `secret`, at once or in pieces, to `path`, mode 0600, atomically and down to the disk.

    Missing folders are made 0700. With `replace=False` raises FileExistsError when there is one already, whoever is
    first.
    """
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    temporary = path.with_name(f".{path.name}.{token_hex(8)}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.writelines([secret] if isinstance(secret, bytes) else secret)
            file.flush()
            os.fsync(file.fileno())
        if replace:
            temporary.replace(path)
        else:
            os.link(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    sync_folder(path.parent)


def read_secret(path: Path) -> bytes:
    """Return the secret at `path`.

    Raises FileNotFoundError, or SecretFileError when others than the file's owner could read or change it, and when it
    is a key that was sealed.
    """
    secret = read_secret_as_it_is(path)
    if secret.startswith(SEALED):
        raise SecretFileError(
            f"{path} is encrypted: give the passphrase with --key-passphrase-file (FEDTRAIN_KEY_PASSPHRASE_FILE), or "
            "the key with --key-file (FEDTRAIN_KEY_FILE)."
        )
    return secret


def read_secret_as_it_is(path: Path) -> bytes:
    """Return what the file holds, a sealed key as it is sealed. Raises as `read_secret` does otherwise."""
    with open_secret(path) as file:
        return file.read()


def open_secret(path: Path) -> BufferedReader:
    """Open a file that only its owner can read or change, for reading. Raises as `read_secret_as_it_is` does."""
    file = path.open("rb")
    try:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise SecretFileError(f"{path} is not a regular file.")
        if status.st_mode & 0o077:
            mode = stat.S_IMODE(status.st_mode)
            raise SecretFileError(f"{path} has mode {mode:04o}, so others may use it: chmod 600 {path}")
    except BaseException:
        file.close()
        raise
    return file


def append_line(path: Path, line: bytes) -> None:
    """Append a line to a file of mode 0600, down to the disk; the file and missing folders are made.

    What a crash or a full disk left of a line before it is cut off. Raises OSError where it is not written whole.
    """
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    new = not path.exists()
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        content = os.pread(descriptor, os.fstat(descriptor).st_size, 0)
        whole = content.rfind(b"\n") + 1
        os.ftruncate(descriptor, whole)
        if os.pwrite(descriptor, line + b"\n", whole) < len(line) + 1:
            raise OSError(errno.ENOSPC, "a line was written in part")  # which is read as none
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    if new:
        sync_folder(path.parent)


def read_lines(path: Path) -> list[bytes]:
    """Return the whole lines of what `append_line` wrote, [] where there is no file; SecretFileError as `read_secret`.

    What a crash left of a last line is none.
    """
    try:
        text = read_secret(path)
    except FileNotFoundError:
        return []
    return text[: text.rfind(b"\n") + 1].splitlines()


def delete_secret(path: Path) -> None:
    """Delete the secret at `path` if it is there, and make its absence durable."""
    path.unlink(missing_ok=True)
    if path.parent.is_dir():
        sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Bring the names in a folder down to the disk: a file that is new, or moved there, is not lost with power."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
