"""Passwords as they are kept: argon2id (RFC 9106), with the parameters and a salt of its own in each hash."""

from __future__ import annotations

import threading
from functools import cache
from typing import TYPE_CHECKING

from fedtrain.spec.problems import Code, Problem

if TYPE_CHECKING:
    from argon2 import PasswordHasher

FEWEST_CHARACTERS = 12
MOST_CHARACTERS = 256
#: A hash takes 64 MiB for a twentieth of a second: two at a time, or those who guess would fill the memory.
_AT_WORK = threading.BoundedSemaphore(2)


def check_password(password: str, name: str) -> None:
    """Raises Problem(INVALID_REQUEST) for a password that is too short, too long or the account's name."""
    if not FEWEST_CHARACTERS <= len(password) <= MOST_CHARACTERS:
        raise _refused(f"it has {len(password)} characters; take {FEWEST_CHARACTERS} to {MOST_CHARACTERS}")
    if password.strip().casefold() == name.casefold() or len(set(password)) < 4:
        raise _refused("it is the account's name, or has fewer than four different characters")


def _refused(why: str) -> Problem:
    detail = f"The password is refused: {why}."
    return Problem(Code.INVALID_REQUEST, detail, errors=[{"field": "password", "message": f"{why}."}])


def hashed(password: str) -> str:
    """Return the encoded hash of a password, with a new salt."""
    with _AT_WORK:
        encoded: str = _hasher().hash(password)
    return encoded


def fits(password: str, encoded: str | None) -> bool:
    """Return whether a password is that of a hash. Takes as long, and is False, where there is none."""
    from argon2.exceptions import InvalidHashError, VerificationError

    compared = encoded or _nobodys()
    try:
        with _AT_WORK:
            return bool(_hasher().verify(compared, password)) and encoded is not None
    except (VerificationError, InvalidHashError):
        return False


def _hasher() -> PasswordHasher:
    from argon2 import PasswordHasher  # here, so that who asks for no password needs no such library

    return PasswordHasher()


@cache
def _nobodys() -> str:
    return hashed("the password of no account")
