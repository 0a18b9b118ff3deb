"""`fedtrain backup` and `fedtrain restore`: a party's state as one file, and back."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fedtrain.cli.output import console, print_json
from fedtrain.cli.services.state_folder import party_settings

if TYPE_CHECKING:
    from fedtrain.service.vault.backup import Taken

StateDir = Annotated[Path, typer.Option(help="The party's state folder.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")]


def backup(
    file: Annotated[Path, typer.Argument(help="The archive to write; it must not be there yet.")],
    state_dir: StateDir,
    as_json: Json = False,
) -> None:
    """Write a party's identity, keys, trust, settings, moments and store to one file. Its service may run.

    Tables of records are not in it, nor a store on PostgreSQL.
    """
    from fedtrain.service.runtime.system_clock import SystemClock
    from fedtrain.service.vault.backup import back_up

    store = _store_file(state_dir)
    taken = back_up(state_dir, file, SystemClock(), store)
    _tell(taken, "written", as_json)
    if store is None and not as_json:
        console().print(
            "The store is in a database of its own and not in this file: back it up with pg_dump, after this."
        )


def restore(
    file: Annotated[Path, typer.Argument(help="An archive of `fedtrain backup`.")],
    state_dir: StateDir,
    as_json: Json = False,
) -> None:
    """Put a backup back as a party's state folder, all of it or nothing. Never start the party from two folders."""
    from fedtrain.service.runtime.system_clock import SystemClock
    from fedtrain.service.vault.backup import bodies_beside
    from fedtrain.service.vault.backup import restore as put_back

    taken = put_back(file, state_dir, SystemClock())
    _tell(taken, "restored", as_json)
    if as_json:
        return
    if taken.listing.store == "external":
        console().print("Its store was in a database of its own: restore that, too, before the party is started.")
    put_there = {(state_dir / name).resolve() for name in taken.listing.files}
    store = _store_file(state_dir)
    if taken.listing.store == "sqlite" and store is not None and store.resolve() not in put_there:
        # Started as it is, it would begin with an empty store there.
        console().print(
            f"Its settings name the store {store}: move the one in {state_dir} there, and the folder of bodies beside "
            f"it to {bodies_beside(store)}, before the party is started.",
            markup=False,
        )
    console().print("Jobs that went on meanwhile are caught up with when the party starts; see `fedtrain resume`.")
    if (state_dir / "scoring-keys").is_dir():
        console().print("Private scoring of the models in it has ended: what scores told since is not in the backup.")


def _store_file(state_dir: Path) -> Path | None:
    """The SQLite file that the party's settings name, None where a server keeps its store."""
    from fedtrain.service.store.database_url import SQLITE, read_url

    database = read_url(party_settings(state_dir, None, None).database)
    return Path(database.database) if database.get_backend_name() == SQLITE and database.database else None


def _tell(taken: Taken, what: str, as_json: bool) -> None:
    listing = taken.listing
    if as_json:
        print_json({"path": str(taken.path), **listing.model_dump(mode="json")})
        return
    size = sum(member.size_bytes for member in listing.files.values())
    console().print(
        f"{taken.path}: {len(listing.files)} files, {size:,} bytes {what}, of version {listing.version}, "
        f"{listing.made_at}",
        markup=False,
    )
