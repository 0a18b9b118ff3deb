"""`fedtrain user add | role | password | disable | enable | list`: who signs in at a party's pages, and as what.

It writes to the party's store, beside the running service, which takes note at the next request; of a Data Owner to its
audit too.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fedtrain.cli.output import Failure, echo, print_json, print_table
from fedtrain.cli.services.state_folder import party_settings

if TYPE_CHECKING:
    from fedtrain.service.people.changes import By
    from fedtrain.service.people.permissions import PersonRole
    from fedtrain.service.people.sign_in import People

StateDir = Annotated[Path, typer.Option(help="State folder of the party whose people they are.")]
DatabaseUrl = Annotated[str | None, typer.Option(help="Its store, where it is not as its settings say.")]
UserName = Annotated[str, typer.Argument(help="The account's name.")]
ROLES = "owner, admin, compliance-officer, data-scientist or auditor"

app = typer.Typer(name="user", help="People who sign in at a party's pages, and their roles.", rich_markup_mode=None)


@app.command()
def add(
    name: UserName,
    role: Annotated[str, typer.Option(help=f"{ROLES}. The first account is an owner's.")],
    state_dir: StateDir,
    database_url: DatabaseUrl = None,
) -> None:
    """Add an account. Its password is asked for, or read as a line of stdin."""
    chosen, password = _role(role), _new_password()
    with _people(state_dir, database_url) as people:
        first = not people.accounts.any()
        made = people.accounts.add(name, chosen, password, people.now(), _by())
    echo(f"{made.name}: {made.role.value}", err=True)
    if first:
        echo(
            "This is the party's first account: from now on its pages ask everybody to sign in. Tokens of programs go "
            "on as before; a link of `fedtrain open` has the owner's rights.",
            err=True,
        )


@app.command()
def role(
    name: UserName,
    role: Annotated[str, typer.Argument(help=f"{ROLES}.")],
    state_dir: StateDir,
    database_url: DatabaseUrl = None,
) -> None:
    """Give an account another role. Its sessions end at once."""
    with _people(state_dir, database_url) as people:
        changed = people.accounts.set_role(name, _role(role), _by())
    echo(f"{changed.name}: {changed.role.value}", err=True)


@app.command()
def password(name: UserName, state_dir: StateDir, database_url: DatabaseUrl = None) -> None:
    """Give an account another password, asked for or read as a line of stdin, and let it try again if it was locked.

    Its sessions end at once.
    """
    new = _new_password()
    with _people(state_dir, database_url) as people:
        people.accounts.set_password(name, new, _by())
        people.unlock(name)


@app.command()
def disable(name: UserName, state_dir: StateDir, database_url: DatabaseUrl = None) -> None:
    """Keep an account from signing in. Its sessions end at once; what it decided stays in the audit."""
    with _people(state_dir, database_url) as people:
        people.accounts.set_disabled(name, True, _by())


@app.command()
def enable(name: UserName, state_dir: StateDir, database_url: DatabaseUrl = None) -> None:
    """Let a disabled account sign in again, or one that is locked after wrong passwords."""
    with _people(state_dir, database_url) as people:
        people.accounts.set_disabled(name, False, _by())
        people.unlock(name)


@app.command("list")
def list_(
    state_dir: StateDir,
    database_url: DatabaseUrl = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")] = False,
) -> None:
    """List the accounts with their roles."""
    with _people(state_dir, database_url) as people:
        accounts = people.accounts.all()
    rows = [
        {
            "name": one.name,
            "role": one.role.value,
            "signs_in_by": "organisation" if one.by_organisation else "password",
            "created_at": one.created_at,
            "state": "disabled" if one.disabled else "enabled",
        }
        for one in accounts
    ]
    if as_json:
        print_json(rows)
    else:
        columns = ["name", "role", "signs_in_by", "created_at", "state"]
        heads = [column.replace("_", " ") for column in columns]
        print_table("", heads, [[row[column] for column in columns] for row in rows])


@contextmanager
def _people(folder: Path, database_url: str | None) -> Iterator[People]:
    """The people in a party's store. Raises Failure, DatabaseError, and Problem for what cannot be."""
    from fedtrain.data_owner.store.people import record_in
    from fedtrain.service.people.sign_in import People
    from fedtrain.service.people.tables import accounts
    from fedtrain.service.runtime.system_clock import SystemClock
    from fedtrain.service.store.database import connect
    from fedtrain.service.vault.secret_files import IDENTITY_FILE

    if not (folder / IDENTITY_FILE).exists():
        raise Failure(f"{folder} is not the state folder of a party: start its service once, or name another")
    engine = connect(database_url or party_settings(folder, None, None).database, accounts.name)
    try:
        clock = SystemClock()
        yield People(engine, clock, record_in(engine, clock.now))
    finally:
        engine.dispose()


def _by() -> By:
    """Return who runs a command beside the service, and that it was one."""
    from fedtrain.service.people.changes import By

    return By(how="With `fedtrain user`, beside the service.")


def _role(given: str) -> PersonRole:
    from fedtrain.service.people.permissions import PersonRole

    if given not in set(PersonRole):
        raise Failure(f"there is no role {given[:40]!r}: it is {ROLES}")
    return PersonRole(given)


def _new_password() -> str:
    """Ask the person at the terminal twice, or read a line; a password is never an argument, which others can see."""
    import sys

    if sys.stdin.isatty():
        return str(typer.prompt("Password", hide_input=True, confirmation_prompt=True))
    return sys.stdin.readline().rstrip("\r\n")
