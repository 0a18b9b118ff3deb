"""A party's trust list and its own membership, as files in its state folder.

`trust.toml` is what `fedtrain trust` writes; `membership.json` is the consortium's word for this party.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, ValidationError

from fedtrain.protocol.documents.signed import (
    Membership,
    Name,
    PartyId,
    SignedDocument,
    open_document,
    parse_json,
)
from fedtrain.protocol.documents.trust import Trust
from fedtrain.protocol.states import Role
from fedtrain.service.vault.secret_files import SecretFileError, read_secret, write_secret
from fedtrain.service.vault.watched_file import WatchedFile
from fedtrain.spec.model_spec import Strict
from fedtrain.spec.problems import Problem

TRUST_FILE = "trust.toml"
MEMBERSHIP_FILE = "membership.json"

PinRole = Literal["model-owner", "data-owner", "consortium"]


class Pin(Strict):
    """A key that this party's people checked, what it may be, and what they call it."""

    key: PartyId
    role: PinRole
    name: Name


class _TrustList(Strict):
    pin: Annotated[tuple[Pin, ...], Field(max_length=20_000)] = ()


def parse_pins(data: bytes) -> tuple[Pin, ...]:
    """Return the pins of a trust list. Raises SecretFileError that says what is wrong with it."""
    try:
        return _TrustList.model_validate(tomllib.loads(data.decode())).pin
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SecretFileError(f"{TRUST_FILE} is not TOML: {error}.") from None
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise SecretFileError(f"{TRUST_FILE}: {where}: {first['msg']}.") from None


def read_pins(state_dir: Path) -> tuple[Pin, ...]:
    """Return the state folder's pins, () where there is no list. Raises SecretFileError for one that is unusable."""
    try:
        return parse_pins(read_secret(state_dir / TRUST_FILE))
    except FileNotFoundError:
        return ()


def write_pins(state_dir: Path, pins: Iterable[Pin]) -> None:
    """Write the trust list, 0600, in one piece."""
    lines = ["# Whom this party knows. `fedtrain trust` writes it."]
    for pin in sorted(pins, key=lambda one: (one.role, one.name, one.key)):
        lines += ["", "[[pin]]", *(f"{field} = {json.dumps(value)}" for field, value in pin.model_dump().items())]
    write_secret(state_dir / TRUST_FILE, ("\n".join(lines) + "\n").encode())


def trust_of(pins: Sequence[Pin]) -> Trust:
    """Return the pins as the rules of `fedtrain.protocol.documents.trust` take them."""
    return Trust(
        model_owners=tuple(pin.key for pin in pins if pin.role == "model-owner"),
        data_owners=tuple(pin.key for pin in pins if pin.role == "data-owner"),
        consortium=tuple(pin.key for pin in pins if pin.role == "consortium"),
    )


def watched_trust(state_dir: Path) -> WatchedFile[Trust]:
    """Return the state folder's trust, read again when `fedtrain trust` has changed it."""
    return WatchedFile(state_dir / TRUST_FILE, lambda data: trust_of(parse_pins(data)), Trust())


def read_membership(state_dir: Path, party_id: str, role: Role) -> SignedDocument | None:
    """Return this party's own membership, None where there is none.

    Raises SecretFileError for a file that is no membership, another party's, or for another role. Whether the
    consortium's key is a pinned one is for those who read it.
    """
    path = state_dir / MEMBERSHIP_FILE
    try:
        signed = parse_json(read_secret(path), SignedDocument)
        member = open_document(signed, Membership)
    except FileNotFoundError:
        return None
    except Problem as problem:
        raise SecretFileError(f"{path} is no membership: {problem.detail}") from None
    if member.party != party_id:
        raise SecretFileError(
            f"{path} is the membership of {member.name} ({member.party[:16]}…), and this party is {party_id[:16]}…: "
            "ask the consortium for this party's own."
        )
    if member.role != role.value:
        raise SecretFileError(
            f"{state_dir} is the state folder of the {member.role} {member.name}: name the folder of the {role.value} "
            "with --state-dir."
        )
    return signed


def write_membership(state_dir: Path, membership: SignedDocument) -> None:
    """Keep the party's membership, 0600."""
    write_secret(state_dir / MEMBERSHIP_FILE, membership.model_dump_json().encode())
