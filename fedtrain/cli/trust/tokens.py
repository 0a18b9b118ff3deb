"""`fedtrain token create | list | revoke | import`: who may call a service. Made where its state folder is."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fedtrain.cli.output import Failure, echo, print_json, print_table

StateDir = Annotated[Path, typer.Option(help="State folder of the service that is called.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")]

app = typer.Typer(name="token", help="Bearer tokens: who may call a service.", rich_markup_mode=None)


@app.command()
def create(
    state_dir: StateDir,
    name: Annotated[str, typer.Option(help="Whose token it is.")],
    scope: Annotated[str, typer.Option(help="read: to look. admin: everything. party: a party at the Facilitator.")],
    party: Annotated[str | None, typer.Option(help="The party's id, with --scope party.")] = None,
    role: Annotated[str | None, typer.Option(help="data-owner or model-owner, with --scope party.")] = None,
    out: Annotated[Path | None, typer.Option(help="Write the token to this file, 0600, and do not print it.")] = None,
) -> None:
    """Make a token and print it, this once: the service keeps its hash alone."""
    from datetime import UTC, datetime
    from typing import cast

    from fedtrain.protocol.documents.signed import MemberRole
    from fedtrain.service.vault.secret_files import write_secret
    from fedtrain.service.vault.tokens import TOKENS_FILE, Scope, new_token, read_tokens, write_tokens

    if scope not in set(Scope):
        raise Failure(f"--scope is {scope!r}: it is one of {', '.join(Scope)}")
    if (scope == Scope.PARTY) != (party is not None) or (party is None) != (role is None):
        raise Failure("--scope party, and no other, needs --party and --role")
    if not state_dir.is_dir():
        raise Failure(f"there is no state folder {state_dir}: start the service once, or make the folder")
    first = not (state_dir / TOKENS_FILE).exists()
    token, record = new_token(name, Scope(scope), datetime.now(UTC), party=party, role=cast(MemberRole | None, role))
    write_tokens(state_dir, [*read_tokens(state_dir), record])
    if out is not None:
        write_secret(out, token.encode() + b"\n")
    else:
        echo(token)
    echo(f"token {record.id} of {record.name}: {record.scope.value}", err=True)
    if first:
        echo("This is the service's first token: it asks for tokens from its next start on.", err=True)


@app.command("list")
def list_(state_dir: StateDir, as_json: Json = False) -> None:
    """List the tokens by id; none can be shown again."""
    from fedtrain.service.vault.tokens import read_tokens

    records = read_tokens(state_dir)
    if as_json:
        shown = {"id", "name", "scope", "party", "role", "created_at", "revoked_at"}
        print_json([record.model_dump(mode="json", include=shown) for record in records])
        return
    rows = [
        [
            record.id,
            record.name,
            record.scope.value,
            record.role,
            None if record.party is None else record.party[:16] + "…",
            record.created_at.isoformat(),
            "revoked" if record.revoked_at else "valid",
        ]
        for record in records
    ]
    print_table("", ["id", "name", "scope", "role", "party", "created", "state"], rows)


@app.command()
def revoke(state_dir: StateDir, token_id: Annotated[str, typer.Argument(help="The token's id, as listed.")]) -> None:
    """Revoke a token; a running service refuses it from its next request on."""
    from datetime import UTC, datetime

    from fedtrain.service.vault.tokens import read_tokens, write_tokens

    records = read_tokens(state_dir)
    if not any(record.id == token_id and record.revoked_at is None for record in records):
        raise Failure(f"there is no valid token {token_id[:40]} in {state_dir}: `fedtrain token list` shows them")
    now = datetime.now(UTC).replace(microsecond=0)
    write_tokens(
        state_dir,
        [one.model_copy(update={"revoked_at": now}) if one.id == token_id else one for one in records],
    )


@app.command("import")
def import_(
    state_dir: StateDir,
    folder: Annotated[
        Path,
        typer.Argument(
            help="A folder with another token list, as a member's own has it, or `fedtrain provision --demo` makes it."
        ),
    ],
) -> None:
    """Add the tokens of another list that are not in this one; what was revoked in either stays revoked."""
    from fedtrain.service.vault.tokens import TOKENS_FILE, read_tokens, write_tokens

    if not (folder / TOKENS_FILE).is_file():
        raise Failure(f"there is no {TOKENS_FILE} in {folder}")
    if not (state_dir / TOKENS_FILE).is_file():
        raise Failure(f"there is no {TOKENS_FILE} in {state_dir}: it is no folder of a service that asks for tokens")
    here = {record.id: record for record in read_tokens(state_dir)}
    there = {record.id: record for record in read_tokens(folder)}
    for token_id in here.keys() & there.keys():
        if here[token_id].sha256 != there[token_id].sha256:
            raise Failure(f"token {token_id} is another one in {folder}: the lists are of two services")
        if here[token_id].revoked_at is None:
            here[token_id] = there[token_id]
    new = {token_id: record for token_id, record in there.items() if token_id not in here}
    write_tokens(state_dir, [*here.values(), *new.values()])
    echo(f"{len(new)} new tokens, {len(here) + len(new)} in all", err=True)
