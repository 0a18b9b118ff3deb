"""`fedtrain provision`: the organiser's part of a consortium."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fedtrain.cli.output import Failure, echo, print_json, print_table

app = typer.Typer(
    name="provision",
    help="Sign parties' requests to be members of a consortium; or make a whole one, for a trial.",
    rich_markup_mode=None,
)
Out = Annotated[Path, typer.Option(help="Where the consortium's key and its answers are kept.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")]


@app.callback(invoke_without_command=True)
def provision_command(
    context: typer.Context,
    demo: Annotated[
        Path | None,
        typer.Option(metavar="CONSORTIUM", help="consortium.toml of a trial: make the private keys of all, here."),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="With --demo: where the folders and files go.")] = None,
    as_json: Json = False,
) -> None:
    """Sign what parties ask for (`sign`); they make their keys themselves, with `fedtrain identity request`.

    With --demo it makes everybody's, on this machine: whoever can read OUT can act as any party.
    """
    if context.invoked_subcommand is not None:
        if demo is not None or out is not None or as_json:
            raise Failure(f"put options after `{context.invoked_subcommand}`; --demo goes without it")
        return
    if demo is None or out is None:
        raise Failure(
            "parties make their own keys: `fedtrain identity request` at each, then `fedtrain provision sign` here. "
            "For a trial on one machine: fedtrain provision --demo consortium.toml --out parties"
        )
    _provision_all(demo, out, as_json=as_json)


@app.command()
def sign(
    consortium: Annotated[Path, typer.Argument(help="consortium.toml: who takes part.")],
    requests: Annotated[list[Path], typer.Argument(help="Files that `fedtrain identity request` wrote.")],
    out: Out,
    as_json: Json = False,
) -> None:
    """Sign requests of parties that CONSORTIUM names, the Facilitator's first; one answer each, without a secret."""
    from datetime import UTC, datetime

    from fedtrain.cli.trust.admitting import Organiser
    from fedtrain.cli.trust.consortium import read_consortium
    from fedtrain.cli.trust.signed_file import read_signed
    from fedtrain.protocol.admission import open_request

    organiser = Organiser(read_consortium(consortium), out, datetime.now(UTC))
    signed = [read_signed(path, open_request) for path in requests]
    written = organiser.sign(signed)
    asked = [open_request(one) for one in signed]
    if as_json:
        parties = [{"name": one.name, "role": one.role, "party_id": one.party} for one in asked]
        print_json({"consortium": organiser.party_id, "signed": parties, "files": [str(path) for path in written]})
        return
    print_table("", ["name", "role", "party"], [[one.name, one.role, one.party] for one in asked])
    echo(f"consortium  {organiser.party_id}")
    echo(
        "Have each party read you its id, by telephone, before it gets its answer: a request says who it is from, and "
        f"not that this is so. Hand out {', '.join(path.name for path in written)} from {out}, and tell each the "
        "consortium's id, which it gives to `fedtrain identity accept`.",
        err=True,
    )


def _provision_all(consortium: Path, out: Path, *, as_json: bool) -> None:
    from fedtrain.cli.trust.consortium import CONSORTIUM_FOLDER, read_consortium
    from fedtrain.cli.trust.provisioning import provision

    parties = provision(read_consortium(consortium), out)
    if as_json:
        print_json([{**vars(one), "folder": str(one.folder), "archive": str(one.archive)} for one in parties])
        return
    rows = [[one.name, one.role, one.party_id[:16] + "…", "new" if one.created else "kept"] for one in parties]
    print_table("", ["name", "role", "party", ""], rows)
    echo(
        f"Hand each party its file, {out}/NAME.tar, and nobody else's; it unpacks it (tar xf NAME.tar) and starts its "
        f"service with --state-dir NAME. {out / CONSORTIUM_FOLDER} stays with you: it makes new members.",
        err=True,
    )
    if any(one.created for one in parties):
        echo(
            f"{out} now holds every party's private keys, which is for a trial: who can read it can act as any of "
            "them. What an organiser can do with it is in docs/threat-model.md.",
            err=True,
        )
