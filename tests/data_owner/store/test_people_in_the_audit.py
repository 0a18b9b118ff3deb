"""Changes to an owner's people in its audit: who changed whom, from which role to which, and no secret."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
import sqlalchemy as sa
from fastapi import APIRouter
from typer.testing import CliRunner

from fedtrain.cli.main import app as command
from fedtrain.data_owner.release.audit import DecisionRecord, verify_records
from fedtrain.data_owner.store.people import record_in
from fedtrain.data_owner.store.sql import OwnerStore
from fedtrain.facilitator.store import Store
from fedtrain.service.people.accounts import Accounts
from fedtrain.service.people.permissions import PersonRole
from fedtrain.service.people.sign_in import MOST_OF_A_NAME, People
from fedtrain.service.runtime.system_clock import SystemClock
from fedtrain.service.store.database import sqlite_url
from fedtrain.service.vault.identity_file import load_or_create_identity
from fedtrain.service.vault.key_files import KeyFiles
from fedtrain.service.web.caller import OpenGate
from fedtrain.service.web.decision_token import DecisionToken
from fedtrain.spec.problems import Problem
from tests.harness.applications import ServiceMaker
from tests.harness.cheap_passwords import make_cheap

RIGHT, OTHER = "correct horse battery", "staple in the haystack"
WITH_THE_COMMAND = "With `fedtrain user`, beside the service."
BY_THE_ORGANISATION = "The organisation's provider signed this person in."


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[OwnerStore]:
    make_cheap(monkeypatch)
    load_or_create_identity(tmp_path, KeyFiles(tmp_path))
    opened = OwnerStore(sqlite_url(tmp_path / "state.sqlite3"))
    yield opened
    opened.close()


@pytest.fixture
def people(store: OwnerStore) -> People:
    """The people as the owner's service knows them."""
    clock = SystemClock()
    return People(store.engine, clock, record_in(store.engine, clock.now))


def told(store: OwnerStore) -> list[tuple[str, str | None, bool | None, tuple[str, ...]]]:
    """Return what the audit has: the change, by whom, whether signed in, and about whom. Its chain has to hold."""
    records = store.audit()
    verify_records(records)
    found = [one for one in records if isinstance(one, DecisionRecord)]
    assert len(found) == len(records)
    assert not any(secret in one.model_dump_json() for one in found for secret in (RIGHT, OTHER, "argon2"))
    return [(one.decision.value, one.by, one.signed_in, one.about) for one in found]


@pytest.mark.anyio
async def test_changes_by_the_pages_name_the_account_that_made_them(
    tmp_path: Path, store: OwnerStore, people: People, make_service: ServiceMaker
) -> None:
    app = make_service(APIRouter(), gate=OpenGate(DecisionToken(tmp_path)))
    app.state.sessions.people = people
    people.accounts.add("ana", PersonRole.OWNER, RIGHT, people.now())
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://127.0.0.1") as ana:
        await ana.post("/session", json={"name": "ana", "password": RIGHT})
        eve = (await ana.post("/people", json={"name": "eve", "role": "auditor", "password": RIGHT})).json()
        for change in ({"role": "admin"}, {"disabled": True}, {"disabled": False}):
            assert (await ana.patch(f"/people/{eve['id']}", json=change)).status_code == 200
        refused = await ana.post("/people", json={"name": "EVE", "role": "auditor", "password": RIGHT})
        own = {"old_password": RIGHT, "new_password": OTHER}
        assert (refused.status_code, (await ana.post("/session/password", json=own)).status_code) == (422, 200)
    assert told(store) == [
        ("account_added", None, None, ("Account ana.", "Role: owner.")),
        ("account_added", "ana", True, ("Account eve.", "Role: auditor.")),
        ("role_changed", "ana", True, ("Account eve.", "Role: admin.", "Before: auditor.")),
        ("account_disabled", "ana", True, ("Account eve.", "Role: admin.")),
        ("account_enabled", "ana", True, ("Account eve.", "Role: admin.")),
        ("password_changed", "ana", True, ("Account ana.", "Role: owner.")),
    ]


def test_the_command_beside_the_service_writes_to_its_audit(tmp_path: Path, store: OwnerStore) -> None:
    def user(*arguments: str, stdin: str = "") -> None:
        done = CliRunner().invoke(command, ["user", *arguments, "--state-dir", str(tmp_path)], input=stdin)
        assert done.exit_code == 0, done.output

    user("add", "ana", "--role", "owner", stdin=f"{RIGHT}\n")
    user("add", "ben", "--role", "auditor", stdin=f"{RIGHT}\n")
    user("role", "ben", "compliance-officer")
    user("password", "ben", stdin=f"{OTHER}\n")
    user("disable", "ben")
    user("enable", "ben")
    officer = ("Account ben.", "Role: compliance-officer.")
    assert told(store) == [
        ("account_added", None, None, ("Account ana.", "Role: owner.", WITH_THE_COMMAND)),
        ("account_added", None, None, ("Account ben.", "Role: auditor.", WITH_THE_COMMAND)),
        ("role_changed", None, None, (*officer, "Before: auditor.", WITH_THE_COMMAND)),
        ("password_changed", None, None, (*officer, WITH_THE_COMMAND)),
        ("account_disabled", None, None, (*officer, WITH_THE_COMMAND)),
        ("account_enabled", None, None, (*officer, WITH_THE_COMMAND)),
    ]


def test_whom_the_organisation_signs_in_is_in_it_once_and_with_another_role(store: OwnerStore, people: People) -> None:
    for role in (PersonRole.AUDITOR, PersonRole.AUDITOR, PersonRole.ADMIN):
        people.accounts.from_organisation("https://sso.example", "17", "eve", role, people.now())
    assert told(store) == [
        ("account_added", None, None, ("Account eve.", "Role: auditor.", BY_THE_ORGANISATION)),
        ("role_changed", None, None, ("Account eve.", "Role: admin.", "Before: auditor.", BY_THE_ORGANISATION)),
    ]


def test_who_guesses_adds_nothing_to_it(store: OwnerStore, people: People) -> None:
    people.accounts.add("ana", PersonRole.OWNER, RIGHT, people.now())
    before = told(store)
    for _ in range(MOST_OF_A_NAME + 1):
        with pytest.raises(Problem):
            people.sign_in("ana", OTHER, "192.0.2.1")
    assert told(store) == before


@pytest.mark.parametrize(
    "change",
    [
        lambda accounts, now: accounts.add("eve", PersonRole.AUDITOR, RIGHT, now),
        lambda accounts, _: accounts.set_role("ben", PersonRole.ADMIN),
        lambda accounts, _: accounts.set_password("ben", OTHER),
        lambda accounts, _: accounts.set_disabled("ben", True),
        lambda accounts, now: accounts.from_organisation("https://sso.example", "1", "o", PersonRole.ADMIN, now),
    ],
)
def test_a_change_that_cannot_be_recorded_is_not_made(
    store: OwnerStore, people: People, change: Callable[[Accounts, object], object]
) -> None:
    for name, role in (("ana", PersonRole.OWNER), ("ben", PersonRole.AUDITOR)):
        people.accounts.add(name, role, RIGHT, people.now())
    before, audit = people.accounts.all(), told(store)

    def full(*_: object) -> None:
        raise OSError("no space left")

    with pytest.raises(OSError, match="no space"):
        change(Accounts(store.engine, full), people.now())
    assert people.accounts.all() == before and told(store) == audit


def test_a_party_without_an_audit_records_none(tmp_path: Path) -> None:
    facilitator = Store(sqlite_url(tmp_path / "state.sqlite3"))
    assert record_in(facilitator.engine, SystemClock().now) is None
    with facilitator.engine.connect() as connection:
        assert not sa.inspect(connection).has_table("decisions")
    facilitator.close()


def test_the_command_beside_a_store_of_an_earlier_version_says_to_start_the_service(
    tmp_path: Path, store: OwnerStore, people: People
) -> None:
    with store.engine.begin() as connection:
        connection.execute(sa.text("ALTER TABLE decisions DROP COLUMN signed_in"))
    called = ["user", "add", "ana", "--role", "owner", "--state-dir", str(tmp_path)]
    done = CliRunner().invoke(command, called, input=f"{RIGHT}\n")
    assert done.exit_code == 1
    assert "is an earlier version's: start the service" in done.stderr and "internal error" not in done.stderr
    assert not people.accounts.any()
