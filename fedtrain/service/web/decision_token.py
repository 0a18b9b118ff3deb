"""The token that a person's decisions need at a service without tokens: another user of the machine does not have it.

On loopback a service believes everybody, which on a shared machine is every user. What only its own people may do
there takes this token. It is drawn at each start, lies in the state folder for its user alone (0600), and the command
picks it up by itself.
"""

from __future__ import annotations

import hmac
import os
import re
import secrets
from fnmatch import fnmatch
from pathlib import Path

from fedtrain.service.vault.secret_files import SecretFileError, read_secret, write_secret

_TOKEN = re.compile(r"fedtrain_decision_[A-Za-z0-9_-]{43}")
_FILES = "decision-*.token"


def is_decision_token(file: str) -> bool:
    """Return whether a file of this name holds such a token, which is worth nothing after the next start."""
    return fnmatch(file, _FILES)


class DecisionToken:
    """A new token, for the party whose state folder this is."""

    def __init__(self, state_dir: Path) -> None:
        self.value = f"fedtrain_decision_{secrets.token_urlsafe(32)}"
        self.path: Path | None = None
        self._state_dir = state_dir

    def fits(self, authorization: str) -> bool:
        """Return whether the header shows this token. Takes as long whatever it shows."""
        return hmac.compare_digest(f"Bearer {self.value}".encode(), authorization.encode("utf-8", "surrogatepass"))

    def publish(self, address: str, port: int) -> Path:
        """Write the token for those who may read the state folder, in the place of earlier ones; return the file."""
        for old in self._state_dir.glob(_FILES):
            old.unlink(missing_ok=True)
        self.path = (self._state_dir / file_name(address, port)).absolute()
        write_secret(self.path, self.value.encode() + b"\n")
        return self.path


def file_name(address: str, port: int) -> str:
    """Return what the file is called of a service that listens there; `address` is an IP address."""
    return f"decision-{address.replace(':', '_')}-{port}.token"


def pick_up(named: object, address: str, port: int) -> str | None:
    """Return the token in the file that the service at this address has named, None where it is not for this user.

    Whoever listens there could name any file, to be sent what is in it. So it has to be called after that very address,
    where its rightful service listens, and to belong to this user; and what it holds has to be a decision token.
    """
    if not isinstance(named, str):
        return None
    try:
        path = Path(named).resolve(strict=True)
        if path.name != file_name(address, port) or path.stat().st_uid != os.getuid():
            return None
        found = _TOKEN.fullmatch(read_secret(path).decode("ascii", "replace").strip())
    except (OSError, ValueError, SecretFileError):
        return None
    return None if found is None else found[0]
