"""Large bodies beside a store: files named by their SHA-256, each of which a row of the store stands for.

A body is written under another name first, and is on the disk before it gets its own, which it gets in the transaction
that writes its row. What a crash leaves in between is a file without a row (`unnamed`), never a row without its file.
Bodies are read by their hash: one that is missing, or has other bytes, is a Problem(BODY_DAMAGED).
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
import stat
import time
from collections.abc import AsyncIterator, Collection, Iterator, Sequence
from dataclasses import dataclass
from io import BufferedReader
from mmap import ACCESS_READ, mmap
from pathlib import Path
from secrets import token_hex
from typing import IO, overload

from fedtrain.protocol.messages.cbor import Encoded
from fedtrain.protocol.messages.pieces import Filed, Pieces
from fedtrain.service.store.full_disk import problem_of_file
from fedtrain.service.store.streamed_file import PART, save_stream
from fedtrain.service.vault.secret_files import sync_folder
from fedtrain.spec.problems import Code, Problem

#: Bodies above this are files.
IN_FILES_ABOVE_BYTES = 1 << 20
#: What is not written to for so long is written by nobody, whatever other processes share the folder.
_LEFT_AFTER_S = 3600
_CHUNK_BYTES = 1 << 18
_NAME = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class BodyFile(Filed):
    """A body in a file, whole and on the disk."""

    path: Path

    def open(self) -> IO[bytes]:
        """Return the file, once all of it has been held against the hash. Raises Problem(BODY_DAMAGED); OSError."""
        file = self._opened()
        try:
            if hashlib.file_digest(file, "sha256").hexdigest() != self.hash:
                raise Problem(Code.BODY_DAMAGED, f"The body {self.hash[:16]}… was altered: its file has other bytes.")
            file.seek(0)
        except BaseException:
            file.close()
            raise
        return file

    def _opened(self) -> BufferedReader:
        no_file = Problem(Code.BODY_DAMAGED, f"The body {self.hash[:16]}… was altered: there is no file of that name.")
        try:
            # A pipe without a writer would block for ever.
            descriptor = os.open(self.path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW)
        except FileNotFoundError:
            raise Problem(Code.BODY_DAMAGED, f"The body {self.hash[:16]}… is missing: its file is not there.") from None
        except OSError as error:
            if error.errno in {errno.ELOOP, errno.ENXIO}:  # a link, a socket
                raise no_file from None
            raise
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise no_file
        return os.fdopen(descriptor, "rb")

    def read(self) -> bytes:
        """Return the whole body. Raises as `open`."""
        with self.open() as file:
            return file.read()

    def discard(self) -> None:
        """Remove the file, if it is still there under this name."""
        self.path.unlink(missing_ok=True)


Body = bytes | BodyFile


def bytes_of(body: Body) -> bytes:
    """Return the bytes of a body, wherever they lie. Raises as `BodyFile.open`."""
    return body.read() if isinstance(body, BodyFile) else body


def whole(body: Body) -> Body:
    """Return the body, once a file has been held against its hash. Raises as `BodyFile.open`."""
    if isinstance(body, BodyFile):
        body.open().close()
    return body


class OpenedBodies(Sequence[bytes]):
    """Bodies of which each is read when it is asked for, and none is kept. Reading raises as `BodyFile.open`."""

    def __init__(self, bodies: Sequence[Body]) -> None:
        self._bodies = bodies

    def __len__(self) -> int:
        return len(self._bodies)

    @overload
    def __getitem__(self, at: int) -> bytes: ...
    @overload
    def __getitem__(self, at: slice) -> OpenedBodies: ...
    def __getitem__(self, at: int | slice) -> bytes | OpenedBodies:
        return OpenedBodies(self._bodies[at]) if isinstance(at, slice) else bytes_of(self._bodies[at])


def chunks_of(file: IO[bytes]) -> Iterator[bytes]:
    """Return the file's bytes chunk by chunk, and close it at the end."""
    with file:
        while chunk := file.read(_CHUNK_BYTES):
            yield chunk


class BodyFiles:
    """A folder of bodies. It is made with the first one."""

    def __init__(self, folder: Path, above_bytes: int = IN_FILES_ABOVE_BYTES) -> None:
        self.folder = folder
        self.above_bytes = above_bytes

    def at(self, body_hash: str, size_bytes: int) -> BodyFile:
        """Return the body of that hash, as its row says it is."""
        return BodyFile(body_hash, size_bytes, self.folder / body_hash)

    async def receive(self, chunks: AsyncIterator[bytes]) -> Body:
        """Return a body that comes in chunks: its bytes, or from `above_bytes` on a file without a row. Raises OSError,
        and what `chunks` raises."""
        held = bytearray()
        async for chunk in chunks:
            held += chunk
            if len(held) > self.above_bytes:
                path, filed = await save_stream(self.folder, f".{token_hex(8)}{PART}", _resumed(bytes(held), chunks))
                return BodyFile(filed.hash, filed.size_bytes, path)
        return bytes(held)

    async def receive_mapped(self, chunks: AsyncIterator[bytes]) -> Encoded:
        """Return a body that comes in chunks: its bytes, or from `above_bytes` on a map of a file that has no name any
        more, and is gone with the map. Raises Problem(STORE_UNAVAILABLE) for whatever is wrong with the file, and what
        `chunks` raises."""
        try:
            body = await self.receive(_told_apart(chunks))
            if isinstance(body, bytes):
                return body
            try:
                with body.path.open("rb") as file:
                    return mmap(file.fileno(), 0, access=ACCESS_READ)
            finally:
                body.discard()
        except _SenderError as broke:
            raise broke.error from None
        except (OSError, ValueError) as error:
            raise problem_of_file(error) from error

    def write(self, pieces: Pieces) -> BodyFile:
        """Return the pieces, one after the other, as a file without a row. Raises OSError; as `BodyFile.open`."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        path = self.folder / f".{token_hex(8)}{PART}"
        digest, size_bytes = hashlib.sha256(), 0
        try:
            with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                for chunk in self._chunks(pieces):
                    digest.update(chunk)
                    size_bytes += len(chunk)
                    file.write(chunk)
                file.flush()
                os.fsync(file.fileno())
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        return BodyFile(digest.hexdigest(), size_bytes, path)

    def _chunks(self, pieces: Pieces) -> Iterator[bytes]:
        for piece in pieces:
            if isinstance(piece, bytes):
                yield piece
            else:
                yield from chunks_of(self.at(piece.hash, piece.size_bytes).open())

    def place(self, body: BodyFile) -> None:
        """Give a body that was received or written the name that its row finds it by; for good, once this returns."""
        body.path.replace(self.folder / body.hash)
        sync_folder(self.folder)

    def there(self, hashes: Collection[str]) -> set[str]:
        """Return those of the hashes under which there is a body."""
        return {body_hash for body_hash in hashes if _is_file(self.folder / body_hash)}

    def remove(self, hashes: Collection[str]) -> None:
        """Remove the files of these bodies. Raises OSError."""
        for body_hash in hashes:
            (self.folder / body_hash).unlink(missing_ok=True)

    def unnamed(self, named: Collection[str]) -> list[str]:
        """Return the hashes of the bodies that are in the folder, and not among those `named`."""
        if not self.folder.is_dir():
            return []
        there = (path for path in self.folder.iterdir() if _NAME.fullmatch(path.name) and path.name not in named)
        return [path.name for path in there if _is_file(path)]

    def remove_parts(self, *, shared: bool) -> None:
        """Remove what was never written to its end. `shared`: other processes may be at work in the folder."""
        before_s = time.time() - (_LEFT_AFTER_S if shared else 0)
        for path in self.folder.glob(f"*{PART}"):
            status = _status_of_file(path)
            if status is not None and status.st_mtime <= before_s:
                path.unlink(missing_ok=True)


class _SenderError(Exception):
    def __init__(self, error: OSError | ValueError) -> None:
        self.error = error


async def _told_apart(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Return the chunks, so that an error of theirs is none of the file that they are written to."""
    try:
        async for chunk in chunks:
            yield chunk
    except (OSError, ValueError) as error:
        raise _SenderError(error) from error


def _status_of_file(path: Path) -> os.stat_result | None:
    """Return the status of a regular file, None for everything else: this code never made it, or it is just gone."""
    try:
        status = path.lstat()
    except FileNotFoundError:
        return None
    return status if stat.S_ISREG(status.st_mode) else None


def _is_file(path: Path) -> bool:
    return _status_of_file(path) is not None


async def _resumed(first: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield first
    async for chunk in rest:
        yield chunk
