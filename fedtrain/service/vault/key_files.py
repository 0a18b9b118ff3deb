"""A party's private keys in its state folder: each in a file of its own, 0600, and sealed where a secret is given.

One random master key seals them all, ChaCha20-Poly1305 under the file's place in the folder, so that one cannot stand
in for another. The master key is in `master.key`, itself sealed: under scrypt of a passphrase, or under a key file. So
a new passphrase is one file written anew, and there is no moment at which some keys open with the old one and others
with the new. Sources: RFC 7914 (scrypt), RFC 8439 (ChaCha20-Poly1305), RFC 5869 (HKDF).
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from fedtrain.service.vault.secret_files import (
    IDENTITY_FILE,
    NOISE_KEY_FILE,
    ROW_KEY_FILE,
    SEALED,
    TEMPORARY_NAME,
    SecretFileError,
    delete_secret,
    read_secret,
    read_secret_as_it_is,
    write_secret,
)

MASTER_FILE = "master.key"
#: Of keys that are drawn when they are first needed, and kept.
KEPT_KEY_BYTES = 32
#: Folders of private keys beside the identity; `.answered` are marks, which hold no secret and grow line by line.
KEY_FOLDERS = ("keys", "scoring-keys")
_NO_KEY = ".answered"

#: 128 MiB and some tenths of a second a guess (OWASP Password Storage Cheat Sheet).
SCRYPT_N, SCRYPT_R, SCRYPT_P = 2**17, 8, 1
_MOST_SCRYPT_N = 2**20
SHORTEST_PASSPHRASE = 12
KEY_BYTES = 32
_NONCE_BYTES = 12
_INFO = b"federated-trainer key file"
_HOW = (
    "give the passphrase with --key-passphrase-file (FEDTRAIN_KEY_PASSPHRASE_FILE), "
    "or the key with --key-file (FEDTRAIN_KEY_FILE)"
)

Kind = Literal["passphrase", "key file"]


@dataclass(frozen=True)
class KeySecret:
    """Secret that the master key is sealed under. `source` names the file that it came from."""

    kind: Kind
    source: Path
    secret: bytes = field(repr=False)

    @classmethod
    def read(cls, passphrase_file: Path | None, key_file: Path | None) -> KeySecret | None:
        """Return what the file holds that is named, None where neither is.

        A passphrase is the file's text without the newline at its end; a key file holds 32 bytes. Both are 0600.
        Raises SecretFileError for a file that cannot be used, and where both are named.
        """
        if passphrase_file is not None and key_file is not None:
            raise SecretFileError("key_passphrase_file and key_file are both given: keys are sealed under one of them.")
        path = passphrase_file or key_file
        if path is None:
            return None
        try:
            secret = read_secret_as_it_is(path)
        except FileNotFoundError:
            raise SecretFileError(
                f"{path} is not there: it has to hold what the private keys are sealed under."
            ) from None
        if path is key_file:
            if len(secret) != KEY_BYTES:
                raise SecretFileError(
                    f"{path} holds {len(secret)} bytes and a key file {KEY_BYTES}: head -c 32 /dev/urandom makes one."
                )
            return cls("key file", path, secret)
        secret = secret.removesuffix(b"\n").removesuffix(b"\r")
        if len(secret) < SHORTEST_PASSPHRASE:
            raise SecretFileError(
                f"{path} holds a passphrase of {len(secret)} bytes: take {SHORTEST_PASSPHRASE} or more, such as five "
                "words drawn at random."
            )
        return cls("passphrase", path, secret)


class KeyFiles:
    """The private keys of one state folder. Any thread may share it."""

    def __init__(self, state_dir: Path, master: bytes | None = None) -> None:
        """`master`: the 32 bytes that seal them; without them keys are written as they are."""
        self._state_dir = state_dir
        self._master = master

    @property
    def sealed(self) -> bool:
        """True where what is written is sealed."""
        return self._master is not None

    def read(self, path: Path) -> bytes:
        """Return the key at `path`, a path below the state folder.

        Raises FileNotFoundError; SecretFileError where others may use the file, or it does not open.
        """
        if self._master is None:
            return read_secret(path)
        raw = read_secret_as_it_is(path)
        if not raw.startswith(SEALED):
            return raw  # `encrypt` was interrupted, and will be run again
        nonce, box = raw[len(SEALED) :][:_NONCE_BYTES], raw[len(SEALED) + _NONCE_BYTES :]
        try:
            return ChaCha20Poly1305(self._master).decrypt(nonce, box, self._place(path))
        except (InvalidTag, ValueError):
            raise SecretFileError(
                f"{path} does not open with the keys' master key: it was altered, moved, or is of another folder. "
                "Restore it from a backup."
            ) from None

    def write(self, path: Path, key: bytes, *, replace: bool = True) -> None:
        """Write the key at `path` as `write_secret` does, sealed where there is a master key."""
        if self._master is not None:
            nonce = secrets.token_bytes(_NONCE_BYTES)
            key = SEALED + nonce + ChaCha20Poly1305(self._master).encrypt(nonce, key, self._place(path))
        write_secret(path, key, replace=replace)

    def kept(self, path: Path, random_bytes: Callable[[int], bytes]) -> bytes:
        """Return the KEPT_KEY_BYTES secret bytes at `path`, drawn the first time.

        Raises SecretFileError where the file is not usable.
        """
        if not path.exists():
            with suppress(FileExistsError):  # another thread was first, and its key is the one
                self.write(path, random_bytes(KEPT_KEY_BYTES), replace=False)
        key = self.read(path)
        if len(key) != KEPT_KEY_BYTES:
            raise SecretFileError(f"{path} holds {len(key)} bytes instead of {KEPT_KEY_BYTES}: restore it.")
        return key

    def _place(self, path: Path) -> bytes:
        return path.relative_to(self._state_dir).as_posix().encode()


def open_key_files(state_dir: Path, secret: KeySecret | None) -> KeyFiles:
    """Return the folder's private keys, to be read and written; a folder without an identity is begun sealed.

    Raises SecretFileError where the keys are sealed and no secret, or another one, is given; and where a secret is
    given and they are not sealed yet.
    """
    master_file = state_dir / MASTER_FILE
    if master_file.exists():
        if secret is None:
            raise SecretFileError(f"The private keys in {state_dir} are encrypted: {_HOW}.")
        return KeyFiles(state_dir, _open_master(master_file, secret))
    if secret is None:
        return KeyFiles(state_dir)
    if (state_dir / IDENTITY_FILE).exists():
        if read_secret_as_it_is(state_dir / IDENTITY_FILE).startswith(SEALED):
            raise SecretFileError(
                f"{master_file} is not there, and nothing opens without it: restore it from a backup."
            )
        raise SecretFileError(
            f"The private keys in {state_dir} are not encrypted yet: stop the service, run fedtrain identity encrypt "
            f"--state-dir {state_dir} with the same {secret.kind}, and start it again."
        )
    return KeyFiles(state_dir, _new_master(master_file, secret))


def encrypt_keys(state_dir: Path, secret: KeySecret) -> int:
    """Seal every private key in the folder that is not; return how many. Interrupted, it is run again.

    Copies that a crash left of keys as they were are deleted. No service may be at work in the folder.
    At every moment each key opens with `secret`, as it is or sealed. Raises SecretFileError where another secret
    sealed them.
    """
    _check_party(state_dir)
    master_file = state_dir / MASTER_FILE
    master = _open_master(master_file, secret) if master_file.exists() else _new_master(master_file, secret)
    files = KeyFiles(state_dir, master)
    plain = _open_keys(state_dir)
    for path in plain:
        files.write(path, read_secret_as_it_is(path))
    for path in _left_behind(state_dir):
        delete_secret(path)
    return len(plain)


def seal_open_keys(state_dir: Path, secret: KeySecret | None) -> int:
    """Seal what lies open in a folder whose keys are sealed, as after `encrypt_keys` was interrupted; return how many.

    For a start, when no service is at work in the folder yet. Does nothing where keys are not sealed, or there is no
    secret. Raises SecretFileError where another secret sealed them, and where others may use a key's file.
    """
    if secret is None or not (state_dir / MASTER_FILE).exists() or not _open_keys(state_dir):
        return 0
    return encrypt_keys(state_dir, secret)


def decrypt_keys(state_dir: Path, secret: KeySecret) -> int:
    """Write every sealed private key in the folder as it is; return how many. Interrupted, it is run again.

    The master key goes last: until then all of them open with `secret`. Raises SecretFileError.
    """
    _check_party(state_dir)
    master_file = state_dir / MASTER_FILE
    if not master_file.exists():
        raise SecretFileError(f"The private keys in {state_dir} are not encrypted.")
    files = KeyFiles(state_dir, _open_master(master_file, secret))
    sealed = [path for path in key_paths(state_dir) if read_secret_as_it_is(path).startswith(SEALED)]
    for path in sealed:
        write_secret(path, files.read(path))
    delete_secret(master_file)
    return len(sealed)


def change_secret(state_dir: Path, old: KeySecret, new: KeySecret) -> None:
    """Seal the master key under `new`: from one moment to the next all keys open with it, and no longer with `old`.

    The master key stays, so whoever has an old copy of the folder and the old secret can still open what is in it.
    Raises SecretFileError.
    """
    master_file = state_dir / MASTER_FILE
    if not master_file.exists():
        raise SecretFileError(f"The private keys in {state_dir} are not encrypted: run fedtrain identity encrypt.")
    write_secret(master_file, _seal_master(_open_master(master_file, old), new))


def key_paths(state_dir: Path) -> list[Path]:
    """Return the files of private keys in the folder, those that are there."""
    found = [state_dir / IDENTITY_FILE, state_dir / ROW_KEY_FILE, state_dir / NOISE_KEY_FILE]
    for name in KEY_FOLDERS:
        found += sorted(path for path in (state_dir / name).glob("*") if path.suffix != _NO_KEY)
    return [path for path in found if path.is_file() and not path.name.startswith(".")]


def _open_keys(state_dir: Path) -> list[Path]:
    return [path for path in key_paths(state_dir) if not read_secret_as_it_is(path).startswith(SEALED)]


def _left_behind(state_dir: Path) -> list[Path]:
    """Return what writes of keys left that a crash interrupted: a whole key, as it is, that nothing reads any more."""
    folders = [state_dir, *(state_dir / name for name in KEY_FOLDERS)]
    return [path for folder in folders for path in folder.glob(".*") if TEMPORARY_NAME.fullmatch(path.name)]


def _check_party(state_dir: Path) -> None:
    if not (state_dir / IDENTITY_FILE).exists():
        raise SecretFileError(f"{state_dir} has no {IDENTITY_FILE}: name the state folder of a party.")


def _new_master(master_file: Path, secret: KeySecret) -> bytes:
    master = secrets.token_bytes(KEY_BYTES)
    try:
        write_secret(master_file, _seal_master(master, secret), replace=False)
    except FileExistsError:
        return _open_master(master_file, secret)  # another process of this party was first
    return master


def _seal_master(master: bytes, secret: KeySecret) -> bytes:
    document: dict[str, Any] = {"version": 1, "kind": secret.kind, "salt": secrets.token_hex(16)}
    if secret.kind == "passphrase":
        document |= {"n": SCRYPT_N, "r": SCRYPT_R, "p": SCRYPT_P}
    box = ChaCha20Poly1305(_key_of(secret, document)).encrypt(bytes(_NONCE_BYTES), master, _INFO)
    return json.dumps(document | {"box": box.hex()}, indent=1).encode() + b"\n"


def _open_master(master_file: Path, secret: KeySecret) -> bytes:
    try:
        document = json.loads(read_secret_as_it_is(master_file))
        kind, box = str(document["kind"]), bytes.fromhex(document["box"])
        known = document["version"] == 1 and len(box) == KEY_BYTES + 16 and document.get("n", 2) <= _MOST_SCRYPT_N
        key = _key_of(secret, document) if known and kind == secret.kind else None
    except (ValueError, KeyError, TypeError):
        known, key = False, None
    if not known:
        raise SecretFileError(f"{master_file} is damaged, or of a newer version: restore it from a backup.")
    if key is None:
        raise SecretFileError(f"The private keys are sealed under a {kind}, and {secret.source} is a {secret.kind}.")
    try:
        # The salt is fresh each time, so the key is used once and the nonce may be all zeros.
        return ChaCha20Poly1305(key).decrypt(bytes(_NONCE_BYTES), box, _INFO)
    except InvalidTag:
        raise SecretFileError(
            f"The {secret.kind} in {secret.source} is not the one that {master_file} was sealed under; "
            "nothing was changed."
        ) from None


def _key_of(secret: KeySecret, document: dict[str, Any]) -> bytes:
    """Raises KeyError, ValueError or TypeError for a document that is none."""
    salt = bytes.fromhex(document["salt"])
    if secret.kind == "passphrase":
        n, r, p = (int(document[name]) for name in ("n", "r", "p"))
        if not (r <= 16 and p <= 4):
            raise ValueError("more work than any master key was made with")
        return Scrypt(salt=salt, length=KEY_BYTES, n=n, r=r, p=p).derive(secret.secret)
    return HKDF(SHA256(), KEY_BYTES, salt, _INFO).derive(secret.secret)
