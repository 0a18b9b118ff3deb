"""Records of what this owner's sums were told over, beside the keys, where a store that is set back can't forget it.

A line is on the disk before the first answer of its job leaves, and stays when the job is over and pruned.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path
from secrets import token_hex
from typing import Final

import numpy as np

from fedtrain.data_owner.data.rows.ids import MAGIC, Ids, RowIds
from fedtrain.data_owner.policy.told import Told
from fedtrain.data_owner.store.records import Spending
from fedtrain.protocol.documents.consent import RosterConsent, open_consent
from fedtrain.protocol.documents.signed import SignedDocument
from fedtrain.service.vault.key_files import KeyFiles
from fedtrain.service.vault.secret_files import (
    ROW_KEY_FILE,
    append_line,
    open_secret,
    read_lines,
    sync_folder,
    write_secret,
)

#: In the party's state folder.
TOLD_FOLDER: Final = "told"
SUMS_FILE: Final = "sums.jsonl"
SPENT_FILE: Final = "spent.jsonl"
CONSENTS_FILE: Final = "consents.jsonl"
#: Of a set of rows that is read, whole hashes.
_CHUNK_BYTES: Final = 1 << 20


class ToldSums:
    """The record in one folder. Appending and reading; nothing is ever taken out."""

    def __init__(self, state_dir: Path) -> None:
        self._sums = state_dir / TOLD_FOLDER / SUMS_FILE
        self._spent = state_dir / TOLD_FOLDER / SPENT_FILE
        self._consents = state_dir / TOLD_FOLDER / CONSENTS_FILE

    def sums(self) -> tuple[Told, ...]:
        """Every job, in the order of its first answers."""
        return tuple(Told.model_validate_json(line) for line in read_lines(self._sums))

    def tell(self, told: Told) -> None:
        """Keep, durably, what is about to be told; a job that is kept already stays as it was first."""
        if all(one.job_id != told.job_id for one in self.sums()):
            append_line(self._sums, told.model_dump_json().encode())

    def spent(self) -> tuple[Spending, ...]:
        """Every release that was booked, in the order of their first answers."""
        return tuple(Spending.model_validate_json(line) for line in read_lines(self._spent))

    def spend(self, booked: Spending) -> None:
        """Keep, durably, a release that is about to be told; one that is kept already stays as it was first."""
        if all(one.release != booked.release for one in self.spent()):
            append_line(self._spent, booked.model_dump_json().encode())

    def consents(self) -> tuple[SignedDocument, ...]:
        """Every consent that was signed here or handed in."""
        return tuple(SignedDocument.model_validate_json(line) for line in read_lines(self._consents))

    def take(self, signed: SignedDocument) -> RosterConsent:
        """Keep a consent, and return what it says. Raises Problem as `open_consent`."""
        statement = open_consent(signed)
        if signed not in self.consents():
            append_line(self._consents, signed.model_dump_json().encode())
        return statement


class RowFiles:
    """The sets of rows in one folder, a file each under its own hash, and the key that rows are hashed under.

    They lie beside the keys, and not in the store: a store that is set back forgets nothing of them.
    """

    def __init__(self, state_dir: Path, keys: KeyFiles, random_bytes: Callable[[int], bytes]) -> None:
        self._folder = state_dir / TOLD_FOLDER
        self._key_path = state_dir / ROW_KEY_FILE
        self._keys = keys
        self._random_bytes = random_bytes

    def key(self) -> bytes:
        """The 32 secret bytes, made the first time. Raises SecretFileError where the file is not usable."""
        return self._keys.kept(self._key_path, self._random_bytes)

    def key_id(self) -> str:
        """Return what hashes under this key are known by: those under another one cannot be compared with them."""
        return hashlib.sha256(b"row key" + self.key()).hexdigest()[:16]

    def put(self, rows: RowIds) -> str:
        """Keep a set of rows, durably, and return its name: its hash, which is known when it is written."""
        digest = hashlib.sha256()

        def hashed() -> Iterator[bytes]:
            for piece in rows.content():
                digest.update(piece)
                yield piece

        written = self._folder / f".rows.{token_hex(8)}"
        try:
            write_secret(written, hashed())
            written.replace(self._path(digest.hexdigest()))
        finally:
            written.unlink(missing_ok=True)
        sync_folder(self._folder)
        return digest.hexdigest()

    def get(self, name: str) -> RowIds | None:
        """Return the rows of that name, to be read from there; None where they are not there, or not what was kept."""
        try:
            with open_secret(self._path(name)) as file:
                kept = hashlib.file_digest(file, "sha256").hexdigest() == name
        except FileNotFoundError:
            return None
        return RowIds(lambda: self._chunks(name)) if kept else None

    def _chunks(self, name: str) -> Iterator[Ids]:
        with open_secret(self._path(name)) as file:
            file.seek(len(MAGIC))
            while piece := file.read(_CHUNK_BYTES):
                yield np.frombuffer(piece, dtype=">u8").astype(np.uint64)

    def _path(self, name: str) -> Path:
        return self._folder / f"{name}.rows"
