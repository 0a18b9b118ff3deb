"""`fedtrain trust`: whom this party knows."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from fedtrain.cli.output import Failure, print_json, print_table

if TYPE_CHECKING:
    from fedtrain.service.vault.trust_file import Pin, PinRole

ROLES = ("model-owner", "data-owner", "consortium")
StateDir = Annotated[Path, typer.Option(help="The party's state folder.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")]


def trust(
    state_dir: StateDir,
    key: Annotated[str | None, typer.Argument(help="The party id to pin, as its people read it to you.")] = None,
    role: Annotated[str | None, typer.Option(help=f"What the key may be: {', '.join(ROLES)}.")] = None,
    name: Annotated[str | None, typer.Option(help="What you call it.")] = None,
    show: Annotated[bool, typer.Option("--list", help="List who is pinned.")] = False,
    remove: Annotated[bool, typer.Option("--remove", help="Unpin KEY, in every role or in --role.")] = False,
    as_json: Json = False,
) -> None:
    """Pin a key: jobs of others are declined, and only known owners count. A running service takes note at once."""
    from fedtrain.service.vault.trust_file import Pin, read_pins, write_pins

    pins = read_pins(state_dir)
    if show:
        _show(pins, as_json)
        return
    if key is None:
        raise Failure("name the KEY to pin, or --list those that are pinned")
    key = key.strip().lower()
    if role is not None and role not in ROLES:
        raise Failure(f"--role is {role!r}: it is one of {', '.join(ROLES)}")
    if remove:
        kept = tuple(pin for pin in pins if pin.key != key or role not in (None, pin.role))
        if len(kept) == len(pins):
            raise Failure(f"{key[:16]}… is not pinned{f' as {role}' if role else ''}: --list shows who is")
        write_pins(state_dir, kept)
        return
    if role is None or name is None:
        raise Failure(f"to pin a key, say what it may be (--role {'|'.join(ROLES)}) and what you call it (--name)")
    pinned = Pin(key=_checked(key), role=cast("PinRole", role), name=name)
    others = [pin for pin in pins if (pin.key, pin.role) != (pinned.key, pinned.role)]
    write_pins(state_dir, [*others, pinned])
    _show([pinned], as_json)


def _checked(key: str) -> str:
    from fedtrain.protocol.documents.identity import is_party_id
    from fedtrain.protocol.documents.public_keys import doubt_of_identity

    if len(key) == 64 and not set(key) - set("0123456789abcdef") and (doubt := doubt_of_identity(key)) is not None:
        raise Failure(f"{key[:16]}… {doubt}: ask its party for the line that `fedtrain identity` prints")
    if not is_party_id(key):
        raise Failure(f"{key[:80]!r} is no party id: 64 hex digits, as `fedtrain identity` prints them")
    return key


def _show(pins: Sequence[Pin], as_json: bool) -> None:
    if as_json:
        print_json([pin.model_dump() for pin in pins])
        return
    print_table("", ["role", "name", "key"], [[pin.role, pin.name, pin.key] for pin in pins])
