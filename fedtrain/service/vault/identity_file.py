"""A party's identity, as its state folder keeps it."""

from __future__ import annotations

from pathlib import Path

from fedtrain.protocol.documents.identity import Identity
from fedtrain.service.vault.key_files import KeyFiles
from fedtrain.service.vault.secret_files import IDENTITY_FILE, SecretFileError, read_secret, write_secret


def load_or_create_identity(state_dir: Path, keys: KeyFiles | None = None) -> Identity:
    """Return the party's identity, made at the first start, by way of `keys` where they are given.

    Raises SecretFileError when its file is not usable.
    """
    path = state_dir / IDENTITY_FILE
    if not path.exists():
        identity = Identity.generate()
        try:
            (write_secret if keys is None else keys.write)(path, identity.private_bytes(), replace=False)
        except FileExistsError:
            return load_or_create_identity(state_dir, keys)  # another process of this party was first
        return identity
    return load_identity(state_dir, keys)


def load_identity(state_dir: Path, keys: KeyFiles | None = None) -> Identity:
    """Return the identity of the party whose state folder this is, by way of `keys` where they are given.

    Raises SecretFileError where there is none, or it is sealed and `keys` do not open it.
    """
    path = state_dir / IDENTITY_FILE
    if not path.exists():
        raise SecretFileError(f"{path} is not there: name the state folder of a party that was started before.")
    raw = read_secret(path) if keys is None else keys.read(path)
    if len(raw) != 32:
        raise SecretFileError(f"{path} holds {len(raw)} bytes instead of 32: restore it from a backup.")
    return Identity.from_private_bytes(raw)
