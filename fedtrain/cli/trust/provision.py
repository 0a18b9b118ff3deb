"""`fedtrain provision`: a folder for every party of a consortium, and one file of it to hand over."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fedtrain.cli.output import echo, print_json, print_table


def provision_command(
    consortium: Annotated[Path, typer.Argument(help="consortium.toml: who takes part.")],
    out: Annotated[Path, typer.Option(help="Where the folders and files go.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")] = False,
) -> None:
    """Make a folder for every party: identity, trust, membership, token, certificate, settings; one file each.

    It makes the private keys of all of them, on this machine: whoever can read OUT can act as any party.
    """
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
            f"{out} now holds every party's private keys: who can read it can act as any of them. Delete a party's "
            "folder and file here once it has its own; what an organiser can do until then, and after, is in "
            "docs/threat-model.md.",
            err=True,
        )
