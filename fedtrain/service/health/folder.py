"""The state folder: there, writable, with room, and readable for nobody else."""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

from fedtrain.service.health.finding import Finding, fail, ok, warn
from fedtrain.service.runtime.connection import key_files_of
from fedtrain.service.runtime.settings import ServiceSettings
from fedtrain.service.vault.identity_file import load_identity
from fedtrain.service.vault.secret_files import IDENTITY_FILE, SecretFileError

FAIL_BELOW_BYTES = 100 << 20
WARN_BELOW_BYTES = 1 << 30
_NAMED = 3


def check_folder(
    settings: ServiceSettings, *, fail_below_bytes: int = FAIL_BELOW_BYTES, warn_below_bytes: int = WARN_BELOW_BYTES
) -> Iterator[Finding]:
    """Everything about `settings.state_dir` and the secret files that the settings name elsewhere."""
    folder = settings.state_dir
    if not folder.is_dir():
        yield fail(
            "state folder",
            f"{folder} is no folder",
            "name the party's with --state-dir, or start its service once: that makes it",
        )
        return
    yield _writable(folder)
    yield _room(folder, fail_below_bytes, warn_below_bytes)
    yield _identity(settings)
    secret_files = (
        settings.token_file,
        settings.tls_key,
        settings.client_key,
        settings.key_passphrase_file,
        settings.key_file,
    )
    yield _permissions(folder, [path for path in secret_files if path])


def _writable(folder: Path) -> Finding:
    try:
        with tempfile.NamedTemporaryFile(dir=folder, prefix=".doctor.") as file:
            file.write(b"\0" * 4096)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        return fail(
            "state folder",
            f"{folder} cannot be written to: {error.strerror or error}",
            "run the command as the user that the service runs as; make room, or mount it for writing",
        )
    return ok("state folder", f"{folder} can be written to")


def _room(folder: Path, fail_below_bytes: int, warn_below_bytes: int) -> Finding:
    free = shutil.disk_usage(folder).free
    found = f"{free / 1e9:,.1f} GB free where {folder} is"
    remedy = "make room: a job keeps every answer of every round until `fedtrain prune`"
    if free < fail_below_bytes:
        return fail("disk", found, remedy)
    return warn("disk", found, remedy) if free < warn_below_bytes else ok("disk", found)


def _identity(settings: ServiceSettings) -> Finding:
    folder = settings.state_dir
    if not (folder / IDENTITY_FILE).exists():
        return warn("identity", f"{folder / IDENTITY_FILE} is not there yet", "the first start makes one")
    try:
        keys = key_files_of(settings)
        at_rest = "encrypted" if keys.sealed else "readable for this user alone, and not encrypted"
        return ok("identity", f"party id {load_identity(folder, keys).party_id}; private keys are {at_rest}")
    except SecretFileError as error:
        return fail(
            "identity",
            str(error),
            "make it readable for this user alone (chmod 600); one that is encrypted opens with --key-passphrase-file "
            "or --key-file; one that is lost or damaged comes back from a backup (`fedtrain restore`)",
        )


def _permissions(folder: Path, elsewhere: list[Path]) -> Finding:
    """Whatever lies in a state folder may be secret: keys, moments, the store."""
    # A running service makes and deletes files meanwhile, and folders: those are passed over.
    below = [Path(parent) / name for parent, _, names in os.walk(folder) for name in names]
    inside = {path: mode for path in below if not path.is_symlink() and (mode := _mode(path)) is not None}
    modes = inside | {path: mode for path in elsewhere if (mode := _mode(path)) is not None}
    readable = [path for path, mode in modes.items() if mode & 0o077]
    if stat.S_IMODE(folder.stat().st_mode) & 0o077 and not readable:
        mode = stat.S_IMODE(folder.stat().st_mode)
        return warn("permissions", f"{folder} has mode {mode:04o}: others see the names in it", f"chmod 700 {folder}")
    if not readable:
        return ok("permissions", f"no other user reads any of {len(inside)} files")
    named = ", ".join(f"{path} ({modes[path]:04o})" for path in readable[:_NAMED])
    more = f" and {len(readable) - _NAMED} more" if len(readable) > _NAMED else ""
    return fail(
        "permissions", f"others may read {named}{more}", f"chmod -R go= {folder}" if not elsewhere else "chmod 600 each"
    )


def _mode(path: Path) -> int | None:
    """A file's mode; None for what is no file, or is one no more."""
    try:
        found = path.stat()
    except OSError:
        return None
    return stat.S_IMODE(found.st_mode) if stat.S_ISREG(found.st_mode) else None
