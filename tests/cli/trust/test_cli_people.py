"""`fedtrain user`: accounts in a party's store, made beside its service, whose passwords are no arguments."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from fedtrain.cli.main import app as command
from fedtrain.facilitator.store import Store
from fedtrain.service.people.permissions import PersonRole
from fedtrain.service.people.sign_in import MOST_OF_A_NAME, People
from fedtrain.service.runtime.system_clock import SystemClock
from fedtrain.service.store.database import sqlite_url
from fedtrain.service.vault.identity_file import load_or_create_identity
from fedtrain.service.vault.key_files import KeyFiles
from fedtrain.spec.problems import Code, Problem
from tests.harness.cheap_passwords import make_cheap

RIGHT, OTHER = "correct horse battery", "staple in the haystack"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    load_or_create_identity(tmp_path, KeyFiles(tmp_path))
    return tmp_path


@pytest.fixture
def service(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[People]:
    """The people as the service knows them that runs on the folder."""
    make_cheap(monkeypatch)
    store = Store(sqlite_url(folder / "state.sqlite3"))
    yield People(store.engine, SystemClock())
    store.close()


def user(folder: Path, *arguments: str, stdin: str = "") -> Result:
    return CliRunner().invoke(command, ["user", *arguments, "--state-dir", str(folder)], input=stdin)


def add(folder: Path, name: str, role: str, password: str = RIGHT) -> Result:
    return user(folder, "add", name, "--role", role, stdin=f"{password}\n")


def test_an_account_is_added_listed_changed_and_disabled_beside_the_running_service(
    folder: Path, service: People
) -> None:
    first = add(folder, "ana", "owner")
    assert first.exit_code == 0, first.output
    assert "pages ask everybody to sign in" in first.output
    assert "pages ask" not in add(folder, "ben", "auditor").output
    signed_in = service.sign_in("ben", RIGHT, "192.0.2.1")
    assert user(folder, "role", "ben", "compliance-officer").exit_code == 0
    assert service.accounts.holding(signed_in.id, signed_in.epoch) is None
    assert user(folder, "password", "ben", stdin=f"{OTHER}\n").exit_code == 0
    assert service.sign_in("ben", OTHER, "192.0.2.1").role is PersonRole.COMPLIANCE_OFFICER
    assert user(folder, "disable", "ben").exit_code == 0
    rows = json.loads(user(folder, "list", "--json").output)
    assert [(row["name"], row["role"], row["state"]) for row in rows] == [
        ("ana", "owner", "enabled"),
        ("ben", "compliance-officer", "disabled"),
    ]
    assert "argon2" not in user(folder, "list").output
    assert user(folder, "enable", "ben").exit_code == 0
    assert service.sign_in("ben", OTHER, "192.0.2.1").name == "ben"


def test_who_is_locked_out_is_let_in_again(folder: Path, service: People) -> None:
    add(folder, "ana", "owner")
    for _ in range(MOST_OF_A_NAME):
        with pytest.raises(Problem):
            service.sign_in("ana", OTHER, "192.0.2.1")
    with pytest.raises(Problem) as caught:
        service.sign_in("ana", RIGHT, "192.0.2.1")
    assert caught.value.code is Code.RATE_LIMITED
    assert user(folder, "enable", "ana").exit_code == 0
    assert service.sign_in("ana", RIGHT, "192.0.2.1").name == "ana"


@pytest.mark.parametrize(
    ("arguments", "stdin", "said"),
    [
        (("add", "ben", "--role", "king"), f"{RIGHT}\n", "there is no role 'king'"),
        (("add", "ben", "--role", "auditor"), "tiny\n", "12 to 256"),
        (("add", "ANA", "--role", "auditor"), f"{RIGHT}\n", "there is an account"),
        (("role", "nobody", "auditor"), "", "there is no account 'nobody'"),
        (("role", "ana", "auditor"), "", "last owner"),
        (("disable", "ana"), "", "last owner"),
        (("password", "ana"), "\n", "12 to 256"),
    ],
)
def test_what_cannot_be_is_refused_in_a_line_and_changes_nothing(
    folder: Path, service: People, arguments: tuple[str, ...], stdin: str, said: str
) -> None:
    add(folder, "ana", "owner")
    before = service.accounts.all()
    refused = user(folder, *arguments, stdin=stdin)
    assert (refused.exit_code, said in refused.output) == (1, True), refused.output
    assert "Traceback" not in refused.output and "tiny" not in refused.output
    assert service.accounts.all() == before


def test_a_password_is_no_argument(folder: Path, service: People) -> None:
    refused = user(folder, "add", "ana", RIGHT, "--role", "owner")
    assert refused.exit_code == 2
    assert not service.accounts.any()


def test_a_folder_without_a_party_or_its_store_is_named(tmp_path: Path) -> None:
    assert "not the state folder of a party" in add(tmp_path, "ana", "owner").output
    load_or_create_identity(tmp_path, KeyFiles(tmp_path))
    missing = add(tmp_path, "ana", "owner")
    assert (missing.exit_code, "start the service once" in missing.output) == (1, True), missing.output
    assert not (tmp_path / "state.sqlite3").exists()


def test_a_store_of_an_earlier_version_is_named_and_left_as_it_is(tmp_path: Path) -> None:
    import sqlite3

    load_or_create_identity(tmp_path, KeyFiles(tmp_path))
    with sqlite3.connect(tmp_path / "state.sqlite3") as connection:
        connection.execute("CREATE TABLE releases (id INTEGER)")
    refused = add(tmp_path, "ana", "owner")
    assert (refused.exit_code, "an earlier version's" in refused.output) == (1, True), refused.output
