"""Bearer tokens: who may call a service. The service keeps hashes; a token itself is shown once, when it is made.

A token has 256 random bits, so that a plain SHA-256 of it gives nothing to guess at (a password would need more).
"""

from __future__ import annotations

import hmac
import json
import re
import secrets
import tomllib
from collections.abc import Iterable, Sequence
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Self

from pydantic import AwareDatetime, Field, ValidationError, model_validator

from fedtrain.protocol.documents.identity import sha256_hex
from fedtrain.protocol.documents.signed import Hash, MemberRole, Name, PartyId
from fedtrain.service.vault.secret_files import SecretFileError, read_secret, write_secret
from fedtrain.service.vault.watched_file import WatchedFile
from fedtrain.spec.model_spec import Strict

TOKENS_FILE = "tokens.toml"
_PREFIX = "fedtrain"


class Scope(StrEnum):
    """Permission of a token: to look (GET), to do everything, or to act as a party of the Facilitator's."""

    READ = "read"
    ADMIN = "admin"
    PARTY = "party"


class TokenRecord(Strict):
    """A token as its service knows it. `id` is public: it names the token in lists and for revoking it."""

    id: Annotated[str, Field(pattern=r"^[0-9a-f]{12}$")]
    sha256: Hash
    scope: Scope
    name: Name
    created_at: AwareDatetime
    party: PartyId | None = None
    role: MemberRole | None = None
    revoked_at: AwareDatetime | None = None

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if (self.scope is Scope.PARTY) != (self.party is not None) or (self.party is None) != (self.role is None):
            raise ValueError("a party token, and no other, names party and role")
        return self


class _TokenList(Strict):
    token: Annotated[tuple[TokenRecord, ...], Field(max_length=20_000)] = ()


def new_token(
    name: str, scope: Scope, now: datetime, *, party: str | None = None, role: MemberRole | None = None
) -> tuple[str, TokenRecord]:
    """Return a new token and its record.

    Raises ValidationError unless a party token, and no other, has party and role.
    """
    token_id = secrets.token_hex(6)
    token = f"{_PREFIX}_{token_id}_{secrets.token_urlsafe(32)}"
    record = TokenRecord(
        id=token_id,
        sha256=sha256_hex(token.encode()),
        scope=scope,
        name=name,
        created_at=now.replace(microsecond=0),
        party=party,
        role=role,
    )
    return token, record


def find_token(records: Sequence[TokenRecord], token: str) -> TokenRecord | None:
    """Return the record of a token that is not revoked, else None. Takes as long whatever the token is."""
    given = sha256_hex(token.encode("utf-8", "surrogatepass"))
    found = None
    for record in records:
        if hmac.compare_digest(record.sha256, given) and record.revoked_at is None:
            found = record
    return found


def parse_tokens(data: bytes) -> tuple[TokenRecord, ...]:
    """Return a token list's records. Raises SecretFileError that says what is wrong with it."""
    try:
        return _TokenList.model_validate(tomllib.loads(data.decode())).token
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SecretFileError(f"{TOKENS_FILE} is not TOML: {error}.") from None
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise SecretFileError(f"{TOKENS_FILE}: {where}: {first['msg']}.") from None


def read_tokens(state_dir: Path) -> tuple[TokenRecord, ...]:
    """Return the state folder's records, () where there is no list. Raises SecretFileError for an unusable one."""
    try:
        return parse_tokens(read_secret(state_dir / TOKENS_FILE))
    except FileNotFoundError:
        return ()


def write_tokens(state_dir: Path, records: Iterable[TokenRecord]) -> None:
    """Write the list, 0600, in one piece. It holds hashes alone."""
    lines = ["# Who may call this service. `fedtrain token` writes it; the tokens themselves are not here."]
    for record in records:
        fields = record.model_dump(mode="json", exclude_none=True)
        lines += ["", "[[token]]", *(f"{field} = {json.dumps(value)}" for field, value in fields.items())]
    write_secret(state_dir / TOKENS_FILE, ("\n".join(lines) + "\n").encode())


def read_token(path: Path) -> str:
    """Return the bearer token in a file. Raises SecretFileError when there is none, or others may read it."""
    try:
        token = read_secret(path).strip()
    except FileNotFoundError:
        raise SecretFileError(f"There is no token file {path}.") from None
    if not re.fullmatch(rb"[\x21-\x7e]{1,1000}", token):  # what it holds instead is not repeated: it may be a key
        raise SecretFileError(f"{path} holds no token.")
    return token.decode("ascii")


def watched_tokens(state_dir: Path) -> WatchedFile[tuple[TokenRecord, ...]]:
    """Return the state folder's records, read again when `fedtrain token` has changed them. No file: no token fits."""
    return WatchedFile(state_dir / TOKENS_FILE, parse_tokens, ())
