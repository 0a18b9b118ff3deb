"""A party's state folder as one archive, taken while its service runs, and put back whole or not at all.

The archive is a tar file, readable for its owner alone, whose first member lists every other one with its SHA-256:
that finds damage, and is no seal against somebody who can write the file. Tables of records are not in it.

What is read, and when: keys, then the store, then the keys again. A key that was deleted meanwhile is in the archive,
so that no job of the archived store lacks its own; and marks of given answers are never older than the store.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import sqlite3
import stat
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path, PurePosixPath
from typing import IO, Annotated, Literal

from pydantic import Field, ValidationError

from fedtrain.protocol.clock import Clock, timestamp
from fedtrain.protocol.documents.signed import Hash
from fedtrain.service.vault.folder_lock import LOCK_FILE, folder_lock
from fedtrain.service.vault.secret_files import IDENTITY_FILE, read_secret, sync_folder, write_secret
from fedtrain.service.web.decision_token import is_decision_token
from fedtrain.spec.model_spec import Strict
from fedtrain.spec.setup_error import SetupError

LISTING = "backup.json"
STORE = "state.sqlite3"
#: Folder of a store's large bodies, beside it; see `bodies_beside`.
BODIES = "bodies"
_OF_A_STORE = ("", "-wal", "-shm", "-journal")
#: When the folder was put back from a backup, for those to whom a state that was set back is not the state.
RESTORED = "restored-at"
#: Counts that must not be set back: a Model Owner's, of the bits that scores told of each model.
SCORING_TOLD = "scoring-told"
#: "data": uploaded tables; "models": networks given to an owner, and its copies trained on its records alone. Both are
#: backed up as records are.
_FOLDERS_NOT_TAKEN = frozenset({"data", "models", SCORING_TOLD})
#: Folders of records that a network trains on: they are made again from the table.
_EXAMPLES = ".examples"
_MOST_LISTING_BYTES = 64 << 20


class BackupError(SetupError):
    """A backup cannot be taken or put back; the message names the file and says what to do."""


class Member(Strict):
    sha256: Hash
    size_bytes: Annotated[int, Field(ge=0)]


class Listing(Strict):
    """Contents of an archive. `store`: whether the party's store is in it, or in a database with backups of its own."""

    format: Literal[1] = 1
    version: str
    made_at: str
    store: Literal["sqlite", "external"]
    files: dict[str, Member]


@dataclass(frozen=True)
class Taken:
    """Files that were written or put back."""

    listing: Listing
    path: Path


def back_up(state_dir: Path, archive: Path, clock: Clock, store: Path | None) -> Taken:
    """Write the party's state to `archive`, mode 0600. `store`: its SQLite file, None where a server keeps it.

    Raises BackupError where there is no party, no store that can be copied, or a file of that name already; OSError.
    """
    if not (state_dir / IDENTITY_FILE).is_file():
        raise BackupError(f"{state_dir} is not the state folder of a party: name it with --state-dir.")
    if archive.exists():
        raise BackupError(f"{archive} is there already: name a new file, so that no backup is lost.")
    if not archive.parent.is_dir():
        raise BackupError(f"{archive.parent} is not a folder: make it, or name the archive in one that is there.")
    place = STORE if store is None else place_of(store, state_dir)
    bodies = state_dir / BODIES if store is None else _bodies_of(store)
    files = _read_files(state_dir, archive, place, bodies)
    with tempfile.TemporaryDirectory(prefix=".backup-", dir=archive.parent) as workshop:
        # Bodies before the store and after it: of those that its rows name, some go meanwhile, and some come.
        _take_bodies(bodies, Path(workshop), place)
        large = {} if store is None else {place: _copy_store(store, Path(workshop) / STORE)}
        large |= _take_bodies(bodies, Path(workshop), place)
        files |= _read_files(state_dir, archive, place, bodies)
        members = {name: _member(content) for name, content in files.items()}
        members |= {name: _member_of_file(path) for name, path in large.items()}
        listing = Listing(
            version=version("federated-trainer"),
            made_at=timestamp(clock),
            store="external" if store is None else "sqlite",
            files=dict(sorted(members.items())),
        )
        whole = Path(workshop) / "archive"
        _write_archive(whole, listing, files, large)
        try:
            os.link(whole, archive)  # unlike a rename it never replaces what appeared meanwhile
        except FileExistsError:
            raise BackupError(f"{archive} is there already: name a new file, so that no backup is lost.") from None
        sync_folder(archive.parent)
    return Taken(listing, archive)


def place_of(store: Path, state_dir: Path) -> str:
    """Return where in the state folder the store is put back: where it was, or as `STORE` if that was elsewhere."""
    store, folder = store.resolve(), state_dir.resolve()
    return store.relative_to(folder).as_posix() if store.is_relative_to(folder) else STORE


def bodies_beside(store: Path) -> Path:
    """Return the folder of a store's large bodies. Each store removes there what it does not name, so that none shares
    it: beside any file but `STORE` it has the file's name."""
    return store.parent / (BODIES if store.name == STORE else f"{store.name}.{BODIES}")


def _bodies_of(store: Path) -> Path:
    """Return the folder that a `FilingStore` has bodies in, if it has any: its own, or that of earlier versions."""
    own, before = bodies_beside(store), store.parent / BODIES
    return before if before.is_dir() and not own.is_dir() else own


def _take_bodies(bodies: Path, workshop: Path, place: str) -> dict[str, Path]:
    """Link or copy the files that are there into the workshop, and return them by their names in the archive.

    Each has its last bytes since it got its name, so that a link stays what it is.
    """
    taken = {}
    (workshop / BODIES).mkdir(exist_ok=True)
    for path in sorted(bodies.iterdir()) if bodies.is_dir() else ():
        if path.name.startswith("."):
            continue  # it is being written, and no row names it
        here = workshop / BODIES / path.name
        try:
            if stat.S_ISREG(path.lstat().st_mode):
                _link_or_copy(path, here)
        except FileNotFoundError:
            continue  # its round is over
    for here in (workshop / BODIES).iterdir():
        taken[(bodies_beside(Path(place)) / here.name).as_posix()] = here
    return taken


def _link_or_copy(path: Path, here: Path) -> None:
    if here.exists():
        return
    try:
        os.link(path, here)
    except FileNotFoundError:
        raise
    except OSError:  # another disk, or one that has no links
        shutil.copyfile(path, here)


def _read_files(state_dir: Path, archive: Path, place: str, bodies: Path) -> dict[str, bytes]:
    """Everything in the folder but the store, tables and their records, told bits, and files that are being written."""
    # A store that is written meanwhile, read as a file, would be of no one moment.
    not_taken = {f"{name}{suffix}" for name in (STORE, PurePosixPath(place).name) for suffix in _OF_A_STORE}
    found = {}
    for path in sorted(state_dir.rglob("*")):
        name = path.relative_to(state_dir)
        being_written = any(part.startswith(".") for part in name.parts)  # or left so, such as half a backup
        records = name.parts[0] in _FOLDERS_NOT_TAKEN or name.parent.suffix == _EXAMPLES
        records = records or path.resolve().is_relative_to(bodies.resolve())
        passed_over = records or name.name in not_taken or being_written or is_decision_token(name.name)
        if passed_over or path.is_symlink() or not path.is_file() or path == archive:
            continue
        try:
            found[name.as_posix()] = path.read_bytes()
        except FileNotFoundError:
            continue  # a job has just ended, and its key with it
    return found


def _copy_store(store: Path, copy: Path) -> Path:
    """SQLite's own backup: a view of one moment, whatever is written meanwhile."""
    if not store.is_file():
        raise BackupError(f"{store} is not there: start the party once, or name its database with --database-url.")
    os.close(os.open(copy, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    try:
        with closing(sqlite3.connect(store)) as source, closing(sqlite3.connect(copy)) as target:
            source.backup(target)
            target.execute("PRAGMA journal_mode = DELETE")  # one file, and nothing beside it
    except sqlite3.Error as error:
        raise BackupError(
            f"{store} cannot be copied: {error}. See `fedtrain doctor`, and that there is room."
        ) from None
    return copy


def _member(content: bytes) -> Member:
    return Member(sha256=hashlib.sha256(content).hexdigest(), size_bytes=len(content))


def _member_of_file(path: Path) -> Member:
    with path.open("rb") as file:
        return Member(sha256=hashlib.file_digest(file, "sha256").hexdigest(), size_bytes=path.stat().st_size)


def _write_archive(path: Path, listing: Listing, files: dict[str, bytes], large: dict[str, Path]) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as raw:
        with tarfile.open(fileobj=raw, mode="w") as tar:
            text = listing.model_dump_json(indent=1).encode()
            _add(tar, LISTING, len(text), io.BytesIO(text))
            for name, content in sorted(files.items()):
                _add(tar, name, len(content), io.BytesIO(content))
            for name, lies_at in sorted(large.items()):
                with lies_at.open("rb") as file:
                    _add(tar, name, listing.files[name].size_bytes, file)
        raw.flush()
        os.fsync(raw.fileno())


def _add(tar: tarfile.TarFile, name: str, size_bytes: int, content: IO[bytes]) -> None:
    header = tarfile.TarInfo(name)
    header.size, header.mode = size_bytes, 0o600
    tar.addfile(header, content)


def restore(archive: Path, state_dir: Path, clock: Clock) -> Taken:
    """Put an archive back as a state folder, which must not be there or be empty; all of it, or nothing.

    The folder then says since when it is another one than was backed up (`restored_at`).

    Raises BackupError for a folder with something in it, an archive that others may read, of another major version,
    damaged or altered (it names the file in it); FolderInUseError where a service is starting in it; OSError.
    """
    if state_dir.exists() and (not state_dir.is_dir() or any(path.name != LOCK_FILE for path in state_dir.iterdir())):
        raise BackupError(f"{state_dir} is not empty: restore into a new folder, so that no state is lost.")
    if archive.stat().st_mode & 0o077:
        raise BackupError(f"{archive} holds private keys, and others may read it: chmod 600 {archive}")
    state_dir.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    folder = Path(tempfile.mkdtemp(prefix=f".{state_dir.name}.", dir=state_dir.parent))
    try:
        with tarfile.open(archive, mode="r:") as tar:
            listing = _unpack(tar, archive, folder)
        # Never before the archive's own time, which a clock that is behind would say.
        write_secret(folder / RESTORED, max(timestamp(clock), listing.made_at).encode())
        if state_dir.exists():
            _remove_unused(state_dir)
        folder.rename(state_dir)
    except tarfile.TarError as error:
        raise BackupError(f"{archive} is not a whole backup: {error}. Take another copy of it.") from None
    finally:
        _remove(folder)
    sync_folder(state_dir.parent)
    return Taken(listing, state_dir)


def _remove_unused(state_dir: Path) -> None:
    """Remove a folder in which a service was started at most, and none runs. Raises FolderInUseError; OSError."""
    with folder_lock(state_dir):
        (state_dir / LOCK_FILE).unlink()
        state_dir.rmdir()


def restored_at(state_dir: Path) -> datetime | None:
    """Return when `restore` last made this folder, None where it never did.

    Raises BackupError where the file that says so does not; SecretFileError.
    """
    path = state_dir / RESTORED
    try:
        text = read_secret(path)
    except FileNotFoundError:
        return None
    try:
        # Without a time zone it is local time.
        return datetime.fromisoformat(text.decode().replace("Z", "+00:00")).astimezone(UTC)
    except ValueError:
        raise BackupError(
            f"{path} does not hold a time, such as 2026-01-12T09:28:00.000Z: write that of the restore."
        ) from None


def _unpack(tar: tarfile.TarFile, archive: Path, folder: Path) -> Listing:
    listing: Listing | None = None
    left: dict[str, Member] = {}
    for header in tar:
        content = tar.extractfile(header) if header.isreg() else None
        if content is None:
            raise BackupError(f"{archive}: {header.name[:200]!r} is not a file: it was altered.")
        if listing is None:
            listing = _read_listing(archive, header, content)
            left = dict(listing.files)
            continue
        member = left.pop(header.name, None)
        if member is None or not _stays_inside(header.name):
            raise BackupError(f"{archive}: {header.name[:200]!r} is not on its list: it was altered.")
        _write_member(archive, folder / header.name, header.name, member, content)
    if listing is None:
        raise BackupError(f"{archive} is empty: take another copy of it.")
    if left:
        raise BackupError(f"{archive}: {min(left)!r} is missing in it: take another copy of it.")
    return listing


def _read_listing(archive: Path, header: tarfile.TarInfo, content: IO[bytes]) -> Listing:
    if header.name != LISTING or header.size > _MOST_LISTING_BYTES:
        raise BackupError(f"{archive} is not a backup: it does not begin with {LISTING}.")
    text = content.read()
    try:
        made_by = str(json.loads(text)["version"])
    except (ValueError, KeyError, TypeError):
        raise BackupError(f"{archive}: its {LISTING} cannot be read: it was altered.") from None
    here = version("federated-trainer")
    if made_by.split(".")[0] != here.split(".")[0]:
        raise BackupError(f"{archive} was made by version {made_by}, this is {here}: restore it with its own version.")
    try:
        return Listing.model_validate_json(text)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise BackupError(f"{archive}: its {LISTING} cannot be read: {where}: {first['msg']}.") from None


def _stays_inside(name: str) -> bool:
    path = PurePosixPath(name)
    return not path.is_absolute() and ".." not in path.parts and name == path.as_posix()


def _write_member(archive: Path, path: Path, name: str, member: Member, content: IO[bytes]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    digest, size_bytes = hashlib.sha256(), 0
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        for chunk in _chunks(content):
            digest.update(chunk)
            size_bytes += len(chunk)
            if size_bytes > member.size_bytes:
                break  # before it fills the disk
            file.write(chunk)
        file.flush()
        os.fsync(file.fileno())
    if (digest.hexdigest(), size_bytes) != (member.sha256, member.size_bytes):
        raise BackupError(f"{archive}: {name!r} is not what was backed up: it was altered or damaged.")


def _chunks(content: IO[bytes]) -> Iterator[bytes]:
    while chunk := content.read(1 << 20):
        yield chunk


def _remove(folder: Path) -> None:
    """Remove what is left of a restore that did not come to its end."""
    if not folder.exists():
        return
    for path in sorted(folder.rglob("*"), reverse=True):
        if path.is_dir():
            path.rmdir()
        else:
            path.unlink()
    folder.rmdir()
